"""Ledgers of which something is to go: a month that is over, with all that a store can know of one principal."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
from msgspec import structs

from planner.core.agents import ProfileKey
from planner.core.conversations import Conversation, Scope, Turn
from planner.core.learning.profile import LearntProfile, Profile
from planner.core.ledger.entry import Entry
from planner.core.records import ConversationRecord, EntryRecord, LearntRecord, Record, ScopeRecord, TurnRecord
from planner.core.rulebook.spending import Spender
from planner.opening import is_shared, open_retention, open_store
from planner.settings import sqlite_path
from planner.stores import WholeStore
from planner.stores.retention import Retention
from tests.doubles.reported import BEGIN, END, MONTH, closing_of, month, request

ALICE: Final = "alice-who-left"
KEY: Final = "0b5d2f6c9a1e4873"
NAMES: Final = frozenset({ALICE, KEY})
NOW: Final = END + timedelta(days=500)
NEXT: Final = "2025-11"


@asynccontextmanager
async def opened(address: str) -> AsyncIterator[tuple[WholeStore, Retention]]:
    """A store and what takes something out of it, closed whatever happens."""
    store = await open_store(address)
    try:
        retention = await open_retention(address)
        try:
            yield store, retention
        finally:
            await retention.close()
    finally:
        await store.close()


@asynccontextmanager
async def beside(address: str) -> AsyncIterator[Retention]:
    """What takes something out of a store that is there, in another process."""
    retention = await open_retention(address)
    try:
        yield retention
    finally:
        await retention.close()


async def nothing() -> None:
    """A pause that is none."""


async def closed(store: WholeStore, entries: list[Entry]) -> None:
    """Fill a store with a month, and close it; some entries count in budgets."""
    await store.apply([EntryRecord(each) for each in entries])
    told = closing_of([each for each in entries if each.at.startswith(MONTH)])
    assert await store.put_closing(MONTH, told.closed_at, msgspec.json.encode(told).decode())


def hers() -> list[Entry]:
    """A month in which two names of one principal stand wherever a name can, among those of others."""
    found = []
    for number, each in enumerate(month()):
        name = (ALICE, KEY, each.principal)[number % 3]
        changes = {"principal": name, "spender": Spender(principal=name, team=each.team)}
        if number % 5 == 0:
            changes |= {"tags": {**each.tags, "agent": ALICE}}
        found.append(structs.replace(each, **changes))
    later = request(9_000, END + timedelta(days=2), principal=KEY, upstream_request_id="req_hers")
    return [*found, later, request(9_001, END + timedelta(days=2), principal="somebody", team=ALICE + "-team")]


def remembered(name: str, number: int) -> list[Record]:
    """What is remembered of somebody: a conversation with a turn, the habits of an agent, a scope."""
    at = (NOW - timedelta(days=1)).isoformat(timespec="microseconds")
    profile = ProfileKey(f"own{number}", f"parent{number}")
    conversation = Conversation(root=f"root{number}", principal=name, prefix="p", profile=profile)
    turn = Turn(conversation=conversation, message_id=f"msg{number}", call_ids=("a", "b"))
    return [
        ConversationRecord(at, conversation),
        TurnRecord(at, turn),
        ScopeRecord(at, name, Scope("o", "w")),
        ScopeRecord(at, f"{name}@0123456789abcdef", Scope("o", "w2")),
        LearntRecord(at, LearntProfile(profile.own, Profile(NOW))),
        LearntRecord(at, LearntProfile("of-nobody", Profile(NOW))),
        EntryRecord(request(8_000 + number, BEGIN, principal=name, outcome="unknown", shapeless=True)),
    ]


STATEMENT: Final = {
    "month": MONTH,
    "rows": [{"evidence": {"lost_entries": f"12 tokens beyond the ledger on keys of {ALICE}", "bypass": "key x"}}],
}


async def filled(address: str) -> None:
    """A store that knows all of this, of her and of somebody else, with the month closed."""
    async with opened(address) as (store, retention):
        await closed(store, [each for each in hers() if not each.at.startswith("z")])
        await store.apply([*remembered(ALICE, 1), *remembered(KEY, 2), *remembered("somebody", 3)])
        await store.keep_reconciliation(MONTH, "o1", "2025-11-05", msgspec.json.encode(STATEMENT).decode())
        async with retention.transaction() as fetch:
            for name in (ALICE, "somebody"):
                await fetch("put_lease", "b", name, MONTH, "owner", 5, "2026-01-01")


async def dump(address: str) -> dict[str, list[str]]:
    """Every row of every table as text, in an order of its own."""
    if not is_shared(address):
        with closing(sqlite3.connect(sqlite_path(address))) as file:
            names = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: sorted(map(str, file.execute(f'SELECT * FROM "{name}"'))) for name in names}  # noqa: S608 - ours
    connection = await asyncpg.connect(address)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()")
        return {
            row[0]: sorted(str(tuple(each)) for each in await connection.fetch(f'SELECT * FROM "{row[0]}"'))  # noqa: S608 - ours
            for row in rows
        }
    finally:
        await connection.close()


def on_disk(path: Path) -> bytes:
    """All that lies beside a file, and in it."""
    return b"".join(each.read_bytes() for each in sorted(path.parent.rglob(f"{path.name}*")) if each.is_file())


def day(year: int, number: int, of: int = 1) -> datetime:
    """A midnight in UTC."""
    return datetime(year, number, of, tzinfo=UTC)
