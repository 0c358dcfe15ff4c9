"""What a replay comes to: the bill by kind, what was decided, and what one rule book costs more than another."""

from collections import Counter
from datetime import UTC
from typing import Any

import msgspec

from planner.core.decisions.bundle import web_type
from planner.core.decisions.version import code_type
from planner.core.reasons import EVERY_TIME, Action, Decision
from planner.core.replay.calls import Response
from planner.core.replay.player import Played
from planner.core.reports.holdout import HoldOut, Measured

KINDS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output", "web_search", "code_execution")


class Bill(msgspec.Struct):
    """The true bill of one side, in nano-dollars by kind; what has no price is counted, never 0."""

    kinds: dict[str, int] = {}
    unpriced: int = 0
    containers: int = 0
    billed_ms: int = 0

    def add(self, response: Response) -> None:
        """Add one line."""
        self.containers += response.started
        self.billed_ms += response.billed_ms
        if response.bill is None:
            self.unpriced += 1
            return
        for kind, nano in response.bill.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + nano

    @property
    def nano(self) -> int:
        """All of it."""
        return sum(self.kinds.values())


class Tally:
    """Adds up what a player did."""

    def __init__(self) -> None:
        self.bill = Bill()
        self.decisions: Counter[tuple[str, str, str]] = Counter()
        self._holdout = HoldOut()

    def add(self, played: Played) -> None:
        """Add one line."""
        self.bill.add(played.response)
        for decision in played.plan.decisions:
            self.decisions[decision.action.value, decision.outcome.value, decision.reason or ""] += 1
        cost = None if played.response.bill is None else sum(played.response.bill.values())
        day = played.line.at.astimezone(UTC).date().isoformat()
        self._holdout.add(played.plan.decisions, played.prefix, day, cost)

    def holdouts(self) -> tuple[Measured, ...]:
        """What hold-outs say."""
        return self._holdout.measured()


def decided(played: Played) -> dict[str, Any]:
    """One line of `--decisions`, as JSON has it."""
    by_action: dict[Action, Decision] = {}
    for decision in played.plan.decisions:
        by_action.setdefault(decision.action, decision)
    version, bundle, container = (by_action[action] for action in EVERY_TIME)
    expected = played.plan.expected
    return {
        "line": played.line.number,
        "bundle": {"outcome": bundle.outcome, "reason": bundle.reason, "tool": web_type(played.plan.tool_edit)},
        "version": {
            "outcome": version.outcome,
            "reason": version.reason,
            "type": code_type(played.line.request, played.plan.tool_edit),
        },
        "container": {"outcome": container.outcome, "reason": container.reason},
        "expected_nano": {
            "untouched": None if expected is None else expected.untouched,
            "planned": None if expected is None else expected.planned,
        },
    }
