"""Cells keep every digit, and nothing that a team is called can calculate in a spreadsheet."""

import csv
import io
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.exports.tabular import (
    FORMULA,
    GUARD,
    Cell,
    Column,
    Kind,
    ascii_text,
    at_scale,
    csv_cell,
    decimal_text,
    key_values,
    time_text,
)
from tests.doubles.charged import scaled

TEXT = Column(name="x_Team")
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (4_166_667, 9, "0.004166667"),
        (-4_166_667, 9, "-0.004166667"),
        (3_000_000_000, 9, "3.0"),
        (0, 9, "0.0"),
        (-1, 12, "-0.000000000001"),
        (2**63 - 1, 9, "9223372036.854775807"),
        (7, 0, "7.0"),
    ],
)
def test_a_decimal_is_exact_and_looks_like_one(value: int, scale: int, text: str) -> None:
    """A whole amount keeps one place, so that a reader that guesses types takes its column for decimals."""
    assert decimal_text(value, scale) == text


@given(st.integers(-(10**37), 10**37), st.integers(0, 18))
def test_a_decimal_is_read_back_as_it_was(value: int, scale: int) -> None:
    """For any integer and scale."""
    text = decimal_text(value, scale)
    assert Fraction(text) == Fraction(value, 10**scale)
    assert "e" not in text.lower()
    if abs(value) < 10**28:
        assert scaled(text, scale) == value


def test_a_fraction_is_rounded_half_to_even_at_its_scale() -> None:
    """An hour's seconds are endless decimals."""
    assert at_scale(Fraction(300, 3_600), 12) == 83_333_333_333
    assert (at_scale(Fraction(1, 2), 0), at_scale(Fraction(3, 2), 0)) == (0, 2)


@pytest.mark.parametrize("start", [*FORMULA, GUARD])
def test_a_text_that_would_calculate_is_made_a_text(start: str) -> None:
    """The usual beginnings of formulas, their full-width forms, and the guard itself."""
    assert csv_cell(TEXT, start + "1") == GUARD + start + "1"


@given(ANY_TEXT)
def test_every_text_comes_back_when_the_guard_is_taken_away(text: str) -> None:
    """By RFC 4180, whatever commas, quotes and line ends stand in it."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n").writerow([csv_cell(TEXT, text), "end"])
    ((cell, _),) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert not cell.startswith(FORMULA)
    assert cell.removeprefix(GUARD) == text


@pytest.mark.parametrize(("kind", "cell"), [("decimal", -5), ("integer", -5), ("json", '{"a":"=1"}')])
def test_what_is_no_text_has_no_guard(kind: Kind, cell: Cell) -> None:
    """A negative amount stays a number."""
    assert not csv_cell(Column(name="c", kind=kind, scale=1), cell).startswith(GUARD)


def test_nothing_is_an_empty_cell() -> None:
    """Of whatever kind."""
    assert {csv_cell(Column(name="c", kind=kind), None) for kind in ("text", "decimal", "time")} == {""}


def test_times_are_utc_and_marked_so() -> None:
    """Microseconds only where there are any; a time without a zone is a mistake."""
    at = datetime(2026, 11, 3, 9, tzinfo=UTC)
    assert time_text(at) == "2026-11-03T09:00:00Z"
    assert time_text(at + timedelta(microseconds=5)) == "2026-11-03T09:00:00.000005Z"
    for wrong in (at.replace(tzinfo=None), at.astimezone(timezone(timedelta(hours=2))), "2026"):
        with pytest.raises(TypeError, match="no time in UTC"):
            time_text(wrong)


def test_a_cell_of_the_wrong_type_is_a_mistake() -> None:
    """A float must never become money."""
    with pytest.raises(TypeError, match="no integer"):
        csv_cell(Column(name="c", kind="decimal", scale=9), "0.1")


@given(st.dictionaries(ANY_TEXT, ANY_TEXT))
def test_key_values_are_ascii_and_the_same_object(members: dict[str, str]) -> None:
    """FOCUS wants a JSON object, its validator ASCII, and an export the same bytes each time."""
    text = key_values(members)
    if not members:
        assert text is None
        return
    assert text is not None
    assert text.isascii()
    assert msgspec.json.decode(text) == members
    assert text == key_values(dict(reversed(members.items())))


def test_a_string_of_focus_is_ascii() -> None:
    """And an empty one is none."""
    assert ascii_text("équipe") == "\\xe9quipe"
    assert ascii_text("") is None


def test_a_column_says_its_type() -> None:
    """As the contract's table does."""
    assert Column(name="c", kind="decimal", scale=9).type == "decimal(38, 9)"
    assert TEXT.type == "text"
