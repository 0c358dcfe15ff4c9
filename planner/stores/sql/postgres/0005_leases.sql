-- How containers stand, so that several processes lend one container once: who runs in it until when, which turns in it were gone on from, and whether it is
-- lost. A container is the digest of its id. `standing` is JSON (planner/core/lending.py), `version` the number of its last change, and it is changed only
-- where that is still the number that was read. `seen` is when that was. Rows are updated twice a request that goes on in a container: the space left on
-- each page keeps the index out of it.
CREATE TABLE containers (
    container TEXT COLLATE "C" PRIMARY KEY,
    seen      TEXT COLLATE "C" NOT NULL,
    version   BIGINT NOT NULL,
    standing  TEXT NOT NULL
) WITH (fillfactor = 50);
