"""Entries go after their time, a month as a whole, and what they came to stays: hourly sums, closed figures.

    frozen figures + what came since, as it was told when the entries went = the hourly sums

A month goes only when nothing can need its entries any more: it is over for long enough, its sums are what its entries
add up to, and it was closed with figures that its entries still agree with. Why it stays otherwise is a sentence.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import (
    LIST,
    NANO,
    NOTIONAL,
    TOKENS,
    Amounts,
    DecisionKey,
    K,
    Key,
    Rollup,
    ShadowKey,
    TagKey,
    add,
    cost_nano,
    rollup,
)
from planner.core.reports.closing import Closing, Marks, Seal, Verified, by_day, mark, since_closing
from planner.core.reports.figures import Money, money, total

LEAST_DAYS: Final = 31
"""A month is kept so long after its end whatever anybody says: results of a batch can be fetched for 29 days, and what
was counted of them stands in entries. Ours."""

_DAY: Final = len("2026-11-22")
_COUNTED: Final = ("requests", "corrections")
_SUMMED: Final = (NANO, LIST, TOKENS)


class Pruned(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of the entries of a month (`2026-11`) that went.

    Attributes:
        month: which.
        at: when, RFC 3339 UTC.
        entries, corrections: how many settled entries there were, and how many of them amended others.
        open: requests that were not settled; they stay.
        cost: what the entries cost.
        found: the seal over those of them that were closed; None where the month was not closed.
        as_closed: whether they were as they were closed; None where the month was not closed.
        later: entries that came after the month was closed.
        requests, tags, decisions, shadows: what these added to the sums, by day.
    """

    month: str
    at: str
    entries: int
    corrections: int
    open: int
    cost: Money
    found: str | None = None
    as_closed: bool | None = None
    later: int = 0
    requests: tuple[tuple[Key, Amounts], ...] = ()
    tags: tuple[tuple[TagKey, Amounts], ...] = ()
    decisions: tuple[tuple[DecisionKey, Amounts], ...] = ()
    shadows: tuple[tuple[ShadowKey, Amounts], ...] = ()

    def since(self) -> Rollup:
        """What came after the month was closed."""
        return Rollup(dict(self.requests), dict(self.tags), dict(self.decisions), dict(self.shadows))


class Inspection:
    """A last look at the entries of a month, which are given to it in the order of the ledger."""

    def __init__(self, month: str, closing: Closing | None) -> None:
        self._month, self._closing = month, closing
        self._marks = None if closing is None else Marks(closing.marks)
        self._seal, self._days, self._closed_cost = Seal(), dict[str, Amounts](), 0
        self.entries, self._corrections, self._open, self._later = 0, 0, 0, 0

    def add(self, entry: Entry) -> None:
        """Look at one entry."""
        if entry.outcome == "unknown":
            self._open += 1
            return
        self.entries += 1
        self._corrections += entry.corrects is not None
        amounts = total(rollup((entry,)).requests.values())
        add(self._days.setdefault(entry.at[:_DAY], {}), amounts)
        if self._marks is not None and mark(entry) in self._marks:
            self._seal.add(entry)
            self._closed_cost += cost_nano(amounts)
        elif self._marks is not None:
            self._later += 1

    def adds_up(self, sums: Rollup) -> bool:
        """Whether the entries come to these sums of their month, day by day: in counts, tokens and money."""
        days: dict[str, Amounts] = {}
        for key, amounts in sums.requests.items():
            add(days.setdefault(key.hour[:_DAY], {}), amounts)
        return {day: found for day in days if (found := exact(days[day]))} == {
            day: found for day in self._days if (found := exact(self._days[day]))
        }

    def pruned(self, sums: Rollup, at: datetime) -> Pruned:
        """What is to be kept of the month, given its sums, once the entries have gone."""
        closing = self._closing
        cost = money(sum(cost_nano(amounts) for amounts in self._days.values()))
        kept = Pruned(
            month=self._month,
            at=at.astimezone(UTC).isoformat(timespec="microseconds"),
            entries=self.entries,
            corrections=self._corrections,
            open=self._open,
            cost=cost,
        )
        if closing is None:
            return kept
        came = since_closing(closing, sums)
        as_closed = (
            self._seal.digest == closing.seal
            and self._seal.entries == closing.entries
            and self._closed_cost == closing.cost.nano
        )
        return msgspec.structs.replace(
            kept,
            found=self._seal.digest,
            as_closed=as_closed,
            later=self._later,
            requests=tuple(sorted(came.requests.items())),
            tags=tuple(sorted(came.tags.items())),
            decisions=tuple(sorted(came.decisions.items())),
            shadows=tuple(sorted(came.shadows.items())),
        )


def verify_pruned(closing: Closing, pruned: Pruned, now: Rollup) -> Verified:
    """Hold the closing of a month whose entries have gone against what was found then, and its sums as they are."""
    came = pruned.since()
    frozen, days = closing.sums(), by_day(now)
    agree = (
        _same(frozen.requests, came.requests, days.requests)
        and _same(frozen.tags, came.tags, days.tags)
        and _same(frozen.decisions, came.decisions, days.decisions)
        and _same(frozen.shadows, came.shadows, days.shadows)
    )
    cost = cost_nano(total(now.requests.values())) - cost_nano(total(came.requests.values()))
    return Verified(
        month=closing.month,
        closed_at=closing.closed_at,
        version=closing.version,
        entries=closing.entries,
        missing=closing.entries,
        later=pruned.later,
        digest=closing.seal or closing.digest,
        found=pruned.found or "",
        cost=closing.cost,
        found_cost=money(cost),
        same=bool(pruned.as_closed) and agree and cost == closing.cost.nano,
        nameless=sum(each.entries for each in closing.renamed),
        pruned_at=pruned.at,
    )


def exact(amounts: Mapping[str, int]) -> Amounts:
    """What of a cell has to agree for ever: later versions may add up more of an entry, and never less of these."""
    return {
        name: amount
        for name, amount in amounts.items()
        if amount and (bare := name.removeprefix(NOTIONAL)) and (bare in _COUNTED or bare.startswith(_SUMMED))
    }


def is_due(month: str, before: datetime) -> bool:
    """Whether a month (`2026-11`) was over by a moment."""
    return end_of(month) <= before


def is_settled(month: str, now: datetime) -> bool:
    """Whether a month is over for so long that nothing of it is counted again."""
    return is_due(month, now - timedelta(days=LEAST_DAYS))


def end_of(month: str) -> datetime:
    """The first moment (UTC) after a month (`2026-11`)."""
    begin = date.fromisoformat(f"{month}-01")
    after = (begin + timedelta(days=31)).replace(day=1)
    return datetime(after.year, after.month, after.day, tzinfo=UTC)


def overlaps(month: str, since: str, until: str | None) -> bool:
    """Whether a month (`2026-11`) has a moment from one on and before another, None for no end (RFC 3339 UTC)."""
    begin = f"{month}-01T00:00:00.000000+00:00"
    return since[: len(month)] <= month and (until is None or begin < until)


def hindrance(inspection: Inspection, pruned: Pruned, sums: Rollup, *, force: bool) -> str | None:
    """Why the entries of a month stay, in a sentence; None where they may go. `force` lets unclosed ones go."""
    if not inspection.adds_up(sums):
        return "its hourly sums are not what its entries add up to, so they would tell something else without them"
    if pruned.as_closed is None:
        return None if force else f"it is not closed: planner report close {pruned.month}"
    if not pruned.as_closed:
        return f"it is not as it was closed: planner report close {pruned.month} --verify"
    return None


def _same(frozen: Mapping[K, Amounts], since: Mapping[K, Amounts], now: Mapping[K, Amounts]) -> bool:
    """Whether the sums are those that were frozen and what came since."""
    known: dict[K, Amounts] = {key: dict(amounts) for key, amounts in frozen.items()}
    for key, amounts in since.items():
        add(known.setdefault(key, {}), amounts)
    return {key: found for key in known if (found := exact(known[key]))} == {
        key: found for key in now if (found := exact(now[key]))
    }
