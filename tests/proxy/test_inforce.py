"""One reference to the rule book in force."""

from planner.clock import VirtualClock
from planner.metrics import Metrics
from planner.proxy.inforce import MOST_FINDINGS, REMEMBERED, InForce
from tests.doubles.simulated import rules
from tests.doubles.stored import START


def test_a_book_is_swapped_whole() -> None:
    """Who took the book before keeps it; its time begins with the swap, and it is what the rules say again."""
    clock, first, second = VirtualClock(START), rules(), rules(settings={"free_hours.limit": "0"})
    held = InForce(first, clock)
    taken = held.book
    clock.advance(5)
    held.stale = True
    held.take(second)
    clock.advance(2)
    assert (taken, held.book, held.age, held.stale) == (first, second, 2.0, False)


def test_a_book_that_says_the_same_is_as_old() -> None:
    """A comment that was mended makes no new rules."""
    clock = VirtualClock(START)
    held = InForce(rules(), clock)
    clock.advance(5)
    held.take(rules())
    assert held.age == 5.0


def test_only_the_book_in_force_is_exported() -> None:
    """Its digest, its age, and whether the rules say something else by now."""
    clock, metrics, second = VirtualClock(START), Metrics(), rules(settings={"free_hours.limit": "0"})
    held = InForce(rules(), clock)
    held.export(metrics)
    clock.advance(3)
    held.take(second)
    held.stale = True
    clock.advance(4)
    said = metrics.text(metrics.gauges()).decode()
    assert said.count("planner_rules_info{") == 1
    assert f'planner_rules_info{{digest="{second.digest}"}} 1.0\n' in said
    assert "planner_rules_age_seconds 4.0\n" in said
    assert "planner_rules_stale 1.0\n" in said


def test_changes_are_remembered_the_newest_first() -> None:
    """What was taken and what was not, a bounded number of each."""
    clock = VirtualClock(START)
    held = InForce(rules(), clock)
    for number in range(REMEMBERED + 5):
        clock.advance(1)
        held.note((f"finding {number}",) * (MOST_FINDINGS + 1), took=number % 2 == 0)
    first, *rest = held.changes
    assert len(rest) + 1 == REMEMBERED
    assert (first.findings[0], first.took, first.digest) == (f"finding {REMEMBERED + 4}", True, held.book.digest)
    assert len(first.findings) == MOST_FINDINGS
    assert [each.at for each in held.changes] == sorted((each.at for each in held.changes), reverse=True)
