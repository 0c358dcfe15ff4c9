-- What must be remembered so that a conversation goes on as it began, across restarts. Keys are digests.

-- Turns by the first of their keys; `turn` is JSON, `seen` RFC 3339 UTC.
CREATE TABLE turns (
    id   TEXT PRIMARY KEY,
    seen TEXT NOT NULL,
    turn TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX turns_by_age ON turns (seen);

-- One row a key under which a turn is found again.
CREATE TABLE turn_keys (
    key  TEXT PRIMARY KEY,
    seen TEXT NOT NULL,
    turn TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX turn_keys_by_age ON turn_keys (seen);

-- Conversations by the digest of their beginning; `conversation` is JSON.
CREATE TABLE conversations (
    root         TEXT PRIMARY KEY,
    seen         TEXT NOT NULL,
    conversation TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX conversations_by_age ON conversations (seen);

-- The scope in which a principal was last answered.
CREATE TABLE scopes (
    principal    TEXT PRIMARY KEY,
    seen         TEXT NOT NULL,
    organization TEXT NOT NULL,
    workspace    TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Container time that counts against the free hours of an organization; NULL where no code could run.
ALTER TABLE entries ADD COLUMN organization TEXT;
ALTER TABLE entries ADD COLUMN hours_ms INTEGER;
ALTER TABLE entries ADD COLUMN untouched_hours_ms INTEGER;

CREATE INDEX entries_by_hours ON entries (at, organization, hours_ms, untouched_hours_ms) WHERE hours_ms IS NOT NULL;
