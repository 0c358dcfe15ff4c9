"""A principal is forgotten: its names are taken out of a store and of a journal, and every sum stays as it is.

Entries are not deleted but lose the name: the ledger stays whole, what a team, a model or a day cost stays what it was,
a closed month can still be held against its seal, and a month that was not reconciled yet still can be.
"""

from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path

import msgspec

from planner.core.ledger.nameless import Names, nameless
from planner.core.records import (
    ConversationRecord,
    EntryRecord,
    LearntRecord,
    Record,
    ScopeRecord,
    TurnRecord,
    decode,
    encode,
)
from planner.core.reports.closing import Closing
from planner.core.reports.forgetting import Resealing, is_in, nameless_closing
from planner.core.rulebook.book import Callers
from planner.stores import Store
from planner.stores.forgetting import Step, forget
from planner.stores.journalfiles import rewrite
from planner.stores.retention import BusyError, Retention, span

_closings = msgspec.json.Decoder(Closing)


def names_of(principal: str, callers: Callers) -> Names:
    """What one principal is called in a ledger: as it is given, and by the name and the keys that callers.yaml says."""
    row = callers.find(principal)
    return frozenset({principal} if row is None else {principal, row.name, *row.keys})


async def forget_in_store(
    store: Store, retention: Retention, names: Names, *, now: datetime, write: bool
) -> AsyncGenerator[Step, None]:
    """Take names out of a store, step by step; without `write` only look what has them. Raises StoreError."""
    async with retention.alone() as alone:
        if not alone:
            raise BusyError("another process takes something out of this store: try again when it is done")
        for (month,) in await retention.fetch("closed_months"):
            if await _reseal(store, retention, month, names, now=now, write=write):
                yield Step("closed months", 1)
        async for step in forget(retention, names, write=write):
            yield step


async def _reseal(store: Store, retention: Retention, month: str, names: Names, *, now: datetime, write: bool) -> bool:
    """Take names out of the figures of a closed month, and note the seal that its entries will have without them."""
    text = await store.closing(month)
    closing = None if text is None else _closings.decode(text)
    if closing is None or not is_in(closing, names):
        return False
    if not write:
        return True
    if await retention.is_pruned(month):
        without = nameless_closing(closing, names)
    else:
        resealing, (begin, end) = Resealing(closing, names), span(month)
        async for entry in store.entries(begin):
            if entry.at >= end:
                break
            resealing.add(entry)
        without = resealing.closing(now)
    async with retention.transaction() as fetch:
        await fetch("put_nameless_closing", msgspec.json.encode(without).decode(), month)
    return True


def forget_in_journal(directory: Path, names: Names, *, write: bool) -> int:
    """Take names out of a journal that no process has open; return how many lines had them. Raises StoreError."""
    words = [msgspec.json.encode(name) for name in names] + [msgspec.json.encode(name)[:-1] + b"@" for name in names]

    def without(line: bytes) -> bytes | None:
        if not any(word in line for word in words):
            return line
        try:
            record = decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None  # a line that was torn when its process was killed is no record for anybody
        kept = _nameless(record, names)
        return line if kept is record else None if kept is None else encode(kept)

    return rewrite(directory, without, write=write)


def _nameless(record: Record, names: Names) -> Record | None:
    """The record without a name; None for what is only remembered of somebody."""
    match record:
        case EntryRecord(entry=entry):
            without = nameless(entry, names)
            return record if without is entry else EntryRecord(without)
        case ConversationRecord(conversation=conversation):
            return None if conversation.principal in names else record
        case TurnRecord(turn=turn):
            return None if turn.conversation.principal in names else record
        case ScopeRecord(principal=principal):
            return None if principal.partition("@")[0] in names else record
        case LearntRecord():
            return record
