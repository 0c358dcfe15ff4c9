-- name: add_container
-- A container that somebody asks for, unless it is there.
INSERT INTO containers (container, seen) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: have_container
-- Have a container until the transaction ends; no row where another one has it, or where there is none.
SELECT container FROM containers WHERE container = $1 FOR UPDATE SKIP LOCKED;

-- name: wait_for_container
-- The same, but wait for whoever has it.
SELECT container FROM containers WHERE container = $1 FOR UPDATE;

-- name: end_leases
-- Leases of a container end that were not renewed in time; one that is renewed meanwhile does not.
DELETE FROM container_leases WHERE holder IN
    (SELECT holder FROM container_leases WHERE container = $1 AND until <= $2 ORDER BY holder FOR UPDATE);

-- name: stand
-- What is known of a container and of a turn in it, a row a lease, or one without any.
SELECT lost, EXISTS (SELECT 1 FROM continued_turns WHERE continued_turns.turn = $2), holder, leases.turn, until
FROM containers LEFT JOIN container_leases AS leases ON leases.container = containers.container
WHERE containers.container = $1;

-- name: put_lease
-- A request runs in a container.
INSERT INTO container_leases (holder, container, turn, until) VALUES ($1, $2, $3, $4);

-- name: drop_lease
-- It has ended.
DELETE FROM container_leases WHERE holder = $1;

-- name: renew_leases
-- Leases of requests that still run; in one order, so that nobody who ends some of them waits in a circle.
WITH mine AS (SELECT holder FROM container_leases WHERE holder = ANY($1::TEXT[]) ORDER BY holder FOR UPDATE)
UPDATE container_leases AS leases SET until = $2 FROM mine WHERE leases.holder = mine.holder
RETURNING leases.holder;

-- name: continue_turn
-- A turn was gone on from, and no other request is lent the container from there.
INSERT INTO continued_turns (turn, seen) VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- name: lose_container
-- The API no longer takes a container.
UPDATE containers SET lost = TRUE WHERE container = $1;

-- name: forget_container_leases
-- Leases of processes that died, in containers that nobody asked for since.
DELETE FROM container_leases WHERE until < $1;

-- name: forget_continued_turns
-- Turns whose containers are gone by now.
DELETE FROM continued_turns WHERE seen < $1;

-- name: forget_containers
-- Containers that are gone by now; one in which a request runs is not.
DELETE FROM containers WHERE seen < $1
AND NOT EXISTS (SELECT 1 FROM container_leases AS leases WHERE leases.container = containers.container);
