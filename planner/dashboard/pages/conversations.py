"""The conversations of one day, the dearest first: the one part of the cost that reads entries, those of that day."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any, Final
from urllib.parse import urlencode

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import is_notional
from planner.core.reasons import Action
from planner.core.reports.dimensions import OF_DECISIONS, ONE_TAG, Where
from planner.dashboard.room import Room
from planner.dashboard.tables import Column, Row, Table
from planner.dashboard.tables import total as total_row
from planner.dashboard.view import DAY, ROOT, Period

MOST_ENTRIES: Final = 50_000
"""Requests of a day that are read; one with more is told as far as that, and says so."""
NO_CONVERSATION: Final = "(part of none)"
OF_ENTRIES: Final[Mapping[str, Callable[[Entry], str]]] = {
    "month": lambda entry: entry.at[:7],
    "day": lambda entry: entry.at[:10],
    "organization": lambda entry: entry.organization or "",
    "workspace": lambda entry: entry.workspace or "",
    "team": lambda entry: entry.team or "",
    "project": lambda entry: entry.project or "",
    "principal": lambda entry: entry.principal,
    "model": lambda entry: entry.served_model or entry.model or "",
    "endpoint": lambda entry: entry.endpoint,
    "outcome": lambda entry: entry.outcome,
}
"""What an entry has of each dimension, as the sums have it."""


class Talk(msgspec.Struct):
    """One conversation as it adds up; amounts are nano-dollars."""

    began: str
    team: str
    principal: str
    models: set[str] = msgspec.field(default_factory=set)
    requests: int = 0
    cost: int = 0
    saved: int = 0
    output: int = 0


async def conversations(room: Room, period: Period, where: Where, kinds: frozenset[str]) -> Table:
    """The conversations of a day that have what is asked for. Raises StoreError."""
    talks, whole = await _read(room, period, where, kinds)
    rows = tuple(
        Row(
            (
                name,
                talk.began[11:19],
                talk.team,
                talk.principal,
                ", ".join(sorted(talk.models)),
                talk.requests,
                talk.output,
                talk.saved,
                talk.cost,
            ),
            link="" if name == NO_CONVERSATION else requests_of(name, period.since),
        )
        for name, talk in sorted(talks.items(), key=lambda each: (-each[1].cost, each[0]))
    )
    note = "Conversations that begin alike share a name. Corrections of the day are in them; subscriptions are not."
    if not whole:
        note = f"These are the day's first {MOST_ENTRIES:,} requests; planner export has all of them. {note}"
    return Table(
        name="rows",
        title="Cost by conversation",
        columns=(
            Column("conversation", "Conversation", "code"),
            Column("began", "First request", "word"),
            Column("team", "Team"),
            Column("principal", "Principal"),
            Column("models", "Models", "long"),
            Column("requests", "Requests", "count"),
            Column("output", "Output tokens", "count"),
            Column("saved", "Saved, estimated", "usd"),
            Column("cost", "Cost", "usd"),
        ),
        rows=rows,
        total=total_row(rows) if rows else None,
        note=note,
    )


def requests_of(conversation: str, day: date | None = None) -> str:
    """The address of all requests of a conversation, those of a day first."""
    words = {"conversation": conversation} | ({} if day is None else {"before": (day + DAY).isoformat()})
    return f"{ROOT}/requests?{urlencode(words)}"


def holds(entry: Entry, where: Where) -> bool:
    """Whether an entry has what is asked for, as the sums would have it."""
    decided = {name: values for name, values in where.items() if name in OF_DECISIONS}
    plain = (name for name in where if name not in decided)
    return all(_value(entry, name) in where[name] for name in plain) and (not decided or _decides(entry, decided))


def _value(entry: Entry, name: str) -> str:
    return entry.tags.get(name.removeprefix(ONE_TAG), "") if name.startswith(ONE_TAG) else OF_ENTRIES[name](entry)


def _decides(entry: Entry, decided: Where) -> bool:
    """Whether its first decision of the action that is asked for, of the bundle if none is, is one of these."""
    actions = decided.get("action", frozenset({Action.BUNDLE.value}))
    first: dict[str, Any] = {}
    for decision in entry.decisions:
        first.setdefault(decision.action.value, decision)
    for action in actions & first.keys():
        said = first[action]
        words = {
            "action": action,
            "decision": said.outcome.value,
            "reason": "" if said.reason is None else said.reason.value,
            "policy": said.policy or "",
        }
        if all(words[name] in values for name, values in decided.items()):
            return True
    return False


async def _read(room: Room, period: Period, where: Where, kinds: frozenset[str]) -> tuple[dict[str, Talk], bool]:
    """The conversations, and whether all of the day was read."""
    talks: dict[str, Talk] = {}
    read = 0
    begin, end = (_stamp(moment) for moment in (period.since, period.since + DAY))
    async for entry in room.store.entries(begin):
        if entry.at >= end:
            break
        read += 1
        if read > MOST_ENTRIES:
            return talks, False
        if entry.outcome == "unknown" or is_notional(entry) or not holds(entry, where):
            continue
        shape = entry.shape
        name = NO_CONVERSATION if shape is None or shape.conversation is None else shape.conversation
        talk = talks.get(name)
        if talk is None:
            talk = talks[name] = Talk(entry.at, entry.team or "", entry.principal)
        _add(talk, entry, kinds)
    return talks, True


def _add(talk: Talk, entry: Entry, kinds: frozenset[str]) -> None:
    """Add an entry to its conversation."""
    talk.requests += entry.corrects is None
    if entry.served_model or entry.model:
        talk.models.add(entry.served_model or entry.model or "")
    talk.output += 0 if entry.tokens is None else entry.tokens.output
    if kinds:
        talk.cost += sum(line.nano for line in entry.lines if line.kind in kinds)
        return
    talk.cost += entry.cost_nano or 0
    if entry.untouched_nano is not None and entry.cost_nano is not None:
        talk.saved += entry.untouched_nano - entry.cost_nano


def _stamp(day: Any) -> str:  # noqa: ANN401 - a date
    return datetime(day.year, day.month, day.day, tzinfo=UTC).isoformat(timespec="microseconds")
