-- Months (`2026-11`) whose entries went after their time, and what is kept of them, as JSON. Where a row is and entries are left, taking them out was
-- interrupted and goes on the next time.
CREATE TABLE prunings (
    month   TEXT PRIMARY KEY,
    at      TEXT NOT NULL,
    pruning TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- An entry of such a month may have been counted before it went, which nobody can tell any more: it is refused, and laid aside by whoever brings it.
CREATE TRIGGER entries_of_pruned_months BEFORE INSERT ON entries
WHEN EXISTS (SELECT 1 FROM prunings WHERE month = SUBSTR(NEW.at, 1, 7))
BEGIN
    SELECT RAISE(ABORT, 'the entries of its month were pruned, and it may have been one of them');
END;
