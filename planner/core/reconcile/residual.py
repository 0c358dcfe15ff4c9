"""What is left of each cell's difference while causes take their part of it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from planner.core.reconcile.cells import CODE, NANO_PER_CENT, Cause, Cell, Share
from planner.core.reconcile.ours import Ours
from planner.core.reconcile.theirs import Bill

NANO_PER_LEDGER_MS = 14
"""A container's millisecond at $0.05 an hour, rounded up: the ledger tells no shorter time."""


class Claim(NamedTuple):
    """What a cause says it explains of a cell: from `low` to `high` nano-dollars, by its evidence."""

    cause: Cause
    low: int
    high: int
    evidence: str


class Residual:
    """Differences (bill less ledger) by cell, and the shares that were taken of them.

    shares + left = difference, in every cell and at all times.
    """

    def __init__(self, ours: Ours, bill: Bill) -> None:
        self.theirs = {cell: round(nano) for cell, nano in bill.costs.items()}
        self.difference = {
            cell: self.theirs.get(cell, 0) - ours.nano.get(cell, 0) for cell in self.theirs.keys() | ours.nano.keys()
        }
        self.left = dict(self.difference)
        self._half_unit: int = NANO_PER_CENT // (2 * 10**bill.decimals)
        self._lines = ours.lines
        self._shares: dict[tuple[Cause, Cell], tuple[int, str]] = {}

    @property
    def shares(self) -> tuple[Share, ...]:
        """What was explained, by cause and cell."""
        return tuple(
            Share(cause, cell, nano, evidence) for (cause, cell), (nano, evidence) in self._shares.items() if nano
        )

    def explain(self, cause: Cause, cell: Cell, nano: int, evidence: str) -> None:
        """Take an exact amount of a cell."""
        if not nano:
            return
        before, said = self._shares.get((cause, cell), (0, evidence))
        self._shares[cause, cell] = before + nano, said
        self.left[cell] = self.left.get(cell, 0) - nano
        self.difference.setdefault(cell, 0)

    def settle(self, cell: Cell, claims: Sequence[Claim]) -> None:
        """Let several causes share a cell: within what they can explain the whole of it, else as much as is nearest.

        The one whose range is widest takes first what is beyond everybody's least, so that the others are right to
        within their own, narrower ones.
        """
        low, high = sum(claim.low for claim in claims), sum(claim.high for claim in claims)
        rest = min(max(self.left.get(cell, 0), low), high) - low
        for claim in sorted(claims, key=lambda one: one.low - one.high):
            more = min(rest, claim.high - claim.low)
            rest -= more
            self.explain(claim.cause, cell, claim.low + more, claim.evidence)

    def tolerance(self, cell: Cell) -> int:
        """Nano-dollars by which both sides may round otherwise: the report's last decimal, and each line."""
        each = NANO_PER_LEDGER_MS if cell.kind == CODE else 1
        return self._half_unit + self._lines.get(cell, 0) * each + 1

    def settled(self, cell: Cell) -> bool:
        """Whether what is left of a cell is no more than rounding."""
        return abs(self.left.get(cell, 0)) <= self.tolerance(cell)

    def round_off(self, cells: Iterable[Cell]) -> None:
        """Give what is left to rounding where rounding can be all of it; of more, it is given nothing."""
        for cell in cells:
            if self.settled(cell):
                self.explain(Cause.ROUNDING, cell, self.left.get(cell, 0), "less than what both sides round away")
