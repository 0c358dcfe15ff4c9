-- Entries lie in the order in which they came, so that the newest fill page after page: a table that is kept in the order of its random ids splits a page for
-- each, and cuts what is longer than a quarter of one. Columns and what is unique are as before.
CREATE TABLE entries_in_order (
    request_id         TEXT NOT NULL,
    at                 TEXT NOT NULL,
    principal          TEXT NOT NULL,
    team               TEXT,
    endpoint           TEXT NOT NULL,
    model              TEXT,
    outcome            TEXT NOT NULL,
    cost_nano          INTEGER,
    untouched_nano     INTEGER,
    entry              TEXT NOT NULL,
    organization       TEXT,
    hours_ms           INTEGER,
    untouched_hours_ms INTEGER,
    corrects           TEXT,
    corrected_at       TEXT,
    batch              TEXT
) STRICT;

INSERT INTO entries_in_order
SELECT request_id, at, principal, team, endpoint, model, outcome, cost_nano, untouched_nano, entry, organization, hours_ms, untouched_hours_ms, corrects,
       corrected_at, batch
FROM entries
ORDER BY at, request_id;

DROP TABLE entries;
ALTER TABLE entries_in_order RENAME TO entries;

CREATE UNIQUE INDEX entries_by_id ON entries (request_id);
CREATE INDEX entries_by_time ON entries (at, request_id);
CREATE INDEX entries_by_corrected ON entries (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX entries_by_batch ON entries (batch) WHERE batch IS NOT NULL;
