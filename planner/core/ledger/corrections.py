"""A correction amends an entry by the difference, so that what was settled stays as it was written.

    entry + its corrections = what is known by now

It is an entry of its own with the `at` of the one that it `corrects`, since money belongs to the day on which it was
spent and hours to their month; `corrected_at` says when it was made. No response tells container time, so the bill may
know better: `planner.core.reconcile.amends` says by how much.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from planner.core.ledger.entry import CORRECTION, Code, Entry, Seconds
from planner.core.money import checked, format_nano
from planner.core.pricing.prices import CODE, CREDIT, NANO_PER_MS, Basis, Line, PriceBook, Unpriced


class Billed(msgspec.Struct, frozen=True):
    """Container time of one request: milliseconds that are charged, and how many of them the free hours give back."""

    ms: int
    credited_ms: int = 0


class _Amount(msgspec.Struct, frozen=True):
    ms: int
    nano: int


def billed(entries: Iterable[Entry]) -> Billed:
    """The container time that an entry and its corrections charge together."""
    lines = [line for entry in entries for line in entry.lines]
    return Billed(_sum(lines, CODE).ms, _sum(lines, CREDIT).ms)


def correct(  # noqa: PLR0913 - what a correction is made of, named
    entry: Entry,
    better: Billed,
    prices: PriceBook,
    *,
    request_id: str,
    made_at: datetime,
    earlier: Sequence[Entry] = (),
    basis: Basis = "estimated",
) -> Entry | None:
    """The entry that brings an entry and its `earlier` corrections to better-known container time.

    None where they tell that time already, so that correcting twice changes nothing. The amounts are list prices of
    the corrected entry's day; its decisions are repeated, so that sums by decision hold them. What the work would have
    cost without our edits moves along, unless code was free: that the bill has it all the same says nothing of a
    request that was never edited.

    Raises:
        ValueError: the entry is no settled request that is billed by the token, `earlier` are not its corrections, the
            time is negative or credited beyond itself, or it has no price.
    """
    _check(entry, better, earlier)
    before = [line for each in (entry, *earlier) for line in each.lines]
    charged, credited = _sum(before, CODE), _sum(before, CREDIT)
    at = datetime.fromisoformat(entry.at)
    lines: list[Line] = []
    if better.ms != charged.ms:
        lines.append(_line(CODE, better.ms - charged.ms, _price(prices, better.ms, at) - charged.nano, basis))
    if better.credited_ms != credited.ms:
        nano = -_price(prices, better.credited_ms, at) - credited.nano
        lines.append(_line(CREDIT, better.credited_ms - credited.ms, nano, basis))
    if not lines:
        return None
    moved, cost = better.ms - charged.ms, checked(sum(line.nano for line in lines))
    free = entry.code is not None and entry.code.charge == "free"
    return Entry(
        request_id=request_id,
        at=entry.at,
        principal=entry.principal,
        organization=entry.organization,
        workspace=entry.workspace,
        team=entry.team,
        project=entry.project,
        tags=entry.tags,
        spender=entry.spender,
        endpoint=CORRECTION,
        method="",
        model=entry.model,
        served_model=entry.served_model,
        mode=entry.mode,
        outcome="ok",
        attempts=0,
        cost_nano=cost,
        lines=tuple(lines),
        untouched_nano=None if entry.untouched_nano is None else 0 if free else cost,
        decisions=entry.decisions,
        code=Code(0, Seconds(0.0, 0.0, 0.0), "billed", moved, 0 if free else moved),
        container=entry.container,
        corrects=entry.request_id,
        corrected_at=made_at.isoformat(timespec="microseconds"),
        digests=msgspec.structs.replace(entry.digests, prices=prices.digest),
    )


def _check(entry: Entry, better: Billed, earlier: Sequence[Entry]) -> None:
    if entry.outcome == "unknown" or entry.corrects is not None:
        raise ValueError(f"{entry.request_id} is no settled request: only those are corrected")
    if any(line.basis == "notional" for line in entry.lines):
        raise ValueError(f"{entry.request_id} is not billed by the token: no bill can tell its container time")
    if any(each.corrects != entry.request_id for each in earlier):
        raise ValueError(f"an earlier correction is not one of {entry.request_id}")
    if not 0 <= better.credited_ms <= better.ms:
        raise ValueError(f"{better.credited_ms} of {better.ms} milliseconds cannot be credited")


def _sum(lines: Sequence[Line], kind: str) -> _Amount:
    """The milliseconds and nano-dollars of all lines of a kind, whose quantities are decimal seconds."""
    mine = [line for line in lines if line.kind == kind]
    return _Amount(sum(line.milliseconds for line in mine), sum(line.nano for line in mine))


def _price(prices: PriceBook, milliseconds: int, at: datetime) -> int:
    line = prices.time_line(CODE, milliseconds, at)
    reason = line.reason if isinstance(line, Unpriced) else None
    if reason is not None:
        raise ValueError(f"container time has no price at {at.isoformat()}: {reason}")
    return line.nano if isinstance(line, Line) else 0


def _line(kind: str, milliseconds: int, nano: int, basis: Basis) -> Line:
    return Line(kind, format_nano(milliseconds * NANO_PER_MS), "second", nano, basis)
