"""How every store is read: the same statements, the same values; a store says only how a statement is asked for."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

import msgspec

from planner.core.conversations import Conversation, Scope, Turn
from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Amounts, K
from planner.core.records import Learnt
from planner.stores import LAST, Kept, Metered
from planner.stores.rows import VIEWS, amounts, first
from planner.stores.statements import statements

PAGE: Final = 1_000
PROFILES, SIZES = 20_000, 2_048
"""Rows that are read at most of agents, and of sizes and scales: as many as a process remembers."""
STATEMENTS: Final = (
    statements("ledger")
    | statements("rollups")
    | statements("conversations")
    | statements("learnt")
    | statements("closings")
    | statements("reconciliations")
    | statements("budgets")
)
"""What both databases understand."""
FORGETTING: Final = (
    "forget_turns",
    "forget_turn_keys",
    "forget_conversations",
    "forget_scopes",
    "forget_learnt",
)
_entries = msgspec.json.Decoder(Entry)
_turns = msgspec.json.Decoder(Turn)
_conversations = msgspec.json.Decoder(Conversation)
_learnt: msgspec.json.Decoder[Learnt] = msgspec.json.Decoder(Learnt)


class Reading(ABC):
    """The reading half of a `Store`, and what is written a row at a time. Every method raises StoreError."""

    @abstractmethod
    async def _fetch(self, name: str, *arguments: str | int) -> Sequence[Any]:
        """The rows of a statement, each a sequence of columns. Raises StoreError."""

    @abstractmethod
    async def _write(self, name: str, *arguments: str) -> None:
        """Write by a statement, in a transaction of its own. Raises StoreError."""

    async def entries(self, since: str = "") -> AsyncIterator[Entry]:
        """Every entry since a moment in order of arrival, by pages, so that a reader never blocks a writer for long."""
        at, request_id = since, ""
        while True:
            rows = await self._fetch("entries_after", at, request_id, PAGE, at, request_id, PAGE, PAGE)
            for _, _, entry in rows:
                yield _entries.decode(entry)
            if len(rows) < PAGE:
                return
            at, request_id, _ = rows[-1]

    async def cells(self, kind: type[K], since: str = "", until: str = LAST) -> AsyncIterator[tuple[K, Amounts]]:
        """The hourly sums of a kind, from an hour up to but without another, in order of their keys, by pages."""
        key = first(kind, since)
        while True:
            rows = await self._fetch(VIEWS[kind], *key, until, PAGE)
            for row in rows:
                *words, text = row
                yield kind(*words), amounts(text)
            if len(rows) < PAGE:
                return
            *key, _ = rows[-1]

    async def corrections(self, request_id: str) -> tuple[Entry, ...]:
        """The corrections of an entry, in the order in which they were made."""
        return tuple(_entries.decode(entry) for (entry,) in await self._fetch("corrections", request_id))

    async def batch(self, digest: str) -> tuple[Entry, ...]:
        """The settled entries of a batch, in order of arrival."""
        return tuple(_entries.decode(entry) for (entry,) in await self._fetch("batch", digest))

    async def turn(self, key: str) -> Turn | None:
        """The turn that is found under a key."""
        rows = await self._fetch("turn", key)
        return _turns.decode(rows[0][0]) if rows else None

    async def conversation(self, root: str) -> tuple[Conversation, str] | None:
        """The conversation with a root, and when it was last seen (RFC 3339 UTC)."""
        rows = await self._fetch("conversation", root)
        return (_conversations.decode(rows[0][0]), rows[0][1]) if rows else None

    async def scopes(self) -> dict[str, Scope]:
        """The scope of every principal that was ever answered."""
        rows = await self._fetch("scopes")
        return {principal: Scope(organization, workspace) for principal, organization, workspace in rows}

    async def learnt(self) -> Kept:
        """The newest that was learnt of edits and agents, as much as a process remembers."""
        learnt, unread = [], 0
        for (text,) in await self._fetch("learnt", PROFILES, SIZES):
            try:
                learnt.append(_learnt.decode(text))
            except (msgspec.DecodeError, TypeError, RecursionError, UnicodeError):
                unread += 1
        return Kept(tuple(learnt), unread)

    async def hours(self, since: str) -> list[Metered]:
        """What counts against the free hours since an hour (RFC 3339 UTC), in time order."""
        return [Metered(*row) for row in await self._fetch("hours", since)]

    async def closing(self, month: str) -> str | None:
        """What a month (`2026-11`) was closed with; None for one that is open."""
        rows = await self._fetch("closing", month)
        return str(rows[0][0]) if rows else None

    async def prunings(self) -> list[str]:
        """What is kept of months whose entries went (JSON), the oldest first."""
        return [pruning for (pruning,) in await self._fetch("prunings")]

    async def keep_reconciliation(self, month: str, organization: str, made_at: str, statement: str) -> None:
        """Keep a statement (JSON) of a month, beside earlier ones."""
        await self._write("put_reconciliation", month, organization, made_at, statement)

    async def reconciliations(self) -> list[str]:
        """The newest statement (JSON) of every month and organization."""
        return [statement for (statement,) in await self._fetch("reconciliations")]

    async def keep_bill_page(self, name: str, at: str, page: str) -> None:
        """Keep a page of the bill in place of an earlier one of its name."""
        await self._write("put_bill_page", name, at, page)

    async def bill_page(self, name: str) -> tuple[str, str] | None:
        """A kept page: when it was fetched (RFC 3339 UTC), and its text."""
        rows = await self._fetch("bill_page", name)
        return (rows[0][0], rows[0][1]) if rows else None

    async def last_bill_page(self) -> str | None:
        """When the last page was fetched (RFC 3339 UTC), None for never."""
        ((at,),) = await self._fetch("last_bill_page")
        return None if at is None else str(at)

    async def spent(self, field: str, since: str, until: str) -> dict[str, int]:
        """What each team, project or principal (`field`) spent from a day on and before another: nano-dollars."""
        return {str(value): int(nano) for value, nano in await self._fetch("spent_by_value", field, since, until)}

    async def count(self) -> dict[str, int]:
        """How many entries the ledger has, by outcome."""
        return {outcome: number for outcome, number in await self._fetch("count_entries")}  # noqa: C416 - rows may be records
