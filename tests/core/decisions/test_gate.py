"""What policies say besides the bytes: refusals, hang-ups and tags; a process that observes refuses nothing."""

from typing import Any

import pytest

from planner.core.decisions.gate import NAMES, OPEN, Denial, Gate, decide
from planner.core.decisions.subject import subject
from planner.core.ledger.entry import Shadow
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.policies import ACTIONS, Policy, Portion, Then
from planner.core.rulebook.policyset import PolicySet
from tests.doubles.deciding import ask, facts

THEN = Then(deny="Ask the platform team.", on_disconnect="drain", tags={"feature": "reports"})


def gate(mode: Any = "enforce", then: Then = THEN, known: dict[str, Any] | None = None, **more: Any) -> Gate:
    """What one policy comes to."""
    request = ask()
    world = facts(request, **(known or {}))
    rules = PolicySet([Policy(name="p", why="w", mode=mode, then=then, **more)])
    return decide(world, rules.decide(subject(request, world)))


def test_the_names_are_actions_of_policies_and_of_decisions() -> None:
    """One word for each, everywhere."""
    assert set(NAMES) <= set(ACTIONS)
    assert set(NAMES) <= {str(action) for action in Action}


def test_what_is_enforced_holds() -> None:
    """Each with its decision, which names the policy."""
    found = gate(then=Then(on_disconnect="drain", tags={"feature": "reports"}))
    assert (found.denial, found.drain, found.tags) == (None, True, {"feature": "reports"})
    assert found.decisions == tuple(Decision(Action(name), Outcome.APPLIED, Reason.POLICY, "p") for name in NAMES[1:])


def test_what_is_refused_has_no_hang_up_to_end() -> None:
    """Nothing is sent of it; it is recorded under its tags all the same."""
    found = gate()
    assert found.denial == Denial("p", "Ask the platform team.")
    assert (found.drain, found.tags) == (False, {"feature": "reports"})
    assert [each.action for each in found.decisions] == [Action.DENY, Action.TAGS]


def test_silence_is_open() -> None:
    """Nothing is decided, and nothing is made for it."""
    assert gate(then=Then(container="never")) is OPEN
    assert gate("off") is OPEN


@pytest.mark.parametrize(
    ("mode", "more", "known", "outcome", "reason"),
    [
        ("enforce", {"holdout": Portion(100)}, {}, Outcome.DECLINED, Reason.HOLDOUT),
        ("enforce", {}, {"observing": True}, Outcome.SHADOW, Reason.OBSERVE),
    ],
)
def test_what_does_not_hold_is_said(mode: str, more: Any, known: Any, outcome: Outcome, reason: Reason) -> None:
    """And does nothing."""
    found = gate(mode, known=known, **more)
    assert (found.denial, found.drain, found.tags) == (None, False, {})
    assert {(each.outcome, each.reason, each.policy) for each in found.decisions} == {(outcome, reason, "p")}


def test_a_shadow_refuses_nothing_and_is_told() -> None:
    """Beside the decisions, of which it makes none."""
    found = gate("shadow")
    assert (found.denial, found.drain, found.tags, found.decisions) == (None, False, {}, ())
    assert found.shadows == tuple(Shadow(Action(name), Outcome.APPLIED, Reason.POLICY, "p") for name in NAMES)


@pytest.mark.parametrize("undecided", [Reason.OBSERVE, Reason.DRAINING, Reason.OFF])
def test_a_caller_cannot_ask_its_way_past_a_refusal(undecided: Reason) -> None:
    """`planner-mode` stops deciding for the caller's own sake; it opens no gate."""
    assert gate(known={"undecided": undecided, "off": undecided is Reason.OFF}).denial is not None
