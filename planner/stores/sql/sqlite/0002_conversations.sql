-- What must be remembered so that a conversation goes on as it began, across restarts. Keys are digests.

-- One row a key under which a turn is found again; `turn` is JSON, `seen` RFC 3339 UTC.
CREATE TABLE turns (
    key  TEXT PRIMARY KEY,
    seen TEXT NOT NULL,
    turn TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX turns_by_age ON turns (seen);

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
