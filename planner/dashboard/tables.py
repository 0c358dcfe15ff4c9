"""A table is a value: the page shows it, a chart is drawn from it, CSV and JSON have every digit of it."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Final, Literal

import msgspec

from planner.core.money import NANO_PER_USD, format_nano
from planner.core.reports.wording import dollars, for_spreadsheets
from planner.dashboard.told import Cell, ColumnTold, TableTold, Unit

MS_PER_HOUR: Final = 3_600_000
SUFFIXES: Final[dict[Unit, str]] = {"usd": "_usd", "hours": "_ms", "ms": "_ms", "share": "_share"}
"""What the name of a column ends in where it is written for programs; hours are told in milliseconds."""
NONE: Final = "(none)"
UNKNOWN: Final = "\u2013"
CENT: Final = NANO_PER_USD // 100
CENTS: Final = 10 * NANO_PER_USD
"""From this amount on a table rounds to cents; smaller ones show four decimals."""


class Column(msgspec.Struct, frozen=True):
    """A column: its name for programs, its head for people, and the unit of its cells.

    `usd` cells are whole nano-dollars, `hours` and `ms` milliseconds, `share` a part of 1; None is unknown.
    `digits` are the decimals of its dollars where they are not those of its table. A `valued` column is of one value of
    what the table is told by, which its head says: its name is but a place.
    """

    name: str
    head: str
    unit: Unit = "text"
    digits: int | None = None
    valued: bool = False

    @property
    def told(self) -> str:
        """Its name where programs read it, with the unit."""
        return self.name + SUFFIXES.get(self.unit, "")

    @property
    def above(self) -> str:
        """What stands above it in CSV: its name with the unit, of a value the value."""
        return for_spreadsheets(self.head) + SUFFIXES.get(self.unit, "") if self.valued else self.told


class Row(msgspec.Struct, frozen=True):
    """Cells in the order of the columns; `link` is where the first of them leads."""

    cells: tuple[Cell, ...]
    link: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table with a name that stays, and a title for people; `note` is what must be known of it.

    `nothing` is what stands in place of rows where there are none; where it is empty, the note says it all.
    `digits` are the decimals of its dollars, where those that suit its amounts are not enough.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row | None = None
    note: str = ""
    nothing: str = "Nothing in this period."
    digits: int | None = None

    @property
    def decimals(self) -> int:
        """How many decimals its dollars have, the same in all of its columns: cents where these say enough."""
        if self.digits is not None:
            return self.digits
        amounts = [
            abs(cell)
            for row in self.every
            for column, cell in zip(self.columns, row.cells, strict=True)
            if column.unit == "usd" and isinstance(cell, int)
        ]
        return 2 if max(amounts, default=0) >= CENTS or not any(nano % CENT for nano in amounts) else 4

    @property
    def every(self) -> tuple[Row, ...]:
        """All rows, the total at the end."""
        return self.rows if self.total is None else (*self.rows, self.total)


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """How a table is drawn: which column runs along, which are series, and whether they stack.

    `dashed` series are expectations; `band` names two columns between which the truth is expected.
    """

    table: Table
    form: Literal["bar", "line"]
    along: str
    series: tuple[str, ...]
    stacked: bool = False
    dashed: tuple[str, ...] = ()
    band: tuple[str, str] | None = None
    said: str = ""


def shown(cell: Cell, unit: Unit, decimals: int = 2) -> str:
    """A cell as people read it."""
    if cell is None:
        return UNKNOWN
    if isinstance(cell, str):
        return cell or NONE
    match unit:
        case "usd":
            text = dollars(round(cell), decimals)
            return f"{text[0]}${text[1:]}" if text[0] in "<>-" else f"${text}"
        case "hours":
            hours = cell / MS_PER_HOUR
            return f"{hours:,.1f} h" if abs(hours) >= 10 else f"{hours:.2f} h"
        case "share":
            return f"{100 * cell:.1f} %"
        case "ms":
            return f"{cell:,} ms" if isinstance(cell, int) else f"{cell:,.1f} ms"
        case _:
            return f"{cell:,}"


def plain(cell: Cell, unit: Unit) -> str:
    """A cell with every digit, as programs read it: money as a decimal number of dollars."""
    if cell is None:
        return ""
    if unit == "usd" and not isinstance(cell, str):
        return format_nano(round(cell))
    return str(cell)


def drawn(cell: Cell, unit: Unit) -> str:
    """A cell as a chart reads it: hours as hours."""
    if unit == "hours" and isinstance(cell, int | float):
        return f"{cell / MS_PER_HOUR:.6f}"
    return plain(cell, unit)


def as_csv(table: Table) -> bytes:
    """The rows, without the total, which a spreadsheet would add up again."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.above for column in table.columns])
    for row in table.rows:
        writer.writerow([_csv(cell, column.unit) for column, cell in _pairs(table, row)])
    return out.getvalue().encode()


def as_told(table: Table) -> TableTold:
    """A table for JSON: rows as objects, dollars as exact decimal strings."""
    return TableTold(
        title=table.title,
        columns=tuple(ColumnTold(column.told, column.head, column.unit) for column in table.columns),
        rows=tuple(_object(table, row) for row in table.rows),
        total=None if table.total is None else _object(table, table.total),
        note=table.note or None,
    )


def total(rows: Iterable[Row], first: str = "Total") -> Row:
    """The sums of whole numbers, below a first column that says so; what are no numbers stays empty."""
    columns = list(zip(*(row.cells for row in rows), strict=True))
    return Row((first, *(_sum(cells) for cells in columns[1:])))


def _sum(cells: tuple[Cell, ...]) -> Cell:
    numbers = [cell for cell in cells if isinstance(cell, int)]
    return sum(numbers) if numbers else ""


def _object(table: Table, row: Row) -> dict[str, Cell]:
    return {
        column.told: plain(cell, "usd") if column.unit == "usd" and cell is not None else cell
        for column, cell in _pairs(table, row)
    }


def _csv(cell: Cell, unit: Unit) -> str:
    return for_spreadsheets(cell) if isinstance(cell, str) else plain(cell, unit)


def _pairs(table: Table, row: Row) -> Iterator[tuple[Column, Cell]]:
    return iter(zip(table.columns, row.cells, strict=True))
