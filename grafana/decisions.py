"""Decisions: what the planner did to requests, why it kept its hands off, and what either was worth."""

from typing import Final

from grafana.operations import NONE_IS_GOOD
from grafana.pages import INSTANCE, JOB, METRICS_FROM, MODEL, TEAM, Page, Row
from grafana.panels import HOURS_OF_CODE, SECONDS, SHARE, USD, USD_AN_HOUR, Asked, Panel, count, course, figure, ranking
from grafana.promql import HERE, RANGE, THEIRS, by, increase, ranked, rate, series, total

COST: Final = "planner_cost_usd_total"
UNTOUCHED: Final = "planner_untouched_cost_usd_total"
DECISIONS_A_SECOND: Final = count("decisions a second")


def ends(action: str, title: str, says: str) -> Panel:
    """How an action ended, over time."""
    decided = rate("planner_decisions_total", f'{HERE},action="{action}"')
    return course(title, says, DECISIONS_A_SECOND, by("outcome", decided, "{{outcome}}"), stacked=True, width=8)


def reasons(action: str, title: str, says: str) -> Panel:
    """Why an action was declined, the most frequent reason on top."""
    chosen = f'{HERE},action="{action}",outcome="declined"'
    declined = increase("planner_decisions_total", chosen, over=RANGE)
    return ranking(title, says, count("decisions"), ranked("reason", declined), width=12)


def bundled(outcomes: str) -> str:
    """How many decisions on a bundle ended so, within the range."""
    chosen = f'{HERE},action="bundle",outcome=~"{outcomes}"'
    return f"sum({increase('planner_decisions_total', chosen, over=RANGE)})"


def saved(labels: str = "") -> str:
    """What was saved within the range: untouched less cost."""
    by_labels = f" by ({labels}) " if labels else ""
    return " - ".join(f"sum{by_labels}({increase(metric, THEIRS, over=RANGE)})" for metric in (UNTOUCHED, COST))


def expected(side: str) -> str:
    """What conversations that policies in shadow weighed were expected to cost, within the range."""
    weighed = increase("planner_shadow_expected_usd_total", f'{HERE},side="{side}"', over=RANGE)
    return f"sum by (policy) ({weighed})"


PAGE: Final = Page(
    uid="planner-decisions",
    title="Planner: Decisions",
    says=(
        "What the planner did to requests, why it kept its hands off, and what either was worth. Money here is from "
        "metrics; exact sums are on the page for finance."
    ),
    since="now-24h",
    refresh="1m",
    variables=(METRICS_FROM, JOB, INSTANCE, TEAM, MODEL),
    rows=(
        Row(
            "Is it worth it?",
            (
                figure(
                    "Saved",
                    "What the same work would have cost without our edits, less what it cost, within this range. "
                    "Negative where edits cost more than they saved.",
                    USD,
                    Asked(saved()),
                    width=4,
                ),
                figure(
                    "Bundled",
                    "Decisions on a bundle that put one in, or repeated one, of all within this range.",
                    SHARE,
                    Asked(f"{bundled('applied|kept')} / {bundled('.+')}"),
                    width=4,
                ),
                figure(
                    "Edited conversations",
                    "Edited conversations seen within the last hour. When it is 0, the planner can be left without "
                    "anybody noticing.",
                    count("conversations"),
                    total(series("planner_edited_conversations")),
                    width=4,
                ),
                figure(
                    "Caches broken by us",
                    "Prompt caches that an edit of ours broke, within this range. It must stay 0 "
                    "(PlannerCacheBrokenByUs).",
                    count("caches"),
                    total(increase("planner_cache_breaks_total", over=RANGE)),
                    steps=NONE_IS_GOOD,
                    width=4,
                ),
                figure(
                    "Refused in batches",
                    "Edits of ours that the API refused in a batch, when it was processed, within this range. It must "
                    "stay 0 (PlannerBatchEditsRefused).",
                    count("edits"),
                    total(increase("planner_batch_edits_refused_total", over=RANGE)),
                    steps=NONE_IS_GOOD,
                    width=4,
                ),
                figure(
                    "One more container hour",
                    "What decisions take one more container hour to cost: its list price times the damped chance "
                    "that the free hours are exceeded.",
                    USD,
                    Asked(f"max({series('planner_marginal_hour_usd')})"),
                    width=4,
                ),
            ),
        ),
        Row(
            "What was decided, and why not more?",
            (
                ends(
                    "bundle",
                    "Bundles",
                    "Whether a web tool was added or raised so that code is free: applied, repeated (kept), "
                    "declined, or left to shadow. All teams and models.",
                ),
                ends(
                    "version",
                    "Tool versions",
                    "Whether the version of code execution was changed. All teams and models.",
                ),
                ends(
                    "container",
                    "Containers",
                    "Whether a request was sent on in a warm container: threaded by us, named by the caller, or "
                    "none. All teams and models.",
                ),
                reasons(
                    "bundle",
                    "Why no bundle",
                    "Reasons for which bundles were declined within this range; docs/reasons.md explains each. All "
                    "teams and models.",
                ),
                reasons(
                    "container",
                    "Why no warm container",
                    "Reasons for which containers were declined within this range; docs/reasons.md explains each. "
                    "All teams and models.",
                ),
            ),
        ),
        Row(
            "What is it worth?",
            (
                course(
                    "Untouched and as it is",
                    "What an hour costs at this pace, and what it would without our edits. The distance is what is "
                    "saved.",
                    USD_AN_HOUR,
                    Asked(f"sum({rate(UNTOUCHED, THEIRS)}) * 3600", "untouched"),
                    Asked(f"sum({rate(COST, THEIRS)}) * 3600", "as it is"),
                ),
                ranking(
                    "Saved by team",
                    "What was saved within this range, by team; negative where edits cost more than they saved.",
                    USD,
                    Asked(f"sort_desc({saved('team')})", "{{team}}"),
                    width=12,
                ),
            ),
        ),
        Row(
            "How far do the free hours go?",
            (
                course(
                    "Free hours",
                    "Container hours of the month: used so far, expected at its end with the interval in which "
                    "eight of ten cases lie, expected had nothing been edited, and the free "
                    "ones. An estimate; all processes.",
                    HOURS_OF_CODE,
                    Asked('planner:free_hours:used{job=~"$job"}', "used"),
                    Asked('planner:free_hours:forecast{job=~"$job"}', "expected"),
                    Asked('planner:free_hours:forecast_low{job=~"$job"}', "at least"),
                    Asked('planner:free_hours:forecast_high{job=~"$job"}', "at most"),
                    Asked('planner:free_hours:untouched_forecast{job=~"$job"}', "expected untouched"),
                    Asked('planner:free_hours:limit{job=~"$job"}', "free"),
                    width=24,
                ),
            ),
        ),
        Row(
            "What do containers do?",
            (
                course(
                    "Started and gone on in",
                    "Requests that started a container, requests that went on in a warm one, and requests whose lease "
                    "of one ended before them.",
                    count("requests a second"),
                    total(rate("planner_container_starts_total"), "started"),
                    total(rate("planner_container_reuses_total"), "went on"),
                    total(rate("planner_container_leases_lost_total"), "lost their lease"),
                    width=8,
                ),
                course(
                    "Known containers",
                    "Containers that the processes remember, each by the newest turn that ran in it.",
                    count("containers"),
                    by("state", series("planner_containers"), "{{state}}"),
                    stacked=True,
                    width=8,
                ),
                course(
                    "Seconds of code",
                    "Seconds of code execution, likely, by how they bill: free, billed, covered by a minimum that "
                    "was paid, or unmetered.",
                    count("seconds of code a second"),
                    by("charge", rate("planner_container_seconds_total"), "{{charge}}"),
                    stacked=True,
                    width=8,
                ),
                course(
                    "Lost, and sent again",
                    "Containers that requests named and could not go on in, and requests that were sent once more "
                    "without what the API refused of ours; and leases that ended before their requests.",
                    count("requests a second"),
                    by("cause, named_by", rate("planner_container_losses_total"), "{{cause}}, named by {{named_by}}"),
                    by("cause", rate("planner_replays_total"), "again without {{cause}}"),
                    total(rate("planner_container_leases_lost_total"), "leases that ended before their requests"),
                    width=8,
                ),
                course(
                    "Minimums avoided",
                    "Requests that our edits spared the minimum of a container session: their code was free, or "
                    "they went on in one that had paid. An estimate.",
                    count("minimums a second"),
                    by("by", rate("planner_container_minimums_avoided_total"), "{{by}}"),
                    stacked=True,
                    width=8,
                ),
                course(
                    "What these would have cost",
                    "Price of the minimums that were avoided, free hours taken off, so that it is nothing while these "
                    "last. An estimate, and part of what is saved.",
                    USD_AN_HOUR,
                    Asked(
                        f"3600 * sum by (by) ({rate('planner_container_minimums_avoided_usd_total')})", "{{by}}"
                    ),
                    stacked=True,
                    width=8,
                ),
                course(
                    "A cold start",
                    "How long a new container is believed to take to start, by the first code that was seen in new and "
                    "in warm ones. An estimate.",
                    SECONDS,
                    Asked(f"max({series('planner_cold_start_seconds')})", "believed"),
                    width=12,
                ),
                course(
                    "Starts that nobody waited for",
                    "Seconds of starts that requests in warm containers were spared. An estimate.",
                    count("seconds saved a second"),
                    total(rate("planner_cold_start_saved_seconds_total"), "saved"),
                    width=12,
                ),
            ),
        ),
        Row(
            "What would policies in shadow do?",
            (
                course(
                    "Their decisions",
                    "What policies in shadow would have decided; nothing of it was done.",
                    DECISIONS_A_SECOND,
                    by(
                        "policy, action, outcome",
                        rate("planner_shadow_decisions_total"),
                        "{{policy}}: {{action}} {{outcome}}",
                    ),
                    stacked=True,
                ),
                ranking(
                    "What they would save",
                    "Expected cost of the conversations that a policy in shadow weighed, untouched less as it "
                    "would have left them, within this range. An estimate.",
                    USD,
                    Asked(f"sort_desc({expected('untouched')} - {expected('planned')})", "{{policy}}"),
                    width=12,
                ),
            ),
        ),
    ),
)  # fmt: skip
"""The page about decisions."""
