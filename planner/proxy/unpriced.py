"""An alarm for every request whose cost should be known and is not: one log line a minute and cause, however many come.

`planner_unpriced_requests_total` counts them all; this tells an operator which model or reason to look at.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.core.ledger.entry import Entry

EVERY: Final = timedelta(minutes=1)
CAUSES: Final = 100
"""Pairs of reason and model that are told apart; model ids come from clients, so the rest share one place a reason."""

LONGEST_MODEL: Final = 128
OTHER: Final = "other"
EXPECTED: Final = frozenset({"billed-elsewhere", "no-answer"})
"""Costs that nobody could know: what is billed later, and what broke off before an answer."""


class _Cause(msgspec.Struct):
    said: datetime
    since: int = 0


class UnpricedAlarm:
    """Warns of unknown costs. Its time is the arrival of the requests, so it needs no clock."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._causes: dict[tuple[str, str], _Cause] = {}

    def watch(self, entry: Entry) -> None:
        """Take one settled entry, and warn where its cause was not told within the last minute."""
        if entry.unpriced is None or entry.unpriced in EXPECTED:
            return
        at = datetime.fromisoformat(entry.at)
        key = entry.unpriced, (entry.served_model or entry.model or "")[:LONGEST_MODEL]
        if key not in self._causes and len(self._causes) >= CAUSES:
            self._forget(at)
        if key not in self._causes and len(self._causes) >= CAUSES:
            key = entry.unpriced, OTHER
        cause = self._causes.get(key)
        if cause is not None and abs(at - cause.said) < EVERY:
            cause.since += 1
            return
        self._causes[key] = _Cause(at)
        self._log.warning(
            "cost unknown",
            reason=key[0],
            model=key[1],
            request_id=entry.request_id,
            requests=1 if cause is None else cause.since + 1,
        )

    def _forget(self, at: datetime) -> None:
        """Make room: a cause that has been quiet for a minute is told anew when it comes back."""
        self._causes = {key: cause for key, cause in self._causes.items() if abs(at - cause.said) < EVERY}
