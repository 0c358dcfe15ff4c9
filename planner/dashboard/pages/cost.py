"""The cost of any days by any of what it is told by: stacked by day, beside the period before, and down from there."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date
from typing import Any, Final

import msgspec

from planner.core.ledger.rollup import (
    LIST,
    NANO,
    Amounts,
    DecisionKey,
    DecisionModelKey,
    Key,
    Rollup,
    TagKey,
    cost_nano,
)
from planner.core.money import format_nano
from planner.core.reports.dimensions import MODEL, OF_DECISIONS, ONE_TAG, TAG, UncrossableError, tabulate
from planner.core.reports.figures import figures, total
from planner.core.reports.wording import several
from planner.dashboard.pages.conversations import conversations
from planner.dashboard.pages.knowing import known_by, saved_words
from planner.dashboard.parameters import BY, COMPARE, OF_KIND, PERIOD, WHERE
from planner.dashboard.room import Content, Figure, Page, Room
from planner.dashboard.tables import NONE, Chart, Column, Row, Table, shown
from planner.dashboard.tables import total as total_row
from planner.dashboard.view import DAY, Period, View, months_before

KIND: Final = "kind"
"""Kinds of lines are no dimension of requests: a request has lines of several. They are names of amounts."""
CONVERSATION: Final = "conversation"
ONE_DAY: Final = "conversations are told of one day. Tell the cost by day, and choose one."
OF_KINDS: Final = (
    "code_execution is container time as if no hours were free; allowance_credit takes back what free hours cover."
)
OFFERED: Final = {
    "team": "Team", "model": "Model", KIND: "Kind", "project": "Project", "principal": "Principal", TAG: "Tag",
    "policy": "Policy", "day": "Day", CONVERSATION: "Conversation",
}  # fmt: skip
"""What the page offers to tell the cost by; an address may name any other dimension."""
NEXT: Final = {
    "organization": "team", "workspace": "team", "team": "model", "project": "principal", "principal": "model",
    "model": "day", KIND: "day", "policy": "day", "reason": "day", "month": "day",
}  # fmt: skip
"""Where a row leads: what the cost of it is told by."""
STACKED: Final = 8
"""Series of the chart; what is left is one more, so that colours stay apart."""
MOST_ROWS: Final = 200
OTHER: Final = "other"
MONTHS_OFFERED: Final = 13


class Told(msgspec.Struct, frozen=True):
    """Amounts by value, by value and day, and of everything asked for."""

    values: dict[str, Amounts]
    days: dict[tuple[str, str], Amounts]
    whole: Amounts
    overlaps: str | None = None


async def make(room: Room) -> Content:
    """The cost of a period by one dimension."""
    view, period = room.view, room.view.period
    by, where = view.one("by") or "team", room.where
    kinds = frozenset(view.every(KIND))
    talks = by == CONVERSATION
    if talks and period.days != 1:
        raise UncrossableError(ONE_DAY)
    summed = "day" if talks else by
    told = await _told(room, period, summed, where, kinds)
    compared = view.one("compare") == "previous" and not talks
    previous = period.before(view.today) if compared else None
    earlier = await _told(room, previous, by, where, kinds) if previous is not None else None
    if talks:
        rows = await conversations(room, period, where, kinds)
    else:
        rows = _rows(view, by, told, earlier, plain=not kinds)
    days = _by_day(summed, period, view.today, told, daily=summed != "day")
    whole = figures(told.whole)
    closed = None if period.month is None else await room.days.closing(period.month)
    return Content(
        said={
            "period": period,
            "previous": previous,
            "months": months_before(view.today, MONTHS_OFFERED),
            "empty": not told.whole,
            "whole": whole,
            "verdict": saved_words(whole) if not kinds else _of_kinds(told.whole, kinds),
            "by": by,
            "tabs": tuple(_tabs(view, by, where, kinds)),
            "chips": tuple(_chips(view, where, kinds)),
            "chart": None if talks else _chart(days),
            "shown_rows": rows.rows[:MOST_ROWS],
            "hidden_rows": max(len(rows.rows) - MOST_ROWS, 0),
            "overlaps": told.overlaps,
            "closed": closed,
        },
        figures=tuple(_figures(told, earlier)),
        tables=(rows, days, known_by(whole, closed)),
        as_of=room.days.as_of(period.since, period.until),
    )


PAGE = Page("cost", "Cost", make, takes=(*PERIOD, BY, COMPARE, *WHERE, OF_KIND))


async def _told(room: Room, period: Period, by: str, where: dict[str, frozenset[str]], kinds: frozenset[str]) -> Told:
    """The amounts of a period. Raises StoreError, UncrossableError."""
    decided = DecisionModelKey if MODEL in (by, *where) else DecisionKey
    needed: set[type[Any]] = {Key} | {decided for name in (by, *where) if name in OF_DECISIONS}
    needed |= {TagKey for name in (by, *where) if name == TAG or name.startswith(ONE_TAG)}
    sums = await room.days.sums(period.since, period.until, room.now.astimezone(UTC), needed)
    if period.month is not None and (closing := await room.days.closing(period.month)) is not None:
        sums = closing.sums()
    if by == KIND:
        return _by_kind(sums, where, kinds)
    narrowed = where | ({"action": frozenset({"bundle"})} if _needs_action(by, where) else {})
    dimensions = ("day",) if by == "day" else ("day", by)
    table = tabulate(sums, dimensions, narrowed)
    at = table.by.index(by)
    days = {(row.values[table.by.index("day")], row.values[at]): _only(row.amounts, kinds) for row in table.rows}
    values: dict[str, list[Amounts]] = {}
    for (_, value), amounts in days.items():
        values.setdefault(value, []).append(amounts)
    return Told({value: total(each) for value, each in values.items()}, days, _only(table.whole, kinds), table.overlaps)


def _needs_action(by: str, where: Mapping[str, frozenset[str]]) -> bool:
    """Whether decisions are asked for without saying of which action: then of bundles, which is where money is."""
    return "action" not in where and by != "action" and any(name in OF_DECISIONS for name in (by, *where))


def _by_kind(sums: Rollup, where: dict[str, frozenset[str]], kinds: frozenset[str]) -> Told:
    """Kinds of lines in place of a dimension: each has the part of the amounts that bears its name."""
    table = tabulate(sums, ("day",), where)
    days = {
        (row.values[0], kind): amounts
        for row in table.rows
        for kind in _kinds(row.amounts)
        if (not kinds or kind in kinds) and (amounts := _only(row.amounts, frozenset({kind})))
    }
    values: dict[str, list[Amounts]] = {}
    for (_, kind), amounts in days.items():
        values.setdefault(kind, []).append(amounts)
    return Told({kind: total(each) for kind, each in values.items()}, days, _only(table.whole, kinds))


def _kinds(amounts: Amounts) -> list[str]:
    return sorted({name.removeprefix(front) for front in (NANO, LIST) for name in amounts if name.startswith(front)})


def _only(amounts: Amounts, kinds: frozenset[str]) -> Amounts:
    """What belongs to some kinds of lines; everything where none is named."""
    if not kinds:
        return amounts
    wanted = {front + kind for front in (NANO, LIST) for kind in kinds}
    return {name: amount for name, amount in amounts.items() if name in wanted}


def _of_kinds(amounts: Amounts, kinds: frozenset[str]) -> str:
    return f"{shown(cost_nano(amounts), 'usd')} of {' and '.join(sorted(kinds))}."


def _rows(view: View, by: str, told: Told, earlier: Told | None, *, plain: bool) -> Table:
    """A row a value; what only requests have is left out where lines of one kind are told."""
    of_requests = plain and by != KIND
    columns = [
        Column(by, OFFERED.get(by, by.capitalize())),
        Column("cost", "Cost", "usd"),
        Column("share", "Share", "share"),
    ]
    columns += [Column("list", "List price", "usd")]
    if of_requests:
        columns += [Column("credit", "Free hours", "usd"), Column("estimated", "Of it estimated", "usd")]
        columns += [Column("saved", "Saved, estimated", "usd"), Column("requests", "Requests", "count")]
        columns += [Column("per_conversation", "A conversation", "usd")]
    if earlier is not None:
        columns += [
            Column("previous", "Before", "usd"),
            Column("change", "Change", "usd"),
            Column("changed", "Change, %", "share"),
        ]
    whole = cost_nano(told.whole)
    values = {value: told.values.get(value, {}) for value in {*told.values, *(earlier.values if earlier else {})}}
    order = (
        sorted(values, key=lambda value: value)
        if by in {"day", "month"}
        else sorted(values, key=lambda value: (-cost_nano(values[value]), value))
    )
    rows = tuple(
        Row(
            (value, *_cells(values[value], whole, of_requests=of_requests), *_change(value, values[value], earlier)),
            link=_down(view, by, value),
        )
        for value in order
    )
    last = None
    if told.overlaps is None and rows:
        cells = _cells(told.whole, whole, of_requests=of_requests)
        change = () if earlier is None else _changed(whole, cost_nano(earlier.whole))
        last = Row(("Total", *cells, *change))
    return Table(
        name="rows",
        title=f"Cost by {OFFERED.get(by, by).lower()}",
        columns=tuple(columns),
        rows=rows,
        total=last,
        note=told.overlaps or (OF_KINDS if by == KIND else ""),
    )


def _cells(amounts: Amounts, whole: int, *, of_requests: bool) -> tuple[Any, ...]:
    each, cost = figures(amounts), cost_nano(amounts)
    share = cost / whole if whole else None
    if not of_requests:
        return cost, share, each.listed.nano
    per = None if each.per_conversation is None else each.per_conversation.nano
    return (cost, share, each.listed.nano, each.credit.nano, each.estimated.nano, each.saved.nano, each.requests, per)


def _change(value: str, amounts: Amounts, earlier: Told | None) -> tuple[Any, ...]:
    return () if earlier is None else _changed(cost_nano(amounts), cost_nano(earlier.values.get(value, {})))


def _changed(now: int, before: int) -> tuple[Any, ...]:
    return before, now - before, (now - before) / before if before > 0 else None


def _down(view: View, by: str, value: str) -> str:
    """The address of what is below a row; empty where nothing is."""
    if by == "day":
        return view.link(
            **{"from": value, "to": value, "by": CONVERSATION, "period": None, "day": None, "compare": None}
        )
    if by == TAG:
        name, _, content = value.partition("=")
        return view.link(**{f"{ONE_TAG}{name}": content, "by": "day"})
    following = "day" if by.startswith(ONE_TAG) else NEXT.get(by)
    return "" if following is None else view.link(**{by: value, "by": following})


def _by_day(by: str, period: Period, today: date, told: Told, *, daily: bool) -> Table:
    """A row a day, a column for each of the dearest values, and one for what is left."""
    ranked = sorted(told.values, key=lambda value: (-cost_nano(told.values[value]), value))
    first = [value for value in ranked[:STACKED] if cost_nano(told.values[value])] if daily else []
    names = [f"s{place}" for place in range(1, len(first) + 1)]
    columns = [
        Column("day", "Day", "word"),
        *(Column(name, value or NONE, "usd", valued=True) for name, value in zip(names, first, strict=True)),
    ]
    rest = len(ranked) > len(first) or not daily
    if rest:
        columns.append(Column(OTHER, several(len(ranked) - len(first), "other", "others") if daily else "Cost", "usd"))
    costs: dict[str, dict[str, int]] = {}
    for (name, value), amounts in told.days.items():
        costs.setdefault(name, {})[value] = cost_nano(amounts)
    rows = []
    for day in (period.since + place * DAY for place in range(period.elapsed(today))):
        mine = costs.get(day.isoformat(), {})
        cells = [mine.get(value, 0) for value in first]
        more = [sum(mine.values()) - sum(cells)] if rest else []
        rows.append(Row((day.isoformat(), *cells, *more)))
    return Table(
        name="by-day",
        title="Cost by day" if not daily else f"Cost by day and {OFFERED.get(by, by).lower()}",
        columns=tuple(columns),
        rows=tuple(rows),
        total=total_row(rows) if rows and told.overlaps is None else None,
        note=f"Days are UTC, by when a request arrived. {told.overlaps or ''}".strip(),
    )


def _chart(days: Table) -> Chart:
    return Chart(
        table=days,
        form="bar",
        along="day",
        series=tuple(column.name for column in days.columns[1:]),
        stacked=True,
        said=days.title,
    )


def _figures(told: Told, earlier: Told | None) -> Iterable[Figure]:
    cost = cost_nano(told.whole)
    before = None if earlier is None else cost_nano(earlier.whole)
    note = ""
    if before is not None:
        note = f"{shown(before, 'usd')} before" + (f", {100 * (cost - before) / before:+.1f} %" if before > 0 else "")
    yield Figure(
        name="cost", label="Cost", shown=shown(cost, "usd"), exact=format_nano(cost), unit="usd",
        basis="measured, but for what is estimated", note=note,
    )  # fmt: skip


def _tabs(view: View, by: str, where: dict[str, frozenset[str]], kinds: frozenset[str]) -> Iterable[dict[str, Any]]:
    """What else the cost can be told by; `why` says why one cannot be."""
    names = dict(OFFERED) | ({} if by in OFFERED else {by: by})
    for name, label in names.items():
        if name == CONVERSATION and view.period.days != 1:
            why = ONE_DAY
        else:
            why = "" if name == KIND and not kinds else _why_not(name, where)
        yield {"name": name, "label": label, "link": view.link(by=name), "here": name == by, "why": why}


def _why_not(name: str, where: dict[str, frozenset[str]]) -> str:
    """Why a dimension cannot be told under these filters; empty where it can."""
    if name in {KIND, CONVERSATION}:
        name = "day"
    narrowed = where | ({"action": frozenset({"bundle"})} if _needs_action(name, where) else {})
    try:
        tabulate(Rollup(), ("day",) if name == "day" else ("day", name), narrowed)
    except UncrossableError as error:
        return str(error)
    return ""


def _chips(view: View, where: Mapping[str, frozenset[str]], kinds: frozenset[str]) -> Iterable[dict[str, str]]:
    """The filters in force, each with the address without it."""
    for name, values in (*where.items(), *([(KIND, kinds)] if kinds else [])):
        for value in sorted(values):
            yield {"name": name, "value": value or NONE, "link": view.without(name, value)}
