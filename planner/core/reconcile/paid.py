"""What months cost in code execution by the bill alone, and so the most that bundling could have saved.

    saved by bundling <= what was paid for code execution

A web tool in every request that runs code makes all of it free, and adds tokens of its own, which are left out of the
bound. Hours that pass no planner are known where the free hours were used up: then the bill tells all hours.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Final

import msgspec

from planner.core.money import format_nano
from planner.core.pricing.prices import CODE as CODE_LINE
from planner.core.pricing.prices import Line, PriceBook
from planner.core.reconcile.cells import parse_cents
from planner.core.reconcile.theirs import CodeRow

MS_PER_HOUR: Final = 3_600_000


class KeyPaid(msgspec.Struct, frozen=True, kw_only=True):
    """Code execution of one API key in a month: `team` by `callers.yaml`, empty where that does not name the key."""

    workspace: str
    api_key: str
    team: str
    nano: int
    spans: int


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """Code execution of an organization in a month, by its bill: the dearest keys first."""

    month: str
    nano: int
    spans: int
    keys: tuple[KeyPaid, ...]


class Elsewhere(msgspec.Struct, frozen=True, kw_only=True):
    """Container hours a month that pass no planner: `exact` where the bill tells all hours, else at most so many."""

    month: str
    hours: float
    exact: bool


def paid(rows: Iterable[CodeRow], teams: Mapping[str, str]) -> tuple[Paid, ...]:
    """Add code execution up by month and key; `teams` are those of API keys. Raises ValueError for no amount."""
    amounts: dict[tuple[str, str, str], tuple[Fraction, int]] = {}
    for row in rows:
        place = (row.day[:7], row.workspace, row.key)
        nano, spans = amounts.get(place, (Fraction(0), 0))
        nano += Fraction(0) if row.amount is None else parse_cents(row.amount).nano
        amounts[place] = nano, spans + (row.spans or 0)
    found = []
    for month in sorted({month for month, _, _ in amounts}):
        keys = [
            KeyPaid(workspace=workspace, api_key=key, team=teams.get(key, ""), nano=round(nano), spans=spans)
            for (each, workspace, key), (nano, spans) in amounts.items()
            if each == month
        ]
        keys.sort(key=lambda each: (-each.nano, -each.spans, each.workspace, each.api_key))
        total, spans = sum(each.nano for each in keys), sum(each.spans for each in keys)
        found.append(Paid(month=month, nano=total, spans=spans, keys=tuple(keys)))
    return tuple(found)


def verdict(months: Iterable[Paid]) -> str:
    """The answer in a sentence or two."""
    months = tuple(months)
    nano = sum(each.nano for each in months)
    if nano <= 0:
        return "You paid $0 for code execution: leave bundling off."
    teams: dict[str, int] = {}
    for each in months:
        for key in each.keys:
            name = key.team or key.api_key or "requests without a key"
            teams[name] = teams.get(name, 0) + key.nano
    dearest = [name for name, spent in sorted(teams.items(), key=lambda one: (-one[1], one[0])) if spent > 0]
    number = "a month" if len(months) == 1 else f"{len(months)} months"
    return (
        f"You paid ${format_nano(nano)} for code execution in {number}: no more than that can be saved, "
        f"most of it by {', '.join(dearest[:3])}. Bundling adds tokens: replay the ledger to see what is left."
    )


def elsewhere(
    month: Paid, prices: PriceBook, at: datetime, *, limit: float, metered_ms: int, known: Iterable[str]
) -> Elsewhere:
    """The hours of a month that the planner did not meter, of which it counted `metered_ms`.

    Where the bill has an amount, the free hours were used up, and it tells all hours. Where it has none, spans of keys
    that are not `known` to the planner took a minimum each at most, as long as none ran for longer.
    """
    line, tool = prices.time_line(CODE_LINE, MS_PER_HOUR, at), prices.tool(CODE_LINE, at)
    hour = line.nano if isinstance(line, Line) else 0
    if month.nano > 0 and hour:
        hours = limit + month.nano / hour - metered_ms / MS_PER_HOUR
        return Elsewhere(month=month.month, hours=round(max(hours, 0.0), 2), exact=True)
    mine = set(known)
    spans = sum(each.spans for each in month.keys if each.api_key not in mine)
    minimum = 0 if tool is None else tool.minimum_ms
    return Elsewhere(month=month.month, hours=round(spans * minimum / MS_PER_HOUR, 2), exact=False)
