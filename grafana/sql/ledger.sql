-- name: hours
-- What every statement on cells begins with: whole hours (UTC) of the time range, of the chosen teams and models, with what each cell comes to in nano-dollars.
WITH hours AS (
    SELECT hour, team, model, amounts, cost, listed, unpriced
    FROM cells
    CROSS JOIN LATERAL (
        SELECT COALESCE(SUM(value::NUMERIC) FILTER (WHERE starts_with(key, 'nano.')), 0) AS cost,
               COALESCE(SUM(value::NUMERIC) FILTER (WHERE starts_with(key, 'list.')), 0) AS listed,
               COALESCE(SUM(value::NUMERIC) FILTER (WHERE starts_with(key, 'unpriced.')), 0) AS unpriced
        FROM jsonb_each_text(amounts)
    ) AS summed
    WHERE hour >= to_char($__timeFrom()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')
      AND hour < to_char($__timeTo()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
      AND ('(all)' IN (${team:sqlstring}) OR team IN (${team:sqlstring}))
      AND ('(all)' IN (${model:sqlstring}) OR model IN (${model:sqlstring}))
)

-- name: whole
-- Everything in one row.
SELECT COALESCE(SUM(cost), 0) * 0.000000001 AS "Spent",
       COALESCE(SUM((amounts ->> 'untouched_nano')::NUMERIC), 0) * 0.000000001
           - COALESCE(SUM((amounts ->> 'compared_nano')::NUMERIC), 0) * 0.000000001 AS "Saved",
       COALESCE(SUM((amounts ->> 'estimated_nano')::NUMERIC), 0) * 0.000000001 AS "Estimated",
       COALESCE(SUM((amounts ->> 'requests')::NUMERIC), 0)
           - COALESCE(SUM((amounts ->> 'notional.requests')::NUMERIC), 0) AS "Requests",
       COALESCE(SUM(unpriced), 0) AS "Without a price",
       SUM((amounts ->> 'conversation_nano')::NUMERIC)
           / NULLIF(SUM((amounts ->> 'conversations')::NUMERIC), 0) * 0.000000001 AS "A conversation"
FROM hours

-- name: by_day_and_team
-- What each team cost on each day.
SELECT (substr(hour, 1, 10) || 'T00:00:00Z')::TIMESTAMPTZ AS "time",
       CASE team WHEN '' THEN '(none)' ELSE team END AS metric,
       SUM(cost) * 0.000000001 AS value
FROM hours
GROUP BY 1, 2
ORDER BY 1, 2

-- name: by_team
-- A row a team, the dearest first.
SELECT CASE team WHEN '' THEN '(none)' ELSE team END AS "Team",
       SUM(cost) * 0.000000001 AS "Cost",
       SUM(listed) * 0.000000001 AS "At list price",
       COALESCE(SUM((amounts ->> 'estimated_nano')::NUMERIC), 0) * 0.000000001 AS "Estimated",
       COALESCE(SUM((amounts ->> 'untouched_nano')::NUMERIC), 0) * 0.000000001
           - COALESCE(SUM((amounts ->> 'compared_nano')::NUMERIC), 0) * 0.000000001 AS "Saved",
       SUM((amounts ->> 'conversation_nano')::NUMERIC)
           / NULLIF(SUM((amounts ->> 'conversations')::NUMERIC), 0) * 0.000000001 AS "A conversation",
       COALESCE(SUM((amounts ->> 'requests')::NUMERIC), 0)
           - COALESCE(SUM((amounts ->> 'notional.requests')::NUMERIC), 0) AS "Requests",
       SUM(unpriced) AS "Without a price"
FROM hours
GROUP BY team
ORDER BY SUM(cost) DESC, team

-- name: by_model
-- The same a model.
SELECT CASE model WHEN '' THEN '(none)' ELSE model END AS "Model",
       SUM(cost) * 0.000000001 AS "Cost",
       SUM(listed) * 0.000000001 AS "At list price",
       COALESCE(SUM((amounts ->> 'estimated_nano')::NUMERIC), 0) * 0.000000001 AS "Estimated",
       COALESCE(SUM((amounts ->> 'untouched_nano')::NUMERIC), 0) * 0.000000001
           - COALESCE(SUM((amounts ->> 'compared_nano')::NUMERIC), 0) * 0.000000001 AS "Saved",
       COALESCE(SUM((amounts ->> 'requests')::NUMERIC), 0)
           - COALESCE(SUM((amounts ->> 'notional.requests')::NUMERIC), 0) AS "Requests",
       SUM(unpriced) AS "Without a price"
FROM hours
GROUP BY model
ORDER BY SUM(cost) DESC, model

-- name: by_kind
-- A row a kind of charge; what the free hours give back is negative.
SELECT substr(key, 6) AS "Kind",
       COALESCE(SUM(value::NUMERIC) FILTER (WHERE starts_with(key, 'nano.')), 0) * 0.000000001 AS "Cost",
       COALESCE(SUM(value::NUMERIC) FILTER (WHERE starts_with(key, 'list.')), 0) * 0.000000001 AS "At list price"
FROM hours
CROSS JOIN LATERAL jsonb_each_text(amounts)
WHERE starts_with(key, 'nano.') OR starts_with(key, 'list.')
GROUP BY 1
ORDER BY 2 DESC, 1

-- name: unpriced
-- Requests whose cost is unknown, by model and reason: they are in no sum.
SELECT CASE model WHEN '' THEN '(none)' ELSE model END AS "Model",
       substr(key, 10) AS "Reason",
       SUM(value::NUMERIC) AS "Requests"
FROM hours
CROSS JOIN LATERAL jsonb_each_text(amounts)
WHERE starts_with(key, 'unpriced.')
GROUP BY 1, 2
ORDER BY 3 DESC, 1, 2

-- name: saved_by_day
-- What the same work would have cost and did cost on each day, of the requests of which both are known.
SELECT (substr(hour, 1, 10) || 'T00:00:00Z')::TIMESTAMPTZ AS "time",
       COALESCE(SUM((amounts ->> 'untouched_nano')::NUMERIC), 0) * 0.000000001 AS "untouched",
       COALESCE(SUM((amounts ->> 'compared_nano')::NUMERIC), 0) * 0.000000001 AS "as it was"
FROM hours
GROUP BY 1
ORDER BY 1

-- name: by_policy
-- What was decided by which policy, and what the requests cost of which that is known with and without it. A request has a row for each of its decisions.
SELECT action AS "Action",
       CASE policy WHEN '' THEN '(none)' ELSE policy END AS "Policy",
       outcome AS "Outcome",
       COALESCE(SUM((amounts ->> 'requests')::NUMERIC), 0)
           - COALESCE(SUM((amounts ->> 'notional.requests')::NUMERIC), 0) AS "Requests",
       COALESCE(SUM((amounts ->> 'compared_nano')::NUMERIC), 0) * 0.000000001 AS "Cost",
       COALESCE(SUM((amounts ->> 'untouched_nano')::NUMERIC), 0) * 0.000000001 AS "Untouched",
       COALESCE(SUM((amounts ->> 'untouched_nano')::NUMERIC), 0) * 0.000000001
           - COALESCE(SUM((amounts ->> 'compared_nano')::NUMERIC), 0) * 0.000000001 AS "Saved"
FROM cells_by_decision
WHERE hour >= to_char($__timeFrom()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')
  AND hour < to_char($__timeTo()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
  AND ('(all)' IN (${team:sqlstring}) OR team IN (${team:sqlstring}))
GROUP BY action, policy, outcome
ORDER BY 7 DESC, 1, 2, 3

-- name: bill
-- The newest statement of each month that was held against the bill; the time range does not matter.
SELECT DISTINCT ON (month, organization)
       month AS "Month",
       CASE organization WHEN '' THEN '(all)' ELSE organization END AS "Organization",
       (statement::JSONB ->> 'theirs_nano')::NUMERIC * 0.000000001 AS "Bill",
       (statement::JSONB ->> 'ours_nano')::NUMERIC * 0.000000001 AS "Ledger",
       (statement::JSONB ->> 'difference_nano')::NUMERIC * 0.000000001 AS "Difference",
       (statement::JSONB ->> 'unexplained_nano')::NUMERIC * 0.000000001 AS "Unexplained",
       CASE WHEN (statement::JSONB ->> 'within')::BOOLEAN THEN 'yes' ELSE 'no' END AS "Good enough",
       made_at::TIMESTAMPTZ AS "Made"
FROM reconciliations
ORDER BY month DESC, organization, made_at DESC

-- name: closings
-- Months whose figures are frozen; the time range does not matter.
SELECT month AS "Month", closed_at::TIMESTAMPTZ AS "Closed"
FROM closings
ORDER BY month DESC

-- name: teams
-- The teams to choose from.
SELECT DISTINCT team AS __value, CASE team WHEN '' THEN '(none)' ELSE team END AS __text
FROM cells
WHERE hour >= to_char($__timeFrom()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')
  AND hour < to_char($__timeTo()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
ORDER BY 2

-- name: models
-- The models to choose from.
SELECT DISTINCT model AS __value, CASE model WHEN '' THEN '(none)' ELSE model END AS __text
FROM cells
WHERE hour >= to_char($__timeFrom()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24')
  AND hour < to_char($__timeTo()::TIMESTAMPTZ AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
ORDER BY 2
