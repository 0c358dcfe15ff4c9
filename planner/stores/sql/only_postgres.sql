-- name: put_entries
-- Settled entries are inserted once, many at a time; the ids of those that are new come back.
INSERT INTO entries (request_id, at, principal, team, endpoint, model, outcome, cost_nano, untouched_nano, entry,
                     organization, hours_ms, untouched_hours_ms, corrects, corrected_at, batch)
SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::BIGINT[],
                     $9::BIGINT[], $10::TEXT[], $11::TEXT[], $12::BIGINT[], $13::BIGINT[], $14::TEXT[], $15::TEXT[],
                     $16::TEXT[])
ON CONFLICT DO NOTHING
RETURNING request_id;

-- name: add_cells
-- Add amounts to those of cells, which are made where they are new: all of a batch at once, since the function that adds
-- is planned anew by each statement, which takes longer than adding.
INSERT INTO cells (hour, organization, workspace, team, project, principal, model, endpoint, outcome, amounts)
SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[],
                     $9::TEXT[], $10::JSONB[])
ON CONFLICT (hour, organization, workspace, team, project, principal, model, endpoint, outcome) DO UPDATE
SET amounts = add_amounts(cells.amounts, excluded.amounts);

-- name: add_cells_by_tag
-- The same by tag.
INSERT INTO cells_by_tag (hour, organization, team, tag, value, amounts)
SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::JSONB[])
ON CONFLICT (hour, organization, team, tag, value) DO UPDATE
SET amounts = add_amounts(cells_by_tag.amounts, excluded.amounts);

-- name: add_cells_by_decision
-- The same by decision.
INSERT INTO cells_by_decision (hour, organization, team, action, outcome, reason, policy, amounts)
SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::JSONB[])
ON CONFLICT (hour, organization, team, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_decision.amounts, excluded.amounts);

-- name: add_cells_by_shadow
-- The same by what a policy in shadow would have done.
INSERT INTO cells_by_shadow (hour, organization, team, action, outcome, reason, policy, amounts)
SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::JSONB[])
ON CONFLICT (hour, organization, team, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_shadow.amounts, excluded.amounts);

-- name: add_cells_by_decision_and_model
-- The same by decision and model.
INSERT INTO cells_by_decision_and_model (hour, organization, team, model, action, outcome, reason, policy, amounts)
SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[],
                     $9::JSONB[])
ON CONFLICT (hour, organization, team, model, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_decision_and_model.amounts, excluded.amounts);

-- name: add_cells_by_shadow_and_model
-- The same by what a policy in shadow would have done, and model.
INSERT INTO cells_by_shadow_and_model (hour, organization, team, model, action, outcome, reason, policy, amounts)
SELECT * FROM UNNEST($1::TEXT[], $2::TEXT[], $3::TEXT[], $4::TEXT[], $5::TEXT[], $6::TEXT[], $7::TEXT[], $8::TEXT[],
                     $9::JSONB[])
ON CONFLICT (hour, organization, team, model, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_shadow_and_model.amounts, excluded.amounts);

-- name: close_intents
-- What is settled is open no more.
DELETE FROM intents WHERE request_id = ANY($1::TEXT[]);

-- name: put_migration
-- Note that a migration was applied, and which text of it.
INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3);

-- name: create_migrations
-- The migrations that were applied.
CREATE TABLE IF NOT EXISTS migrations (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied  TIMESTAMPTZ NOT NULL DEFAULT CURRENT_TIMESTAMP
);

-- name: has_migrations
-- Whether that table is there.
SELECT COUNT(*) FROM pg_class WHERE relname = 'migrations' AND relnamespace = current_schema()::REGNAMESPACE;

-- name: tables
-- How many tables there are, whoever made them.
SELECT COUNT(*) FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = current_schema()::REGNAMESPACE;

-- name: migrations
-- What was applied.
SELECT number, checksum FROM migrations ORDER BY number;

-- name: lock_schema
-- Let one process at a time change the schema; the lock goes with the transaction.
SELECT pg_advisory_xact_lock(hashtext('planner schema'));

-- name: lock_account
-- Let one process at a time have an account of a budget; the lock goes with the transaction.
SELECT pg_advisory_xact_lock(hashtext('planner budgets'), hashtext($1));

-- name: make_partition
-- Make the partition of a month (2026-11) of the ledger, if it is not there.
SELECT make_partition($1);

-- name: size
-- Bytes of all tables and indexes.
SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0)::BIGINT FROM pg_class
WHERE relkind = 'r' AND relnamespace = current_schema()::REGNAMESPACE;

-- name: hurry
-- Give up soon where a lock cannot be had, since whoever comes behind waits as well.
SET LOCAL lock_timeout = '200ms';

-- name: hold_partition
-- Let nobody write to the partition of a month (2026-11) until the end of the transaction.
SELECT hold_partition($1);

-- name: drop_partition
-- Drop the partition of a month (2026-11) of the ledger with all that is in it.
SELECT drop_partition($1);

-- name: try_to_prune
-- Let one process at a time take entries out; whoever comes second is told at once. The lock goes with the connection.
SELECT pg_try_advisory_lock(hashtext('planner retention'));

-- name: end_pruning
-- Let the next one.
SELECT pg_advisory_unlock(hashtext('planner retention'));
