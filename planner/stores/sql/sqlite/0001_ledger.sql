-- The ledger: one row a request. What reports filter and sum by has a column; the whole entry is kept as JSON.
-- Amounts are nano-dollars; a NULL cost is unknown, never 0. Times are RFC 3339 UTC with microseconds, so that text order is time order.
CREATE TABLE entries (
    request_id     TEXT PRIMARY KEY,
    at             TEXT NOT NULL,
    principal      TEXT NOT NULL,
    team           TEXT,
    endpoint       TEXT NOT NULL,
    model          TEXT,
    outcome        TEXT NOT NULL,
    cost_nano      INTEGER,
    untouched_nano INTEGER,
    entry          TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX entries_by_time ON entries (at);
