"""What makes a bill differ from the ledger, injected with an amount that is known exactly: for tests of reconciliation.

Each takes the charged items of a bill (or the entries of a ledger) and gives what they become, with the nano-dollars by
which the bill is then more than it was against that ledger: negative where it is less.
"""

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from planner.core.ledger.entry import Entry
from planner.traffic.account import amounts
from planner.traffic.bill import Item, ItemLine, total
from planner.traffic.month import Month

NANO_PER_CENT: Final = 10_000_000
STRANGER: Final = "apikey_01Stranger"
"""A key whose requests never pass the planner."""

Items = tuple[Item, ...]


class Deviated(NamedTuple):
    """A bill with something wrong, and how much more it has for that."""

    items: Items
    nano: int


def bypass(items: Items, *, every: int = 10) -> Deviated:
    """Requests that went past the planner: every so manieth item once more, of a key that the planner never saw."""
    strangers = tuple(msgspec.structs.replace(item, api_key=STRANGER) for item in items[::every])
    return _with((*items, *strangers), items)


def lost(entries: Iterable[Entry], *, every: int = 100) -> tuple[list[Entry], int]:
    """A ledger that lost every so manieth entry, and what these had cost: by so much the bill has more."""
    kept, nano = [], 0
    for number, entry in enumerate(entries, 1):
        if number % every:
            kept.append(entry)
        else:
            nano += sum(amounts(entry).values())
    return kept, nano


def repriced(items: Items, model: str, kind: str, *, percent: int = 10) -> Deviated:
    """A price row that is wrong: what one class of one model costs on the bill is so much more."""

    def dearer(item: Item, line: ItemLine) -> ItemLine:
        if item.model != model or line.kind != kind:
            return line
        return msgspec.structs.replace(line, nano=line.nano + line.nano * percent // 100)

    return _with(_changed(items, dearer), items)


def other_minimum(month: Month) -> Deviated:
    """The other reading of the minimum: each request that runs code pays five minutes, not each session.

    `month` must be over. Its twin is made in a world that is so; decisions and tokens are the same in both.
    """
    twin = Month(
        month.book,
        entries=month.entries,
        seed=month.seed,
        start=month.start,
        facts={"code.minimum_per": "request"},
    )
    for _ in twin.happenings():
        pass
    return _with(twin.bill.items, month.bill.items)


def missing_day(items: Items, day: str) -> Deviated:
    """A report that lacks a day (ISO 8601)."""
    return _with(tuple(item for item in items if item.day != day), items)


def late(items: Items, since: str) -> Deviated:
    """A report that does not know yet what was charged since an hour (RFC 3339, as items have it)."""
    return _with(tuple(item for item in items if item.at < since), items)


def cents(items: Items, *, cents_hundredths: int = 12_345) -> Deviated:
    """One more charge, of 123.45 cents if nothing is said: who reads the string as dollars sees a hundred times that.

    It stands in a workspace of its own, so that the report has that amount and no other in its row.
    """
    first = items[0]
    nano = cents_hundredths * NANO_PER_CENT // 100
    line = ItemLine("web_search", 1, nano)
    charge = msgspec.structs.replace(
        first, workspace="wrkspc_01Cents", api_key=STRANGER, requests=1, spans=0, lines=(line,)
    )
    return _with((*items, charge), items)


def rounded(items: Items, *, decimals: int = 2) -> Deviated:
    """A report whose rows are rounded to so many decimals of a cent, half to even, a row a day and kind of charge."""
    unit = NANO_PER_CENT // 10**decimals
    sums: dict[tuple[str, ...], int] = {}
    for item in items:
        for line in item.lines:
            row = _row(item, line)
            sums[row] = sums.get(row, 0) + line.nano
    owed = {row: unit * _half_even(nano, unit) - nano for row, nano in sums.items()}

    def settled(item: Item, line: ItemLine) -> ItemLine:
        return msgspec.structs.replace(line, nano=line.nano + owed.pop(_row(item, line), 0))

    return _with(_changed(items, settled), items)


def _with(after: Items, before: Items) -> Deviated:
    return Deviated(after, total(after) - total(before))


def _changed(items: Items, change: Callable[[Item, ItemLine], ItemLine]) -> Items:
    return tuple(
        msgspec.structs.replace(item, lines=tuple(change(item, line) for line in item.lines)) for item in items
    )


def _row(item: Item, line: ItemLine) -> tuple[str, ...]:
    """What a cost report puts into one row: tool charges are not told apart by model."""
    place = (item.day, item.organization, item.workspace, line.kind)
    if line.kind in {"web_search", "code_execution"}:
        return place
    return (*place, item.model, item.service_tier, item.inference_geo, item.context_window)


def _half_even(nano: int, unit: int) -> int:
    whole, rest = divmod(nano, unit)
    return whole + (2 * rest > unit or (2 * rest == unit and whole % 2 == 1))
