"""The containers page: its sums are the report's, told apart by how time bills, with the states of the live process."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from planner.core.ledger.rollup import RAN
from planner.core.reports.dimensions import UncrossableError, tabulate
from planner.core.reports.figures import figures
from planner.dashboard.pages.containers import PAGE
from planner.dashboard.room import Content
from tests.doubles.months import made
from tests.doubles.paged import NOW, SumsStore, answered, content, month_store, standing
from tests.doubles.reported import closing_of

OVER = datetime(2026, 11, 5, 9, tzinfo=UTC)


def page(query: str = "", store: SumsStore | None = None, now: datetime = OVER, **fields: Any) -> Content:
    """The containers of the month."""
    return asyncio.run(content(store or month_store(), PAGE, f"period=2026-10&{query}", standing(now, **fields)))


def rows(found: Content, name: str) -> list[tuple[Any, ...]]:
    """The rows of one of its tables."""
    return next([row.cells for row in table.rows] for table in found.tables if table.name == name)


def figure(found: Content, name: str) -> Any:
    """The exact value of a card."""
    return next(each.exact for each in found.figures if each.name == name)


@pytest.mark.parametrize("by", ["team", "model", "organization"])
def test_its_sums_are_those_of_the_report(by: str) -> None:
    """Row by row, and together."""
    found = page(f"by={by}")
    table = tabulate(month_store().sums, (by,), {})
    expected = {row.values[0]: figures(row.amounts) for row in table.rows if row.amounts.get("code_requests")}
    told = {row[0]: row[1:] for row in rows(found, "rows")}
    assert told.keys() == expected.keys()
    for value, each in expected.items():
        cost = each.code_execution.nano + each.credit.nano
        assert told[value][1:3] == (each.container_starts, each.container_reuses)
        assert told[value][4:7] == (each.container_losses, each.minimums_avoided, each.avoided.nano)
        assert told[value][7:11] == (each.container_ms.likely, each.charged_ms, each.credited_ms, cost)
        assert told[value][11:] == (each.free_hours_ms, each.untouched_free_hours_ms - each.free_hours_ms)
    whole = figures(table.whole)
    assert figure(found, "starts") == whole.container_starts == sum(row[2] for row in rows(found, "starts"))
    assert (figure(found, "minimums"), figure(found, "losses")) == (whole.minimums_avoided, whole.container_losses)
    assert figure(found, "spared") == whole.untouched_free_hours_ms - whole.free_hours_ms


def test_time_is_told_apart_by_how_it_bills() -> None:
    """By day it adds up to what ran; what an older planner added up stands apart."""
    found = page()
    for day, *charges in rows(found, "charges"):
        mine = tabulate(month_store().sums, ("day",), {"day": frozenset({day})}).whole
        assert sum(charges) == mine.get("container_ms.likely", 0)
        assert charges[-1] == 0
    assert {"billed", "covered", "free"} <= set(found.said["charges_chart"].series)
    older = SumsStore(made().entries)
    for amounts in older.sums.requests.values():
        for name in [name for name in amounts if name.startswith(RAN)]:
            del amounts[name]
    assert page(store=older).said["charges_chart"].series == ("other",)


def test_the_states_are_those_of_the_process() -> None:
    """With what they mean."""
    told = rows(page(containers={"idle": 3, "busy": 1}), "states")
    assert [row[:2] for row in told] == [("idle", 3), ("busy", 1)]
    assert all(row[2] for row in told)


def test_free_hours_are_of_the_month_that_runs() -> None:
    """And of whole organizations."""
    assert len(page(now=NOW).said["hours"]) == 2
    assert page(now=OVER).said["hours"] == []
    assert page("team=data", now=NOW).said["hours"] == []


def test_filters_and_empty_days() -> None:
    """A team alone; days without code say what to do; decisions cannot be asked of requests."""
    found = page("team=data")
    assert [row[0] for row in rows(found, "rows")] == ["data"]
    assert [chip["value"] for chip in found.said["chips"]] == ["data"]
    assert page("team=nobody").said["empty"]
    body = asyncio.run(answered(SumsStore(), "containers")).body
    assert b"No code could run here" in body
    with pytest.raises(UncrossableError):
        page("by=model&reason=busy")


def test_a_closed_month_is_told_by_its_frozen_figures() -> None:
    """Whatever came since."""
    closed = SumsStore(made().entries[:50])
    closed.closings["2026-10"] = msgspec.json.encode(closing_of(list(made().entries))).decode()
    assert rows(page(store=closed), "rows") == rows(page(), "rows")
