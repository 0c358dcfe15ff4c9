"""What the agents cost: by the ledger, by the bill, and by the bill of the same agents without the planner.

The three are joined here and judged: what the responses tell must be equal to the nano-dollar, the rest is said.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from planner.core.ledger.entry import Entry, Expected
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome
from planner.demo.agents import Agent
from planner.simulator import Charge
from planner.simulator import Line as BillLine

EXACT: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "web_search")
"""Kinds of lines that a response tells to the last unit; container time is told by none."""

MESSAGES: Final = "messages"
EDITS: Final = frozenset({Outcome.APPLIED, Outcome.THREADED})


class Run(msgspec.Struct, frozen=True):
    """One run of all agents: the bill that it made, and by name why some did not finish."""

    bill: tuple[Charge, ...]
    stopped: Mapping[str, str]


class Counted(msgspec.Struct, frozen=True):
    """A decision, and in how many requests it was made."""

    decision: Decision
    requests: int


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One agent's account, money in nano-dollars.

    Attributes:
        requests: messages that it sent through the planner.
        decisions: what was decided for them, most frequent first within an action.
        billed: the bill with the planner.
        control: the bill of the same agent without it.
        anyway: the bill of the same agent with a planner that always bundles where it can.
        untouched: what the ledger believes that its work would have cost untouched; None where it cannot say.
        expected: what its first conversation was expected to cost, if that was weighed.
        stopped: why it did not finish with the planner.
        control_stopped: why it did not finish without it.
    """

    agent: Agent
    requests: int
    decisions: tuple[Counted, ...]
    billed: int
    control: int
    anyway: int
    untouched: int | None
    expected: Expected | None = None
    stopped: str | None = None
    control_stopped: str | None = None

    @property
    def comparable(self) -> bool:
        """Whether the same work was done on both sides."""
        return self.stopped is None and self.control_stopped is None

    @property
    def saved(self) -> int:
        """What the planner took off the bill; negative when it made the work dearer."""
        return self.control - self.billed

    @property
    def bundled(self) -> bool:
        """Whether any of its conversations was bundled."""
        return any(
            each.decision.action is Action.BUNDLE and each.decision.outcome is Outcome.APPLIED
            for each in self.decisions
        )

    @property
    def edited(self) -> bool:
        """Whether any of its requests was changed."""
        return any(each.decision.outcome in EDITS for each in self.decisions)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Ledger against bill, in nano-dollars: `differing` are the requests in which told amounts differ."""

    requests: int
    differing: int
    ledger_exact: int
    bill_exact: int
    ledger_time: int
    bill_time: int

    @property
    def agrees(self) -> bool:
        """Whether what the responses tell is the same in both, request by request."""
        return self.differing == 0 and self.ledger_exact == self.bill_exact


class Account(msgspec.Struct, frozen=True):
    """All agents, and how well the ledger agrees with the bill."""

    rows: tuple[Row, ...]
    check: Check

    @property
    def compared(self) -> tuple[Row, ...]:
        """The agents that did the same work on both sides."""
        return tuple(row for row in self.rows if row.comparable)


def account(
    agents: Sequence[Agent],
    entries: Sequence[Entry],
    planned: Run,
    control: Run,
    anyway: Run,
) -> Account:
    """Join the ledger of the planned run and the bills of all three."""
    amounts = [_by_key(run.bill) for run in (planned, control, anyway)]
    rows = tuple(
        _row(
            agent,
            [entry for entry in entries if entry.principal == agent.name and entry.endpoint == MESSAGES],
            [by_key.get(agent.key_id, 0) for by_key in amounts],
            (planned.stopped.get(agent.name), control.stopped.get(agent.name)),
        )
        for agent in agents
    )
    return Account(rows, check(entries, planned.bill))


def check(entries: Iterable[Entry], bill: Iterable[Charge]) -> Check:
    """Compare ledger and bill, request by request; a request that only one of them knows differs."""
    ledger = {entry.upstream_request_id or entry.request_id: entry for entry in entries if entry.lines}
    charged = {charge.work.request_id: charge for charge in bill}
    ledger_exact = {name: _exact(entry.lines) for name, entry in ledger.items()}
    bill_exact = {name: _exact(charge.lines) for name, charge in charged.items()}
    names = ledger_exact.keys() | bill_exact.keys()
    return Check(
        requests=len(names),
        differing=sum(ledger_exact.get(name) != bill_exact.get(name) for name in names),
        ledger_exact=sum(sum(each.values()) for each in ledger_exact.values()),
        bill_exact=sum(sum(each.values()) for each in bill_exact.values()),
        ledger_time=sum(_time(entry.lines) for entry in ledger.values()),
        bill_time=sum(_time(charge.lines) for charge in charged.values()),
    )


def _row(agent: Agent, entries: Sequence[Entry], amounts: Sequence[int], stopped: tuple[str | None, str | None]) -> Row:
    untouched = [entry.untouched_nano for entry in entries if entry.untouched_nano is not None]
    return Row(
        agent=agent,
        requests=len(entries),
        decisions=_counted(entries),
        billed=amounts[0],
        control=amounts[1],
        anyway=amounts[2],
        untouched=sum(untouched) if len(untouched) == len(entries) else None,
        expected=entries[0].expected_nano if entries else None,
        stopped=stopped[0],
        control_stopped=stopped[1],
    )


def _counted(entries: Iterable[Entry]) -> tuple[Counted, ...]:
    counts: dict[Decision, int] = {}
    for entry in entries:
        for decision in entry.decisions:
            counts[decision] = counts.get(decision, 0) + 1
    order = {action: place for place, action in enumerate(Action)}
    ranked = sorted(counts.items(), key=lambda item: (order[item[0].action], -item[1]))
    return tuple(Counted(decision, requests) for decision, requests in ranked)


def _by_key(charges: Iterable[Charge]) -> dict[str, int]:
    found: dict[str, int] = {}
    for charge in charges:
        found[charge.work.api_key_id] = found.get(charge.work.api_key_id, 0) + (charge.nano or 0)
    return found


def _exact(lines: Iterable[BillLine | Line]) -> dict[str, int]:
    """Nano-dollars by kind, of the lines that a response tells."""
    found: dict[str, int] = {}
    for line in lines:
        if line.kind in EXACT:
            found[line.kind] = found.get(line.kind, 0) + (line.nano or 0)
    return found


def _time(lines: Iterable[BillLine | Line]) -> int:
    return sum(line.nano or 0 for line in lines if line.kind not in EXACT)
