-- name: put_pruning
-- Say that the entries of a month go; once, and what was said first stays.
INSERT INTO prunings (month, at, pruning) VALUES ($1, $2, $3)
ON CONFLICT DO NOTHING;

-- name: is_pruned
-- Whether that was said of a month.
SELECT COUNT(*) FROM prunings WHERE month = $1;

-- name: months_before
-- Months of which there are entries before a moment, and how many.
SELECT SUBSTR(at, 1, 7), COUNT(*) FROM entries WHERE at < $1 GROUP BY 1 ORDER BY 1;

-- name: count_between
-- Entries from one moment up to but without another.
SELECT COUNT(*) FROM entries WHERE at >= $1 AND at < $2;

-- name: drop_spending
-- What was spent on some days, which no budget asks for any more.
DELETE FROM spending WHERE day >= $1 AND day < $2;

-- name: named_entries
-- One page of settled entries with a word in them, in time order; the pair (at, request_id) is where the page before ended.
SELECT at, request_id, entry FROM entries
WHERE (at, request_id) > ($1, $2) AND REPLACE(entry, $3, '') <> entry
ORDER BY at, request_id
LIMIT $4;

-- name: put_nameless_entry
-- A settled entry without a name; its amounts stay as they are.
UPDATE entries SET principal = $1, entry = $2 WHERE at = $3 AND request_id = $4;

-- name: named_intents
-- Open requests with a word in them.
SELECT at, request_id, entry FROM intents WHERE REPLACE(entry, $1, '') <> entry ORDER BY at, request_id;

-- name: put_nameless_intent
-- An open request without a name.
UPDATE intents SET entry = $1 WHERE request_id = $2;

-- name: named_cells
-- One page of the keys of a principal's hourly sums, in order; the key is where the page before ended.
SELECT hour, organization, workspace, team, project, principal, model, endpoint, outcome FROM cells
WHERE (hour, organization, workspace, team, project, principal, model, endpoint, outcome)
    > ($1, $2, $3, $4, $5, $6, $7, $8, $9) AND principal = $10
ORDER BY hour, organization, workspace, team, project, principal, model, endpoint, outcome
LIMIT $11;

-- name: take_cell
-- Take an hourly sum out, with what it has come to.
DELETE FROM cells
WHERE hour = $1 AND organization = $2 AND workspace = $3 AND team = $4 AND project = $5 AND principal = $6 AND model = $7
  AND endpoint = $8 AND outcome = $9
RETURNING amounts;

-- name: named_cells_by_tag
-- One page of the keys of hourly sums of a tag's value, likewise.
SELECT hour, organization, team, tag, value FROM cells_by_tag
WHERE (hour, organization, team, tag, value) > ($1, $2, $3, $4, $5) AND value = $6
ORDER BY hour, organization, team, tag, value
LIMIT $7;

-- name: take_cell_by_tag
-- Take an hourly sum by tag out, with what it has come to.
DELETE FROM cells_by_tag WHERE hour = $1 AND organization = $2 AND team = $3 AND tag = $4 AND value = $5
RETURNING amounts;

-- name: named_spending
-- Days on which a principal spent within budgets.
SELECT day, nano FROM spending WHERE field = 'principal' AND value = $1 ORDER BY day;

-- name: take_spending
-- Take out what a principal spent.
DELETE FROM spending WHERE field = 'principal' AND value = $1
RETURNING day, nano;

-- name: named_leases
-- Leases of accounts of that name.
SELECT budget, period, owner FROM budget_leases WHERE value = $1;

-- name: forget_named_leases
-- Give them back.
DELETE FROM budget_leases WHERE value = $1;

-- name: named_scopes
-- Where a principal was answered: by itself, or by a key of it in a workspace that requests name behind an @.
SELECT principal FROM scopes WHERE principal = $1 OR SUBSTR(principal, 1, LENGTH(CAST($2 AS TEXT))) = $3 ORDER BY principal;

-- name: forget_named_scope
-- Forget one of them.
DELETE FROM scopes WHERE principal = $1;

-- name: named_conversations
-- One page of conversations with a word in them, by their roots.
SELECT root, conversation FROM conversations WHERE root > $1 AND REPLACE(conversation, $2, '') <> conversation
ORDER BY root
LIMIT $3;

-- name: forget_named_conversation
-- Forget one of them.
DELETE FROM conversations WHERE root = $1;

-- name: named_turns
-- One page of turns with a word in them, by their ids.
SELECT id, turn FROM turns WHERE id > $1 AND REPLACE(turn, $2, '') <> turn
ORDER BY id
LIMIT $3;

-- name: forget_named_turn
-- Forget one of them.
DELETE FROM turns WHERE id = $1;

-- name: forget_keys_of_turn
-- Its keys.
DELETE FROM turn_keys WHERE turn = $1;

-- name: named_habits
-- What was learnt of one agent, or of all agents of a kind.
SELECT name FROM learnt WHERE name = $1;

-- name: forget_habits
-- Forget it.
DELETE FROM learnt WHERE name = $1
RETURNING name;

-- name: closed_months
-- All months that were closed, the oldest first.
SELECT month FROM closings ORDER BY month;

-- name: put_nameless_closing
-- A closing without a name; its amounts stay as they are.
UPDATE closings SET closing = $1 WHERE month = $2;

-- name: put_nameless_pruning
-- What is kept of a pruned month, without a name.
UPDATE prunings SET pruning = $1 WHERE month = $2;

-- name: named_reconciliations
-- Statements with a word in them.
SELECT month, organization, made_at, statement FROM reconciliations WHERE REPLACE(statement, $1, '') <> statement
ORDER BY month, organization, made_at;

-- name: put_nameless_reconciliation
-- A statement without a name.
UPDATE reconciliations SET statement = $1 WHERE month = $2 AND organization = $3 AND made_at = $4;
