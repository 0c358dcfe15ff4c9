-- name: settled_among
-- Which of these requests (a JSON array of ids) are settled already.
SELECT request_id FROM entries WHERE request_id IN (SELECT value FROM json_each($1));

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

-- name: entries_for_sums
-- One page of settled entries, to fill the sums from when a file of an older version is brought up to date.
SELECT at, request_id, entry FROM entries WHERE (at, request_id) > ($1, $2) ORDER BY at, request_id LIMIT $3;

-- name: prune_entries
-- Take out some entries from one moment up to but without another, the oldest first.
DELETE FROM entries WHERE request_id IN (SELECT request_id FROM entries WHERE at >= $1 AND at < $2 ORDER BY at LIMIT $3);
