"""A name is taken out of closed months, and no figure of them moves.

The seal of a closing is over entries that have the name in them. So their seal without it is made in the reading that
finds the first one once more: seal → the same entries, nameless → another seal, and the closing tells both.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.nameless import Names, is_named, nameless, nameless_sums
from planner.core.ledger.rollup import Amounts, K
from planner.core.reports.closing import Closing, Marks, Renamed, Seal, mark
from planner.core.reports.pruning import Pruned


class Resealing:
    """The closed entries of a month, which are given to it in the order of the ledger, with a name and without."""

    def __init__(self, closing: Closing, names: Names) -> None:
        self._closing, self._names = closing, names
        self._marks, self._before, self._after, self._changed = Marks(closing.marks), Seal(), Seal(), 0

    def add(self, entry: Entry) -> None:
        """Take in one entry; those that were not closed are passed over."""
        if entry.outcome == "unknown" or mark(entry) not in self._marks:
            return
        without = nameless(entry, self._names)
        self._before.add(entry)
        self._after.add(without)
        self._changed += without is not entry

    def closing(self, at: datetime) -> Closing:
        """The closing without the name, with the seal that its entries have without it."""
        renamed = self._closing.renamed
        if self._changed:
            when = at.astimezone(UTC).isoformat(timespec="microseconds")
            one = Renamed(at=when, entries=self._changed, before=self._before.digest, after=self._after.digest)
            renamed = (*renamed, one)
        return msgspec.structs.replace(nameless_closing(self._closing, self._names), renamed=renamed)


def is_in(closing: Closing, names: Names) -> bool:
    """Whether a name stands in the figures of a closing, and so in the entries that they are the sum of."""
    return is_named(closing.sums(), names)


def nameless_closing(closing: Closing, names: Names) -> Closing:
    """The figures of a closing without a name; its seal is another matter."""
    sums = nameless_sums(closing.sums(), names)
    return msgspec.structs.replace(closing, requests=_rows(sums.requests), tags=_rows(sums.tags))


def nameless_pruned(pruned: Pruned, names: Names) -> Pruned:
    """What was kept of pruned entries, without a name."""
    sums = nameless_sums(pruned.since(), names)
    return msgspec.structs.replace(pruned, requests=_rows(sums.requests), tags=_rows(sums.tags))


def _rows(cells: Mapping[K, Amounts]) -> tuple[tuple[K, Amounts], ...]:
    return tuple(sorted((key, amounts) for key, amounts in cells.items() if amounts))
