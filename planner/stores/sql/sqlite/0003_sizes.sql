-- What edits of `tools` add to prompts, as it was counted or learnt: `name` is a digest or a group, `learnt` JSON,
-- `seen` RFC 3339 UTC.
CREATE TABLE sizes (
    name   TEXT PRIMARY KEY,
    seen   TEXT NOT NULL,
    learnt TEXT NOT NULL
) STRICT, WITHOUT ROWID;
