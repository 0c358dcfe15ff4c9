-- Closed months (`2026-11`): the figures as they were then and the seal over their entries, as JSON. A row is written once and never changed.
CREATE TABLE closings (
    month     TEXT COLLATE "C" PRIMARY KEY,
    closed_at TEXT COLLATE "C" NOT NULL,
    closing   TEXT NOT NULL
);
