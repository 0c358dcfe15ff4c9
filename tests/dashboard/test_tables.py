"""Tables: what people read is rounded, what programs read has every digit, and a chart has what the table has."""

import csv
import io
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.money import parse_nano
from planner.dashboard.tables import Column, Row, Table, as_csv, as_told, drawn, plain, shown, total
from planner.dashboard.told import Cell, Unit

COLUMNS = (Column("team", "Team"), Column("cost", "Cost", "usd"), Column("code", "Code", "hours"))


def table(*rows: tuple[Cell, ...], last: Row | None = None) -> Table:
    """A small table."""
    return Table(name="t", title="T", columns=COLUMNS, rows=tuple(map(Row, rows)), total=last)


@pytest.mark.parametrize(
    ("cell", "unit", "said"),
    [
        (None, "usd", "\u2013"),
        ("", "text", "(none)"),
        (1_234_567_890_000, "usd", "$1,234.57"),
        (-5_000_000, "usd", ">$-0.01"),
        (3_000_000, "usd", "<$0.01"),
        (-1_500_000_000, "usd", "-$1.50"),
        (0, "usd", "$0.00"),
        (5_400_000, "hours", "1.50 h"),
        (360_000_000, "hours", "100.0 h"),
        (0.1234, "share", "12.3 %"),
        (1.25, "ms", "1.2 ms"),
        (1_250, "ms", "1,250 ms"),
        (12_345, "count", "12,345"),
    ],
)
def test_what_people_read(cell: Cell, unit: Unit, said: str) -> None:
    """With its unit, and nothing that is not nothing looks like it."""
    assert shown(cell, unit) == said.replace(">$-0.01", ">$-0.01")


@given(st.integers(-(10**17), 10**17))
def test_money_is_exact_for_programs(nano: int) -> None:
    """CSV, JSON and charts hold every nano-dollar."""
    for text in (plain(nano, "usd"), drawn(nano, "usd")):
        assert parse_nano(text) == nano
    (line,) = csv.DictReader(io.StringIO(as_csv(table(("a", nano, 0))).decode()))
    assert parse_nano(line["cost_usd"]) == nano
    told: dict[str, Any] = msgspec.to_builtins(as_told(table(("a", nano, 0))))
    assert parse_nano(told["rows"][0]["cost_usd"]) == nano


def test_columns_say_their_unit() -> None:
    """Dollars and milliseconds cannot be taken for one another."""
    assert as_csv(table(("a", 1, 2))).decode().splitlines() == ["team,cost_usd,code_ms", "a,0.000000001,2"]
    assert drawn(3_600_000, "hours") == "1.000000"


def test_a_column_of_a_value_is_called_by_it() -> None:
    """In a spreadsheet nobody knows what s1 is; programs have a name that stays, and the head beside it."""
    columns = (Column("day", "Day"), Column("s1", "search", "usd", valued=True), Column("other", "2 others", "usd"))
    told = Table(name="t", title="T", columns=columns, rows=(Row(("2026-10-01", 1, 2)),))
    assert as_csv(told).decode().splitlines()[0] == "day,search_usd,other_usd"
    assert [(each.name, each.head) for each in as_told(told).columns] == [
        ("day", "Day"),
        ("s1_usd", "search"),
        ("other_usd", "2 others"),
    ]


def test_names_are_no_formulas() -> None:
    """Clients choose tags, and teams stand above columns."""
    formula = (Column("s1", "=1+1", "usd", valued=True),)
    assert as_csv(Table(name="t", title="T", columns=formula, rows=())).decode() == "'=1+1_usd\n"
    assert as_csv(table(("=1+1", None, None))).decode().splitlines()[1] == "'=1+1,,"


def test_a_total_is_no_row() -> None:
    """A spreadsheet would add it up again; JSON has it apart."""
    rows = (Row(("a", 1, 2)), Row(("b", 3, None)))
    told = table(*(row.cells for row in rows), last=total(rows))
    assert len(as_csv(told).decode().splitlines()) == 3
    assert as_told(told).total == {"team": "Total", "cost_usd": "0.000000004", "code_ms": 2}


def test_small_amounts_have_four_decimals() -> None:
    """All of one table have as many."""
    assert table(("a", 9 * 10**9 + 1, 0)).decimals == 4
    assert table(("a", 1, 0), ("b", 10 * 10**9, 0)).decimals == 2
    assert table(("a", 12 * 10**9, 0), ("b", 5 * 10**7, 0)).decimals == 2
    assert table().decimals == 2


def test_a_table_may_ask_for_more_decimals() -> None:
    """Where amounts are told to the nano-dollar; a column of it may have its own."""
    exact = Table(name="t", title="T", columns=(Column("cost", "Cost", "usd"),), rows=(Row((10**12,)),), digits=9)
    assert exact.decimals == 9
    assert Column("price", "Price", "usd", digits=4).digits == 4
