-- Statements of months held against the bill, as JSON; the newest one of a month and organization is what holds.
CREATE TABLE reconciliations (
    month        TEXT COLLATE "C" NOT NULL,
    organization TEXT COLLATE "C" NOT NULL,
    made_at      TEXT COLLATE "C" NOT NULL,
    statement    TEXT NOT NULL,
    PRIMARY KEY (month, organization, made_at)
);

-- Pages of the bill and usage APIs as they came, so that what may be asked once a minute is asked once.
CREATE TABLE bill_pages (
    name TEXT COLLATE "C" PRIMARY KEY,
    at   TEXT COLLATE "C" NOT NULL,
    page TEXT NOT NULL
);
