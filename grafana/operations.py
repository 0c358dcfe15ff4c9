"""Operations: is it up, is anybody hurt, and which part is it? Everything comes from Prometheus."""

from typing import Final

from grafana.pages import INSTANCE, JOB, METRICS_FROM, MODEL, TEAM, Page, Row
from grafana.panels import (
    AGE,
    GREEN,
    RED,
    REQUESTS_A_SECOND,
    SECONDS,
    SHARE,
    Asked,
    count,
    course,
    figure,
    states,
)
from grafana.promql import THEIRS, by, increase, quantile, rate, series, total

NONE_IS_GOOD: Final = ((None, GREEN), (0.5, RED))

_alerts = states(
    "Alerts",
    "Alerts of the planner that fire or are about to, and how bad each is. Each has a section in the runbook.",
    count("1 for each"),
    Asked('ALERTS{alertname=~"Planner.+",job=~"$job"}'),
    hidden=("Value", "instance"),
    width=24,
)
_alerts = _alerts.height(5).no_value("none fires")
_rules = states(
    "Rule book of each process",
    "The digest of the rules that each process goes by, and since when. One digest is right; several for long are "
    "PlannerRulesDiffer.",
    AGE,
    Asked(f"{series('planner_rules_info')} * on (job, instance) group_left () {series('planner_rules_age_seconds')}"),
    renamed={"Value": "In force for"},
)

PAGE: Final = Page(
    uid="planner-operations",
    title="Planner: Operations",
    says="Whether the planner is up, what it does to requests, and which of its parts is in trouble.",
    since="now-3h",
    refresh="30s",
    variables=(METRICS_FROM, JOB, INSTANCE, TEAM, MODEL),
    rows=(
        Row(
            "Is it well?",
            (
                figure(
                    "Processes",
                    "Processes that Prometheus reaches, and those that it knows of.",
                    count("processes"),
                    total(series("up"), "up"),
                    Asked(f"count({series('up')})", "known"),
                ),
                figure(
                    "Alerts that fire",
                    "Alerts of the planner that fire now, whatever is chosen above but the planner.",
                    count("alerts"),
                    Asked('count(ALERTS{alertname=~"Planner.+",alertstate="firing",job=~"$job"}) or vector(0)'),
                    steps=NONE_IS_GOOD,
                ),
                figure(
                    "Requests",
                    "Requests that end in a second, by the last five minutes.",
                    REQUESTS_A_SECOND,
                    total(f"rate({series('planner_requests_total')}[5m])"),
                ),
                figure(
                    "Failed",
                    "Requests of the last five minutes that ended in a 5xx or without an answer, by the API or by "
                    "us, of all. All processes.",
                    SHARE,
                    Asked('max(planner:requests_failed:ratio_rate5m{job=~"$job"})'),
                    steps=((None, GREEN), (0.05, RED)),
                ),
                figure(
                    "Added by the planner",
                    "What the planner itself adds before it sends: 99 of 100 requests wait no longer.",
                    SECONDS,
                    quantile(0.99, "planner_overhead_seconds")._replace(legend=""),
                    steps=((None, GREEN), (0.025, RED)),
                ),
                figure(
                    "Let through unplanned",
                    "Times within the last hour that a part of the planner failed and the request went on without "
                    "it.",
                    count("times"),
                    total(increase("planner_fail_open_total", over="1h")),
                    steps=((None, GREEN), (1, RED)),
                ),
                _alerts,
            ),
        ),
        Row(
            "What goes through?",
            (
                course(
                    "By status",
                    "Requests that end in a second by HTTP status, or by outcome where there is none. 502 and 504 "
                    "are ours: the API gave no answer.",
                    REQUESTS_A_SECOND,
                    by("status", rate("planner_requests_total", THEIRS), "{{status}}"),
                    stacked=True,
                    width=8,
                ),
                course(
                    "By team",
                    "Requests that end in a second by team.",
                    REQUESTS_A_SECOND,
                    by("team", rate("planner_requests_total", THEIRS), "{{team}}"),
                    stacked=True,
                    width=8,
                ),
                course(
                    "By endpoint",
                    "Requests that end in a second by endpoint; only messages are planned.",
                    REQUESTS_A_SECOND,
                    by("endpoint", rate("planner_requests_total", THEIRS), "{{endpoint}}"),
                    stacked=True,
                    width=8,
                ),
                course(
                    "To the end of the answer",
                    "From the arrival of a request to the end of its answer: so many of all are done within it. "
                    "All teams and models.",
                    SECONDS,
                    quantile(0.5, "planner_request_duration_seconds"),
                    quantile(0.95, "planner_request_duration_seconds"),
                    quantile(0.99, "planner_request_duration_seconds"),
                    width=8,
                ),
                course(
                    "To the head of the answer",
                    "From the arrival of a request to the head of its answer: so many of all have it within that. "
                    "All teams and models.",
                    SECONDS,
                    quantile(0.5, "planner_time_to_first_byte_seconds"),
                    quantile(0.95, "planner_time_to_first_byte_seconds"),
                    width=8,
                ),
                course(
                    "Tokens",
                    "Tokens by class, which share none. Less cache_read and more cache_write or input is a prompt "
                    "cache that was lost.",
                    count("tokens a second"),
                    by("kind", rate("planner_tokens_total", THEIRS), "{{kind}}"),
                    stacked=True,
                    width=8,
                ),
            ),
        ),
        Row(
            "What does the planner add?",
            (
                course(
                    "Before it sends",
                    "What the planner itself adds to a request: so many of all wait no longer. A decision has 25 "
                    "milliseconds.",
                    SECONDS,
                    quantile(0.5, "planner_overhead_seconds"),
                    quantile(0.95, "planner_overhead_seconds"),
                    quantile(0.99, "planner_overhead_seconds"),
                    line_at=0.025,
                ),
                course(
                    "Let through unplanned, by cause",
                    "Times that a part failed and the request went on without it. The runbook says what each cause "
                    "costs (PlannerFailOpen).",
                    count("times"),
                    by("cause", increase("planner_fail_open_total"), "{{cause}}"),
                ),
            ),
        ),
        Row(
            "What does the API do?",
            (
                course(
                    "Its errors",
                    "Answers of 400 and above in a second, by status. 429 and 529 are rate limits and overload, "
                    "and pass as they came.",
                    REQUESTS_A_SECOND,
                    by("status", rate("planner_requests_total", f'{THEIRS},status=~"[45].."'), "{{status}}"),
                    width=8,
                ),
                course(
                    "Failures on the way",
                    "Requests that got no whole answer: no connection, none in time, one that broke off, one that "
                    "was no HTTP.",
                    count("times"),
                    by("type", increase("planner_upstream_errors_total"), "{{type}}"),
                    width=8,
                ),
                course(
                    "Left of the rate limits",
                    "What the last answer of each process said is left, the lowest of them.",
                    count("requests or tokens, as the limit counts"),
                    Asked(f"min by (kind) ({series('planner_upstream_ratelimit_remaining')})", "{{kind}}"),
                    width=8,
                ),
            ),
        ),
        Row(
            "Is the ledger written?",
            (
                course(
                    "Records that wait",
                    "Records in the journal of each process that the store does not have yet.",
                    count("records"),
                    Asked(series("planner_ledger_pending"), "{{instance}}"),
                    width=8,
                ),
                course(
                    "The oldest waits for",
                    "How long the oldest of them has waited. Beyond a minute PlannerLedgerLag fires.",
                    SECONDS,
                    Asked(series("planner_ledger_oldest_pending_seconds"), "{{instance}}"),
                    line_at=60,
                    width=8,
                ),
                course(
                    "One transaction",
                    "How long the store takes for a batch: so many of all are done within it.",
                    SECONDS,
                    quantile(0.5, "planner_ledger_write_seconds"),
                    quantile(0.99, "planner_ledger_write_seconds"),
                    width=8,
                ),
            ),
        ),
        Row(
            "Which rules are in force?",
            (
                _rules,
                course(
                    "Changes",
                    "Changes of the rule files that were taken or refused, and processes whose rules are stale "
                    "since theirs was refused.",
                    count("changes, or processes"),
                    by("result", increase("planner_rules_reloads_total"), "{{result}}"),
                    total(series("planner_rules_stale"), "stale"),
                    width=12,
                ),
                course(
                    "Conditions that failed",
                    "Times that the `when` of a policy could not be evaluated, so that it did not match.",
                    count("times"),
                    by("policy, error", increase("planner_policy_errors_total"), "{{policy}}: {{error}}"),
                    width=12,
                ),
                course(
                    "Edits that were counted",
                    "Combinations of model and tools whose tokens were counted with a key of the planner's own; "
                    "none without such a key.",
                    count("combinations"),
                    by("result", increase("planner_calibrations_total"), "{{result}}"),
                    width=12,
                ),
            ),
        ),
    ),
)  # fmt: skip
"""The page for operators."""
