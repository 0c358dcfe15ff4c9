-- name: put_learnt
-- What is known of the size of an edit, of the scale of estimates, or of an agent; what was learnt later takes its place.
INSERT INTO learnt (name, seen, learnt) VALUES ($1, $2, $3)
ON CONFLICT (name) DO UPDATE SET seen = excluded.seen, learnt = excluded.learnt
WHERE excluded.seen >= learnt.seen;

-- name: learnt
-- The newest that was learnt, at most so much of agents and of sizes and scales, what changed last at the end; the names
-- of the latter have a space in them.
SELECT learnt FROM (
    SELECT * FROM (SELECT seen, name, learnt FROM learnt WHERE name NOT LIKE '% %' ORDER BY seen DESC, name DESC LIMIT $1)
        AS agents
    UNION ALL
    SELECT * FROM (SELECT seen, name, learnt FROM learnt WHERE name LIKE '% %' ORDER BY seen DESC, name DESC LIMIT $2)
        AS sizes
) AS newest
ORDER BY seen, name;

-- name: forget_learnt
-- What nothing was added to for too long.
DELETE FROM learnt WHERE seen < $1;
