-- name: put_learnt
-- What is known of the size of an edit, of the scale of estimates, or of an agent; what was learnt later takes its place.
INSERT INTO learnt (name, seen, learnt) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, learnt = excluded.learnt
WHERE excluded.seen >= learnt.seen;

-- name: learnt
-- All that was learnt, what changed last at the end.
SELECT learnt FROM learnt ORDER BY seen, name;

-- name: forget_learnt
-- What nothing was added to for too long.
DELETE FROM learnt WHERE seen < $1;
