-- The whole store. Times are RFC 3339 UTC as text with microseconds, so that text order is time order, byte by byte ("C"), and what comes out is what went in.
-- Entries, turns and conversations are JSON kept as text for the same reason. Amounts are nano-dollars; a NULL cost is unknown, never 0.

-- The ledger: one row a request or correction, inserted once, by month of arrival (planner/stores/postgres.py makes the partitions).
CREATE TABLE entries (
    request_id         TEXT COLLATE "C" NOT NULL,
    at                 TEXT COLLATE "C" NOT NULL,
    principal          TEXT NOT NULL,
    team               TEXT,
    endpoint           TEXT NOT NULL,
    model              TEXT,
    outcome            TEXT NOT NULL,
    cost_nano          BIGINT,
    untouched_nano     BIGINT,
    entry              TEXT NOT NULL,
    organization       TEXT,
    hours_ms           BIGINT,
    untouched_hours_ms BIGINT,
    corrects           TEXT,
    corrected_at       TEXT COLLATE "C",
    batch              TEXT,
    PRIMARY KEY (at, request_id)
) PARTITION BY RANGE (at);

CREATE INDEX entries_by_corrected ON entries (corrects) WHERE corrects IS NOT NULL;
CREATE INDEX entries_by_batch ON entries (batch) WHERE batch IS NOT NULL;

-- Make the partition of a month (2026-11), if it is not there. ATTACH waits for no reader, as CREATE TABLE … PARTITION OF would.
CREATE FUNCTION make_partition(month TEXT) RETURNS VOID
LANGUAGE PLPGSQL AS $$
DECLARE
    partition TEXT := 'entries_' || REPLACE(month, '-', '_');
    following TEXT := TO_CHAR(TO_DATE(month, 'YYYY-MM') + INTERVAL '1 month', 'YYYY-MM');
BEGIN
    IF TO_REGCLASS(partition) IS NULL THEN
        EXECUTE FORMAT('CREATE TABLE %I (LIKE entries INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', partition);
        EXECUTE FORMAT('ALTER TABLE entries ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', partition, month, following);
    END IF;
END
$$;

-- Requests that went upstream and whose end nobody saw yet.
CREATE TABLE intents (
    request_id TEXT COLLATE "C" PRIMARY KEY,
    at         TEXT COLLATE "C" NOT NULL,
    entry      TEXT NOT NULL
);

CREATE INDEX intents_by_time ON intents (at, request_id);

-- Hourly sums; what is unknown is empty, `amounts` is an object of whole numbers (planner/core/ledger/rollup.py tells their names). Rows are updated within their
-- hour: the space left on each page keeps the indexes out of it.
CREATE TABLE cells (
    hour         TEXT COLLATE "C" NOT NULL,
    organization TEXT COLLATE "C" NOT NULL,
    workspace    TEXT COLLATE "C" NOT NULL,
    team         TEXT COLLATE "C" NOT NULL,
    project      TEXT COLLATE "C" NOT NULL,
    principal    TEXT COLLATE "C" NOT NULL,
    model        TEXT COLLATE "C" NOT NULL,
    endpoint     TEXT COLLATE "C" NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    amounts      JSONB NOT NULL,
    PRIMARY KEY (hour, organization, workspace, team, project, principal, model, endpoint, outcome)
) WITH (fillfactor = 70);

-- The same sums by tag: a request has a cell for each of its tags.
CREATE TABLE cells_by_tag (
    hour         TEXT COLLATE "C" NOT NULL,
    organization TEXT COLLATE "C" NOT NULL,
    team         TEXT COLLATE "C" NOT NULL,
    tag          TEXT COLLATE "C" NOT NULL,
    value        TEXT COLLATE "C" NOT NULL,
    amounts      JSONB NOT NULL,
    PRIMARY KEY (hour, organization, team, tag, value)
) WITH (fillfactor = 70);

-- By decision: a request has a cell for each action.
CREATE TABLE cells_by_decision (
    hour         TEXT COLLATE "C" NOT NULL,
    organization TEXT COLLATE "C" NOT NULL,
    team         TEXT COLLATE "C" NOT NULL,
    action       TEXT COLLATE "C" NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    reason       TEXT COLLATE "C" NOT NULL,
    policy       TEXT COLLATE "C" NOT NULL,
    amounts      JSONB NOT NULL,
    PRIMARY KEY (hour, organization, team, action, outcome, reason, policy)
) WITH (fillfactor = 70);

-- What policies in shadow would have done, and what that was expected to cost.
CREATE TABLE cells_by_shadow (
    hour         TEXT COLLATE "C" NOT NULL,
    organization TEXT COLLATE "C" NOT NULL,
    team         TEXT COLLATE "C" NOT NULL,
    action       TEXT COLLATE "C" NOT NULL,
    outcome      TEXT COLLATE "C" NOT NULL,
    reason       TEXT COLLATE "C" NOT NULL,
    policy       TEXT COLLATE "C" NOT NULL,
    amounts      JSONB NOT NULL,
    PRIMARY KEY (hour, organization, team, action, outcome, reason, policy)
) WITH (fillfactor = 70);

-- Two objects of whole numbers, added name by name; what comes to 0 is left out. Numbers are exact and have no bound.
CREATE FUNCTION add_amounts(one JSONB, other JSONB) RETURNS JSONB
LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
    SELECT COALESCE(jsonb_object_agg(name, total), '{}')
    FROM (
        SELECT key AS name, SUM(value::NUMERIC) AS total
        FROM (SELECT * FROM jsonb_each_text(one) UNION ALL SELECT * FROM jsonb_each_text(other)) AS each
        GROUP BY key
    ) AS sums
    WHERE total <> 0
$$;

-- Turns by the first of their keys, and one row a key under which a turn is found again. Keys are digests.
CREATE TABLE turns (
    id   TEXT COLLATE "C" PRIMARY KEY,
    seen TEXT COLLATE "C" NOT NULL,
    turn TEXT NOT NULL
);

CREATE INDEX turns_by_age ON turns (seen);

CREATE TABLE turn_keys (
    key  TEXT COLLATE "C" PRIMARY KEY,
    seen TEXT COLLATE "C" NOT NULL,
    turn TEXT COLLATE "C" NOT NULL
);

CREATE INDEX turn_keys_by_age ON turn_keys (seen);

-- Conversations by the digest of their beginning.
CREATE TABLE conversations (
    root         TEXT COLLATE "C" PRIMARY KEY,
    seen         TEXT COLLATE "C" NOT NULL,
    conversation TEXT NOT NULL
);

CREATE INDEX conversations_by_age ON conversations (seen);

-- The scope in which a principal was last answered.
CREATE TABLE scopes (
    principal    TEXT COLLATE "C" PRIMARY KEY,
    seen         TEXT COLLATE "C" NOT NULL,
    organization TEXT NOT NULL,
    workspace    TEXT NOT NULL
);

-- What is learnt bit by bit of edits and agents: `name` is a digest or a group.
CREATE TABLE learnt (
    name   TEXT COLLATE "C" PRIMARY KEY,
    seen   TEXT COLLATE "C" NOT NULL,
    learnt TEXT NOT NULL
);
