"""The free hours of every organization that was met: counted once, and judged under the settings of each rule book."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from planner.core.allowance import KEPT_DAYS, Allowance, Counted, Pool
from planner.core.rulebook import FreeHoursSettings
from planner.stores import Metered

SETTINGS_KEPT: Final = 4
"""Settings whose pools are kept, the newest last: those in force, and those of requests that came before a reload."""


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

    def _of(self, organization: str) -> Counted:
        counted = self._counted.get(organization)
        if counted is None:
            counted = self._counted[organization] = Counted()
        return counted


_SUMMED = ("used", "forecast", "low", "high", "untouched", "untouched_low", "untouched_high")
