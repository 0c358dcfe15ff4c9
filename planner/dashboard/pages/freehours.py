"""The free hours of each organization as pages show them: a gauge and a sentence each, and a table of all figures."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

from planner.core.allowance import KEPT_DAYS, MS_PER_HOUR
from planner.core.ledger.rollup import Amounts, Key
from planner.core.reports.freehours import FreeHours
from planner.core.reports.wording import several
from planner.dashboard.drawing import Gauge, gauge
from planner.dashboard.room import Room
from planner.dashboard.tables import Column, Row, Table
from planner.dashboard.view import DAY


async def metered(room: Room, since: date) -> dict[Key, Amounts]:
    """The hourly sums of the organizations asked for: of a period, and as far back as a forecast looks.

    Raises StoreError.
    """
    today, asked = room.view.today, room.where.get("organization")
    every = await room.days.hours(min(since, today - KEPT_DAYS * DAY), today + DAY, room.now)
    return {key: amounts for key, amounts in every.items() if asked is None or key.organization in asked}


def gauges(hours: Iterable[FreeHours], now: datetime) -> list[tuple[FreeHours, Gauge, str]]:
    """Each with its bar and what that says."""
    return [(each, _bar(each), _words(each, now)) for each in hours]


def hours_table(hours: Iterable[FreeHours]) -> Table:
    """The free hours of each organization."""
    return Table(
        name="free-hours",
        title="Free container hours",
        columns=(
            Column("organization", "Organization"),
            Column("used", "Used", "hours"),
            Column("limit", "Free", "hours"),
            Column("expected", "Expected by month's end", "hours"),
            Column("low", "At least", "hours"),
            Column("high", "At most", "hours"),
            Column("untouched", "Untouched, expected", "hours"),
            Column("runs_out", "Used up on", "word"),
        ),
        rows=tuple(map(_row, hours)),
        note="Container time is estimated: no response tells it. Bounds hold in 80 % of cases.",
    )


def _row(each: FreeHours) -> Row:
    found = each.allowance
    told = (found.used, found.limit)
    ahead = (found.forecast, found.low, found.high, found.untouched)
    runs_out = f"{each.runs_out:%Y-%m-%d}" if each.runs_out else "not this month" if found.known else None
    return Row(
        (each.organization, *map(_ms, told), *(_ms(hours) if found.known else None for hours in ahead), runs_out)
    )


def _ms(hours: float) -> int:
    return round(hours * MS_PER_HOUR)


def _bar(each: FreeHours) -> Gauge:
    found = each.allowance
    return gauge(found.used, found.limit, found.forecast if found.known else None, found.low, found.high)


def _words(each: FreeHours, now: datetime) -> str:
    """What a gauge says, as a sentence."""
    found = each.allowance
    if found.limit == 0:
        return "No free hours are set: every container hour costs its list price at once."
    if found.used >= found.limit:
        return "The free hours are used up: a container hour costs $0.05 now."
    if not found.known:
        return "Too little is known to say when they run out: it takes 3 days of traffic."
    if each.runs_out is None:
        return f"They last: {found.forecast:,.0f} h are expected by the end of the month."
    inside = each.runs_out - now
    soon = f"in {several(inside.days, 'day')}" if inside >= timedelta(days=1) else "within a day"
    return (
        f"Expected to be used up on {each.runs_out.day} {each.runs_out:%B}, {soon}; from then on an hour costs $0.05."
    )
