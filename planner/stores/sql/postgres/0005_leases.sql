-- Who may run in which container, so that several processes lend one container once. A container is the digest of its id, and its row is what a transaction
-- locks; `seen` is when it was first asked for. Written and deleted for each request that goes on in a container: the space left on each page keeps the
-- indexes out of it.
CREATE TABLE containers (
    container TEXT COLLATE "C" PRIMARY KEY,
    seen      TEXT COLLATE "C" NOT NULL,
    lost      BOOLEAN NOT NULL DEFAULT FALSE
) WITH (fillfactor = 70);

-- The requests that run in containers now: each by a name that is used once, with the turn that it goes on from. One that is not renewed until then has no lease.
CREATE TABLE container_leases (
    holder    TEXT COLLATE "C" PRIMARY KEY,
    container TEXT COLLATE "C" NOT NULL,
    turn      TEXT COLLATE "C",
    until     TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 70);

CREATE INDEX container_leases_by_container ON container_leases (container);

-- Turns that were gone on from: no request is lent the container from there again.
CREATE TABLE continued_turns (
    turn TEXT COLLATE "C" PRIMARY KEY,
    seen TEXT COLLATE "C" NOT NULL
);
