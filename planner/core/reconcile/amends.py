"""Corrections of the container meter: which entries take up what the bill knows better of a day and workspace.

An estimate that is off by so much in a cell is shared out among the uses of that cell, each within its own low and
high. Whoever makes the entries asks again afterwards, and finds nothing left to correct.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, NamedTuple

from planner.core.ledger.corrections import Billed, billed, correct
from planner.core.ledger.entry import Entry
from planner.core.pricing.prices import CODE as CODE_LINE
from planner.core.pricing.prices import Line, PriceBook
from planner.core.reconcile.cells import Cause, Share
from planner.core.reconcile.money import noon
from planner.core.reconcile.ours import Ours, Use

MS_PER_HOUR: Final = 3_600_000
ID_DIGITS: Final = 24


class Move(NamedTuple):
    """Milliseconds by which a request's container time is to be moved, and what free hours give back of it."""

    ms: int
    credited_ms: int = 0


def moves(ours: Ours, shares: Iterable[Share], prices: PriceBook) -> dict[str, Move]:
    """What is to be moved of each request, by its id; those that stay are left out.

    Only time that is billed can be known better: a use that free hours pay for is on no bill. What no use can have run
    longer or shorter, free hours gave back otherwise, since they ended earlier or later than the estimate had them.
    """
    uses: dict[tuple[str, str], list[Use]] = {}
    for use in ours.uses:
        if use.charge in {"billed", "covered"}:
            uses.setdefault((use.day, use.workspace), []).append(use)
    moved: dict[str, Move] = {}
    for share in shares:
        if share.cause is not Cause.CONTAINER_ESTIMATE:
            continue
        line = prices.time_line(CODE_LINE, MS_PER_HOUR, noon(share.cell.day))
        if not isinstance(line, Line):
            continue
        wanted = round(share.nano * MS_PER_HOUR / line.nano)
        row = prices.tool(CODE_LINE, noon(share.cell.day))
        minimum = 0 if row is None else row.minimum_ms
        mine = uses.get((share.cell.day, share.cell.workspace), [])
        room = [_room(use, minimum, longer=wanted > 0) for use in mine]
        parts = _shared(wanted, room)
        credits_ = [
            use.credited_ms if wanted > 0 else max(use.hours_ms - use.credited_ms + part, 0)
            for use, part in zip(mine, parts, strict=True)
        ]
        given = _shared(wanted - sum(parts), credits_)
        for use, ms, credit in zip(mine, parts, given, strict=True):
            if ms or credit:
                moved[use.request_id] = Move(ms, -credit)
    return moved


def amend(
    entry: Entry, earlier: Sequence[Entry], moved: Move, prices: PriceBook, *, month: str, made_at: datetime
) -> Entry | None:
    """The correction that moves an entry's container time; None where nothing is left to move.

    Its id says which corrections came before it, so that the same correction is never made twice.
    """
    now = billed((entry, *earlier))
    ms = max(now.ms + moved.ms, 0)
    better = Billed(ms, min(max(now.credited_ms + moved.credited_ms, 0), ms))
    said = "\0".join(("planner-reconcile", month, entry.request_id, *(each.request_id for each in earlier)))
    number = sha256(said.encode()).hexdigest()[:ID_DIGITS]
    return correct(entry, better, prices, request_id=number, made_at=made_at, earlier=earlier, basis="estimated")


def _room(use: Use, minimum: int, *, longer: bool) -> int:
    """By how many milliseconds a use may have run longer, or shorter: no less than its minimum or its credit."""
    if longer:
        return max(use.high_ms - use.likely_ms, 0)
    kept = minimum if use.hours_ms >= minimum else 0
    return max(use.hours_ms - max(kept, use.credited_ms), 0)


def _shared(wanted: int, room: Sequence[int]) -> list[int]:
    """Share milliseconds out by how much each can take, no more than that, with the sign of what is wanted."""
    whole = sum(room)
    rest, parts = min(abs(wanted), whole), []
    for most in room:
        part = rest * most // whole if whole else 0
        rest, whole = rest - part, whole - most
        parts.append(part if wanted > 0 else -part)
    return parts
