-- name: add_spending
-- What new entries cost those in whose budgets they count is added to their days.
INSERT INTO spending (field, value, day, nano) VALUES ($1, $2, $3, $4)
ON CONFLICT (field, value, day) DO UPDATE SET nano = spending.nano + excluded.nano;

-- name: spent_by_one
-- What one team, project or principal has spent on some days: nano-dollars, corrections included.
SELECT COALESCE(SUM(nano), 0) FROM spending WHERE field = $1 AND value = $2 AND day >= $3 AND day < $4;

-- name: spent_by_value
-- What each has spent on some days, for a budget that several share.
SELECT value, SUM(nano) FROM spending WHERE field = $1 AND day >= $2 AND day < $3 GROUP BY value ORDER BY value;

-- name: leases
-- Who has leased how much of an account, and until when.
SELECT owner, nano, until FROM budget_leases WHERE budget = $1 AND value = $2 AND period = $3;

-- name: put_lease
-- What a process has leased from now on.
INSERT INTO budget_leases (budget, value, period, owner, nano, until) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (budget, value, period, owner) DO UPDATE SET nano = excluded.nano, until = excluded.until;

-- name: drop_lease
-- A process gives back all that it had.
DELETE FROM budget_leases WHERE budget = $1 AND value = $2 AND period = $3 AND owner = $4;

-- name: forget_leases
-- Leases that ended long ago, of processes that died and of periods that are over.
DELETE FROM budget_leases WHERE until < $1;
