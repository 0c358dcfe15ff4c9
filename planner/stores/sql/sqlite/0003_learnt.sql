-- What is learnt bit by bit of edits and agents: `name` is a digest or a group, `learnt` JSON, `seen` RFC 3339 UTC.
CREATE TABLE learnt (
    name   TEXT PRIMARY KEY,
    seen   TEXT NOT NULL,
    learnt TEXT NOT NULL
) STRICT, WITHOUT ROWID;
