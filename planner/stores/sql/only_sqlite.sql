-- name: settled_among
-- Which of these requests (a JSON array of ids) are settled already.
SELECT request_id FROM entries WHERE request_id IN (SELECT value FROM json_each($1));

-- name: add_cells
-- Add amounts to those of a cell, which is made where it is new.
INSERT INTO cells (hour, organization, workspace, team, project, principal, model, endpoint, outcome, amounts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
ON CONFLICT (hour, organization, workspace, team, project, principal, model, endpoint, outcome) DO UPDATE
SET amounts = add_amounts(cells.amounts, excluded.amounts);

-- name: add_cells_by_tag
-- The same by tag.
INSERT INTO cells_by_tag (hour, organization, team, tag, value, amounts)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (hour, organization, team, tag, value) DO UPDATE
SET amounts = add_amounts(cells_by_tag.amounts, excluded.amounts);

-- name: add_cells_by_decision
-- The same by decision.
INSERT INTO cells_by_decision (hour, organization, team, action, outcome, reason, policy, amounts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (hour, organization, team, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_decision.amounts, excluded.amounts);

-- name: add_cells_by_shadow
-- The same by what a policy in shadow would have done.
INSERT INTO cells_by_shadow (hour, organization, team, action, outcome, reason, policy, amounts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (hour, organization, team, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_shadow.amounts, excluded.amounts);

-- name: add_cells_by_decision_and_model
-- The same by decision and model.
INSERT INTO cells_by_decision_and_model (hour, organization, team, model, action, outcome, reason, policy, amounts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (hour, organization, team, model, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_decision_and_model.amounts, excluded.amounts);

-- name: add_cells_by_shadow_and_model
-- The same by what a policy in shadow would have done, and model.
INSERT INTO cells_by_shadow_and_model (hour, organization, team, model, action, outcome, reason, policy, amounts)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (hour, organization, team, model, action, outcome, reason, policy) DO UPDATE
SET amounts = add_amounts(cells_by_shadow_and_model.amounts, excluded.amounts);

-- name: put_migration
-- Note that a migration was applied, and which text of it.
INSERT INTO migrations (number, name, checksum) VALUES ($1, $2, $3);

-- name: create_migrations
-- The migrations that were applied; files of older versions have none of this.
CREATE TABLE IF NOT EXISTS migrations (
    number   INTEGER PRIMARY KEY,
    name     TEXT NOT NULL,
    checksum TEXT NOT NULL,
    applied  TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

-- name: has_migrations
-- Whether that table is there.
SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'migrations';

-- name: migrations
-- What was applied.
SELECT number, checksum FROM migrations ORDER BY number;

-- name: size
-- Bytes of the file.
SELECT page_count * page_size FROM pragma_page_count, pragma_page_size;

-- name: prune_entries
-- Take out some entries from one moment up to but without another, the oldest first.
DELETE FROM entries WHERE request_id IN (SELECT request_id FROM entries WHERE at >= $1 AND at < $2 ORDER BY at LIMIT $3);
