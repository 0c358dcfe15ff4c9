"""Cost: every way to tell it adds up to the report's total, rows lead down, and two periods stand side by side."""

import asyncio
from datetime import date
from typing import Any

import msgspec
import pytest

from planner.core.ledger.rollup import cost_nano
from planner.core.money import format_nano
from planner.core.reports.dimensions import UncrossableError, between, tabulate
from planner.core.reports.figures import kinds
from planner.dashboard.pages.cost import OFFERED, PAGE, STACKED
from planner.dashboard.room import Content
from planner.dashboard.tables import Table
from planner.dashboard.view import view_of
from tests.dashboard.pages.test_overview import OVER, store
from tests.doubles.months import made
from tests.doubles.paged import SumsStore, content, standing
from tests.doubles.reported import closing_of


def page(query: str = "", **fields: Any) -> Content:
    """The cost of October so far."""
    return asyncio.run(content(store(), PAGE, query, standing(**fields)))


def table(found: Content, name: str) -> Table:
    """One of its tables."""
    return next(each for each in found.tables if each.name == name)


def costs(found: Table) -> dict[str, int]:
    """Its first column with its second."""
    return {str(row.cells[0]): int(row.cells[1] or 0) for row in found.rows}


def whole(**where: str) -> int:
    """What the report says."""
    asked = {name: frozenset({value}) for name, value in where.items()}
    return cost_nano(tabulate(store().sums, ("day",), asked).whole)


@pytest.mark.parametrize(
    "by", ["team", "model", "kind", "project", "principal", "day", "policy", "organization", "tags.feature"]
)
def test_rows_add_up_to_the_total(by: str) -> None:
    """And so do the days of the chart, series by series, however it is told."""
    found = page(f"by={by}")
    rows, days = table(found, "rows"), table(found, "by-day")
    assert sum(costs(rows).values()) == whole()
    assert rows.total is not None
    assert rows.total.cells[1] == whole()
    assert sum(cell for row in days.rows for cell in row.cells[1:] if isinstance(cell, int)) == whole()
    assert found.figures[0].exact == format_nano(whole())
    assert len(days.columns) <= 1 + STACKED + 1


def test_tags_overlap_and_say_so() -> None:
    """A request has several, so there is no total to be wrong."""
    found = page("by=tag")
    assert table(found, "rows").total is None
    assert table(found, "by-day").total is None
    assert "do not add up" in table(found, "rows").note


def test_kinds_are_those_of_the_report() -> None:
    """Line by line."""
    told = {each.kind: each.cost.nano for each in kinds(tabulate(store().sums, ("day",), {}).whole)}
    assert costs(table(page("by=kind"), "rows")) == told


def test_rows_lead_down() -> None:
    """A team to its models, these to their days; the sum stays that of the row."""
    found = page("by=team")
    for row in table(found, "rows").rows[:3]:
        team = str(row.cells[0])
        query = row.link.partition("?")[2]
        below = page(query)
        assert view_of("cost", query, date(2026, 10, 21), PAGE.takes).one("by") == "model"
        assert sum(costs(table(below, "rows")).values()) == costs(table(found, "rows"))[team] == whole(team=team)
        first = table(below, "rows").rows[0]
        days = page(first.link.partition("?")[2])
        assert days.said["by"] == "day"
        assert sum(costs(table(days, "rows")).values()) == first.cells[1]


def test_a_tag_leads_to_its_days() -> None:
    """By its own name."""
    first = table(page("by=tag"), "rows").rows[0]
    below = page(first.link.partition("?")[2])
    assert sum(costs(table(below, "rows")).values()) == first.cells[1]


def test_one_kind_alone() -> None:
    """Only its lines are told, by whatever else."""
    below = page("by=team&kind=output")
    told = costs(table(page("by=kind"), "rows"))["output"]
    assert sum(costs(table(below, "rows")).values()) == told
    assert "of output" in below.said["verdict"]
    assert [column.name for column in table(below, "rows").columns] == ["team", "cost", "share", "list"]


def test_two_periods_side_by_side() -> None:
    """As many days before; what is only in one of them is there too."""
    found = page("from=2026-10-08&to=2026-10-14&compare=previous")
    rows = table(found, "rows")
    names = [column.name for column in rows.columns]
    before, change = names.index("previous"), names.index("change")
    week = between(store().sums, "2026-10-01", "2026-10-08")
    assert sum(int(row.cells[before] or 0) for row in rows.rows) == cost_nano(tabulate(week, ("day",), {}).whole)
    assert all(row.cells[1] - row.cells[before] == row.cells[change] for row in rows.rows)  # type: ignore[operator]  # numbers
    assert found.said["previous"].words == "1 Oct 2026 to 7 Oct 2026"


def test_filters_can_be_taken_away_one_by_one() -> None:
    """Each chip leads to the page without it."""
    found = page("team=data&team=legal&by=model")
    assert [(chip["name"], chip["value"]) for chip in found.said["chips"]] == [("team", "data"), ("team", "legal")]
    left = page(found.said["chips"][0]["link"].partition("?")[2])
    assert sum(costs(table(left, "rows")).values()) == whole(team="legal")


def test_what_cannot_be_crossed_is_struck_out_with_its_reason() -> None:
    """Instead of a number that would be wrong."""
    tabs = {tab["name"]: tab["why"] for tab in page("model=claude-haiku-4-5&by=team").said["tabs"]}
    assert set(tabs) == set(OFFERED)
    assert "cannot be crossed" in tabs["tag"]
    assert tabs["day"] == ""
    with pytest.raises(UncrossableError):
        page("model=claude-haiku-4-5&by=tag")


def test_a_closed_month_is_told_by_its_frozen_figures() -> None:
    """As the report tells it."""
    entries = list(made().entries)
    kept = SumsStore(entries[:50])
    closing = closing_of(entries)
    kept.closings["2026-10"] = msgspec.json.encode(closing).decode()
    found = asyncio.run(content(kept, PAGE, "period=2026-10", standing(OVER)))
    assert found.figures[0].exact == closing.cost.usd


def test_a_period_without_requests_is_empty() -> None:
    """And is no error."""
    assert page("from=2025-01-01&to=2025-01-03").said["empty"]
