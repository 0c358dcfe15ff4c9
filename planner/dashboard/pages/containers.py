"""Containers: how many were started and gone on in, how long code ran and how that billed, and what edits spared."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC
from typing import Any, Final

import msgspec

from planner.core.ledger.rollup import AVOIDED, LIST, NANO, RAN, Amounts
from planner.core.money import format_nano
from planner.core.pricing.prices import CODE, CREDIT
from planner.core.reports.dimensions import common, tabulate
from planner.core.reports.figures import total
from planner.core.reports.freehours import free_hours
from planner.core.reports.wording import several
from planner.dashboard.pages.freehours import gauges, hours_table, metered
from planner.dashboard.parameters import CONTAINERS_BY, PERIOD, WHERE
from planner.dashboard.room import Content, Figure, Page, Room
from planner.dashboard.tables import NONE, Chart, Column, Row, Table, shown
from planner.dashboard.told import Cell
from planner.dashboard.view import View, months_before

OFFERED: Final = {
    "team": "Team",
    "model": "Model",
    "project": "Project",
    "principal": "Principal",
    "organization": "Organization",
}
CHARGES: Final = {
    "billed": "Billed", "covered": "Covered by what a session had paid", "free": "Free by a web tool",
    "unmetered": "Without a price",
}  # fmt: skip
"""How container time bills, as the entries say it."""
STATES: Final = {
    "idle": "waits for the next turn of its conversation",
    "busy": "lent to a request that is on its way",
    "continued": "a later turn went on in it, so only a pending call may come back to this one",
    "dead": "the API no longer took it; offered to nobody again",
}
MONTHS_OFFERED: Final = 13


class Told(msgspec.Struct, frozen=True):
    """Amounts by value, by day, and of everything asked for."""

    values: dict[str, Amounts]
    days: dict[str, Amounts]
    whole: Amounts


async def make(room: Room) -> Content:
    """The containers of a period."""
    view, period, now = room.view, room.view.period, room.now.astimezone(UTC)
    by = view.one("by") or "team"
    told = await _told(room, by)
    running = period.since <= view.today < period.until
    hours = (
        free_hours(await metered(room, period.since), now, room.standing.free_hours) if _shares(room, running) else ()
    )
    starts, charges = _starts(told.days), _charges(told.days)
    closed = None if period.month is None else await room.days.closing(period.month)
    return Content(
        said={
            "period": period,
            "months": months_before(view.today, MONTHS_OFFERED),
            "running": running,
            "where": room.where,
            "empty": not told.whole.get("code_requests", 0),
            "verdict": _verdict(told.whole),
            "hours": gauges(hours, now),
            "starts_chart": _chart(starts, "Requests of each day that started a container, and that went on in one"),
            "charges_chart": _chart(charges, "How long code ran on each day, by how that bills"),
            "tabs": tuple(_tabs(view, by)),
            "chips": tuple(_chips(room)),
            "closed": closed,
        },
        figures=tuple(_figures(told.whole)),
        tables=(
            starts,
            charges,
            _rows(view, by, told),
            _states(room.standing.containers),
            *((hours_table(hours),) if hours else ()),
        ),
        as_of=room.days.as_of(period.since, period.until),
    )


PAGE = Page("containers", "Containers", make, takes=(*PERIOD, CONTAINERS_BY, *WHERE))


def _shares(room: Room, running: bool) -> bool:  # noqa: FBT001 - read where it is made
    """Whether free hours can be told: of the month that runs, of whole organizations."""
    return running and common(room.where)


async def _told(room: Room, by: str) -> Told:
    """The amounts of a period. Raises StoreError, UncrossableError."""
    period = room.view.period
    sums = await room.days.sums(period.since, period.until, room.now.astimezone(UTC))
    if period.month is not None and (closing := await room.days.closing(period.month)) is not None:
        sums = closing.sums()
    table = tabulate(sums, ("day", by), room.where)
    values: dict[str, list[Amounts]] = {}
    days: dict[str, list[Amounts]] = {}
    for row in table.rows:
        values.setdefault(row.values[-1], []).append(row.amounts)
        days.setdefault(row.values[0], []).append(row.amounts)
    return Told(
        {value: total(each) for value, each in values.items()},
        {day: total(each) for day, each in sorted(days.items())},
        table.whole,
    )


def _starts(days: Mapping[str, Amounts]) -> Table:
    """Day by day how many were started and gone on in."""
    return Table(
        name="starts",
        title="Started and gone on in, by day",
        columns=(
            Column("day", "Day"),
            Column("reuses", "Gone on in", "count"),
            Column("starts", "Started", "count"),
        ),
        rows=tuple(
            Row((day, each.get("container_reuses", 0), each.get("container_starts", 0))) for day, each in days.items()
        ),
        note="Days are UTC, by when a request arrived.",
    )


def _charges(days: Mapping[str, Amounts]) -> Table:
    """Day by day how long code ran, by how that bills."""
    return Table(
        name="charges",
        title="How long code ran by how it bills, by day",
        columns=(
            Column("day", "Day"),
            *(Column(name, label, "hours") for name, label in CHARGES.items()),
            Column("other", "Not told apart", "hours"),
        ),
        rows=tuple(
            Row((day, *(each.get(RAN + name, 0) for name in CHARGES), _apart(each))) for day, each in days.items()
        ),
        note="What is likely: no response tells it. A new session is charged its minimum, however long code ran in it. "
        "What an older planner added up is not told apart.",
    )


def _apart(amounts: Amounts) -> int:
    return amounts.get("container_ms.likely", 0) - sum(amounts.get(RAN + name, 0) for name in CHARGES)


def _chart(table: Table, said: str) -> Chart:
    """Columns that have anything, stacked."""
    names = [column.name for column in table.columns]
    series = tuple(name for place, name in enumerate(names) if place and any(row.cells[place] for row in table.rows))
    return Chart(table=table, form="bar", along="day", series=series or (names[1],), stacked=True, said=said)


def _rows(view: View, by: str, told: Told) -> Table:
    """A row a value, the longest run first."""
    order = sorted(told.values, key=lambda value: (-told.values[value].get("container_ms.likely", 0), value))
    rows = [
        Row((value, *_cells(told.values[value])), link=view.link(**{by: value}))
        for value in order
        if told.values[value].get("code_requests", 0)
    ]
    return Table(
        name="rows",
        title=f"By {OFFERED.get(by, by).lower()}",
        columns=(
            Column(by, OFFERED.get(by, by.capitalize())),
            Column("code_requests", "Requests with code", "count"),
            Column("starts", "Started", "count"),
            Column("reuses", "Gone on in", "count"),
            Column("warm", "Warm", "share"),
            Column("losses", "Lost", "count"),
            Column("minimums", "Minimums spared", "count"),
            Column("avoided", "What these would cost", "usd"),
            Column("ran", "Code ran, likely", "hours"),
            Column("charged", "Charged", "hours"),
            Column("credited", "Given back", "hours"),
            Column("cost", "Cost", "usd"),
            Column("free_hours", "Toward free hours", "hours"),
            Column("spared", "Spared by edits", "hours"),
        ),
        rows=tuple(rows),
        total=Row(("Total", *_cells(told.whole))) if rows else None,
        note="Charged is as if no hours were free; what free hours cover is given back, and the cost is after that. "
        "Spared is what would count toward the free hours without our edits, less what does: an estimate.",
    )


def _cells(amounts: Amounts) -> tuple[Cell, ...]:
    starts, reuses = amounts.get("container_starts", 0), amounts.get("container_reuses", 0)
    return (
        amounts.get("code_requests", 0),
        starts,
        reuses,
        reuses / (starts + reuses) if starts + reuses else None,
        amounts.get("container_losses", 0),
        _minimums(amounts),
        amounts.get("avoided_nano", 0),
        amounts.get("container_ms.likely", 0),
        amounts.get("charged_ms", 0),
        amounts.get("credited_ms", 0),
        _cost(amounts),
        amounts.get("hours_ms", 0),
        _spared(amounts),
    )


def _states(containers: Mapping[str, int]) -> Table:
    """Containers of this process as they stand now."""
    return Table(
        name="states",
        title="Containers that this process remembers",
        columns=(
            Column("state", "State", "word"),
            Column("containers", "Containers", "count"),
            Column("means", "That is", "long"),
        ),
        rows=tuple(Row((state, number, STATES.get(state, ""))) for state, number in containers.items()),
        note="Now, each by the newest turn that ran in it; other processes have their own.",
    )


def _cost(amounts: Amounts) -> int:
    return amounts.get(NANO + CODE, 0) + amounts.get(NANO + CREDIT, 0)


def _minimums(amounts: Amounts) -> int:
    return sum(amounts.get(AVOIDED + by, 0) for by in ("bundle", "container"))


def _spared(amounts: Amounts) -> int:
    return amounts.get("untouched_hours_ms", 0) - amounts.get("hours_ms", 0)


def _verdict(whole: Amounts) -> str:
    """How many were warm, how long code ran, and what that cost."""
    starts, reuses = whole.get("container_starts", 0), whole.get("container_reuses", 0)
    if not whole.get("code_requests", 0):
        return "No request of these days could run code."
    said = f"{reuses:,} of {several(starts + reuses, 'request')} in a container went on in a warm one."
    ran, cost = shown(whole.get("container_ms.likely", 0), "hours"), shown(_cost(whole), "usd")
    return f"{said} Code ran for about {ran}, and container time cost {cost} (estimated)."


def _figures(whole: Amounts) -> Iterator[Figure]:
    starts, reuses = whole.get("container_starts", 0), whole.get("container_reuses", 0)
    warm = reuses / (starts + reuses) if starts + reuses else None
    yield _figure("warm", "Went on warm", warm, "share", f"{reuses:,} of {starts + reuses:,}", "counted")
    yield _figure("starts", "Containers started", starts, "count", "each a new session", "counted")
    low, high = (shown(whole.get(f"container_ms.{name}", 0), "hours") for name in ("low", "high"))
    yield _figure("ran", "Code ran", whole.get("container_ms.likely", 0), "hours", f"{low} to {high}", "estimated")
    listed = whole.get(LIST + CODE, 0)
    note = f"{shown(listed, 'usd')} before free hours"
    yield _figure("cost", "Container time", _cost(whole), "usd", note, "estimated")
    started = shown(whole.get("start_saved_ms", 0), "hours")
    note = f"{shown(whole.get('avoided_nano', 0), 'usd')}, and {started} of waiting for starts"
    yield _figure("minimums", "Minimums spared", _minimums(whole), "count", note, "estimated")
    lost, replays = whole.get("container_losses", 0), whole.get("replays", 0)
    note = f"{several(replays, 'request')} sent once more without an edit"
    yield _figure("losses", "Containers lost", lost, "count", note, "counted")
    used = shown(whole.get("hours_ms", 0), "hours")
    yield _figure(
        "spared", "Spared by edits", _spared(whole), "hours", f"{used} counted toward free hours", "estimated"
    )


def _figure(name: str, label: str, value: Any, unit: Any, note: str, basis: str) -> Figure:  # noqa: ANN401 - a cell and its words
    exact = format_nano(value) if unit == "usd" else value
    told = "ms" if unit == "hours" else unit
    return Figure(name=name, label=label, shown=shown(value, unit), exact=exact, unit=told, basis=basis, note=note)


def _tabs(view: View, by: str) -> Iterator[dict[str, Any]]:
    for name, label in OFFERED.items():
        yield {"label": label, "link": view.link(by=name), "here": name == by}


def _chips(room: Room) -> Iterable[dict[str, str]]:
    """The filters in force, each with the address without it."""
    for name, values in room.where.items():
        for value in sorted(values):
            yield {"name": name, "value": value or NONE, "link": room.view.without(name, value)}
