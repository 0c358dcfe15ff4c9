"""The bill: months held against Anthropic's, day by day: what explains a difference, and what is left of it."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from planner.core.money import format_nano
from planner.core.reconcile.cells import MEANS, Cause
from planner.core.reconcile.statement import Row as Cell
from planner.core.reconcile.statement import Statement
from planner.core.reports.wording import several
from planner.dashboard.parameters import DAY_OF_BILL, STATEMENT
from planner.dashboard.room import Content, Figure, Page, Room
from planner.dashboard.tables import CENTS, Chart, Column, Row, Table, shown
from planner.dashboard.tables import total as total_row
from planner.dashboard.view import AddressError, View, period_of

MOST_ROWS: Final = 100
OLD: Final = timedelta(days=40)
"""A statement that is older than this leaves a month out, most likely."""
USD: Final = "usd"
_statements = msgspec.json.Decoder(Statement)


async def make(room: Room) -> Content:
    """One month's statement; without a choice the newest one that there is."""
    every = tuple(map(_statements.decode, await room.store.reconciliations()))
    if not every:
        last = period_of("last-month", room.view.today).month
        return Content(said={"statement": None, "choices": (), "last_month": last}, tables=(_months((), room.view),))
    chosen = _chosen(every, room.view)
    days, causes = _days(chosen, room.view), _causes(chosen)
    rows = _rows(chosen, room.view.one("day"))
    return Content(
        said={
            "statement": chosen,
            "choices": tuple((_key(each), _name(each)) for each in every),
            "chosen": _key(chosen),
            "verdict": _verdict(chosen),
            "made": datetime.fromisoformat(chosen.made_at),
            "old": room.now - max(datetime.fromisoformat(each.made_at) for each in every) > OLD,
            "chart": _chart(days),
            "day": room.view.one("day"),
            "all_days": room.view.link(day=None),
            "shown_rows": rows.rows[:MOST_ROWS],
            "hidden_rows": max(len(rows.rows) - MOST_ROWS, 0),
        },
        figures=tuple(_figures(chosen)),
        tables=(days, causes, rows, _batches(chosen), _proposals(chosen), _months(every, room.view)),
    )


PAGE = Page("bill", "Bill", make, takes=(STATEMENT, DAY_OF_BILL))


def _key(statement: Statement) -> str:
    return f"{statement.month}/{statement.organization or ''}"


def _name(statement: Statement) -> str:
    return f"{statement.month} {statement.organization or ''}".strip()


def _chosen(every: tuple[Statement, ...], view: View) -> Statement:
    """The statement that the address names. Raises AddressError where there is none."""
    wanted = view.one("statement")
    if not wanted:
        return max(every, key=lambda each: (each.month, each.theirs_nano))
    found = next((each for each in every if _key(each) == wanted), None)
    if found is None:
        known = ", ".join(map(_name, every))
        raise AddressError(f"no statement {wanted!r} was made. There are those of {known}.")
    return found


def _told(nano: int, statement: Statement) -> str:
    """An amount with the decimals that suit all of them, so that one less the other is the third to the eye as well."""
    return shown(nano, USD, 2 if max(abs(statement.theirs_nano), abs(statement.ours_nano)) >= CENTS else 4)


def _verdict(statement: Statement) -> str:
    bill, ours = _told(statement.theirs_nano, statement), _told(statement.ours_nano, statement)
    both = f"Anthropic billed {bill}; the ledger has {ours}."
    if not statement.difference_nano and not statement.unexplained_nano:
        return f"{both} They are equal to the nano-dollar."
    if not statement.unexplained_nano:
        return f"{both} All of the difference of {_told(statement.difference_nano, statement)} is explained."
    left, bound = _told(statement.unexplained_nano, statement), _told(statement.threshold_nano, statement)
    said = "no more than" if statement.within else "more than"
    return f"{both} {left} of the difference stays unexplained, {said} the {statement.threshold} tolerated ({bound})."


def _figures(statement: Statement) -> Iterator[Figure]:
    explained = _told(sum(statement.explained.values()), statement)
    asked = f"{statement.requests:,} requests in the ledger"
    told = (
        ("theirs", "Anthropic's bill", statement.theirs_nano, "billed", asked),
        ("ours", "The ledger", statement.ours_nano, "measured, but for what is estimated", "at contracted price"),
        ("difference", "Difference", statement.difference_nano, "bill less ledger", f"{explained} explained"),
        ("unexplained", "Unexplained", statement.unexplained_nano, "no signs", f"tolerated: {statement.threshold}"),
    )
    for name, label, nano, basis, note in told:
        said = _told(nano, statement)
        yield Figure(name=name, label=label, shown=said, exact=format_nano(nano), unit=USD, basis=basis, note=note)


def _days(statement: Statement, view: View) -> Table:
    """A row a day; what is unexplained is added up without signs beside its sum."""
    found: dict[str, list[int]] = {}
    for row in statement.rows:
        sums = found.setdefault(row.day, [0, 0, 0, 0, 0, 0])
        explained = sum(row.explained.values())
        amounts = (row.theirs_nano, row.ours_nano, row.difference_nano, explained, row.unexplained_nano)
        for place, nano in enumerate((*amounts, abs(row.unexplained_nano))):
            sums[place] += nano
    rows = tuple(Row((day, *sums), link=view.link(day=day)) for day, sums in sorted(found.items()))
    return Table(
        name="days",
        title="Day by day",
        columns=(
            Column("day", "Day", "word"),
            Column("theirs", "Bill", USD),
            Column("ours", "Ledger", USD),
            Column("difference", "Difference", USD),
            Column("explained", "Explained", USD),
            Column("unexplained", "Unexplained", USD),
            Column("residual", "Without signs", USD),
        ),
        rows=rows,
        total=total_row(rows) if rows else None,
        note="Difference is the bill less the ledger; explained and unexplained add up to it in every row.",
    )


def _chart(days: Table) -> Chart:
    said = "Of each day, by how much the bill is more than the ledger: what is explained, and what is not"
    return Chart(table=days, form="bar", along="day", series=("explained", "unexplained"), stacked=True, said=said)


def _causes(statement: Statement) -> Table:
    """What explains the difference, in the order in which causes are looked for."""
    rows = [
        Row((MEANS[cause], cause.value, statement.explained[cause.value], _days_of(statement.rows, cause)))
        for cause in Cause
        if statement.explained.get(cause.value)
    ]
    left = [row for row in statement.rows if row.unexplained_nano]
    days = len({row.day for row in left})
    rows.append(Row(("explained by nothing", "", sum(row.unexplained_nano for row in left), days)))
    return Table(
        name="causes",
        title="What explains it",
        columns=(
            Column("means", "Cause", "long"),
            Column("cause", "Name", "code"),
            Column("nano", "Amount", USD),
            Column("days", "Days", "count"),
        ),
        rows=tuple(rows),
        total=Row(("Difference", "", statement.difference_nano, None)),
        note="Each takes what its own evidence shows and no more.",
    )


def _days_of(rows: Iterable[Cell], cause: Cause) -> int:
    return len({row.day for row in rows if row.explained.get(cause.value)})


def _rows(statement: Statement, day: str) -> Table:
    """The rows that differ, those first that nobody explains; of one day, all of it."""
    asked = [row for row in statement.rows if (row.day == day if day else row.difference_nano)]
    asked.sort(key=lambda row: (-abs(row.unexplained_nano), -abs(row.difference_nano), row.day, row.description))
    return Table(
        name="rows",
        title=f"Rows of {day}" if day else "Rows that differ",
        columns=(
            Column("description", "Description"),
            Column("day", "Day", "word"),
            Column("workspace", "Workspace"),
            Column("theirs", "Bill", USD),
            Column("ours", "Ledger", USD),
            Column("difference", "Difference", USD),
            Column("unexplained", "Unexplained", USD),
            Column("evidence", "Evidence", "long"),
        ),
        rows=tuple(
            Row(
                (
                    row.description,
                    row.day,
                    row.workspace or "default",
                    row.theirs_nano,
                    row.ours_nano,
                    row.difference_nano,
                    row.unexplained_nano,
                    "; ".join(row.evidence.values()),
                )
            )
            for row in asked
        ),
        nothing="No row differs.",
    )


def _batches(statement: Statement) -> Table:
    """Batches that were made through the planner, those with missing results first."""
    more = f" {statement.more_batches:,} more are not shown." if statement.more_batches else ""
    return Table(
        name="batches",
        title="Batches made through the planner",
        columns=(
            Column("batch", "Batch", "code"),
            Column("made_at", "Made at (UTC)", "word"),
            Column("workspace", "Workspace"),
            Column("requests", "Requests", "count"),
            Column("passed", "Results passed", "count"),
            Column("missing", "Missing", "count"),
        ),
        rows=tuple(
            Row((each.id, made, each.workspace or "default", each.requests, each.passed, each.missing))
            for each in statement.batches
            for made in (each.made_at[:16].replace("T", " "),)
        ),
        note=f"Missing are results that did not pass the planner, at most: requests that failed bill nothing.{more}",
    )


def _proposals(statement: Statement) -> Table:
    """What ought to be changed, if a person agrees."""
    rows: list[Row] = []
    for price in statement.prices:
        days = f"{price.first_day} to {price.last_day}"
        said = f"{price.kind} ({price.tier}) is billed at {price.factor} times its rate, {days}"
        rows.append(Row((f"price row {price.row}", said, price.nano)))
    for setting in statement.settings:
        said = f"{setting.better} fits better than {setting.value}, on {several(setting.days, 'day')}"
        rows.append(Row((setting.key, said, setting.nano)))
    if statement.meter is not None:
        factor = "" if statement.meter.factor is None else f", {statement.meter.factor:.4g} times what it billed"
        said = f"off in {several(statement.meter.cells, 'row')}{factor}; planner reconcile --apply corrects it"
        rows.append(Row(("container meter", said, statement.meter.nano)))
    return Table(
        name="proposals",
        title="Proposed",
        columns=(Column("what", "What"), Column("why", "Why", "long"), Column("nano", "Amount", USD)),
        rows=tuple(rows),
    )


def _months(every: Iterable[Statement], view: View) -> Table:
    """Every month that was held against the bill."""
    return Table(
        name="months",
        title="Months",
        columns=(
            Column("statement", "Month"),
            Column("theirs", "Bill", USD),
            Column("ours", "Ledger", USD),
            Column("difference", "Difference", USD),
            Column("unexplained", "Unexplained", USD),
            Column("within", "Tolerated"),
            Column("made", "Made on", "word"),
        ),
        rows=tuple(
            Row(
                (
                    _name(each),
                    each.theirs_nano,
                    each.ours_nano,
                    each.difference_nano,
                    each.unexplained_nano,
                    "yes" if each.within else "no",
                    each.made_at[:10],
                ),
                link=view.link(statement=_key(each), day=None),
            )
            for each in sorted(every, key=lambda each: (each.month, each.organization or ""), reverse=True)
        ),
    )
