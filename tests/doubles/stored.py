"""A store in memory that fails or hangs on demand, and the parts of the proxy that remember, on top of it."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from planner import log as logs
from planner.clock import VirtualClock
from planner.core.conversations import Conversation, Scope, Turn
from planner.core.learning.experience import Experience
from planner.core.learning.sizes import Sizes
from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Amounts, K, rollup
from planner.core.reasons import Reason
from planner.core.records import (
    ConversationRecord,
    EntryRecord,
    Learnt,
    LearntRecord,
    Record,
    ScopeRecord,
    TurnRecord,
)
from planner.core.rulebook.book import RuleBook
from planner.metrics import Metrics
from planner.proxy.hours import Hours
from planner.proxy.learning import Learning
from planner.proxy.lending import Lending
from planner.proxy.lessons import Lessons
from planner.proxy.memory import Memory
from planner.proxy.planning import Planning
from planner.proxy.recorder import Recorder
from planner.stores import LAST, Kept, Metered, StoreError
from planner.stores.journal import Journal
from planner.stores.writer import Writer

START = datetime(2026, 11, 22, 12, tzinfo=UTC)


class MemoryStore:
    """Keeps records in dicts; `broken` makes every read fail, `hanging` makes it wait for ever, `reads` counts them."""

    def __init__(self) -> None:
        self.turns: dict[str, Turn] = {}
        self.closings: dict[str, str] = {}
        self.conversations: dict[str, tuple[Conversation, str]] = {}
        self.known_scopes: dict[str, Scope] = {}
        self.settled: dict[str, Entry] = {}
        self.kept: dict[str, Learnt] = {}
        self.broken = False
        self.hanging = False
        self.reads = 0

    async def _read(self) -> None:
        self.reads += 1
        if self.hanging:
            await asyncio.get_running_loop().create_future()
        if self.broken:
            raise StoreError("the disk is gone")

    async def apply(self, records: Sequence[Record]) -> None:
        """Store records."""
        for record in records:
            match record:
                case EntryRecord(entry=entry):
                    self.settled[entry.request_id] = entry
                case TurnRecord(turn=turn):
                    self.turns |= dict.fromkeys(turn.keys, turn)
                case ConversationRecord(at=at, conversation=conversation):
                    self.conversations[conversation.root] = conversation, at
                case ScopeRecord(principal=principal, scope=scope):
                    self.known_scopes[principal] = scope
                case LearntRecord(learnt=learnt):
                    self.kept[learnt.name] = learnt

    async def entries(self, since: str = "") -> AsyncIterator[Entry]:
        """Every entry since then."""
        for entry in self.settled.values():
            if entry.at >= since:
                yield entry

    async def corrections(self, request_id: str) -> tuple[Entry, ...]:
        """The corrections of an entry."""
        await self._read()
        return tuple(entry for entry in self.settled.values() if entry.corrects == request_id)

    async def batch(self, digest: str) -> tuple[Entry, ...]:
        """The settled entries of a batch."""
        await self._read()
        settled = (entry for entry in self.settled.values() if entry.outcome != "unknown")
        return tuple(entry for entry in settled if entry.batch is not None and entry.batch.id == digest)

    async def turn(self, key: str) -> Turn | None:
        """The turn under a key."""
        await self._read()
        return self.turns.get(key)

    async def conversation(self, root: str) -> tuple[Conversation, str] | None:
        """The conversation with a root."""
        await self._read()
        return self.conversations.get(root)

    async def scopes(self) -> dict[str, Scope]:
        """All scopes."""
        await self._read()
        return dict(self.known_scopes)

    async def learnt(self) -> Kept:
        """All that was learnt."""
        await self._read()
        return Kept(tuple(self.kept.values()))

    async def hours(self, since: str) -> list[Metered]:
        """No hours."""
        del since
        return []

    async def cells(self, kind: type[K], since: str = "", until: str = LAST) -> AsyncIterator[tuple[K, Amounts]]:
        """The sums of these entries."""
        for key, amounts in sorted(rollup(self.settled.values()).of(kind).items()):
            if since <= key.hour < until:
                yield key, amounts

    async def closing(self, month: str) -> str | None:
        """What a month was closed with."""
        return self.closings.get(month)

    async def put_closing(self, month: str, closed_at: str, closing: str) -> bool:
        """Close a month, once."""
        del closed_at
        return self.closings.setdefault(month, closing) is closing

    async def prunings(self) -> list[str]:
        """Nothing was pruned."""
        return []

    async def prepare(self, now: str) -> None:
        """Nothing to prepare."""
        del now

    async def forget(self, before: str) -> None:
        """Forget what is older."""
        self.conversations = {root: kept for root, kept in self.conversations.items() if kept[1] >= before}

    async def close(self) -> None:
        """Nothing is open."""


class Mind:
    """What plans and learns in one process, without a socket: `store` gets what `learn` was told after `flush`."""

    def __init__(self, directory: Path, book: RuleBook, store: MemoryStore, stop: Reason | None = None) -> None:
        self.book, self.store, self.said, self.metrics, self.hours = book, store, io.StringIO(), Metrics(), Hours()
        log = logs.build(self.said)
        self.memory = Memory(store)
        self.journal = Journal(directory / "journal")
        self.writer = Writer(
            self.journal,
            store,
            VirtualClock(START),
            on_write=lambda _: None,
            on_trouble=lambda _: None,
            on_refused=lambda: None,
        )
        recorder = Recorder(self.journal, self.writer, self.metrics, log)
        self.experience = Experience(Sizes())
        self.lessons = Lessons(self.experience, recorder)
        self.lending = Lending(self.memory.lent, None, "process")
        self.learning = Learning(self.memory, self.lending, self.hours, recorder, self.lessons)
        self.planning = Planning(
            memory=self.memory,
            lending=self.lending,
            hours=self.hours,
            experience=self.experience,
            metrics=self.metrics,
            log=log,
            stop=stop,
        )

    async def flush(self) -> None:
        """Let the store have what was written down."""
        await self.writer.drain()
