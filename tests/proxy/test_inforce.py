"""One reference to the rule book in force."""

from planner.proxy.inforce import InForce
from tests.doubles.simulated import rules


def test_a_book_is_swapped_whole() -> None:
    """Who took the book before keeps it; its time begins with the swap."""
    first, second = rules(), rules(settings={"free_hours.limit": "0"})
    held = InForce(first, 1.0)
    taken = held.book
    held.take(second, 5.0)
    assert (taken, held.book, held.since) == (first, second, 5.0)


def test_a_book_that_says_the_same_is_as_old() -> None:
    """A comment that was mended makes no new rules."""
    held = InForce(rules(), 1.0)
    held.take(rules(), 5.0)
    assert held.since == 1.0
