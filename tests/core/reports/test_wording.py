"""Amounts in words, and names that no spreadsheet takes for a formula."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.reports.wording import FORMULAS, dollars, for_spreadsheets, rounded, several, spell


@given(st.integers(-(10**15), 10**15))
def test_what_is_not_nothing_never_looks_like_nothing(nano: int) -> None:
    """However it is rounded."""
    assert (dollars(nano, 2) == "0.00") == (nano == 0)


@pytest.mark.parametrize(("number", "said"), [(0, "0 days"), (1, "1 day"), (1_500, "1,500 days")])
def test_numbers_of_things(number: int, said: str) -> None:
    """One is one, and thousands have commas."""
    assert several(number, "day") == said
    assert several(2, "entry", "entries") == "2 entries"


@given(st.text(min_size=1))
def test_no_name_begins_a_formula(name: str) -> None:
    """And nothing else is changed."""
    told = for_spreadsheets(name)
    assert not told.startswith(FORMULAS)
    assert told.removeprefix("'") == name.removeprefix("'")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min"), (61, "1 min 1 s"), (3_600, "1 h"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_lengths_of_time_in_words(seconds: float, words: str) -> None:
    """Two units at most."""
    assert spell(seconds) == words


@pytest.mark.parametrize(
    ("nano", "said"), [(0, "0"), (1_234_567_890, "1.235"), (-20_000_000, "-0.02"), (123_456_000_000_000, "123500")]
)
def test_an_expectation_has_four_digits(nano: int, said: str) -> None:
    """Without needless zeros, and never with an exponent."""
    assert rounded(nano) == said
