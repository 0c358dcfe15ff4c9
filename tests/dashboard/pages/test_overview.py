"""The overview: its figures are the report's, its sentences say how they are known, its forecast is of this month."""

import asyncio
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import msgspec
import pytest

from planner.core.ledger.rollup import rollup
from planner.core.reports.dimensions import tabulate
from planner.core.reports.figures import figures
from planner.dashboard.pages.overview import PAGE
from planner.dashboard.room import Content
from planner.dashboard.view import AddressError
from tests.doubles.months import made
from tests.doubles.paged import NOW, SumsStore, content, standing
from tests.doubles.reported import closing_of

BEFORE = NOW.isoformat()
OVER = datetime(2026, 11, 5, 9, tzinfo=UTC)


@cache
def store() -> SumsStore:
    """October up to its 21st."""
    return SumsStore(entry for entry in made().entries if entry.at < BEFORE)


def page(query: str = "", **fields: Any) -> Content:
    """The overview on that day."""
    return asyncio.run(content(store(), PAGE, query, standing(**fields)))


def figure(found: Content, name: str) -> Any:
    """The exact value of a card."""
    return next(each.exact for each in found.figures if each.name == name)


def test_its_figures_are_those_of_the_report() -> None:
    """To the nano-dollar."""
    whole = figures(tabulate(store().sums, ("team",), {}).whole)
    found = page()
    assert figure(found, "cost") == whole.cost.usd
    assert figure(found, "saved") == whole.saved.usd
    spend = next(table for table in found.tables if table.name == "spend")
    assert sum(row.cells[1] for row in spend.rows if isinstance(row.cells[1], int)) == whole.cost.nano
    known = next(table for table in found.tables if table.name == "known")
    assert sum(row.cells[2] for row in known.rows[:2] if isinstance(row.cells[2], int)) == whole.cost.nano


def test_a_team_alone_has_no_forecast() -> None:
    """It is of whole organizations, and so are free hours."""
    found = page("team=data")
    assert "take the filters away" in found.said["expected"]
    assert found.said["hours"] == []
    assert (
        figure(found, "cost")
        == figures(tabulate(store().sums, ("team",), {"team": frozenset({"data"})}).whole).cost.usd
    )


def test_the_month_that_runs_is_expected() -> None:
    """More than was spent, in an interval; the chart ends with the month."""
    found = page()
    assert re.fullmatch(
        r"By the end of the month \$[\d.,]+ is expected, \$.* to \$.* in 80 % of cases\.", found.said["expected"]
    )
    spend = next(table for table in found.tables if table.name == "spend")
    day, *_, expected, low, high = spend.rows[-1].cells
    assert day == "2026-10-31"
    assert isinstance(low, int)
    assert isinstance(expected, int)
    assert isinstance(high, int)
    assert low < expected < high
    assert [row.cells[0] for row in spend.rows[:-1]] == [f"2026-10-{day:02d}" for day in range(1, 22)]


def test_a_month_that_is_over_is_not_expected() -> None:
    """Nor has it a gauge."""
    found = page("period=2026-10", now=OVER)
    assert found.said["expected"] == ""
    assert not found.said["running"]
    assert all(each.name != "expected" for each in found.figures)


def test_a_closed_month_is_told_by_its_frozen_figures() -> None:
    """Whatever came since."""
    entries = [entry for entry in made().entries if entry.at < BEFORE]
    closed = SumsStore(entries[:100])
    closing = closing_of(entries)
    closed.closings["2026-10"] = msgspec.json.encode(closing).decode()
    found = asyncio.run(content(closed, PAGE, "period=2026-10", standing(OVER)))
    assert figure(found, "cost") == closing.cost.usd
    assert found.said["closed"] == closing


def test_gauges_say_when_the_hours_run_out() -> None:
    """Each organization in a sentence with a date."""
    said = [words for _, _, words in page(limit=4).said["hours"]]
    assert len(said) == 2
    assert all(re.search(r"used up|They last", words) for words in said)
    assert "No free hours are set" in page(limit=0).said["hours"][0][2]


def test_only_months_have_an_overview() -> None:
    """A budget and a forecast are of one."""
    with pytest.raises(AddressError, match="of a month"):
        page("period=7d")


def test_subscriptions_and_requests_without_a_price_are_told_apart() -> None:
    """They are in no sum of money, and the page says so."""
    whole = figures(rollup_whole())
    bases = {row.cells[0]: row.cells[3] for table in page().tables if table.name == "known" for row in table.rows}
    assert bases["unknown"] == whole.unpriced
    assert bases["not billed"] == whole.notional_requests


def rollup_whole() -> dict[str, int]:
    """Everything of the month so far."""
    return tabulate(rollup(entry for entry in made().entries if entry.at < BEFORE), ("team",), {}).whole


def test_figures_lead_to_what_explains_them() -> None:
    """Savings to decisions, errors to their requests: of a month that is over, those before its end."""
    links = {each.name: each.link for each in page("team=data").figures}
    assert links["saved"] == "/planner/decisions?team=data"
    assert links["errors"] == "/planner/requests?team=data&outcome=error"
    links = {each.name: each.link for each in page("period=2026-10", now=OVER).figures}
    assert links["saved"] == "/planner/decisions?period=2026-10"
    assert links["errors"] == "/planner/requests?outcome=error&before=2026-11-01"
