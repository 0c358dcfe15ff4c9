"""Code that ran for others than the entries of the ledger: what analytics tells of it by key, in money and in spans.

A span is one run. Keys that the ledger has never seen ran theirs past the planner. Batches whose results did not pass
ran theirs on days on which their tokens are missing; which of their requests ran code, the results alone would tell.
"""

from collections.abc import Collection, Mapping
from fractions import Fraction
from typing import Final, NamedTuple

from planner.core.reconcile.cells import CODE, Cause, Cell
from planner.core.reconcile.ours import Ours
from planner.core.reconcile.residual import Residual
from planner.core.reconcile.surplus import Surplus
from planner.core.reconcile.theirs import Bill

OTHERS: Final = frozenset({Cause.BYPASS, Cause.LOST_ENTRIES, Cause.UNPRICED})
"""Causes of tokens whose requests may have run code as well."""

Spot = tuple[str, str]
"""A day and a workspace."""


class Beyond(NamedTuple):
    """Spans beyond the runs of the ledger: how many in all, and those that it lost, or that batches ran, by spot."""

    spans: int
    lost: dict[Spot, int]
    past: dict[Spot, int]


def explain_bypass(residual: Residual, bill: Bill, foreign: Collection[tuple[str, str]]) -> None:
    """Code of keys (with their workspace) that the ledger has never seen, as analytics tells it."""
    for (day, workspace, key), cost in sorted(bill.code.items()):
        cell = Cell(day, workspace, CODE)
        if (workspace, key) in foreign and cell in residual.difference:
            evidence = f"{cost.spans or 0} spans of key {key or '(none)'}, which is in no ledger entry"
            residual.explain(Cause.BYPASS, cell, round(cost.nano), evidence)


def explain_batches(residual: Residual, ours: Ours, bill: Bill, surplus: Surplus) -> None:
    """Code that only batches can have run whose results did not pass: with keys of theirs, or as nobody else did."""
    busy = _busy(ours, bill, surplus)
    for (day, workspace), (_, evidence) in sorted(surplus.past.items()):
        cell = Cell(day, workspace, CODE)
        left = residual.left.get(cell, 0)
        if left <= 0 or residual.settled(cell):
            continue
        told = [bill.code.get((day, *name)) for name in surplus.batching if name[0] == workspace]
        theirs = round(sum((cost.nano for cost in told if cost is not None), Fraction(0)))
        if theirs > 0 or (day, workspace) not in busy:
            residual.explain(Cause.BATCHES_PAST, cell, min(theirs or left, left), f"code of {evidence}")


def beyond(
    ours: Ours, bill: Bill, owners: Mapping[str, str], foreign: Collection[tuple[str, str]], surplus: Surplus
) -> Beyond:
    """Spans beyond the ledger's runs, those of keys apart that it has never seen.

    They are lost on keys that are used through the planner alone, and where the end of some request was not seen. Where
    batches are missing they are theirs; without analytics each of their missing requests may have run code.
    """
    declared = set(owners.values())
    spans: dict[tuple[str, str, str], int] = {}
    for (day, workspace, key), cost in bill.code.items():
        if (workspace, key) not in foreign and cost.spans is not None:
            place = (day, workspace, owners.get(key, ""))
            spans[place] = spans.get(place, 0) + cost.spans
    for (day, workspace, principal), runs in ours.runs.items():
        place = (day, workspace, principal if principal in declared else "")
        spans[place] = spans.get(place, 0) - runs
    lost: dict[Spot, int] = {}
    past: dict[Spot, int] = {} if bill.code_known else {spot: requests for spot, (requests, _) in surplus.past.items()}
    for (day, workspace, owner), count in spans.items():
        spot = (day, workspace)
        if count > 0 and spot in surplus.past:
            past[spot] = past.get(spot, 0) + count
        elif count > 0 and (owner or ours.open.get(spot, 0)):
            lost[spot] = lost.get(spot, 0) + count
    return Beyond(sum(max(count, 0) for count in spans.values()), lost, past)


def _busy(ours: Ours, bill: Bill, surplus: Surplus) -> set[Spot]:
    """Where others may have run code: in the ledger, or in tokens that it lacks."""
    busy = {(use.day, use.workspace) for use in ours.uses} | {cell[:2] for cell in ours.corrected} | ours.open.keys()
    for place, listed in surplus.found.items():
        # of a key that the ledger never saw, analytics tells the code
        if any(used.cause in OTHERS and (used.variant is None or not bill.code_known) for used in listed):
            busy.add((place.day, place.workspace))
    return busy
