"""The free hours of every organization that was met: counted once, and judged under the settings of each rule book."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from planner.clock import Clock
from planner.core.allowance import KEPT_DAYS, Allowance, Counted, Pool
from planner.core.rulebook.book import FreeHoursSettings, RuleBook
from planner.stores import Metered

if TYPE_CHECKING:  # commands that count hours load no metrics
    from planner.metrics import Metrics
    from planner.proxy.inforce import InForce

SETTINGS_KEPT: Final = 4
"""Settings whose pools are kept, the newest last: those in force, and those of requests that came before a reload."""
PICO: Final = 10**12


def remembered(now: datetime) -> datetime:
    """The midnight (UTC) from which on hours still count for a forecast, and all those of this month."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=KEPT_DAYS)


class Hours:
    """What organizations used, by their names; one that is not known has the empty name."""

    def __init__(self) -> None:
        self._counted: dict[str, Counted] = {}
        self._pools: dict[FreeHoursSettings, dict[str, Pool]] = {}

    def add(self, organization: str, at: datetime, used_ms: int, untouched_ms: int) -> None:
        """Count container time that began then: as it is, and as it would be without our edits."""
        self._of(organization).add(at, used_ms, untouched_ms)

    def restore(self, rows: Iterable[Metered]) -> None:
        """Begin with what the ledger has."""
        for row in rows:
            self.add(row.organization, datetime.fromisoformat(row.at), row.used_ms, row.untouched_ms)

    def renew(self, rows: Iterable[Metered]) -> None:
        """Count anew what all processes used, by the ledger that they share; what is judged by it goes on as it was.

        What a request added in the last moment may not be in the ledger yet, and is counted the next time.
        """
        for counted in self._counted.values():
            counted.forget()
        self.restore(rows)

    def pool(self, organization: str, settings: FreeHoursSettings) -> Pool:
        """The pool of an organization under these settings; settings that are new judge what was counted before."""
        pools = self._pools.get(settings)
        if pools is None:
            pools = self._pools[settings] = {}
            if len(self._pools) > SETTINGS_KEPT:
                del self._pools[next(iter(self._pools))]
        pool = pools.get(organization)
        if pool is None:
            pool = pools[organization] = Pool(settings, counted=self._of(organization))
        return pool

    def glance(self, organization: str, settings: FreeHoursSettings, now: datetime) -> Allowance:
        """What the pool of an organization says; one that nobody was answered for stays as unknown as it was."""
        pool = self.pool(organization, settings) if organization in self._counted else Pool(settings, counted=Counted())
        return pool.judge(now)

    def everybody(self, now: datetime, settings: FreeHoursSettings) -> Allowance:
        """All organizations together: sums of their hours, and the highest of their probabilities.

        Hours used elsewhere are those of each organization where an hour is judged, and count once in the sums.
        """
        elsewhere = Pool(settings).judge(now)
        found = elsewhere
        for judged in [self.pool(organization, settings).judge(now) for organization in self._counted]:
            found = Allowance(
                limit=found.limit,
                probability=max(found.probability, judged.probability),
                known=found.known or judged.known,
                at=now,
                **{name: getattr(found, name) + getattr(judged, name) - getattr(elsewhere, name) for name in _SUMMED},
            )
        return found

    def export(self, metrics: "Metrics", rules: "InForce", clock: Clock) -> None:
        """Export what the allowance is judged by; a scrape judges it when no request does."""

        def gauge(name: str, text: str, read: Callable[[Allowance], float]) -> None:
            metrics.gauge(name, text, lambda: [((), read(self.everybody(clock.now(), rules.book.settings.free_hours)))])

        gauge(
            "planner_free_hours_used",
            "Container hours of this month that count against the allowance, as far as the ledger knows (estimate).",
            lambda found: found.used,
        )
        gauge(
            "planner_free_hours_forecast",
            "Those expected by the end of the month under the decisions in force (estimate).",
            lambda found: found.forecast,
        )
        gauge("planner_free_hours_forecast_low", "In one case in ten it is less.", lambda found: found.low)
        gauge("planner_free_hours_forecast_high", "In one case in ten it is more.", lambda found: found.high)
        gauge(
            "planner_free_hours_untouched_forecast",
            "Those expected had nothing ever been edited (estimate).",
            lambda found: found.untouched,
        )
        gauge("planner_free_hours_limit", "Free container hours of a month.", lambda found: found.limit)
        gauge(
            "planner_marginal_hour_usd",
            "What decisions take one more container hour to cost, for the organization where it is dearest.",
            lambda found: found.probability * _hour_usd(rules.book, clock.now()),
        )

    def _of(self, organization: str) -> Counted:
        counted = self._counted.get(organization)
        if counted is None:
            counted = self._counted[organization] = Counted()
        return counted


_SUMMED = ("used", "forecast", "low", "high", "untouched", "untouched_low", "untouched_high")


def _hour_usd(book: RuleBook, at: datetime) -> float:
    """The list price of a container hour; 0 where the price book has none."""
    row = book.prices.tool("code_execution", at)
    return 0.0 if row is None or row.pico_per_hour is None else row.pico_per_hour / PICO
