"""The overview: what a month cost and will have cost, what was saved and how that is known, and whether all is well."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date
from typing import Final

from planner.core.ledger.rollup import Amounts, add
from planner.core.money import NANO_PER_USD, format_nano
from planner.core.reports.dimensions import Table as Summed
from planner.core.reports.dimensions import common, tabulate
from planner.core.reports.figures import Figures, figures, total
from planner.core.reports.forecast import TOO_LITTLE, Forecast, forecast
from planner.core.reports.freehours import FreeHours, free_hours
from planner.core.reports.wording import several
from planner.dashboard.pages.budgets import budgets
from planner.dashboard.pages.freehours import gauges, hours_table, metered
from planner.dashboard.pages.knowing import known_by, saved_words
from planner.dashboard.parameters import PERIOD, WHERE
from planner.dashboard.room import Content, Figure, Page, Room
from planner.dashboard.tables import Chart, Column, Row, Table, shown
from planner.dashboard.view import DAY, AddressError, Period, months_before

FAILED: Final = ("error", "cancelled")
ENDINGS: Final = {
    "ok": "Answered", "error": "Errors", "cancelled": "Hung up by the client", "refused": "Refused by a policy",
}  # fmt: skip
MONTHS_OFFERED: Final = 13
TEAMS: Final = 6
"""Teams that are named where there are more; the others are one row."""


async def make(room: Room) -> Content:
    """The overview of a month."""
    view, now, period = room.view, room.now.astimezone(UTC), room.view.period
    if period.month is None:
        raise AddressError("the overview is of a month. Take one like 2026-11, or see the cost of any days.")
    where, running = room.where, period.month == f"{now:%Y-%m}"
    sums = await room.days.sums(period.since, period.until, now)
    closing = await room.days.closing(period.month)
    table = tabulate(sums if closing is None else closing.sums(), ("day", "outcome", "team"), where)
    days = _by_day((row.values[0], row.values[1], row.amounts) for row in table.rows)
    whole = figures(table.whole)
    expected, hours = await _ahead(room, period) if running and common(where) else (None, ())
    spend = _spend(period, view.today, days, expected)
    accounts = await budgets(room) if running else None
    tables = [spend, _requests(days), known_by(whole, closing), _teams(room, table)]
    if accounts is not None:
        tables.append(accounts)
    if hours:
        tables.append(hours_table(hours))
    return Content(
        said={
            "period": period,
            "running": running,
            "months": months_before(view.today, MONTHS_OFFERED),
            "empty": not table.whole,
            "whole": whole,
            "verdict": saved_words(whole),
            "expected": _expected_words(expected, running=running),
            "spend_chart": _spend_chart(spend),
            "requests_chart": _requests_chart(tables[1]),
            "hours": gauges(hours, now),
            "closed": closing,
            "where": where,
        },
        figures=tuple(_figures(room, whole, table.whole, days, expected)),
        tables=tuple(tables),
        as_of=room.days.as_of(period.since, period.until),
    )


PAGE = Page("overview", "Overview", make, takes=(*PERIOD, *WHERE))


async def _ahead(room: Room, period: Period) -> tuple[Forecast, tuple[FreeHours, ...]]:
    """What is expected of the month that runs, of the organizations asked for. Raises StoreError."""
    free, mine = room.standing.free_hours, await metered(room, period.since)
    return forecast(mine, room.now, free), free_hours(mine, room.now, free)


def _by_day(rows: Iterable[tuple[str, str, Amounts]]) -> dict[str, dict[str, Amounts]]:
    """Amounts by outcome, by day."""
    found: dict[str, dict[str, Amounts]] = {}
    for day, outcome, amounts in rows:
        add(found.setdefault(day, {}).setdefault(outcome, {}), amounts)
    return found


def _spend(period: Period, today: date, days: dict[str, dict[str, Amounts]], told: Forecast | None) -> Table:
    """Day by day what was spent, added up, and what is expected of the end where enough is known."""
    columns = [Column("day", "Day", "word"), Column("cost", "Cost", "usd"), Column("cumulative", "Added up", "usd")]
    columns += [Column("untouched", "Untouched, added up", "usd")]
    end = None
    if told is not None and told.expected is not None and told.low is not None and told.high is not None:
        end = (told.expected.nano, told.low.nano, told.high.nano)
        columns += [Column("expected", "Expected", "usd"), Column("low", "At least", "usd")]
        columns += [Column("high", "At most", "usd")]
    rows: list[Row] = []
    spent = untouched = 0
    for day in (period.since + place * DAY for place in range(period.elapsed(today))):
        of_day = figures(total(days.get(day.isoformat(), {}).values()))
        spent += of_day.cost.nano
        untouched += of_day.cost.nano + of_day.saved.nano
        ahead = () if end is None else (spent,) * 3 if day == today else (None,) * 3
        rows.append(Row((day.isoformat(), of_day.cost.nano, spent, untouched, *ahead)))
    last = period.until - DAY
    if end is not None and today < last:
        rows.append(Row((last.isoformat(), None, None, None, *end)))
    note = "Days are UTC."
    if end is not None:
        note += " The last row is the end of the month, where the truth lies between the bounds in 80 % of cases."
    return Table(name="spend", title="Spend by day", columns=tuple(columns), rows=tuple(rows), note=note)


def _spend_chart(table: Table) -> Chart:
    ahead = any(column.name == "expected" for column in table.columns)
    said = "Spend of the month added up by day, and what it would have been untouched"
    return Chart(
        table=table,
        form="line",
        along="day",
        series=("cumulative", "untouched", *(("expected",) if ahead else ())),
        dashed=("expected",) if ahead else (),
        band=("low", "high") if ahead else None,
        said=f"{said}, and what is expected by its end" if ahead else said,
    )


def _requests(days: dict[str, dict[str, Amounts]]) -> Table:
    """Day by day how requests ended."""
    outcomes = sorted({outcome for each in days.values() for outcome in each} - {"ok", *FAILED})
    names = ("ok", *FAILED, *outcomes)
    return Table(
        name="requests",
        title="Requests by day and how they ended",
        columns=(Column("day", "Day", "word"), *(Column(name, ENDINGS.get(name, name), "count") for name in names)),
        rows=tuple(
            Row((day, *(each.get(name, {}).get("requests", 0) for name in names))) for day, each in sorted(days.items())
        ),
        note="Corrections and requests that are still open are not counted.",
    )


def _requests_chart(table: Table) -> Chart:
    names = tuple(column.name for column in table.columns[1:] if any(row.cells for row in table.rows))
    return Chart(
        table=table, form="bar", along="day", series=names, stacked=True, said="Requests of each day by how they ended"
    )


def _teams(room: Room, table: Summed) -> Table:
    """The dearest teams, each leading to its cost."""
    teams: dict[str, Amounts] = {}
    for row in table.rows:
        add(teams.setdefault(row.values[2], {}), row.amounts)
    told = [(name, figures(amounts)) for name, amounts in teams.items()]
    told.sort(key=lambda each: (-each[1].cost.nano, each[0]))
    most = TEAMS if len(told) > TEAMS + 1 else TEAMS + 1
    first, rest = told[:most], told[most:]
    whole = sum(each.cost.nano for _, each in told) or 1
    rows = [
        Row(
            (name, each.cost.nano, each.cost.nano / whole, each.saved.nano, each.requests),
            link=room.view.link("cost", team=name, by="model"),
        )
        for name, each in first
    ]
    if rest:
        cost = sum(each.cost.nano for _, each in rest)
        saved, requests = sum(each.saved.nano for _, each in rest), sum(each.requests for _, each in rest)
        name = f"{several(len(rest), 'more team', 'more teams')}"
        rows.append(Row((name, cost, cost / whole, saved, requests), link=room.view.link("cost", by="team")))
    return Table(
        name="teams",
        title="Where it went",
        columns=(
            Column("team", "Team"),
            Column("cost", "Cost", "usd"),
            Column("share", "Share", "share"),
            Column("saved", "Saved, estimated", "usd"),
            Column("requests", "Requests", "count"),
        ),
        rows=tuple(rows),
    )


def _expected_words(told: Forecast | None, *, running: bool) -> str:
    if not running:
        return ""
    if told is None:
        return "The forecast is of whole organizations: take the filters away to see it."
    if told.expected is None or told.low is None or told.high is None:
        return TOO_LITTLE
    low, likely, high = (shown(each.nano, "usd") for each in (told.low, told.expected, told.high))
    return f"By the end of the month {likely} is expected, {low} to {high} in 80 % of cases."


def _figures(
    room: Room,
    whole: Figures,
    amounts: Amounts,
    days: dict[str, dict[str, Amounts]],
    expected: Forecast | None,
) -> Iterator[Figure]:
    """The cards, in their order."""
    link = room.view.link
    sums = [total(each.values()) for _, each in sorted(days.items())]
    daily = [figures(each) for each in sums]
    yield Figure(
        name="cost",
        label="You paid",
        shown=shown(whole.cost.nano, "usd"),
        exact=format_nano(whole.cost.nano),
        unit="usd",
        basis="measured, but for what is estimated",
        note=f"{shown(whole.estimated.nano, 'usd')} of it estimated",
        trend=tuple(each.cost.nano / NANO_PER_USD for each in daily),
        link=link("cost"),
    )
    if expected is not None and expected.expected is not None and expected.low and expected.high:
        yield Figure(
            name="expected",
            label="Expected in all",
            shown=shown(expected.expected.nano, "usd"),
            exact=format_nano(expected.expected.nano),
            unit="usd",
            basis="expected",
            note=f"{shown(expected.low.nano, 'usd')} to {shown(expected.high.nano, 'usd')} in 80 % of cases",
        )
    untouched = whole.cost.nano + whole.saved.nano
    yield Figure(
        name="saved",
        label="Saved" if whole.saved.nano >= 0 else "Spent on edits",
        shown=shown(abs(whole.saved.nano), "usd"),
        exact=format_nano(whole.saved.nano),
        unit="usd",
        basis="estimated",
        note=f"untouched {shown(untouched, 'usd')}",
        trend=tuple(each.saved.nano / NANO_PER_USD for each in daily),
        link=link("decisions"),
    )
    until = room.view.period.until
    before = until.isoformat() if until <= room.view.today else None
    yield from _traffic(amounts, days, sums, link("requests", outcome="error", period=None, before=before))


def _traffic(
    amounts: Amounts, days: dict[str, dict[str, Amounts]], sums: list[Amounts], errors: str
) -> Iterator[Figure]:
    """Requests, errors with the address of their list, overhead."""
    requests, timed = amounts.get("requests", 0), amounts.get("latencies", 0)
    failed = [sum(each.get(name, {}).get("requests", 0) for name in FAILED[:1]) for _, each in sorted(days.items())]
    yield Figure(
        name="requests",
        label="Requests",
        shown=shown(requests, "count"),
        exact=requests,
        unit="count",
        basis="counted",
        note=f"{amounts.get('conversations', 0):,} conversations began",
        trend=tuple(float(each.get("requests", 0)) for each in sums),
    )
    yield Figure(
        name="errors",
        label="Errors",
        shown=shown(sum(failed) / requests if requests else 0.0, "share"),
        exact=sum(failed),
        unit="count",
        basis="counted",
        note=several(sum(failed), "request failed", "requests failed"),
        trend=tuple(map(float, failed)),
        link=errors,
    )
    overhead = amounts.get("overhead_us", 0) / timed / 1000 if timed else None
    yield Figure(
        name="overhead",
        label="Added by the planner",
        shown=shown(overhead, "ms"),
        exact=overhead,
        unit="ms",
        basis="measured",
        note=f"mean; a request takes {amounts.get('latency_us', 0) / timed / 1_000_000:,.1f} s"
        if timed
        else "nothing timed",
        trend=tuple(each.get("overhead_us", 0) / max(each.get("latencies", 0), 1) / 1000 for each in sums),
    )
