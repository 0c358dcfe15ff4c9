"""Finance: what was spent, by whom, within which budget, what was saved, and whether it agrees with the bill.

Money comes from the ledger in PostgreSQL, where it is exact; what is not in the ledger's sums, budgets for one, comes
from Prometheus.
"""

from typing import Final

from grafana.pages import JOB, LEDGER_FROM, METRICS_FROM, MODEL_OF_THE_LEDGER, TEAM_OF_THE_LEDGER, Page, Row
from grafana.panels import (
    AGE,
    GREEN,
    HOURS_OF_CODE,
    RED,
    SHARE,
    USD,
    USD_AN_HOUR,
    YELLOW,
    Asked,
    Unit,
    count,
    course,
    days,
    figure,
    figures,
    listing,
    overriding,
    ranking,
)

REQUESTS: Final = count("requests")
AS_TEXT: Final = Unit("string", "words")
AS_DATE: Final = Unit("dateTimeAsIso", "date and time, UTC")
MONEY: Final = Unit("currencyUSD", "US dollars where nothing else is said")
UNPRICED_STEPS: Final = ((None, GREEN), (1, RED))

_whole = figures(
    "In this range",
    "Spent at contracted price, free hours taken off. Saved: what the same work would have cost without the "
    "planner's edits, less what it cost, of requests of "
    "which both are known. Estimated: how much of what was spent nobody has measured, container time above all. "
    "Without a price: requests in no sum, "
    "so that the truth is more. A conversation: what requests of conversations cost by conversations that began. "
    "Whole hours, UTC. Requests and those without a price are counts.",
    MONEY,
    "whole",
)
_whole = overriding(_whole, "Requests", REQUESTS)
_whole = overriding(_whole, "Without a price", REQUESTS, steps=UNPRICED_STEPS)

_by_team = listing(
    "By team",
    "What each team spent, at contracted and at list price, how much of it is estimated, and what was saved. It "
    "equals `planner report --by team` to the "
    "nano-dollar, as far as a browser's numbers reach (nine million dollars). Requests and those without a price "
    "are counts.",
    MONEY,
    "by_team",
    width=24,
)
_by_model = listing(
    "By model",
    "The same by the model that answered, as `planner report --by model`. Requests and those without a price are "
    "counts.",
    MONEY,
    "by_model",
    width=14,
)
_unpriced = listing(
    "Without a price",
    "Requests whose cost is unknown, by model and reason. They are in no sum on this page; the runbook says what "
    "to do (PlannerUnpricedTraffic).",
    REQUESTS,
    "unpriced",
    width=10,
)
for _column in ("Requests", "Without a price"):
    _by_team, _by_model = overriding(_by_team, _column, REQUESTS), overriding(_by_model, _column, REQUESTS)

_by_policy = listing(
    "By policy",
    "What was decided by which policy, and what these requests cost and would have cost. A request has a row for "
    "each of its decisions, so rows do not add up; not by "
    "model. Requests are counts.",
    MONEY,
    "by_policy",
)
_by_policy = overriding(_by_policy, "Requests", REQUESTS)

_bill = listing(
    "Held against the bill",
    "The newest statement of `planner reconcile` of each month: Anthropic's bill, the ledger, what differs, and "
    "how much of that nothing explains. The time range does not matter.",
    MONEY,
    "bill",
    width=16,
)
_bill = overriding(_bill, "Made", AS_DATE)
_bill = overriding(_bill, "Month", AS_TEXT)
_closings = listing(
    "Closed months",
    "Months whose figures are frozen by `planner report close`, and when. The time range does not matter.",
    AS_DATE,
    "closings",
    width=8,
)
_closings = overriding(_closings, "Month", AS_TEXT)

PAGE: Final = Page(
    uid="planner-finance",
    title="Planner: Finance",
    says=(
        "What Claude cost through the planner, by whom and for what, what was saved, and whether it agrees with the "
        "bill. Days and months are UTC."
    ),
    since="now/M",
    refresh="5m",
    variables=(METRICS_FROM, LEDGER_FROM, JOB, TEAM_OF_THE_LEDGER, MODEL_OF_THE_LEDGER),
    rows=(
        Row("What was spent, and what was saved?", (_whole,)),
        Row(
            "Who spent it?",
            (
                days("By day", "What each team spent on a day, UTC.", USD, "by_day_and_team", stacked=True, width=24),
                _by_team,
            ),
        ),
        Row(
            "What was it spent on?",
            (
                _by_model,
                _unpriced,
                listing(
                    "By kind of charge",
                    "Tokens by class, web searches, container time, and what the free hours give back of it "
                    "(`allowance_credit`, negative).",
                    USD,
                    "by_kind",
                    width=10,
                ),
                course(
                    "This hour and the usual one",
                    "What the last hour cost by team, and three times what such an hour usually costs: beyond it "
                    "PlannerCostAnomaly fires. An estimate from "
                    "metrics; not by model.",
                    USD_AN_HOUR,
                    Asked('planner:team_cost_usd:increase1h{job=~"$job"}', "{{team}}"),
                    Asked('3 * planner:team_cost_usd:usual1h{job=~"$job",team="(all teams)"}', "three times the usual"),
                    width=14,
                ),
            ),
        ),
        Row(
            "Does it stay within its budgets?",
            (
                ranking(
                    "Used of each budget",
                    "What was spent of each budget in its current month or day, against its limit.",
                    SHARE,
                    Asked('planner:budget_usd:spent{job=~"$job"} / planner:budget_usd:limit', "{{budget}} {{value}}"),
                ),
                course(
                    "Spent, held and limit",
                    "Of each budget: what was spent, what is set aside for requests on their way, and the limit.",
                    USD,
                    Asked('planner:budget_usd:spent{job=~"$job"}', "{{budget}} {{value}} spent"),
                    Asked('planner:budget_usd:held{job=~"$job"}', "{{budget}} {{value}} held"),
                    Asked('planner:budget_usd:limit{job=~"$job"}', "{{budget}} {{value}} limit"),
                    width=8,
                ),
                course(
                    "Lasts for",
                    "How long what is left of a budget lasts at the pace of the last hour and of the last day. "
                    "Below what is left of its period, PlannerBudgetBurn fires.",
                    AGE,
                    Asked(
                        'planner:budget_exhausted_in:seconds{job=~"$job",window=~"1h|1d"} < Inf',
                        "{{budget}} {{value}}, pace of {{window}}",
                    ),
                    Asked("planner:budget_period_left:seconds", "left of the {{period}}"),
                    width=8,
                ),
                figure(
                    "Refused",
                    "Requests that a hard budget refused, within this range.",
                    REQUESTS,
                    Asked('sum(increase(planner_budget_refusals_total{job=~"$job"}[$__range]))'),
                    width=6,
                ),
                figure(
                    "Warned",
                    "Answers that told their caller how far a budget is spent, within this range.",
                    REQUESTS,
                    Asked('sum(increase(planner_budget_warnings_total{job=~"$job"}[$__range]))'),
                    width=6,
                ),
                figure(
                    "Beyond hard budgets",
                    "What was settled beyond hard budgets, within this range: requests that cost more than was "
                    "held for them.",
                    USD,
                    Asked('sum(increase(planner_budget_overspend_usd_total{job=~"$job"}[$__range]))'),
                    width=6,
                ),
                figure(
                    "Used of the free hours",
                    "Container hours of the month against the free ones of an organization; what goes beyond is "
                    "billed. An estimate.",
                    HOURS_OF_CODE,
                    Asked('max(planner:free_hours:used{job=~"$job"})', "used"),
                    Asked('max(planner:free_hours:forecast{job=~"$job"})', "expected"),
                    Asked('max(planner:free_hours:limit{job=~"$job"})', "free"),
                    width=6,
                ),
            ),
        ),
        Row(
            "What did the planner save?",
            (
                days(
                    "Untouched and as it was",
                    "What the same work would have cost without our edits, and what it cost, by day, of the "
                    "requests of which both are known.",
                    USD,
                    "saved_by_day",
                    stacked=False,
                ),
                _by_policy,
            ),
        ),
        Row(
            "Does it agree with the bill?",
            (
                _bill,
                _closings,
                ranking(
                    "What explains the difference",
                    "By how much the bill is more than the ledger, by month and cause; negative where it is less. "
                    "docs/reconcile.md explains each cause.",
                    USD,
                    Asked(
                        'max by (month, cause) (planner_reconcile_explained_usd{job=~"$job"})',
                        "{{month}}: {{cause}}",
                    ),
                    width=10,
                ),
                course(
                    "Unexplained of the bill",
                    "What nothing explains, added up without signs, as a share of the bill. Beyond half a percent "
                    "PlannerReconcileResidual fires.",
                    SHARE,
                    Asked(
                        'max by (month) (planner_reconcile_unexplained_usd{job=~"$job"}) / max by (month) '
                        '(planner_reconciled_usd{job=~"$job",side="bill"})',
                        "{{month}}",
                    ),
                    line_at=0.005,
                    width=8,
                ),
                figure(
                    "Last looked",
                    "Since the newest statement was made. Beyond forty days PlannerReconcileStale fires.",
                    AGE,
                    Asked('min(planner_reconcile_age_seconds{job=~"$job"})'),
                    steps=((None, GREEN), (40 * 86400, YELLOW)),
                    width=6,
                ),
            ),
        ),
    ),
)  # fmt: skip
"""The page for finance."""
