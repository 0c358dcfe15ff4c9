"""The sums that finance reads: of the ledger, hour by hour, and of months that were closed."""

import asyncio
from calendar import monthrange
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from planner.cli.options import UNAVAILABLE, USAGE, fail
from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import DecisionKey, Key, Rollup, ShadowKey, TagKey
from planner.core.reports.closing import Closing
from planner.core.reports.pruning import Pruned
from planner.pruning import prunings
from planner.settings import SettingsError

if TYPE_CHECKING:
    from planner.stores import Store

PAGE: Final = 1_000
_closings = msgspec.json.Decoder(Closing)


class Ledger:
    """A ledger that is read, and that months are closed in; open it with `opened`. Moments are RFC 3339 UTC."""

    def __init__(self, store: "Store", runner: asyncio.Runner) -> None:
        self._store, self._runner = store, runner

    def entries(self, since: str, until: str) -> Iterator[Entry]:
        """Every entry from a moment on and before another, in order of arrival."""
        entries = self._store.entries(since)
        while page := self._runner.run(_page(entries)):
            for entry in page:
                if entry.at >= until:
                    return
                yield entry

    def sums(self, since: str, until: str) -> Rollup:
        """The hourly sums of whole hours from a moment on and before another."""
        return self._runner.run(_sums(self._store, since, until))

    def closing(self, month: str) -> Closing | None:
        """What a month was closed with."""
        text = self._runner.run(self._store.closing(month))
        return None if text is None else _closings.decode(text)

    def prunings(self) -> dict[str, Pruned]:
        """What is kept of months whose entries went, by month."""
        return self._runner.run(prunings(self._store))

    def close(self, closing: Closing) -> bool:
        """Keep a closing; False where the month is closed already."""
        text = msgspec.json.encode(closing).decode()
        return self._runner.run(self._store.put_closing(closing.month, closing.closed_at, text))


@contextmanager
def opened(store: str, *, write: bool = False) -> Iterator[Ledger]:
    """A ledger, to be read, or to close a month in beside a running proxy; where there is none the command ends."""
    from planner.opening import beside_store, read_store  # noqa: PLC0415 - the other commands start faster without it
    from planner.stores import StoreError  # noqa: PLC0415 - likewise

    with asyncio.Runner() as runner:
        try:
            ledger = runner.run(beside_store(store) if write else read_store(store))
            try:
                yield Ledger(ledger, runner)
            finally:
                runner.run(ledger.close())
        except SettingsError as error:
            fail(str(error), USAGE)
        except StoreError as error:
            fail(str(error), UNAVAILABLE)


def month_of(word: str) -> date:
    """The first day of a month as `2026-11`; what is none ends the command."""
    try:
        first = date.fromisoformat(f"{word}-01")
    except ValueError:
        first = None
    if first is None or word != f"{first:%Y-%m}":
        fail(f"a month is written like 2026-11, not {word!r}", USAGE)
    return first


def after(month: date) -> date:
    """The first day of the next month."""
    return month.replace(day=monthrange(month.year, month.month)[1]) + timedelta(days=1)


def midnight(day: date) -> datetime:
    """The moment (UTC) that a day begins with."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def stamp(at: datetime) -> str:
    """A moment as the ledger writes its own."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


async def _sums(store: "Store", since: str, until: str) -> Rollup:
    return Rollup(
        requests={key: amounts async for key, amounts in store.cells(Key, since, until)},
        tags={key: amounts async for key, amounts in store.cells(TagKey, since, until)},
        decisions={key: amounts async for key, amounts in store.cells(DecisionKey, since, until)},
        shadows={key: amounts async for key, amounts in store.cells(ShadowKey, since, until)},
    )


async def _page(entries: AsyncIterator[Entry]) -> list[Entry]:
    page = []
    async for entry in entries:
        page.append(entry)
        if len(page) == PAGE:
            break
    return page
