"""Plans that were reckoned, which of two is the better one, and the two best so far that do not do the same."""

from typing import Final

import msgspec

from planner.core.workflow.cost import Outcome
from planner.core.workflow.problem import Plan, Request

CLOSE: Final = 1e-9
"""What two costs may differ by, as a share, and still be the same: sums of floats in another order."""


class Reckoned(msgspec.Struct, frozen=True):
    """A plan and what it comes to."""

    plan: Plan
    outcome: Outcome


class Kept:
    """The two best plans so far that do not do the same."""

    def __init__(self) -> None:
        self.best: Reckoned | None = None
        self.second: Reckoned | None = None
        self.looked = 0

    @property
    def limit(self) -> float:
        """What a plan must come to less than to be kept."""
        return float("inf") if self.second is None or not self.second.outcome.sound else self.second.outcome.total

    def offer(self, plan: Plan, outcome: Outcome | None) -> None:
        """Take a plan in; None is the outcome of one whose requests wait for each other in a circle."""
        self.looked += 1
        if outcome is None:
            return
        found = Reckoned(plan, outcome)
        if self.best is None or better(outcome, self.best.outcome):
            if self.best is not None and not same(plan, self.best.plan):
                self.second = self.best
            self.best = found
        elif (self.second is None or better(outcome, self.second.outcome)) and not same(plan, self.best.plan):
            self.second = found


def same(one: Plan, other: Plan) -> bool:
    """Whether two plans send the same requests and share the same containers, in whatever order."""
    return _signature(one) == _signature(other)


def better(one: Outcome, other: Outcome) -> bool:
    """Whether one outcome beats another: fewer steps that go wrong, then less to pay, then sooner done."""
    wrong = len(one.late) + len(one.lost), len(other.late) + len(other.lost)
    if wrong[0] != wrong[1]:
        return wrong[0] < wrong[1]
    if abs(one.total - other.total) > CLOSE * max(one.total, other.total, 1.0):
        return one.total < other.total
    return one.times.whole < other.times.whole - CLOSE


def _signature(plan: Plan) -> tuple[frozenset[Request], frozenset[frozenset[tuple[int, ...]]]]:
    shared = (frozenset(plan.requests[number].steps for number in chain) for chain in plan.chains if len(chain) > 1)
    return frozenset(plan.requests), frozenset(shared)
