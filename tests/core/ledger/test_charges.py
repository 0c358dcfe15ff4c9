"""What tables take of an entry is checked before it is believed."""

from fractions import Fraction

import pytest

from planner.core.ledger.charges import (
    LeftOut,
    UnbalancedError,
    balance,
    by_kind,
    deciding_policy,
    is_notional,
    outcomes,
    quantity_of,
)
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome
from tests.doubles.recorded import entry

TOKENS = Line("input", 3, "token", 9, "measured")
TIME = Line("code_execution", "300.5", "second", 4, "estimated")


def test_an_entry_whose_lines_do_not_add_up_is_refused() -> None:
    """With both numbers, and what to do."""
    balance(entry(lines=(TOKENS, TIME), cost_nano=13))
    balance(entry(lines=(), cost_nano=None))
    with pytest.raises(UnbalancedError, match=r"costs 14 nano-dollars, but its lines add up to 13"):
        balance(entry(lines=(TOKENS, TIME), cost_nano=14))


def test_quantities_are_exact_and_added_up_by_kind() -> None:
    """Seconds are decimal texts."""
    assert quantity_of(TIME) == Fraction(601, 2)
    assert by_kind((TOKENS, TIME, TOKENS)) == {"input": 6, "code_execution": Fraction(601, 2)}


def test_one_line_that_a_subscription_pays_for_is_enough() -> None:
    """All lines of such an entry are."""
    assert not is_notional(entry())
    assert is_notional(entry(lines=(Line("input", 3, "token", 9, "notional"),)))


def test_the_policy_of_the_bundle_goes_first() -> None:
    """Then that of the next action that has one."""
    version = Decision(Action.VERSION, Outcome.KEPT, None, "versions")
    bundle = Decision(Action.BUNDLE, Outcome.APPLIED, None, "bundles")
    assert deciding_policy(entry(decisions=(version, bundle))) == "bundles"
    assert deciding_policy(entry(decisions=(version,))) == "versions"
    assert deciding_policy(entry()) is None
    assert outcomes(entry(decisions=(version, bundle))) == {"version": "kept", "bundle": "applied"}


def test_what_is_left_out_is_told_most_frequent_first() -> None:
    """And by name where two are as frequent."""
    left_out = LeftOut()
    for cause in ("b", "c", "c", "a"):
        left_out.add(cause)
    assert list(left_out.causes.items()) == [("c", 2), ("a", 1), ("b", 1)]
