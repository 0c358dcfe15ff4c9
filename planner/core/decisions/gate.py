"""What policies say of a request besides its bytes: whether it is refused, how it is recorded, what a hang-up ends.

It holds for each request by itself, in the middle of a conversation too, and for requests that run no code.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from planner.core.facts import Facts
from planner.core.ledger.entry import Shadow
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.policies import Ruling, Rulings


class Denial(msgspec.Struct, frozen=True):
    """A refusal: the policy, and its words for the caller."""

    policy: str
    message: str


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one request: `drain` reads its answer to the end when the caller hangs up."""

    decisions: tuple[Decision, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    denial: Denial | None = None
    drain: bool = False
    tags: Mapping[str, str] = {}


OPEN = Gate()
NAMES = ("deny", "on_disconnect", "tags")
"""The keys of `then` that are decided here."""


def decide(facts: Facts, rulings: Rulings) -> Gate:
    """Decide what holds; a process that only observes refuses nothing and records callers as they come."""
    decisions: list[Decision] = []
    shadows: list[Shadow] = []
    holds: dict[str, Any] = {}
    for name in NAMES:
        ruling: Ruling[Any] = getattr(rulings, name)
        action = Action(name)
        shadows += [Shadow(action, Outcome.APPLIED, Reason.POLICY, each.policy) for each in ruling.shadow]
        if ruling.policy is None:
            continue
        outcome, reason = Outcome.APPLIED, Reason.POLICY
        if ruling.held_out:
            outcome, reason = Outcome.DECLINED, Reason.HOLDOUT
        elif facts.observing:
            outcome, reason = Outcome.SHADOW, Reason.OBSERVE
        else:
            holds[name] = ruling.value
        decisions.append(Decision(action, outcome, reason, ruling.policy))
    if not decisions and not shadows:
        return OPEN
    denied = holds.get("deny")
    if denied is not None:  # nothing is sent, so no hang-up ends anything
        holds.pop("on_disconnect", None)
        decisions = [each for each in decisions if each.action is not Action.ON_DISCONNECT]
    return Gate(
        decisions=tuple(decisions),
        shadows=tuple(shadows),
        denial=None if denied is None else Denial(rulings.deny.policy or "", denied),
        drain=holds.get("on_disconnect") == "drain",
        tags=holds.get("tags", {}),
    )
