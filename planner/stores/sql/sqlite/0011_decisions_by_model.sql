-- Sums by decision, and of what policies in shadow would have done, by model as well: in tables of their own, since the key of those that are there belongs
-- to the version before, which goes on adding to it. What is in those and not in these has no model: what that version wrote, and hours whose entries are
-- gone. From entries that are there these are filled in by the code that runs this script, in the same transaction.
CREATE TABLE cells_by_decision_and_model (
    hour         TEXT NOT NULL,
    organization TEXT NOT NULL,
    team         TEXT NOT NULL,
    model        TEXT NOT NULL,
    action       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    policy       TEXT NOT NULL,
    amounts      TEXT NOT NULL,
    PRIMARY KEY (hour, organization, team, model, action, outcome, reason, policy)
) STRICT, WITHOUT ROWID;

CREATE TABLE cells_by_shadow_and_model (
    hour         TEXT NOT NULL,
    organization TEXT NOT NULL,
    team         TEXT NOT NULL,
    model        TEXT NOT NULL,
    action       TEXT NOT NULL,
    outcome      TEXT NOT NULL,
    reason       TEXT NOT NULL,
    policy       TEXT NOT NULL,
    amounts      TEXT NOT NULL,
    PRIMARY KEY (hour, organization, team, model, action, outcome, reason, policy)
) STRICT, WITHOUT ROWID;
