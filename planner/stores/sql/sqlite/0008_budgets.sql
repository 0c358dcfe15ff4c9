-- What was spent by day and by whom it counts for in budgets, added to in the transaction that inserts an entry, so that an account is a sum of a few rows;
-- and who has leased how much of an account. Amounts are nano-dollars, days are UTC. `field` is team, project or principal. Nothing is filled in: entries
-- of older versions name nobody whose budgets they count in.
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
