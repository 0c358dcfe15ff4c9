"""Cents are read exactly, and counts are added part by part."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.usage import TokenClasses
from planner.core.reconcile.cells import (
    NOTHING,
    TOKENS,
    Cell,
    counts_of,
    covers,
    minus,
    negative,
    parse_cents,
    plus,
    rounded,
    searched,
    shared,
    total,
)

COUNTS = st.tuples(*[st.integers(-(10**6), 10**6)] * 6)


def test_cents_are_cents() -> None:
    """What says "123.45" is a dollar and 23.45 cents, not 123 dollars."""
    assert parse_cents("123.45") == (Fraction(1_234_500_000), 2)
    assert parse_cents("0.4166667") == (Fraction(4_166_667), 7)
    assert parse_cents("-3") == (Fraction(-30_000_000), 0)


@given(st.integers(-(10**15), 10**15), st.integers(0, 7))
def test_no_digit_is_lost(whole: int, decimals: int) -> None:
    """Whatever is written in cents comes back as that many nano-dollars, to the last digit."""
    text = format(Decimal(whole).scaleb(-decimals), "f")
    found = parse_cents(text)
    assert found.nano == Fraction(whole, 10**decimals) * 10_000_000
    assert found.decimals == decimals


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_sums_of_cents_are_cents_of_sums(parts: list[int]) -> None:
    """Amounts are added exactly, so no order and no number of them changes a sum."""
    texts = [format(Decimal(part).scaleb(-7), "f") for part in parts]
    assert sum((parse_cents(text).nano for text in texts), Fraction(0)) == sum(parts)


@pytest.mark.parametrize(
    "text", ["", "1e3", "nan", "inf", " 1", "1 ", "+1", "1.", ".5", "1,5", "--1", "0x10", "\u0661"]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    """A float's words, signs and spaces are no amounts of a bill."""
    with pytest.raises(ValueError, match="no decimal number of cents"):
        parse_cents(text)


def test_amounts_finer_than_a_nano_dollar_are_rounded_once() -> None:
    """Half to even, where a cell is added up and nowhere else."""
    assert rounded(parse_cents("0.00000005").nano) == 0
    assert rounded(parse_cents("0.00000015").nano) == 2


@given(COUNTS, COUNTS)
def test_counts_are_added_part_by_part(one: tuple[int, ...], other: tuple[int, ...]) -> None:
    """What is added can be taken off, and what both have is in both."""
    a, b = one, other
    assert minus(plus(a, b), b) == a  # type: ignore[arg-type]  # six numbers
    both = shared(a, b)  # type: ignore[arg-type]  # six numbers
    assert all(each >= 0 for each in both)
    assert covers(plus(a, minus(NOTHING, negative(a))), NOTHING)


def test_counts_of_classes() -> None:
    """Tokens stand in the order of their classes, searches behind them."""
    classes = TokenClasses(input=1, cache_write_5m=2, cache_write_1h=3, cache_read=4, output=5)
    assert TOKENS == ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
    assert counts_of(classes, 6) == (1, 2, 3, 4, 5, 6)
    assert searched((1, 2, 3, 4, 5, 6)) == (0, 0, 0, 0, 0, 6)
    assert total([(1, 0, 0, 0, 0, 0)] * 3) == (3, 0, 0, 0, 0, 0)


def test_a_cell_describes_itself() -> None:
    """In words that a person knows from the bill."""
    assert Cell("2026-11-01", "w", "input", "claude-opus-5", batch=True).description == "claude-opus-5 input (batch)"
    assert Cell("2026-11-01", "w", "code_execution").description == "code_execution"
