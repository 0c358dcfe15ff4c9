"""A policy's row: portions cut the same for ever, ranges and days are half open, each action has a silent value."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.rulebook.policies import (
    ACTIONS,
    SILENT,
    BundleRule,
    Policy,
    Portion,
    Range,
    Rulings,
    Subject,
    Then,
    falls_in,
    in_force,
    named,
)


@pytest.mark.parametrize(
    ("given_range", "inside", "outside"),
    [
        (Range(at_least=10), [10, 10.5, 1e12], [9.999, 0]),
        (Range(below=10), [0, 9.999], [10, 11]),
        (Range(at_least=1, below=2), [1, 1.5], [0, 2]),
        (Range(), [0, 1e12], []),
    ],
)
def test_a_range_has_its_first_number_and_not_its_last(
    given_range: Range, inside: list[float], outside: list[float]
) -> None:
    """So that two ranges that meet share no number."""
    assert all(number in given_range for number in inside)
    assert not any(number in given_range for number in outside)


def test_a_policy_holds_from_its_first_day_until_the_day_after_its_last() -> None:
    """Days are UTC's; without dates it always holds."""
    row = Policy(name="p", why="w", mode="enforce", then=Then(container="never"))
    dated = Policy(name="p", why="w", mode="enforce", then=row.then, since=date(2026, 11, 2), until=date(2026, 11, 4))
    days = [date(2026, 11, day) for day in range(1, 6)]
    assert [in_force(dated, day) for day in days] == [False, True, True, False, False]
    assert all(in_force(row, day) for day in days)


def test_every_action_has_a_ruling_that_leaves_the_request_alone() -> None:
    """What a policy can name, a ruling can answer; silence decides nothing."""
    assert set(ACTIONS) == set(Rulings.__struct_fields__) - {"failed"}
    assert all(getattr(SILENT, action).policy is None for action in ACTIONS)
    assert named(Then(bundle=BundleRule(act="never"), deny="no")) == ("bundle", "deny")


@given(st.floats(0, 100, allow_nan=False), st.floats(0, 100, allow_nan=False), st.text(max_size=20))
def test_a_growing_roll_out_only_adds(one: float, two: float, prefix: str) -> None:
    """Who is in at 10 % is in at 20 %, and the answer is the same every time."""
    subject = Subject(principal="k", model="m", prefix=prefix)
    low, high = sorted((one, two))
    if falls_in("p", "rollout", Portion(low), subject):
        assert falls_in("p", "rollout", Portion(high), subject)
    assert falls_in("p", "rollout", Portion(low), subject) == falls_in("p", "rollout", Portion(low), subject)


def test_portions_cut_what_must_stay_together() -> None:
    """By prefix-day the days differ, by prefix they do not; policies and kinds cut independently; shares are true."""
    days = [
        Subject(principal="k", model="m", prefix="p", day=date(2000, 1, 1) + timedelta(days=i)) for i in range(4_000)
    ]
    in_rollout = [falls_in("p", "rollout", Portion(25), each) for each in days]
    assert 850 < sum(in_rollout) < 1150
    assert in_rollout != [falls_in("p", "holdout", Portion(25), each) for each in days]
    assert in_rollout != [falls_in("q", "rollout", Portion(25), each) for each in days]
    assert len({falls_in("p", "rollout", Portion(25, "prefix"), each) for each in days}) == 1
    assert len({falls_in("p", "rollout", Portion(25, "principal"), each) for each in days}) == 1


def test_the_cut_is_pinned() -> None:
    """These subjects fall as they fell in every release: a changed hash would reshuffle running roll-outs."""
    found = [
        falls_in("pin", "rollout", Portion(50), Subject(principal="", model="", prefix=prefix, day=date(2026, 11, 22)))
        for prefix in "abcdefgh"
    ]
    assert found == PINNED


PINNED = [True, True, True, False, True, False, True, True]
