-- Closed months (`2026-11`): the figures as they were then and the seal over their entries, as JSON. A row is written once and never changed.
CREATE TABLE closings (
    month     TEXT PRIMARY KEY,
    closed_at TEXT NOT NULL,
    closing   TEXT NOT NULL
) STRICT, WITHOUT ROWID;
