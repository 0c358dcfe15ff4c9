-- Entries that amend others are found by what they correct, in the order in which they were made, and results of a batch by its digest, so that neither is
-- counted twice; NULL for all other entries.
ALTER TABLE entries ADD COLUMN corrects TEXT;
ALTER TABLE entries ADD COLUMN corrected_at TEXT;
ALTER TABLE entries ADD COLUMN batch TEXT;

CREATE INDEX entries_by_corrected ON entries (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX entries_by_batch ON entries (batch) WHERE batch IS NOT NULL;
