"""The bill page: every row adds up, the newest month comes first, and without a statement it says how to make one."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import Any

import msgspec
import pytest

from planner.core.reconcile.batches import Told
from planner.core.reconcile.cells import MEANS, Cause
from planner.core.reconcile.statement import MeterProposal, PriceProposal, SettingProposal, Statement
from planner.dashboard.pages.bill import PAGE
from planner.dashboard.room import Content
from planner.dashboard.tables import Table
from planner.dashboard.view import AddressError
from tests.doubles import billed
from tests.doubles.paged import SumsStore, answered, content, standing

NOW = datetime(2026, 12, 20, 9, tzinfo=UTC)


@cache
def statement() -> Statement:
    """A month in which a price was wrong."""
    asks = billed.asks()
    charges = list(billed.repriced(billed.charges(asks), "claude-sonnet-5-5", "output", Fraction(11, 10)))
    found = billed.compared(billed.ledger(asks), billed.bill(charges))
    return msgspec.structs.replace(found.statement, made_at=(NOW - timedelta(days=1)).isoformat())


def store(*statements: Statement) -> SumsStore:
    """A store that keeps these."""
    kept = SumsStore()
    kept.made = [msgspec.json.encode(each).decode() for each in statements]
    return kept


def page(*statements: Statement, query: str = "") -> Content:
    """The page over them."""
    return asyncio.run(content(store(*statements), PAGE, query, standing(NOW)))


def table(found: Content, name: str) -> Table:
    """One of its tables."""
    return next(each for each in found.tables if each.name == name)


def test_small_amounts_are_told_so_that_they_add_up() -> None:
    """With four decimals below ten dollars; cents of three roundings would not."""
    told = {figure.name: figure.shown for figure in page(statement()).figures}
    bill, ours, difference = (Decimal(told[name].strip("$")) for name in ("theirs", "ours", "difference"))
    assert bill - ours == difference != 0
    dear = msgspec.structs.replace(statement(), theirs_nano=12 * 10**9)
    assert next(figure.shown for figure in page(dear).figures if figure.name == "theirs") == "$12.00"


def test_without_a_statement_it_says_how_to_make_one() -> None:
    """With the command, and what it needs."""
    body = asyncio.run(answered(store(), "bill")).body
    assert b"planner reconcile --month" in body
    assert b"PLANNER_ADMIN_KEY" in body


def test_every_row_adds_up() -> None:
    """Days to the whole, explained and unexplained to the difference, causes to what is explained."""
    found = page(statement())
    days = table(found, "days")
    assert days.total is not None
    assert days.total.cells[1:4] == (statement().theirs_nano, statement().ours_nano, statement().difference_nano)
    for row in (*days.rows, days.total):
        _, theirs, ours, difference, explained, unexplained, residual = row.cells
        assert isinstance(theirs, int)
        assert isinstance(ours, int)
        assert isinstance(explained, int)
        assert isinstance(unexplained, int)
        assert isinstance(residual, int)
        assert theirs - ours == difference == explained + unexplained
        assert residual >= abs(unexplained)
    assert days.total.cells[6] == statement().unexplained_nano
    causes = table(found, "causes")
    assert sum(int(row.cells[2] or 0) for row in causes.rows) == statement().difference_nano
    assert causes.rows[0].cells[0] in MEANS.values()


def test_a_day_leads_to_its_rows() -> None:
    """All of them, also those that do not differ, with the evidence."""
    first = table(page(statement()), "days").rows[0]
    below = page(statement(), query=first.link.partition("?")[2])
    mine = [row for row in statement().rows if row.day == first.cells[0]]
    assert len(table(below, "rows").rows) == len(mine)
    assert any(row.cells[-1] for row in table(below, "rows").rows)


def test_the_newest_month_comes_first() -> None:
    """Others are a choice away; one that was never made is told."""
    older = msgspec.structs.replace(statement(), month="2026-01", organization="o")
    newer = msgspec.structs.replace(statement(), month="2026-12")
    assert page(older, newer).said["statement"] == newer
    assert page(older, newer, query="statement=2026-01%2Fo").said["statement"] == older
    links = [row.link for row in table(page(older, newer), "months").rows]
    assert "statement=2026-01%2Fo" in links[1]
    with pytest.raises(AddressError, match="2026-01 o"):
        page(older, query="statement=2025-01%2F")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"difference_nano": 0, "unexplained_nano": 0}, "They are equal to the nano-dollar."),
        ({"difference_nano": 2_000_000_000, "unexplained_nano": 0}, "All of the difference of $2.0000 is explained."),
        ({"unexplained_nano": 10**9, "within": True}, "$1.0000 of the difference stays unexplained, no more than the"),
        ({"unexplained_nano": 10**9, "within": False}, "$1.0000 of the difference stays unexplained, more than the"),
    ],
)
def test_what_it_comes_to(changes: dict[str, Any], said: str) -> None:
    """In a sentence."""
    assert said in page(msgspec.structs.replace(statement(), **changes)).said["verdict"]


def test_batches_are_named() -> None:
    """With what did not pass of them, and how many are not shown; without one there is no table on the page."""
    told = Told(id="b" * 16, made_at="2026-11-14T19:00:00+00:00", workspace="", requests=5, passed=2, missing=3)
    named = msgspec.structs.replace(statement(), batches=(told,), more_batches=13, missing_results=3)
    found = table(page(named), "batches")
    assert [row.cells for row in found.rows] == [("b" * 16, "2026-11-14 19:00", "default", 5, 2, 3)]
    assert found.note.endswith("13 more are not shown.")
    assert b"Batches made through the planner" in asyncio.run(answered(store(named), "bill")).body
    assert b"Batches made through the planner" not in asyncio.run(answered(store(statement()), "bill")).body


def test_proposals() -> None:
    """Price rows, settings and the meter, each with what it moves."""
    price = PriceProposal(
        row="sonnet", model="m", kind="output", tier="base", factor="11/10", first_day="2026-11-01",
        last_day="2026-11-30", cells=3, nano=7,
    )  # fmt: skip
    setting = SettingProposal(
        key="code.idle_bills", value="false", better="true", nano=5, days=2, misfit_nano=9, better_misfit_nano=1
    )
    meter = MeterProposal(nano=3, factor=1.25, cells=1)
    proposed = msgspec.structs.replace(statement(), prices=(price,), settings=(setting,), meter=meter)
    rows = [row.cells for row in table(page(proposed), "proposals").rows]
    assert [(row[0], row[2]) for row in rows] == [
        ("price row sonnet", 7),
        ("code.idle_bills", 5),
        ("container meter", 3),
    ]
    assert "11/10 times its rate" in str(rows[0][1])
    assert "1.25 times what it billed" in str(rows[2][1])


def test_an_old_statement_is_called_old() -> None:
    """Else nobody would see that reconciling stopped."""
    old = msgspec.structs.replace(statement(), made_at=(NOW - timedelta(days=90)).isoformat())
    assert page(old).said["old"]
    assert not page(old, statement()).said["old"]
    assert set(MEANS) == set(Cause)
