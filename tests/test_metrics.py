"""Metrics say what the ledger says, to the nano-dollar, under labels that nobody can make grow."""

from decimal import Decimal

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from planner.core.ledger.entry import Code, Digests, Ending, Entry, Latency, Lost, Seconds
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.metrics import LABEL_VALUES, LONGEST_LABEL, OTHER, Bounded, Metrics

LINES = st.lists(
    st.builds(
        Line,
        kind=st.sampled_from(["input", "output", "cache_read"]),
        quantity=st.integers(0, 10**9),
        unit=st.just("token"),
        nano=st.integers(0, 10**13),
        basis=st.sampled_from(["measured", "estimated"]),
    ),
    max_size=4,
)
ENTRIES = st.lists(st.tuples(st.sampled_from(["a", "b", None]), LINES), max_size=30)


def entry(
    *, model: str | None = "m", team: str | None = None, lines: tuple[Line, ...] = (), outcome: Ending = "ok"
) -> Entry:
    """A settled request."""
    cost = sum(line.nano for line in lines)
    return Entry(
        request_id="0",
        at="2026-11-22T12:00:00.000000+00:00",
        principal="p",
        team=team,
        endpoint="messages",
        method="POST",
        mode="plan",
        model=model,
        outcome=outcome,
        status=200,
        cost_nano=cost,
        untouched_nano=cost,
        lines=lines,
        latency=Latency(total=1.0, first_byte=0.5, overhead=0.001),
        digests=Digests("r", "p"),
    )


def test_corrections_are_left_out() -> None:
    """They are no requests, and what they take back no counter can."""
    metrics = Metrics()
    metrics.observe(entry(lines=(Line("input", 1, "token", 5, "measured"),)))
    before = metrics.text()
    negative = Line("code_execution", "-300", "second", -4_166_667, "estimated")
    metrics.observe(msgspec.structs.replace(entry(lines=(negative,)), corrects="r1", endpoint="correction"))
    assert metrics.text() == before


def samples(metrics: Metrics) -> dict[str, list[tuple[dict[str, str], float]]]:
    """Every sample of the exposition by its name."""
    found: dict[str, list[tuple[dict[str, str], float]]] = {}
    for family in text_string_to_metric_families(metrics.text(metrics.gauges()).decode()):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    return found


@given(ENTRIES)
def test_money_is_conserved(rows: list[tuple[str | None, list[Line]]]) -> None:
    """The dollars exported are the ledger's nano-dollars, exactly, in every team and kind."""
    metrics = Metrics()
    expected: dict[tuple[str, str], int] = {}
    for team, lines in rows:
        metrics.observe(entry(team=team, lines=tuple(lines)))
        for line in lines:
            key = (team or "", line.kind)
            expected[key] = expected.get(key, 0) + line.nano
    got = {
        (labels["team"], labels["kind"]): value for labels, value in samples(metrics).get("planner_cost_usd_total", [])
    }
    assert {key: round(Decimal(value) * 10**9) for key, value in got.items()} == expected
    total = sum(value for _, value in samples(metrics).get("planner_untouched_cost_usd_total", []))
    assert round(Decimal(total) * 10**9) == sum(expected.values())


def test_tokens_and_requests() -> None:
    """Tokens are counted by disjoint class, requests by endpoint, model, team and status."""
    metrics = Metrics()
    classes = TokenClasses(input=1, cache_write_5m=2, cache_write_1h=3, cache_read=4, output=5)
    for _ in range(2):
        metrics.observe(msgspec.structs.replace(entry(team="t"), tokens=classes, served_model="served"))
    got = samples(metrics)
    assert {labels["kind"]: value for labels, value in got["planner_tokens_total"]} == {
        "input": 2, "cache_write_5m": 4, "cache_write_1h": 6, "cache_read": 8, "output": 10,
    }  # fmt: skip
    labels = {"endpoint": "messages", "model": "served", "team": "t", "status": "200"}
    assert got["planner_requests_total"] == [(labels, 2)]


def test_request_without_an_answer_has_its_outcome_for_a_status() -> None:
    """Where there is no status, the outcome tells more than nothing."""
    metrics = Metrics()
    metrics.observe(msgspec.structs.replace(entry(outcome="cancelled"), status=None))
    ((labels, _),) = samples(metrics)["planner_requests_total"]
    assert labels["status"] == "cancelled"


def test_notional_money_is_no_money() -> None:
    """What is not billed by the token stays out of cost and savings."""
    metrics = Metrics()
    line = Line("input", 1, "token", 5, "notional")
    metrics.observe(entry(lines=(line,)))
    assert "planner_cost_usd_total" not in samples(metrics)
    assert "planner_untouched_cost_usd_total" not in samples(metrics)


def test_unknown_cost_is_counted() -> None:
    """A request whose cost is unknown adds no money and is counted with its reason."""
    metrics = Metrics()
    metrics.observe(msgspec.structs.replace(entry(), cost_nano=None, untouched_nano=None, unpriced="no-usage"))
    got = samples(metrics)
    assert [row for row in got["planner_unpriced_requests_total"] if row[1]] == [({"reason": "no-usage"}, 1)]
    assert "planner_cost_usd_total" not in got


def test_containers_and_replays() -> None:
    """What named a container and lost it is no reuse; each loss counts by its cause and by who named it."""
    metrics = Metrics()
    ran = msgspec.structs.replace(
        entry(),
        code=Code(1, Seconds(0.0, 2.0, 3.0), "covered"),
        container="c",
        decisions=(Decision(Action.CONTAINER, Outcome.THREADED),),
    )
    metrics.observe(ran)
    metrics.observe(msgspec.structs.replace(ran, lost=Lost("d", "replaced", ours=True)))
    metrics.observe(msgspec.structs.replace(entry(), lost=Lost("d", "server-error", ours=False)))
    metrics.observe(msgspec.structs.replace(ran, decisions=(), replayed="container", lost=Lost("d", "refused", True)))
    got = samples(metrics)
    assert len(got["planner_container_losses_total"]) == 6  # all begin at 0, so that alerts see the first
    assert [each for each in got["planner_container_losses_total"] if each[1]] == [
        ({"cause": "refused", "named_by": "planner"}, 1),
        ({"cause": "server-error", "named_by": "caller"}, 1),
        ({"cause": "replaced", "named_by": "planner"}, 1),
    ]
    assert got["planner_replays_total"] == [({"cause": "container"}, 1), ({"cause": "tools"}, 0)]
    assert got["planner_container_reuses_total"] == [({}, 1)]
    assert got["planner_container_starts_total"] == [({}, 2)]


def test_what_containers_spare() -> None:
    """Minimums by what spared them, their price never below 0, and starts; all of it under words that say estimate."""
    metrics = Metrics()
    code = Code(1, Seconds(0.0, 2.0, 3.0), "covered", avoided_nano=4_000_000, start_saved_ms=1_500)
    for each in (
        code,
        msgspec.structs.replace(code, charge="free", avoided_nano=-1),
        msgspec.structs.replace(code, avoided_nano=None, start_saved_ms=0),
    ):
        metrics.observe(msgspec.structs.replace(entry(), code=each, container="c"))
    got = samples(metrics)
    assert got["planner_container_minimums_avoided_total"] == [({"by": "bundle"}, 1), ({"by": "container"}, 1)]
    assert got["planner_container_minimums_avoided_usd_total"] == [
        ({"by": "bundle"}, 0.0),
        ({"by": "container"}, 0.004),
    ]
    assert got["planner_cold_start_saved_seconds_total"] == [({}, 3.0)]
    assert metrics.text().decode().count("(estimate)") >= 3


def test_decisions() -> None:
    """Each decision counts once, with its reason or none."""
    metrics = Metrics()
    decisions = (
        Decision(Action.BUNDLE, Outcome.DECLINED, Reason.BELOW_ALLOWANCE),
        Decision(Action.CONTAINER, Outcome.NONE),
    )
    metrics.observe(msgspec.structs.replace(entry(), decisions=decisions))
    assert [labels for labels, _ in samples(metrics)["planner_decisions_total"]] == [
        {"action": "bundle", "outcome": "declined", "reason": "below-allowance"},
        {"action": "container", "outcome": "none", "reason": ""},
    ]


def test_labels_are_bounded() -> None:
    """10,000 models and teams leave a bounded number of series, and lose no request."""
    metrics = Metrics()
    line = Line("input", 1, "token", 1, "measured")
    for number in range(10_000):
        metrics.observe(entry(model=f"model-{number}", team=f"team-{number}", lines=(line,)))
    got = samples(metrics)
    assert sum(value for _, value in got["planner_requests_total"]) == 10_000
    for label in ("model", "team"):
        values = {labels[label] for labels, _ in got["planner_requests_total"]}
        assert len(values) == LABEL_VALUES + 1
        assert OTHER in values
    assert len(metrics.text()) < 100_000


def test_long_label_is_other() -> None:
    """A name of megabytes is no label."""
    bounded = Bounded()
    assert bounded("x" * (LONGEST_LABEL + 1)) == OTHER
    assert bounded("x" * LONGEST_LABEL) == "x" * LONGEST_LABEL
    assert bounded(None) == ""


def test_labels_are_escaped() -> None:
    """A quote, a backslash or a line end in a label cannot forge a series."""
    metrics = Metrics()
    odd = 'a"} 1\nplanner_evil_total{x="\\'
    metrics.observe(entry(model=odd))
    assert samples(metrics)["planner_requests_total"][0][0]["model"] == odd
    assert not [name for name in samples(metrics) if "evil" in name]


def test_histograms_are_cumulative() -> None:
    """Buckets never fall, and the last is the count."""
    metrics = Metrics()
    for seconds in (0.0, 0.05, 0.0500001, 3.0, 1e9):
        metrics.duration.observe(seconds)
    got = samples(metrics)
    buckets = [value for _, value in got["planner_request_duration_seconds_bucket"]]
    assert buckets == sorted(buckets)
    assert buckets[-1] == got["planner_request_duration_seconds_count"][0][1] == 5
    assert buckets[:2] == [2, 3]


def test_counters_whose_words_are_known_begin_at_0() -> None:
    """Prometheus sees the first one of them as an increase; a word that is new is a series of its own all the same."""
    metrics = Metrics()
    assert ({"cause": "journal"}, 0) in samples(metrics)["planner_fail_open_total"]
    assert len(samples(metrics)["planner_upstream_errors_total"]) == 4
    metrics.fail_open.add(("journal",))
    metrics.unpriced.add(("no-price-for-fast",))
    assert ({"cause": "journal"}, 1) in samples(metrics)["planner_fail_open_total"]
    assert ({"reason": "no-price-for-fast"}, 1) in samples(metrics)["planner_unpriced_requests_total"]
    for name in ("requests", "cost"):
        assert f"planner_{name}_total" not in samples(metrics)


def test_gauge_is_asked_when_scraped() -> None:
    """A gauge tells what is true at the scrape."""
    metrics, values = Metrics(), [1.0]
    metrics.gauge("planner_x", "x", lambda: [(("l",), values[0])], labels=("a",))
    values[0] = 2.0
    assert samples(metrics)["planner_x"] == [({"a": "l"}, 2.0)]
