-- Months (`2026-11`) whose entries went after their time, and what is kept of them, as JSON.
CREATE TABLE prunings (
    month   TEXT COLLATE "C" PRIMARY KEY,
    at      TEXT COLLATE "C" NOT NULL,
    pruning TEXT NOT NULL
);

-- As before, but an entry of a month whose partition was dropped may have been counted before, which nobody can tell any more: it is refused, and laid
-- aside by whoever brings it.
CREATE OR REPLACE FUNCTION make_partition(month TEXT) RETURNS VOID
LANGUAGE PLPGSQL AS $$
DECLARE
    partition TEXT := 'entries_' || REPLACE(month, '-', '_');
    following TEXT := TO_CHAR(TO_DATE(month, 'YYYY-MM') + INTERVAL '1 month', 'YYYY-MM');
BEGIN
    IF EXISTS (SELECT 1 FROM prunings WHERE prunings.month = make_partition.month) THEN
        RAISE EXCEPTION 'the entries of % were pruned, and this may have been one of them', month USING ERRCODE = 'check_violation';
    END IF;
    IF TO_REGCLASS(partition) IS NULL THEN
        EXECUTE FORMAT('CREATE TABLE %I (LIKE entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
        EXECUTE FORMAT('ALTER TABLE entries ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, month, following);
    END IF;
END
$$;

-- Let nobody write to the partition of a month until the end of the transaction.
CREATE FUNCTION hold_partition(month TEXT) RETURNS VOID
LANGUAGE PLPGSQL AS $$
DECLARE
    partition TEXT := 'entries_' || REPLACE(month, '-', '_');
BEGIN
    IF TO_REGCLASS(partition) IS NOT NULL THEN
        EXECUTE FORMAT('LOCK TABLE %I IN SHARE MODE', partition);
    END IF;
END
$$;

-- Drop the partition of a month with all that is in it, if it is there. Both statements wait for whoever reads or writes entries, and whoever comes then
-- waits for them: the caller bounds that by lock_timeout.
CREATE FUNCTION drop_partition(month TEXT) RETURNS VOID
LANGUAGE PLPGSQL AS $$
DECLARE
    partition TEXT := 'entries_' || REPLACE(month, '-', '_');
BEGIN
    IF TO_REGCLASS(partition) IS NOT NULL THEN
        EXECUTE FORMAT('ALTER TABLE entries DETACH PARTITION %I', partition);
        EXECUTE FORMAT('DROP TABLE %I', partition);
    END IF;
END
$$;
