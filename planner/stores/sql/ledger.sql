-- name: put_entry
-- A settled entry is inserted once; the same again changes nothing.
INSERT INTO entries (request_id, at, principal, team, endpoint, model, outcome, cost_nano, untouched_nano, entry,
                     organization, hours_ms, untouched_hours_ms, corrects, corrected_at, batch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT DO NOTHING;

-- name: open_intent
-- What goes upstream is open until its entry is there; one that is read again after that stays settled, also where its entry went with its month.
INSERT INTO intents (request_id, at, entry)
SELECT $1, $2, $3
WHERE NOT EXISTS (SELECT 1 FROM entries WHERE entries.request_id = $4 AND entries.at = $5)
  AND NOT EXISTS (SELECT 1 FROM prunings WHERE prunings.month = $6)
ON CONFLICT DO NOTHING;

-- name: close_intent
-- What is settled is open no more.
DELETE FROM intents WHERE request_id = $1;

-- name: entries_after
-- One page of the ledger in time order, open intents among the entries; the pair (at, request_id) is where the page
-- before ended.
SELECT at, request_id, entry FROM (
    SELECT * FROM (SELECT at, request_id, entry FROM entries
                   WHERE (at, request_id) > ($1, $2) ORDER BY at, request_id LIMIT $3) AS settled
    UNION ALL
    SELECT * FROM (SELECT at, request_id, entry FROM intents
                   WHERE (at, request_id) > ($4, $5) ORDER BY at, request_id LIMIT $6) AS open
) AS page
ORDER BY at, request_id
LIMIT $7;

-- name: entries_for_sums
-- One page of settled entries, to fill sums from when a store of an older version is brought up to date.
SELECT at, request_id, entry FROM entries WHERE (at, request_id) > ($1, $2) ORDER BY at, request_id LIMIT $3;

-- name: entries_before
-- The same against time, the newest first: what arrived before the pair (at, request_id).
SELECT at, request_id, entry FROM (
    SELECT * FROM (SELECT at, request_id, entry FROM entries
                   WHERE (at, request_id) < ($1, $2) ORDER BY at DESC, request_id DESC LIMIT $3) AS settled
    UNION ALL
    SELECT * FROM (SELECT at, request_id, entry FROM intents
                   WHERE (at, request_id) < ($4, $5) ORDER BY at DESC, request_id DESC LIMIT $6) AS open
) AS page
ORDER BY at DESC, request_id DESC
LIMIT $7;

-- name: entry
-- One request, settled or open.
SELECT entry FROM entries WHERE request_id = $1
UNION ALL
SELECT entry FROM intents WHERE request_id = $2;

-- name: near_before
-- Entries that say a text, among so many that arrived just before the pair (at, request_id), the newest first.
SELECT entry FROM (SELECT at, request_id, entry FROM entries
                   WHERE (at, request_id) < ($1, $2) ORDER BY at DESC, request_id DESC LIMIT $3) AS near
WHERE entry LIKE $4
ORDER BY at DESC, request_id DESC
LIMIT $5;

-- name: near_after
-- The same of those that arrived just after it, in the order in which they came.
SELECT entry FROM (SELECT at, request_id, entry FROM entries
                   WHERE (at, request_id) > ($1, $2) ORDER BY at, request_id LIMIT $3) AS near
WHERE entry LIKE $4
ORDER BY at, request_id
LIMIT $5;

-- name: corrections
-- The corrections of one entry, in the order in which they were made.
SELECT entry FROM entries WHERE corrects = $1 ORDER BY corrected_at, request_id;

-- name: batch
-- The settled entries of one batch, in order of arrival.
SELECT entry FROM entries WHERE batch = $1 ORDER BY at, request_id;

-- name: count_entries
-- How many entries the ledger has, by outcome; those that are open are unknown.
SELECT outcome, COUNT(*) FROM entries GROUP BY outcome
UNION ALL
SELECT 'unknown', COUNT(*) FROM intents HAVING COUNT(*) > 0
ORDER BY 1;

-- name: extent
-- How many settled entries there are, and when the first and the last of them arrived, which is looked up and not counted.
SELECT COUNT(*), (SELECT MIN(at) FROM entries), (SELECT MAX(at) FROM entries) FROM entries;

-- name: count_intents
-- How many requests are open.
SELECT COUNT(*) FROM intents;

-- name: prunings
-- What is kept of months whose entries went.
SELECT pruning FROM prunings ORDER BY month;
