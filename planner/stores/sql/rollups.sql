-- name: cells
-- One page of cells before a moment, in order; the key is where the page before ended.
SELECT hour, organization, workspace, team, project, principal, model, endpoint, outcome, amounts FROM cells
WHERE (hour, organization, workspace, team, project, principal, model, endpoint, outcome)
    > ($1, $2, $3, $4, $5, $6, $7, $8, $9) AND hour < $10
ORDER BY hour, organization, workspace, team, project, principal, model, endpoint, outcome
LIMIT $11;

-- name: cells_by_tag
-- The same by tag.
SELECT hour, organization, team, tag, value, amounts FROM cells_by_tag
WHERE (hour, organization, team, tag, value) > ($1, $2, $3, $4, $5) AND hour < $6
ORDER BY hour, organization, team, tag, value
LIMIT $7;

-- name: cells_by_decision
-- The same by decision.
SELECT hour, organization, team, action, outcome, reason, policy, amounts FROM cells_by_decision
WHERE (hour, organization, team, action, outcome, reason, policy) > ($1, $2, $3, $4, $5, $6, $7) AND hour < $8
ORDER BY hour, organization, team, action, outcome, reason, policy
LIMIT $9;

-- name: cells_by_shadow
-- The same by what a policy in shadow would have done.
SELECT hour, organization, team, action, outcome, reason, policy, amounts FROM cells_by_shadow
WHERE (hour, organization, team, action, outcome, reason, policy) > ($1, $2, $3, $4, $5, $6, $7) AND hour < $8
ORDER BY hour, organization, team, action, outcome, reason, policy
LIMIT $9;

-- name: cells_by_decision_and_model
-- The same by decision and model.
SELECT hour, organization, team, model, action, outcome, reason, policy, amounts FROM cells_by_decision_and_model
WHERE (hour, organization, team, model, action, outcome, reason, policy) > ($1, $2, $3, $4, $5, $6, $7, $8) AND hour < $9
ORDER BY hour, organization, team, model, action, outcome, reason, policy
LIMIT $10;

-- name: cells_by_shadow_and_model
-- The same by what a policy in shadow would have done, and model.
SELECT hour, organization, team, model, action, outcome, reason, policy, amounts FROM cells_by_shadow_and_model
WHERE (hour, organization, team, model, action, outcome, reason, policy) > ($1, $2, $3, $4, $5, $6, $7, $8) AND hour < $9
ORDER BY hour, organization, team, model, action, outcome, reason, policy
LIMIT $10;

-- name: hours
-- Container time since an hour that counts against the free hours, as it is and as it would be, by organization and hour;
-- hours in which code could run and cost no time are there, so that it is known since when time is metered.
SELECT organization, hour,
       CAST(COALESCE(SUM(CAST(amounts ->> 'hours_ms' AS BIGINT)), 0) AS BIGINT),
       CAST(COALESCE(SUM(CAST(amounts ->> 'untouched_hours_ms' AS BIGINT)), 0) AS BIGINT)
FROM cells
WHERE hour >= $1
  AND COALESCE(amounts ->> 'code_requests', amounts ->> 'hours_ms', amounts ->> 'untouched_hours_ms') IS NOT NULL
GROUP BY organization, hour
ORDER BY hour, organization;
