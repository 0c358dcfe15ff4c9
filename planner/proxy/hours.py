"""Container hours metered in the month, by organization: what the allowance is judged by."""

from collections.abc import Mapping
from datetime import UTC, datetime

MS_PER_HOUR = 3_600_000
MONTHS_KEPT = 2
"""A request may end in the month after the one that it began in, and counts in the one that it began in."""

Month = tuple[int, int]


def beginning(now: datetime) -> datetime:
    """When the month (UTC) began."""
    return now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


class Used(dict[str, int]):
    """Milliseconds by organization; one that is not known has the empty name."""

    def add(self, organization: str, milliseconds: int) -> None:
        """Count."""
        self[organization] = self.get(organization, 0) + milliseconds


class Hours:
    """Container time of the current month that counts against the free hours: an estimate, as what it is made of.

    It is counted twice: as it is, and as it would be without our edits.
    """

    def __init__(self) -> None:
        self._months: dict[Month, tuple[Used, Used]] = {}

    def of(self, organization: str, now: datetime) -> float:
        """Hours metered for an organization this month (UTC)."""
        return self._month(now)[0].get(organization, 0) / MS_PER_HOUR

    def untouched(self, organization: str, now: datetime) -> float:
        """Hours that it would have used without our edits this month (UTC)."""
        return self._month(now)[1].get(organization, 0) / MS_PER_HOUR

    def add(self, organization: str, at: datetime, used_ms: int, untouched_ms: int) -> None:
        """Count the container time of a request that arrived at that time."""
        used, untouched = self._month(at)
        used.add(organization, used_ms)
        untouched.add(organization, untouched_ms)

    def restore(self, used: Mapping[str, tuple[int, int]], now: datetime) -> None:
        """Begin with what the ledger has of this month: milliseconds as they are, and as they would be."""
        for organization, (used_ms, untouched_ms) in used.items():
            self.add(organization, now, used_ms, untouched_ms)

    def total(self, now: datetime) -> float:
        """Hours metered for all organizations this month (UTC)."""
        return sum(self._month(now)[0].values()) / MS_PER_HOUR

    def _month(self, at: datetime) -> tuple[Used, Used]:
        day = at.astimezone(UTC)
        found = self._months.setdefault((day.year, day.month), (Used(), Used()))
        while len(self._months) > MONTHS_KEPT:
            del self._months[min(self._months)]
        return found
