-- name: put_entry
-- An intent is inserted; its settlement replaces it; a second settlement, or an intent read again, changes nothing.
INSERT INTO entries (request_id, at, principal, team, endpoint, model, outcome, cost_nano, untouched_nano, entry,
                     organization, hours_ms, untouched_hours_ms, corrects, corrected_at, batch)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
ON CONFLICT (request_id) DO UPDATE
SET team = excluded.team,
    model = excluded.model,
    outcome = excluded.outcome,
    cost_nano = excluded.cost_nano,
    untouched_nano = excluded.untouched_nano,
    entry = excluded.entry,
    organization = excluded.organization,
    hours_ms = excluded.hours_ms,
    untouched_hours_ms = excluded.untouched_hours_ms
WHERE entries.outcome = 'unknown' AND excluded.outcome <> 'unknown';

-- name: entries_after
-- One page of the ledger in time order; the pair (at, request_id) is where the page before ended.
SELECT at, request_id, entry FROM entries
WHERE (at, request_id) > ($1, $2)
ORDER BY at, request_id
LIMIT $3;

-- name: hours
-- Container time since a moment that counts against the free hours, as it is and as it would be, by organization and
-- hour of the day (UTC): the first 13 characters of a time are its hour.
SELECT COALESCE(organization, ''), MIN(at), SUM(hours_ms), SUM(untouched_hours_ms) FROM entries
WHERE at >= $1 AND hours_ms IS NOT NULL
GROUP BY COALESCE(organization, ''), SUBSTR(at, 1, 13)
ORDER BY MIN(at);

-- name: corrections
-- The corrections of one entry, in the order in which they were made.
SELECT entry FROM entries WHERE corrects = $1 ORDER BY corrected_at, request_id;

-- name: batch
-- The settled entries of one batch, in order of arrival.
SELECT entry FROM entries WHERE batch = $1 AND outcome <> 'unknown' ORDER BY at, request_id;

-- name: count_entries
-- How many entries the ledger has, by outcome.
SELECT outcome, COUNT(*) FROM entries GROUP BY outcome ORDER BY outcome;
