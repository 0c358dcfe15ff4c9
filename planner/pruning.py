"""Which months go out of a store, and which stay and why: looked at one by one, the oldest first.

It runs in `planner store prune` and once a day in a proxy, beside requests: it pauses often, and whatever it is in the
middle of when it ends, the next run goes on with.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from planner.core.ledger.rollup import DecisionKey, Key, Rollup, ShadowKey, TagKey
from planner.core.reports.closing import Closing
from planner.core.reports.pruning import LEAST_DAYS, Inspection, Pruned, hindrance, is_due, is_settled
from planner.stores import Store
from planner.stores.retention import BusyError, Retention, span

STRIDE: Final = 25
"""Entries that are looked at without a pause: a millisecond or two."""
_closings = msgspec.json.Decoder(Closing)
_encoder = msgspec.json.Encoder()


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a month: its entries went, or stay because of `kept`, a sentence; `cost_nano` is what they cost.

    `resumed` says that an earlier run began it, whose look at it still holds; then the cost is not told again.
    """

    month: str
    entries: int
    cost_nano: int | None = None
    closed: bool | None = None
    resumed: bool = False
    kept: str | None = None


Pause = Callable[[], Awaitable[None]]


async def prune(  # noqa: PLR0913 - what pruning depends on, named
    store: Store,
    retention: Retention,
    *,
    before: datetime,
    now: datetime,
    pause: Pause,
    force: bool = False,
    dry_run: bool = False,
) -> AsyncGenerator[Month, None]:
    """Take out the entries of all months that were over by a moment and that nothing needs; tell of each of them.

    `pause` is awaited between any two short pieces of work. Raises StoreError; of that BusyError where another process
    prunes.
    """
    async with retention.alone() as alone:
        if not alone:
            raise BusyError("another process takes something out of this store: try again when it is done")
        for month, entries in (await retention.months(_text(before))).items():
            if not is_due(month, before):
                continue
            if await retention.is_pruned(month):
                yield Month(month=month, entries=entries, resumed=True)
                if not dry_run:
                    await _take_out(retention, month, _text(now), "", entries, pause)
            elif not is_settled(month, now):
                yield Month(month=month, entries=entries, kept=f"it is not over for {LEAST_DAYS} days")
            else:
                yield await _one(store, retention, month, now, pause, force=force, dry_run=dry_run)


async def _one(  # noqa: PLR0913 - what pruning depends on, named
    store: Store, retention: Retention, month: str, now: datetime, pause: Pause, *, force: bool, dry_run: bool
) -> Month:
    """Look at the entries of a month, and take them out if they may go."""
    begin, end = span(month)
    text = await store.closing(month)
    closing = None if text is None else await asyncio.to_thread(_closings.decode, text)
    inspection, number = Inspection(month, closing), 0
    async for entry in store.entries(begin):
        if entry.at >= end:
            break
        inspection.add(entry)
        number += 1
        if number % STRIDE == 0:
            await pause()
    sums = await _sums(store, begin, end)
    pruned, kept = await asyncio.to_thread(_judged, inspection, sums, now, force=force)
    found = Month(
        month=month, entries=pruned.entries, cost_nano=pruned.cost.nano, closed=closing is not None, kept=kept
    )
    if kept is None and not dry_run:
        await _take_out(retention, month, pruned.at, _encoder.encode(pruned).decode(), pruned.entries, pause)
    return found


def _judged(inspection: Inspection, sums: Rollup, now: datetime, *, force: bool) -> tuple[Pruned, str | None]:
    """What is kept of a month, and why it stays: adding up a month takes a while, and requests come first."""
    pruned = inspection.pruned(sums, now)
    return pruned, hindrance(inspection, pruned, sums, force=force)


async def _take_out(retention: Retention, month: str, at: str, pruning: str, entries: int, pause: Pause) -> None:
    async for _ in retention.prune(month, at, pruning, entries):
        await pause()


async def _sums(store: Store, since: str, until: str) -> Rollup:
    return Rollup(
        requests={key: amounts async for key, amounts in store.cells(Key, since, until)},
        tags={key: amounts async for key, amounts in store.cells(TagKey, since, until)},
        decisions={key: amounts async for key, amounts in store.cells(DecisionKey, since, until)},
        shadows={key: amounts async for key, amounts in store.cells(ShadowKey, since, until)},
    )


async def prunings(store: Store) -> dict[str, Pruned]:
    """What is kept of months whose entries went, by month. Raises StoreError."""
    found = (msgspec.json.decode(text, type=Pruned) for text in await store.prunings())
    return {pruned.month: pruned for pruned in found}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds")
