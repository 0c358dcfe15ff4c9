-- What was spent by day and by whom it counts for in budgets, added up as entries are settled, so that an account is a sum of a few rows; and who has
-- leased how much of an account. Amounts are nano-dollars, days are UTC. `field` is team, project or principal.
CREATE TABLE spending (
    field TEXT NOT NULL,
    value TEXT NOT NULL,
    day   TEXT NOT NULL,
    nano  INTEGER NOT NULL,
    PRIMARY KEY (field, value, day)
) STRICT, WITHOUT ROWID;

CREATE INDEX spending_by_day ON spending (field, day);

CREATE TABLE budget_leases (
    budget TEXT NOT NULL,
    value  TEXT NOT NULL,
    period TEXT NOT NULL,
    owner  TEXT NOT NULL,
    nano   INTEGER NOT NULL,
    until  TEXT NOT NULL,
    PRIMARY KEY (budget, value, period, owner)
) STRICT, WITHOUT ROWID;

-- An entry is settled once, whatever is read again: in place of its intent, or as it comes. A correction comes settled.
CREATE TRIGGER spent_with_intent AFTER UPDATE OF outcome ON entries
WHEN old.outcome = 'unknown' AND new.outcome <> 'unknown' AND new.cost_nano <> 0
BEGIN
    INSERT INTO spending (field, value, day, nano)
    SELECT each.key, each.value, SUBSTR(new.at, 1, 10), new.cost_nano
    FROM json_each(new.entry, '$.spender') AS each WHERE each.value IS NOT NULL
    ON CONFLICT (field, value, day) DO UPDATE SET nano = nano + excluded.nano;
END;

CREATE TRIGGER spent_without_intent AFTER INSERT ON entries
WHEN new.outcome <> 'unknown' AND new.cost_nano <> 0
BEGIN
    INSERT INTO spending (field, value, day, nano)
    SELECT each.key, each.value, SUBSTR(new.at, 1, 10), new.cost_nano
    FROM json_each(new.entry, '$.spender') AS each WHERE each.value IS NOT NULL
    ON CONFLICT (field, value, day) DO UPDATE SET nano = nano + excluded.nano;
END;
