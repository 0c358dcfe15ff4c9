"""A month, from its first request to its last: the trace, the ledger, the bill, and an account of all three."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.replay.bill import Price
from planner.core.replay.nature import Nature, altered
from planner.core.replay.staging import nature_of, prices_of, stage
from planner.core.replay.trace import TraceLine, read_trace
from planner.core.rulebook.book import RuleBook
from planner.traffic.account import Account
from planner.traffic.bill import Bill
from planner.traffic.clerk import Clerk
from planner.traffic.rules import FULL_MONTH
from planner.traffic.script import Ask, asked
from planner.traffic.teams import UNPRICED

OCTOBER: Final = datetime(2026, 10, 1, tzinfo=UTC)
"""The month in which cache reads of Sonnet 5.5 became cheaper, so that it has two prices."""

PREVIEW: Final = Price(
    models=(UNPRICED,), since=None, until=None, rates=(3_000_000, 3_750_000, 6_000_000, 300_000, 15_000_000)
)
"""What the bill asks for the model that the planner's price files do not know. Made up."""

BYTES_A_TOKEN: Final = 4.2
"""Bytes of a body by token of its prompt. Made up."""

__all__ = ["FULL_MONTH", "OCTOBER", "Happening", "Month"]


class Happening(NamedTuple):
    """One request: its line of the trace, without a line feed, and the entries that it left.

    `line` is None for what no trace holds: batches, counts of tokens, and what the API took for no request. Attempts
    that were refused before come with the request that was not, the results of a batch with the batch, each with a time
    of its own.
    """

    line: bytes | None
    entries: tuple[Entry, ...]


class Month:
    """The traffic of one month, made anew by each `happenings`; `bill` and `account` are whole when it is over.

    Attributes:
        book: rules made of `rule_files`, under `overrides` of as many entries.
        entries: requests in the ledger; corrections come on top.
        seed: the same one makes the same month.
        start: any moment of the month.
        facts: facts of the world that are not as the rules believe, as `planner replay --world` takes them.
    """

    def __init__(
        self,
        book: RuleBook,
        *,
        entries: int = FULL_MONTH,
        seed: str = "planner",
        start: datetime = OCTOBER,
        facts: dict[str, str] | None = None,
    ) -> None:
        if entries < 0:
            raise ValueError(f"a month has no {entries} entries: 0 or more")
        self.book = book
        self.entries = entries
        self.seed = seed
        self.start = start
        self.nature: Nature = altered(nature_of(book), facts or {})
        self.bill = Bill()
        self.account = Account()

    def happenings(self) -> Iterator[Happening]:
        """Every request in order of time."""
        self.bill, self.account = Bill(), Account()
        world = stage(self.book, self.nature, extra=(PREVIEW,))
        clerk = Clerk(self.book, world, self.nature, (*prices_of(self.book), PREVIEW))
        reader = _Reader()
        for ask in asked(self.start, self.entries, self.seed):
            raw = line_of(ask)
            written = clerk.write(ask, None if raw is None else reader.read(raw))
            billed: dict[str, int] = {}
            hours = 0
            for charged in written.charged:
                self.bill.add(charged)
                hours += charged.response.billed_ms
                for kind, nano in charged.nano.items():
                    billed[kind] = billed.get(kind, 0) + nano
            self.account.add(written.entries, billed, hours, written.cause)
            yield Happening(raw, written.entries)


def line_of(ask: Ask) -> bytes | None:
    """The line of the trace for a request, None for what no trace holds."""
    if ask.kind != "message" or ask.fate == "invalid":
        return None
    agent = ask.agent
    line: dict[str, Any] = {
        "at": ask.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "principal": agent.name,
        "organization": agent.organization,
        "workspace": agent.workspace,
        "team": agent.team,
        "project": agent.project,
        "tags": ask.tags,
        "conversation": ask.conversation,
        "turn": ask.turn,
        "body_bytes": round(ask.work.prompt_tokens * BYTES_A_TOKEN),
        "request": ask.body(),
        "work": ask.work,
    }
    return _encode(line)


_encode = msgspec.json.Encoder().encode


class _Reader:
    """Reads line by line what `planner replay` reads at once, so that no line is written that it could not read."""

    def __init__(self) -> None:
        self._next = b""
        self._lines = read_trace(iter(self._feed, None))

    def read(self, raw: bytes) -> TraceLine:
        """One line. Raises TraceError for one that is none."""
        self._next = raw
        read = next(self._lines)
        if not isinstance(read, TraceLine):
            raise read
        return read

    def _feed(self) -> bytes:
        return self._next
