"""Prometheus metrics, fed by finished ledger entries: counting is an addition to a dict, text is made when scraped.

Label values that clients choose are bounded: what comes after the first `LABEL_VALUES` of a label is `other`.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from itertools import product
from typing import get_args

import msgspec
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from planner.core.ledger.entry import Cause, Entry, decided

LABEL_VALUES = 100
LONGEST_LABEL = 128
OTHER = "other"
RATELIMIT = b"anthropic-ratelimit-"
REMAINING = b"-remaining"
NANO = 1_000_000_000
REQUEST_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OVERHEAD_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

CAUSES = ("journal", "store", "time-budget", "bug", "remembering", "settle", "record", "learning", "budget", "lease")
FAULTS = ("connect", "timeout", "reset", "protocol")
CHARGES = ("free", "billed", "covered", "unmetered")
RESULTS = ("ok", "error")
NAMED_BY = ("planner", "caller")
REPLAYS = ("container", "tools")
SPARED_BY = ("bundle", "container")
UNKNOWN = (
    "unknown-model", "unknown-modifier", "no-usage", "unparsed-usage", "undecodable-response", "unreadable-response",
    "unknown-encoding", "oversized-response", "no-answer", "overflow", "store-unavailable", "billed-elsewhere",
)  # fmt: skip
"""What some labels can say, so that counters begin at 0; an unknown cost has more reasons: `no-price-for-…`."""

Labels = tuple[str, ...]
Read = Callable[[], Iterable[tuple[Labels, float]]]


class Counter:
    """A family of counters; values only grow.

    Counted are whole units where there are such, nano-dollars for one: `per` of them are one unit of the export.
    `words` are what its one label can say: each is exported from the start, as 0. A series that appears with its first
    count has not grown as far as Prometheus knows, and an alert on it would miss that first one.
    """

    def __init__(self, name: str, text: str, labels: Labels = (), *, words: Labels = (), per: int = 1) -> None:
        self.name, self.text, self.labels, self.per = name, text, labels, per
        self._words = words
        self.values: dict[Labels, float] = {} if labels else {(): 0}

    def add(self, labels: Labels = (), amount: float = 1) -> None:
        """Count."""
        self.values[labels] = self.values.get(labels, 0) + amount

    def collect(self) -> Metric:
        """The family as Prometheus wants it."""
        family = CounterMetricFamily(self.name, self.text, labels=self.labels)
        for labels, value in ({(word,): 0 for word in self._words} | self.values).items():
            family.add_metric(labels, value / self.per)
        return family


class Gauge:
    """A family of values that are asked for when scraped."""

    def __init__(self, name: str, text: str, read: Read, labels: Labels = ()) -> None:
        self.name, self.text, self.read, self.labels = name, text, read, labels

    def collect(self) -> Metric:
        """The family as Prometheus wants it."""
        family = GaugeMetricFamily(self.name, self.text, labels=self.labels)
        for labels, value in self.read():
            family.add_metric(labels, value)
        return family


class Histogram:
    """Seconds in cumulative buckets."""

    def __init__(self, name: str, text: str, buckets: tuple[float, ...]) -> None:
        self.name, self.text, self.buckets = name, text, buckets
        self.counts = [0] * (len(buckets) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(self.buckets, seconds)] += 1
        self.sum += seconds

    def collect(self) -> Metric:
        """The family as Prometheus wants it."""
        family = HistogramMetricFamily(self.name, self.text)
        total, rows = 0, []
        for bound, count in zip((*self.buckets, float("inf")), tuple(self.counts), strict=True):
            total += count
            rows.append((str(bound) if bound != float("inf") else "+Inf", float(total)))
        family.add_metric((), rows, self.sum)
        return family


class Bounded:
    """The first so many values of a label as they are, the rest as `other`."""

    def __init__(self, limit: int = LABEL_VALUES) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def __call__(self, value: str | None) -> str:
        """The label value to use; a missing one is empty."""
        if value is None:
            return ""
        if value in self._known:
            return value
        if len(self._known) >= self._limit or len(value) > LONGEST_LABEL:
            return OTHER
        self._known.add(value)
        return value


class Snapshot(Collector):
    """Families as they were at one scrape."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Called by the registry."""
        return self._families


class Metrics:
    """Every metric that this process exports; names and labels are public (`docs/contract.md`)."""

    def __init__(self) -> None:
        self._model, self._team, self._policy = Bounded(), Bounded(), Bounded()
        self.requests = Counter(
            "planner_requests_total", "Requests answered, by status.", ("endpoint", "model", "team", "status")
        )
        self.duration = Histogram(
            "planner_request_duration_seconds", "From arrival to the end of the answer.", REQUEST_SECONDS
        )
        self.first_byte = Histogram(
            "planner_time_to_first_byte_seconds", "From arrival to the first byte of the answer.", REQUEST_SECONDS
        )
        self.overhead = Histogram(
            "planner_overhead_seconds", "What the planner itself added before sending.", OVERHEAD_SECONDS
        )
        self.upstream_errors = Counter(
            "planner_upstream_errors_total", "Requests the upstream failed.", ("type",), words=FAULTS
        )
        self.tokens = Counter("planner_tokens_total", "Tokens by disjoint class.", ("model", "team", "kind"))
        self.cost = Counter("planner_cost_usd_total", "Metered cost in dollars.", ("model", "team", "kind"), per=NANO)
        self.untouched_cost = Counter(
            "planner_untouched_cost_usd_total", "The same work without our edits.", ("model", "team"), per=NANO
        )
        self.decisions = Counter("planner_decisions_total", "Decisions by end.", ("action", "outcome", "reason"))
        self.shadows = Counter(
            "planner_shadow_decisions_total",
            "What policies in shadow would have decided.",
            ("policy", "action", "outcome", "reason"),
        )
        self.shadow_expected = Counter(
            "planner_shadow_expected_usd_total",
            "Expected cost of conversations that a policy in shadow weighed (estimate).",
            ("policy", "side"),
            per=NANO,
        )
        self.policy_errors = Counter(
            "planner_policy_errors_total", "Conditions of policies that could not be evaluated.", ("policy", "error")
        )
        self.unpriced = Counter(
            "planner_unpriced_requests_total", "Requests whose cost is unknown.", ("reason",), words=UNKNOWN
        )
        self.fail_open = Counter(
            "planner_fail_open_total", "Requests forwarded without us, by cause.", ("cause",), words=CAUSES
        )
        self.cache_breaks = Counter("planner_cache_breaks_total", "Prompt caches that a change of our edits broke.")
        self.budget_refusals = Counter(
            "planner_budget_refusals_total", "Requests refused by a hard budget.", ("budget",)
        )
        self.budget_warnings = Counter(
            "planner_budget_warnings_total", "Answers that said how far a budget is spent.", ("budget", "percent")
        )
        self.budget_overspend = Counter("planner_budget_overspend_usd_total", "Spent beyond hard budgets.", per=NANO)
        self.container_starts = Counter("planner_container_starts_total", "Requests that started a container.")
        self.container_reuses = Counter("planner_container_reuses_total", "Requests that went on in a warm container.")
        self.leases_lost = Counter(
            "planner_container_leases_lost_total", "Leases of containers that ended before their requests."
        )
        self.container_losses = Counter(
            "planner_container_losses_total", "Containers that a request named and lost.", ("cause", "named_by")
        )
        for labels in product(get_args(Cause), NAMED_BY):
            self.container_losses.add(labels, 0)
        self.replays = Counter(
            "planner_replays_total", "Requests sent once more without what was refused.", ("cause",), words=REPLAYS
        )
        self.minimums_avoided = Counter(
            "planner_container_minimums_avoided_total",
            "Minimums that our edits spared (estimate).",
            ("by",),
            words=SPARED_BY,
        )
        self.minimums_avoided_usd = Counter(
            "planner_container_minimums_avoided_usd_total",
            "What they would have cost (estimate).",
            ("by",),
            words=SPARED_BY,
            per=NANO,
        )
        self.start_saved = Counter(
            "planner_cold_start_saved_seconds_total",
            "Starts of containers that nobody waited for (estimate).",
            per=1000,
        )
        self.container_seconds = Counter(
            "planner_container_seconds_total",
            "Seconds of code execution, likely (estimate).",
            ("charge",),
            words=CHARGES,
        )
        self.batch_edits_refused = Counter(
            "planner_batch_edits_refused_total", "Edits of ours that the API refused in a batch, when it was processed."
        )
        self.ledger_write = Histogram("planner_ledger_write_seconds", "One ledger transaction.", OVERHEAD_SECONDS)
        self._remaining: dict[Labels, float] = {}
        self._gauges: list[Gauge] = []
        self.reloads = Counter("planner_rules_reloads_total", "Changed rules, taken or refused.", ("result",))
        self.calibrations = Counter(
            "planner_calibrations_total", "Edits whose tokens were counted.", ("result",), words=RESULTS
        )
        self._families: list[Counter | Histogram] = [
            self.requests, self.duration, self.first_byte, self.overhead, self.upstream_errors, self.tokens, self.cost,
            self.untouched_cost, self.decisions, self.shadows, self.shadow_expected, self.policy_errors, self.unpriced,
            self.fail_open, self.cache_breaks, self.batch_edits_refused,
            self.container_starts, self.leases_lost, self.container_reuses, self.container_losses, self.replays,
            self.minimums_avoided, self.minimums_avoided_usd, self.start_saved,
            self.container_seconds, self.calibrations, self.ledger_write, self.reloads,
            self.budget_refusals, self.budget_warnings, self.budget_overspend,
        ]  # fmt: skip
        self.gauge(
            "planner_upstream_ratelimit_remaining",
            "What the last answer said is left of a rate limit.",
            lambda: tuple(self._remaining.items()),
            labels=("kind",),
        )

    def gauge(self, name: str, text: str, read: Read, labels: Labels = ()) -> None:
        """Export a value that somebody else knows; it is asked for at each scrape."""
        self._gauges.append(Gauge(name, text, read, labels))

    def observe(self, entry: Entry) -> None:
        """Count one settled entry; a correction is no request, and its money may be negative: counters cannot fall."""
        if entry.corrects is not None:
            return
        model, team = self._model(entry.served_model or entry.model), self._team(entry.team)
        self.requests.add((entry.endpoint, model, team, str(entry.status or entry.outcome)))
        if entry.latency is not None:
            self.duration.observe(entry.latency.total)
            self.overhead.observe(entry.latency.overhead)
            if entry.latency.first_byte is not None:
                self.first_byte.observe(entry.latency.first_byte)
        for decisions, number in decided(entry):
            for decision in decisions:
                self.decisions.add((decision.action, decision.outcome, decision.reason or ""), number)
        if entry.unpriced is not None:
            self.unpriced.add((entry.unpriced,))
        self._count_shadows(entry)
        self._count_money(entry, model, team)
        self._count_container(entry)

    def observe_headers(self, headers: Mapping[bytes, bytes]) -> None:
        """Note what an answer says is left of the rate limits, by kind (`input-tokens`)."""
        for name, content in headers.items():
            if name.startswith(RATELIMIT) and name.endswith(REMAINING) and content.isdigit():
                self._remaining[name[len(RATELIMIT) : -len(REMAINING)].decode("latin-1"),] = float(content)

    def fail_policy(self, policy: str, error: str) -> None:
        """Count a condition that could not be evaluated, by the kind of error."""
        self.policy_errors.add((self._policy(policy), error))

    def _count_shadows(self, entry: Entry) -> None:
        """Count what shadow policies would have done, beside the decisions, and the money that they weighed."""
        for shadow in entry.shadows:
            policy = self._policy(shadow.policy)
            self.shadows.add((policy, shadow.action, shadow.outcome, shadow.reason or ""))
            if shadow.expected_nano is not None:
                self.shadow_expected.add((policy, "untouched"), shadow.expected_nano.untouched)
                cost = shadow.expected_nano.planned if shadow.acts else shadow.expected_nano.untouched
                self.shadow_expected.add((policy, "planned"), cost)

    def _count_container(self, entry: Entry) -> None:
        if entry.lost is not None:
            self.container_losses.add((entry.lost.cause, "planner" if entry.lost.ours else "caller"))
        if entry.replayed is not None:
            self.replays.add((entry.replayed,))
        if entry.code is None or entry.container is None:
            return
        self.start_saved.add((), entry.code.start_saved_ms)
        if entry.code.avoided_nano is not None:
            self.minimums_avoided.add((entry.code.avoided_by,))
            # A counter cannot fall: where the free hours cover more without us than with us, nothing is claimed.
            self.minimums_avoided_usd.add((entry.code.avoided_by,), max(entry.code.avoided_nano, 0))
        (self.container_reuses if entry.warm else self.container_starts).add()
        self.container_seconds.add((entry.code.charge,), entry.code.seconds.likely)

    def _count_money(self, entry: Entry, model: str, team: str) -> None:
        if entry.tokens is not None:
            for kind, count in msgspec.structs.asdict(entry.tokens).items():
                if count:
                    self.tokens.add((model, team, kind), count)
        billed = [line for line in entry.lines if line.basis != "notional"]
        spent: dict[str, int] = {}
        for line in billed:
            # A counter cannot fall, so what the allowance gives back is taken from the container time it pays for.
            kind = "code_execution" if line.kind == "allowance_credit" else line.kind
            spent[kind] = spent.get(kind, 0) + line.nano
        for kind, nano in spent.items():
            self.cost.add((model, team, kind), nano)
        if entry.untouched_nano is not None and len(billed) == len(entry.lines):
            self.untouched_cost.add((model, team), entry.untouched_nano)

    def gauges(self) -> list[Metric]:
        """Every gauge with its samples: asked for on the event loop, where what they read is at rest."""
        return [gauge.collect() for gauge in self._gauges]

    def text(self, gauges: Iterable[Metric] = ()) -> bytes:
        """The exposition format; takes a while for many series, so call it off the event loop."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(Snapshot([*(family.collect() for family in self._families), *gauges]))
        return generate_latest(registry)
