"""What is left of something that could not be read whole."""

from planner.core.rulefile.partial import BAD, Partial, Row, bare, broken
from planner.core.rulefile.tree import Pairs


def test_what_is_broken_and_what_is_left() -> None:
    """Nothing is left of what could not be read, and of a part that part."""
    assert [broken(each) for each in (BAD, Partial(1), None, 0)] == [True, True, False, False]
    assert [bare(each) for each in (BAD, Partial((1, None)), 0)] == [None, (1, None), 0]


def test_a_row_is_whole_unless_something_is_lost() -> None:
    """By default nothing is."""
    assert not Row(Pairs(1, 1, {}, {}), 1).lost
