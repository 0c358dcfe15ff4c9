-- Statements of months held against the bill, as JSON; the newest one of a month and organization is what holds.
CREATE TABLE reconciliations (
    month        TEXT NOT NULL,
    organization TEXT NOT NULL,
    made_at      TEXT NOT NULL,
    statement    TEXT NOT NULL,
    PRIMARY KEY (month, organization, made_at)
) STRICT, WITHOUT ROWID;

-- Pages of the bill and usage APIs as they came, so that what may be asked once a minute is asked once.
CREATE TABLE bill_pages (
    name TEXT PRIMARY KEY,
    at   TEXT NOT NULL,
    page TEXT NOT NULL
) STRICT, WITHOUT ROWID;
