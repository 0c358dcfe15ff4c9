-- name: put_size
-- What is known of the size of an edit, or of the scale of estimates; what was learnt later takes its place.
INSERT INTO sizes (name, seen, learnt) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, learnt = excluded.learnt
WHERE excluded.seen >= sizes.seen;

-- name: sizes
-- All that was learnt of sizes, what changed last at the end.
SELECT learnt FROM sizes ORDER BY seen, name;

-- name: forget_sizes
-- Sizes that nothing was learnt of for too long.
DELETE FROM sizes WHERE seen < $1;
