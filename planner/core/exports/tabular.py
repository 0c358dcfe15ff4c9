"""A table is columns with a type, and rows of exact values: what CSV and Parquet are written from.

A cell is None where nothing is known or nothing applies. A decimal is an integer at the scale of its column, so that no
float ever holds money: 4_166_667 at scale 9 is 0.004166667. Times are aware, in UTC; `json` is text that is an object.
Sources: of the CSV form RFC 4180, of what a spreadsheet takes for a formula
https://owasp.org/www-community/attacks/CSV_Injection
"""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Final, Literal

import msgspec

Kind = Literal["text", "json", "integer", "decimal", "time"]
Cell = str | int | datetime | None
Row = tuple[Cell, ...]

DIGITS: Final = 38
"""Of a decimal in Parquet, at most."""
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a text must not begin with in a spreadsheet, full-width forms included."""
GUARD: Final = "'"


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column: `scale` are the decimals of a `decimal`; `since` says which version of a specification knows it."""

    name: str
    kind: Kind = "text"
    scale: int = 0
    nullable: bool = True
    since: str = ""

    @property
    def type(self) -> str:
        """Its type in words, a decimal with its scale."""
        return f"decimal({DIGITS}, {self.scale})" if self.kind == "decimal" else self.kind


def csv_cell(column: Column, cell: Cell) -> str:
    """Write a cell for a CSV file; None is empty. A text that a spreadsheet would calculate gets a `'` in front.

    A text that begins with `'` gets one as well, so that taking one away gives back every text as it was.
    """
    if cell is None:
        return ""
    if column.kind == "decimal":
        return decimal_text(_whole(cell), column.scale)
    if column.kind == "time":
        return time_text(cell)
    text = str(cell)
    return GUARD + text if column.kind == "text" and text.startswith((*FORMULA, GUARD)) else text


def decimal_text(value: int, scale: int) -> str:
    """Write an integer at a scale as an exact decimal with at least one decimal place: 3 at scale 1 is "0.3".

    The one place is there for readers that guess types: a column of which all values are whole stays decimal.
    """
    digits = str(abs(value)).rjust(scale + 1, "0")
    whole, rest = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return f"{'-' if value < 0 else ''}{whole}.{rest.rstrip('0') or '0'}"


def at_scale(value: Fraction, scale: int) -> int:
    """Return a fraction as an integer at a scale, rounded half to even where it does not fit."""
    return round(value * Fraction(10**scale))


def time_text(cell: Cell) -> str:
    """Write a time to the second, in UTC: "2026-11-03T09:00:00Z"; microseconds only where there are any."""
    if not isinstance(cell, datetime) or cell.tzinfo is not UTC:
        raise TypeError(f"{cell!r} is no time in UTC")
    return cell.isoformat(timespec="microseconds" if cell.microsecond else "seconds").removesuffix("+00:00") + "Z"


def ascii_text(text: str | None) -> str | None:
    """Return a text with what is not ASCII written as escapes, None for an empty one."""
    return text.encode("ascii", "backslashreplace").decode() if text else None


def key_values(members: dict[str, str]) -> str | None:
    """Return a JSON object of texts in ASCII, keys sorted; None for none at all."""
    if not members:
        return None
    pairs = ",".join(f"{_quoted(key)}:{_quoted(members[key])}" for key in sorted(members))
    return f"{{{pairs}}}"


def _quoted(text: str) -> str:
    """A JSON string of ASCII alone; what lies beyond 16 bits is a pair of escapes, as JSON has it."""
    plain = msgspec.json.encode(text).decode()
    if plain.isascii():
        return plain
    units = plain.encode("utf-16-be")
    codes = (int.from_bytes(units[place : place + 2], "big") for place in range(0, len(units), 2))
    return "".join(chr(code) if code < 128 else f"\\u{code:04x}" for code in codes)


def _whole(cell: Cell) -> int:
    if not isinstance(cell, int):
        raise TypeError(f"{cell!r} is no integer at a scale")
    return cell
