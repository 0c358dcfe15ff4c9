"""What a start takes is the difference of the quick first runs, once enough of both kinds were seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.learning.starts import FEWEST, KEPT, Starts

RUNS = st.lists(st.integers(0, 100_000), min_size=FEWEST, max_size=KEPT)


def shown(cold: list[int], warm: list[int]) -> Starts:
    """What these first runs show."""
    starts = Starts()
    for each in cold:
        starts.observe(each, warm=False)
    for each in warm:
        starts.observe(each, warm=True)
    return starts


@pytest.mark.parametrize("few", [0, 1, FEWEST - 1])
def test_few_say_nothing(few: int) -> None:
    """Neither of one kind nor of the other."""
    assert shown([5_000] * few, [1_000] * KEPT).cold_ms is None
    assert shown([5_000] * KEPT, [1_000] * few).cold_ms is None


def test_the_quick_ones_are_compared() -> None:
    """Code that takes long says nothing of a start: here it is two seconds, whatever most of the code took."""
    assert shown([2_300] * 5 + [90_000] * 15, [300] * 5 + [4_000] * 30).cold_ms == 2_000


def test_the_newest_count() -> None:
    """What a start took long ago is forgotten."""
    assert shown([9_000] * KEPT + [1_500] * KEPT, [500] * KEPT).cold_ms == 1_000


@given(RUNS, RUNS, st.integers(0, 10_000))
def test_a_start_is_found_whatever_the_code_takes(code: list[int], other: list[int], start: int) -> None:
    """The same code in both: its start, to the millisecond. Never less than nothing, whatever code there is."""
    assert shown([each + start for each in code], code).cold_ms == start
    found = shown(code, other).cold_ms
    assert found is not None
    assert found >= 0
