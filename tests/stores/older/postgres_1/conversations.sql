-- name: put_turn
-- A turn by the first of its keys; the same again means the same turn, further along.
INSERT INTO turns (id, seen, turn) VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, turn = excluded.turn
WHERE excluded.seen >= turns.seen;

-- name: put_turn_key
-- A key of a turn; a caller's own session names its newest turn.
INSERT INTO turn_keys (key, seen, turn) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE SET seen = excluded.seen, turn = excluded.turn
WHERE excluded.seen >= turn_keys.seen;

-- name: put_conversation
-- A conversation by its root; a later beginning with the same root takes its place.
INSERT INTO conversations (root, seen, conversation) VALUES ($1, $2, $3)
ON CONFLICT (root) DO UPDATE SET seen = excluded.seen, conversation = excluded.conversation
WHERE excluded.seen >= conversations.seen;

-- name: put_scope
-- Where a principal was answered last.
INSERT INTO scopes (principal, seen, organization, workspace) VALUES ($1, $2, $3, $4)
ON CONFLICT (principal) DO UPDATE
SET seen = excluded.seen, organization = excluded.organization, workspace = excluded.workspace
WHERE excluded.seen >= scopes.seen;

-- name: turn
-- The turn under a key.
SELECT turns.turn FROM turn_keys JOIN turns ON turns.id = turn_keys.turn WHERE turn_keys.key = $1;

-- name: conversation
-- The conversation under a root, and when it was last seen.
SELECT conversation, seen FROM conversations WHERE root = $1;

-- name: scopes
-- Every scope that is known.
SELECT principal, organization, workspace FROM scopes;

-- name: forget_turns
-- Turns that nobody went on from for too long.
DELETE FROM turns WHERE seen < $1;

-- name: forget_turn_keys
-- Their keys.
DELETE FROM turn_keys WHERE seen < $1;

-- name: forget_scopes
-- Scopes that were learnt too long ago; whoever is still there teaches his again.
DELETE FROM scopes WHERE seen < $1;

-- name: forget_conversations
-- Conversations that nobody went on with for too long.
DELETE FROM conversations WHERE seen < $1;
