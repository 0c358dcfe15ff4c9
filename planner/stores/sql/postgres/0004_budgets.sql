-- What was spent by day and by whom it counts for in budgets, added to in the transaction that inserts an entry, so that an account is a sum of a few rows;
-- and who has leased how much of an account. Amounts are nano-dollars, days are UTC. `field` is team, project or principal. Nothing is filled in: entries
-- of older versions name nobody whose budgets they count in. Rows are updated all day: the space left on each page keeps the indexes out of it.
CREATE TABLE spending (
    field TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    day   TEXT COLLATE "C" NOT NULL,
    nano  BIGINT NOT NULL,
    PRIMARY KEY (field, value, day)
) WITH (fillfactor = 70);

CREATE INDEX spending_by_day ON spending (field, day);

CREATE TABLE budget_leases (
    budget TEXT COLLATE "C" NOT NULL,
    value  TEXT COLLATE "C" NOT NULL,
    period TEXT COLLATE "C" NOT NULL,
    owner  TEXT COLLATE "C" NOT NULL,
    nano   BIGINT NOT NULL,
    until  TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (budget, value, period, owner)
) WITH (fillfactor = 70);
