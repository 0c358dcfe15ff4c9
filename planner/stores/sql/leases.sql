-- name: standing
-- How a container stands, and the number of its last change.
SELECT version, standing FROM containers WHERE container = $1;

-- name: add_standing
-- A container of which nothing was known; no row comes back where somebody else was first.
INSERT INTO containers (container, seen, version, standing) VALUES ($1, $2, 1, $3)
ON CONFLICT DO NOTHING
RETURNING version;

-- name: swap_standing
-- Change how a container stands; no row comes back where it was changed since, or is being changed at this moment.
UPDATE containers SET seen = $2, version = version + 1, standing = $3
WHERE container = (SELECT container FROM containers WHERE container = $1 AND version = $4 FOR UPDATE SKIP LOCKED)
RETURNING version;

-- name: put_standing
-- The same for who must: it waits for whoever is changing it.
UPDATE containers SET seen = $2, version = version + 1, standing = $3
WHERE container = $1 AND version = $4
RETURNING version;

-- name: forget_containers
-- Containers that are gone by now.
DELETE FROM containers WHERE seen < $1;
