"""Laws of exact money: integers in, one rounding a line, integers out."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core import money

tokens = st.integers(0, 10**9)
prices = st.integers(0, 10**8)  # pico-dollars per token: up to $100 per million
factors = st.lists(st.fractions(0, 6, max_denominator=1000), max_size=3)


@given(tokens, prices, factors)
def test_a_line_is_the_exact_fraction_rounded_once(quantity: int, price: int, by: list[Fraction]) -> None:
    """Whatever the factors, the amount is the exact product in nano-dollars, rounded half to even."""
    exact = Fraction(quantity * price, 1000)
    for factor in by:
        exact *= factor
    assert money.line_nano(quantity, price, *by) == round(exact)


@given(tokens, tokens, prices, factors)
def test_two_lines_add_up_but_for_rounding(one: int, two: int, price: int, by: list[Fraction]) -> None:
    """Splitting a quantity over two lines changes the sum by at most the two roundings."""
    apart = money.line_nano(one, price, *by) + money.line_nano(two, price, *by)
    assert abs(apart - money.line_nano(one + two, price, *by)) <= 1


@given(tokens, tokens, prices, factors)
def test_more_never_costs_less(one: int, two: int, price: int, by: list[Fraction]) -> None:
    """A line is monotone in its quantity."""
    low, high = sorted((one, two))
    assert money.line_nano(low, price, *by) <= money.line_nano(high, price, *by)


@given(tokens, prices, st.fractions(0, 6, max_denominator=1000))
def test_a_pair_is_a_fraction(quantity: int, price: int, factor: Fraction) -> None:
    """A factor as (numerator, denominator) is the same factor."""
    pair = (factor.numerator, factor.denominator)
    assert money.line_nano(quantity, price, pair) == money.line_nano(quantity, price, factor)


@pytest.mark.parametrize(("pico", "nano"), [(499, 0), (500, 0), (501, 1), (1499, 1), (1500, 2), (2500, 2), (3500, 4)])
def test_a_half_goes_to_the_even_neighbour(pico: int, nano: int) -> None:
    """Half a nano-dollar rounds to even, so that many halves do not drift."""
    assert money.line_nano(1, pico) == nano


@pytest.mark.parametrize(
    ("text", "pico"), [("4", 4_000_000), ("0.20", 200_000), ("0.125", 125_000), ("12.50", 12_500_000), ("0.000001", 1)]
)
def test_a_price_is_a_whole_number_of_pico_dollars(text: str, pico: int) -> None:
    """Six decimals per million tokens lose nothing."""
    assert money.pico_per_token(text) == pico


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1e3", "1.", ".5", " 1", "1 ", "1,5", "1_000", "NaN", "0.0000001", "٣", "1234567890"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    """Signs, exponents, spaces, foreign digits and a seventh decimal are errors, never guesses."""
    with pytest.raises(ValueError, match="decimal"):
        money.parse_millionths(text)


@given(st.integers(0, 10**14))
def test_parsing_undoes_writing(millionths: int) -> None:
    """A decimal with six places comes back as the integer it was made of."""
    text = f"{millionths // 10**6}.{millionths % 10**6:06d}"
    assert money.parse_millionths(text) == millionths
    assert money.fraction(text) == Fraction(millionths, 10**6)


@pytest.mark.parametrize(
    ("nano", "text"),
    [(0, "0"), (1, "0.000000001"), (4_166_667, "0.004166667"), (-1_500_000_000, "-1.5"), (2_000_000_000, "2")],
)
def test_amounts_are_written_exactly(nano: int, text: str) -> None:
    """Dollars come out as a decimal string that says every nano-dollar and no more."""
    assert money.format_nano(nano) == text


@given(st.integers(-(2**63) + 1, 2**63 - 1))
def test_a_written_amount_is_exact(nano: int) -> None:
    """Reading the string as a fraction gives the amount back."""
    assert Fraction(money.format_nano(nano)) * money.NANO_PER_USD == nano
    assert money.parse_nano(money.format_nano(nano)) == nano


@pytest.mark.parametrize("text", ["", "-", ".5", "1e3", "1_0", "+1", "0.0000000001", "\u0661", "--1"])
def test_what_was_not_written_by_us_is_no_amount(text: str) -> None:
    """Signs, exponents, other digits and a tenth decimal are refused."""
    with pytest.raises(ValueError, match="no decimal number"):
        money.parse_nano(text)


def test_units_of_use_and_of_time() -> None:
    """A thousand searches at $10 and an hour at $0.05 come to just that."""
    assert money.line_nano(1000, money.pico_per_use("10")) == 10 * money.NANO_PER_USD
    assert money.line_nano(1, money.pico_per_hour("0.05")) == 50_000_000


def test_bounds_are_kept() -> None:
    """What no store can hold, and what nobody can bill, is an error."""
    with pytest.raises(OverflowError, match="64 bits"):
        money.line_nano(10**16, 10**9)
    with pytest.raises(ValueError, match="0 or more"):
        money.line_nano(-1, 5)
    with pytest.raises(ValueError, match="0 or more"):
        money.line_nano(1, -5)
