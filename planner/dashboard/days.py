"""The ledger's hourly sums as pages use them: folded by day and kept, so that a page reads the hours of today alone.

Days that are over change rarely: by a correction, or by a request that was settled late. They are read again one at a
time while nobody waits, at most a minute after a page was asked for; `as_of` says how old what is shown may be.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Protocol

import msgspec

from planner.core.ledger.modelled import PLAIN, with_models, without_models
from planner.core.ledger.rollup import KINDS, Amounts, K, Key, Rollup
from planner.core.reports.closing import Closing, by_day
from planner.core.reports.folding import of_organizations

RENEW_AFTER: Final = timedelta(minutes=1)
KEPT: Final = 200
"""Days of each kind that are kept: what is older and rarely looked at is read again."""
DAY: Final = timedelta(days=1)
_closings = msgspec.json.Decoder(Closing)


class Cells(Protocol):
    """Where sums and closings are read: a store."""

    def cells(self, kind: type[K], since: str = "", until: str = "") -> Any:  # noqa: ANN401 - an iterator of any kind's
        """The hourly sums of a kind, in order of time."""
        ...

    async def closing(self, month: str) -> str | None:
        """What a month was closed with."""
        ...


class _Day(msgspec.Struct):
    """One day of one kind: by day, and of requests also by hour and organization."""

    read_at: datetime
    cells: dict[Any, Amounts]
    hours: dict[Key, Amounts]


class Days:
    """The sums of one store."""

    def __init__(self, store: Cells) -> None:
        self._store = store
        self._days: dict[tuple[type[Any], date], _Day] = {}
        self._closings: dict[str, tuple[datetime, Closing]] = {}
        self._now = datetime.min.replace(tzinfo=UTC)

    async def sums(self, since: date, until: date, now: datetime, kinds: Iterable[type[Any]] = (Key,)) -> Rollup:
        """The sums by day from a day on and before another (UTC), of some kinds. Raises StoreError.

        A kind that is told by model brings the one without along, which is what it adds up to.
        """
        found: dict[type[Any], dict[Any, Amounts]] = {kind: {} for kind in KINDS}
        for kind in sorted(kinds, key=KINDS.index):  # those by model last
            for day in await self._read(kind, since, until, now):
                found[kind].update(day.cells)
            if kind in PLAIN:
                found[PLAIN[kind]] = without_models(PLAIN[kind], found[kind])
        return Rollup.made(lambda kind: found[kind])

    async def hours(self, since: date, until: date, now: datetime) -> dict[Key, Amounts]:
        """The sums of whole organizations by the hour. Raises StoreError."""
        found: dict[Key, Amounts] = {}
        for day in await self._read(Key, since, until, now):
            found.update(day.hours)
        return found

    async def closing(self, month: str) -> Closing | None:
        """What a month (`2026-11`) was closed with. No amount of it changes, but a name may go. Raises StoreError."""
        kept = self._closings.get(month)
        if kept is None or kept[0] < self._now - RENEW_AFTER:
            text = await self._store.closing(month)
            if text is None:
                return None
            kept = self._closings[month] = self._now, _closings.decode(text)
        return kept[1]

    def as_of(self, since: date, until: date) -> datetime | None:
        """When the oldest of what is kept of these days was read; None where nothing is."""
        return min((kept.read_at for (_, day), kept in self._days.items() if since <= day < until), default=None)

    async def renew(self) -> bool:
        """Read one day again that is old; whether there may be another one. Raises StoreError."""
        old = [(kept.read_at, key) for key, kept in self._days.items() if kept.read_at < self._now - RENEW_AFTER]
        if not old:
            return False
        _, (kind, day) = min(old, key=lambda each: each[0])
        await self._fetch(kind, day, day + DAY, self._now)
        return True

    async def _read(self, kind: type[Any], since: date, until: date, now: datetime) -> list[_Day]:
        """Every day of a kind; today, and what is not kept, comes from the store."""
        now = now.astimezone(UTC)
        self._now = max(self._now, now)
        days = list(_between(since, min(until, now.date() + DAY)))
        missing = [day for day in days if not self._holds(kind, day, now)]
        for first, last in _runs(missing):
            await self._fetch(kind, first, last + DAY, now)
        read = [self._days[kind, day] for day in days]
        self._forget(kind, since)
        return read

    def _holds(self, kind: type[Any], day: date, now: datetime) -> bool:
        """Whether a day need not be read: today must be of this moment."""
        kept = self._days.get((kind, day))
        return kept is not None and (day < now.date() or kept.read_at == now)

    async def _fetch(self, kind: type[Any], since: date, until: date, now: datetime) -> None:
        """Read some days at once."""
        cells: dict[date, dict[Any, Amounts]] = {day: {} for day in _between(since, until)}
        async for key, amounts in self._store.cells(kind, _stamp(since), _stamp(until)):
            cells[date.fromisoformat(key.hour[:10])][key] = amounts
        if kind in PLAIN:
            plain: dict[date, dict[Any, Amounts]] = {day: {} for day in cells}
            async for key, amounts in self._store.cells(PLAIN[kind], _stamp(since), _stamp(until)):
                plain[date.fromisoformat(key.hour[:10])][key] = amounts  # read last: it is never behind the others
            cells = {day: with_models(kind, plain[day], found) for day, found in cells.items()}
        for day, found in cells.items():
            hours = of_organizations(found) if kind is Key else {}
            self._days[kind, day] = _Day(now, _folded(kind, found), hours)

    def _forget(self, kind: type[Any], since: date) -> None:
        """Let go of the days of a kind that were read longest ago, but of none that was just asked for."""
        mine = sorted((kept.read_at, day) for (each, day), kept in self._days.items() if each is kind and day < since)
        for _, day in mine[: max(len(mine) - KEPT, 0)]:
            del self._days[kind, day]


def _folded(kind: type[Any], cells: dict[Any, Amounts]) -> dict[Any, Amounts]:
    return by_day(Rollup.made(lambda each: cells if each is kind else {})).of(kind)


def _between(since: date, until: date) -> Iterator[date]:
    day = since
    while day < until:
        yield day
        day += DAY


def _runs(days: list[date]) -> Iterator[tuple[date, date]]:
    """The first and the last day of each unbroken run."""
    run: list[date] = []
    for day in days:
        if run and day != run[-1] + DAY:
            yield run[0], run[-1]
            run = []
        run.append(day)
    if run:
        yield run[0], run[-1]


def _stamp(day: date) -> str:
    """The first moment of a day as the ledger writes its own."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat(timespec="microseconds")
