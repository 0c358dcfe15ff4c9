"""What a hold-out shows: arms by cluster, and nothing before there are enough of them."""

from statistics import fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.reports.holdout import FEWEST, HoldOut, Measured
from planner.core.rulebook.catalog import TAIL

APPLIED = Decision(Action.BUNDLE, Outcome.APPLIED, None, "ours")
HELD = Decision(Action.BUNDLE, Outcome.DECLINED, Reason.HOLDOUT, "ours")
VERSION = Decision(Action.VERSION, Outcome.KEPT, None, "ours")


def arms(treated: list[int], held: list[int], policy: str = "ours") -> HoldOut:
    """A hold-out with one request a prefix and day."""
    found = HoldOut()
    for decision, costs in ((APPLIED, treated), (HELD, held)):
        for number, nano in enumerate(costs):
            made = Decision(decision.action, decision.outcome, decision.reason, policy)
            found.add((VERSION, made), f"{decision.outcome}-{number}", "2026-11-22", nano)
    return found


def test_without_a_hold_out_nothing_is_said() -> None:
    """Whatever was edited."""
    assert arms([1] * 100, []).measured() == ()


@pytest.mark.parametrize(("treated", "held"), [(FEWEST - 1, 100), (100, FEWEST - 1), (0, 1)])
def test_too_few_clusters_are_not_measurable(treated: int, held: int) -> None:
    """Thirty are needed in each arm; how many there are is told."""
    found = arms(list(range(treated)), list(range(held))).measured()
    assert found == (Measured(policy="ours", treated=treated, held_out=held),)
    assert found[0].saved_nano is None


def test_the_saving_and_its_interval_by_hand() -> None:
    """Means of 200 and 120 with 30 clusters each: 80 saved, within 1.2816 standard errors."""
    treated, held = [110, 130] * 15, [180, 220] * 15
    (found,) = arms(treated, held).measured()
    error = ((100 * 30 / 29) / 30 + (400 * 30 / 29) / 30) ** 0.5
    assert found.saved_nano == pytest.approx(80)
    assert found.low == pytest.approx(80 - 1.2815515655446004 * error)
    assert found.high == pytest.approx(80 + 1.2815515655446004 * error)


def test_requests_of_a_cluster_are_one_observation() -> None:
    """Its mean: many requests of one prefix and day are no more evidence than one."""
    found = HoldOut()
    for number in range(FEWEST):
        for nano in (100, 300):
            found.add((APPLIED,), f"p{number}", "2026-11-22", nano)
            found.add((HELD,), f"q{number}", "2026-11-22", nano + 50)
    (measured,) = found.measured()
    assert (measured.treated, measured.held_out) == (FEWEST, FEWEST)
    assert measured.saved_nano == measured.low == measured.high == 50


def test_another_day_is_another_cluster() -> None:
    """Of the same prefix."""
    found = HoldOut()
    for day in ("2026-11-22", "2026-11-23"):
        found.add((HELD,), "p", day, 1)
    assert found.measured()[0].held_out == 2


def test_what_is_not_decided_or_not_priced_is_left_out() -> None:
    """An unknown cost is not 0, and without a policy there is nothing to test."""
    found = HoldOut()
    found.add((HELD,), "p", "2026-11-22", None)
    found.add((Decision(Action.BUNDLE, Outcome.DECLINED, Reason.HOLDOUT, None),), "q", "2026-11-22", 1)
    found.add((VERSION,), "r", "2026-11-22", 1)
    assert found.measured() == ()


def test_policies_are_told_by_name_each_with_its_arms() -> None:
    """What was held out of one says nothing of another."""
    found = HoldOut()
    for policy, number in (("b", 2), ("a", 3)):
        for index in range(number):
            found.add((Decision(Action.BUNDLE, Outcome.DECLINED, Reason.HOLDOUT, policy),), f"{index}", "d", 1)
    assert [(each.policy, each.held_out) for each in found.measured()] == [("a", 3), ("b", 2)]


def test_a_conversation_that_lasts_beyond_midnight_stays_in_its_arm() -> None:
    """It was held out on its first day; what begins on the next is edited, and is no part of the hold-out."""
    found = HoldOut()
    found.add((HELD,), "p", "2026-11-22", 1)
    found.add((HELD,), "p", "2026-11-23", 1)
    found.add((APPLIED,), "p", "2026-11-23", 1)
    assert found.measured()[0].treated == 1


def test_requests_without_code_are_in_neither_arm() -> None:
    """They are declined before any hold-out is looked at: their cost would be all in one arm."""
    found = HoldOut()
    unfit = Decision(Action.BUNDLE, Outcome.DECLINED, Reason.NO_CODE_EXECUTION, "ours")
    found.add((unfit,), "q", "2026-11-22", 1)
    found.add((HELD,), "p", "2026-11-22", 1)
    assert found.measured()[0].treated == 0


COSTS = st.lists(st.integers(0, 10**12), min_size=FEWEST, max_size=FEWEST + 20)


@given(COSTS, COSTS, st.integers(0, 10**12))
def test_the_interval_holds_the_saving_and_moves_with_it(treated: list[int], held: list[int], more: int) -> None:
    """Held-out requests that cost more by an amount show that amount more, just as certainly."""
    (one,) = arms(treated, held).measured()
    (other,) = arms(treated, [each + more for each in held]).measured()
    for found in (one, other):
        assert found.saved_nano is not None
        assert found.low is not None
        assert found.high is not None
        assert found.low <= found.saved_nano <= found.high
    assert one.saved_nano == pytest.approx(fmean(held) - fmean(treated), abs=1)
    assert other.saved_nano == pytest.approx((one.saved_nano or 0) + more, rel=1e-9, abs=1)
    error = (variance(treated) / len(treated) + variance(held) / len(held)) ** 0.5
    assert (one.high or 0) - (one.low or 0) == pytest.approx(2 * TAIL * error, rel=1e-9, abs=1)
