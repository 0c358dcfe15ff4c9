"""The free hours of every organization that was met, each in a pool; what the ledger knows of them is restored."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from planner.core.allowance import KEPT_DAYS, Allowance, Pool
from planner.core.rulebook import FreeHoursSettings
from planner.stores import Metered


def remembered(now: datetime) -> datetime:
    """The midnight (UTC) from which on hours still count for a forecast, and all those of this month."""
    return now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=KEPT_DAYS)


class Hours(dict[str, Pool]):
    """Pools by organization; one that is not known has the empty name."""

    def __init__(self, settings: FreeHoursSettings) -> None:
        super().__init__()
        self._settings = settings

    def __missing__(self, organization: str) -> Pool:
        """A pool of an organization that was not met before."""
        pool = self[organization] = Pool(self._settings)
        return pool

    def restore(self, rows: Iterable[Metered]) -> None:
        """Begin with what the ledger has."""
        for row in rows:
            self[row.organization].add(datetime.fromisoformat(row.at), row.used_ms, row.untouched_ms)

    def everybody(self, now: datetime) -> Allowance:
        """All organizations together: sums of their hours, and the highest of their probabilities.

        Hours used elsewhere are those of each organization where an hour is judged, and count once in the sums.
        """
        elsewhere = Pool(self._settings).judge(now)
        found = elsewhere
        for judged in [pool.judge(now) for pool in self.values()]:
            found = Allowance(
                limit=found.limit,
                probability=max(found.probability, judged.probability),
                known=found.known or judged.known,
                at=now,
                **{name: getattr(found, name) + getattr(judged, name) - getattr(elsewhere, name) for name in _SUMMED},
            )
        return found


_SUMMED = ("used", "forecast", "low", "high", "untouched", "untouched_low", "untouched_high")
