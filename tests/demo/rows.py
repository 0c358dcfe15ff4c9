"""Rows, entries and charges for tests of what the demo makes of them."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from planner.core.ledger.entry import Digests, Entry
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.demo.account import Check, Counted, Row
from planner.demo.agents import AGENTS, Agent
from planner.simulator import Charge
from planner.simulator import Line as BillLine
from planner.simulator.bill import Work

AGENT: Agent = AGENTS[0]
KEPT = Decision(Action.VERSION, Outcome.KEPT)
BUNDLED = Decision(Action.BUNDLE, Outcome.APPLIED)
NOT_WORTH = Decision(Action.BUNDLE, Outcome.DECLINED, Reason.NOT_WORTH_IT)
THREADED = Decision(Action.CONTAINER, Outcome.THREADED)
FRESH = Decision(Action.CONTAINER, Outcome.NONE)


def entry(name: str, *, lines: dict[str, int], agent: Agent = AGENT, **changes: Any) -> Entry:
    """A settled ledger entry; `lines` are nano-dollars by kind."""
    fields: dict[str, Any] = {
        "request_id": f"p-{name}",
        "upstream_request_id": name,
        "at": "2026-11-22T09:00:00.000000+00:00",
        "principal": agent.name,
        "endpoint": "messages",
        "method": "POST",
        "mode": "plan",
        "outcome": "ok",
        "lines": tuple(Line(kind, "1", "token", nano, "measured") for kind, nano in lines.items()),
        "cost_nano": sum(lines.values()),
        "untouched_nano": sum(lines.values()),
        "digests": Digests("r", "p"),
    }
    return Entry(**{**fields, **changes})


def charge(name: str, *, lines: dict[str, int], agent: Agent = AGENT) -> Charge:
    """A charge of the simulator's bill."""
    at = datetime(2026, 11, 22, tzinfo=UTC)
    work = Work(
        request_id=name,
        message_id="m",
        at=at,
        organization="o",
        workspace="w",
        api_key_id=agent.key_id,
        model=agent.model,
    )
    billed = (
        BillLine(kind=kind, quantity=Fraction(1), unit="tokens", model=None, exact=Fraction(nano))
        for kind, nano in lines.items()
    )
    return Charge(work, tuple(billed))


def row(*decisions: Decision, **changes: Any) -> Row:
    """A row of one agent whose three requests each got these decisions."""
    fields: dict[str, Any] = {
        "agent": AGENT,
        "requests": 3,
        "decisions": tuple(Counted(decision, 3) for decision in decisions),
        "billed": 2_000_000,
        "control": 3_000_000,
        "anyway": 2_500_000,
        "untouched": 3_100_000,
    }
    return Row(**{**fields, **changes})


def checked(**changes: Any) -> Check:
    """A check that agrees."""
    fields: dict[str, Any] = {
        "requests": 3,
        "differing": 0,
        "ledger_exact": 1_234,
        "bill_exact": 1_234,
        "ledger_time": 4_166_667,
        "bill_time": 4_000_000,
    }
    return Check(**{**fields, **changes})
