-- The ledger becomes append-only: what is not settled yet has a table of its own, and entries are inserted once. What is filled in from the entries there
-- are is done by the code that runs this script, in the same transaction.

-- Requests that went upstream and whose end nobody saw yet; `entry` is JSON.
CREATE TABLE intents (
    request_id TEXT PRIMARY KEY,
    at         TEXT NOT NULL,
    entry      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX intents_by_time ON intents (at);

INSERT INTO intents (request_id, at, entry) SELECT request_id, at, entry FROM entries WHERE outcome = 'unknown';
DELETE FROM entries WHERE outcome = 'unknown';

-- Hourly sums; `hour` is RFC 3339 UTC, what is unknown is empty, `amounts` is a JSON object of whole numbers (planner/core/ledger/rollup.py tells their names).
CREATE TABLE cells (
    hour         TEXT NOT NULL,
    organization TEXT NOT NULL,
    workspace    TEXT NOT NULL,
    team         TEXT NOT NULL,
    project      TEXT NOT NULL,
    principal    TEXT NOT NULL,
    model        TEXT NOT NULL,
    endpoint     TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    amounts      TEXT NOT NULL,
    PRIMARY KEY (hour, organization, workspace, team, project, principal, model, endpoint, outcome)
) STRICT, WITHOUT ROWID;

-- The same sums by tag: a request has a cell for each of its tags.
CREATE TABLE cells_by_tag (
    hour         TEXT NOT NULL,
    organization TEXT NOT NULL,
    team         TEXT NOT NULL,
    tag          TEXT NOT NULL,
    value        TEXT NOT NULL,
    amounts      TEXT NOT NULL,
    PRIMARY KEY (hour, organization, team, tag, value)
) STRICT, WITHOUT ROWID;

-- By decision: a request has a cell for each action.
CREATE TABLE cells_by_decision (
    hour         TEXT NOT NULL,
    organization TEXT NOT NULL,
    team         TEXT NOT NULL,
    action       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    policy       TEXT NOT NULL,
    amounts      TEXT NOT NULL,
    PRIMARY KEY (hour, organization, team, action, outcome, reason, policy)
) STRICT, WITHOUT ROWID;

-- What policies in shadow would have done, and what that was expected to cost.
CREATE TABLE cells_by_shadow (
    hour         TEXT NOT NULL,
    organization TEXT NOT NULL,
    team         TEXT NOT NULL,
    action       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    policy       TEXT NOT NULL,
    amounts      TEXT NOT NULL,
    PRIMARY KEY (hour, organization, team, action, outcome, reason, policy)
) STRICT, WITHOUT ROWID;

-- Hours are read from the sums now.
DROP INDEX entries_by_hours;
