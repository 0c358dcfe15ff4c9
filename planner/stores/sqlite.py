"""The embedded store: one SQLite file in WAL mode, written by one process, readable by any."""

import fcntl
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from sqlite3 import DataError
from typing import Any

import aiosqlite
import msgspec

from planner.core.conversations import Conversation, Scope, Turn
from planner.core.ledger import Entry
from planner.core.records import (
    ConversationRecord,
    EntryRecord,
    Learnt,
    LearntRecord,
    Record,
    ScopeRecord,
    TurnRecord,
)
from planner.stores import InUseError, Kept, Metered, RefusedError, StoreError
from planner.stores.statements import migrations, question_marks, statements

PAGE = 1_000
PROFILES, SIZES = 20_000, 2_048
"""Rows that are read at most of agents, and of sizes and scales: as many as a process remembers."""
Row = tuple[str | int | None, ...]
_STATEMENTS = (
    statements("ledger")
    | statements("conversations")
    | statements("learnt")
    | statements("closings")
    | statements("reconciliations")
)
_SQL = {name: question_marks(text) for name, text in _STATEMENTS.items()}
_encoder = msgspec.json.Encoder()
_entries = msgspec.json.Decoder(Entry)
_turns = msgspec.json.Decoder(Turn)
_conversations = msgspec.json.Decoder(Conversation)
_learnt: msgspec.json.Decoder[Learnt] = msgspec.json.Decoder(Learnt)


class SqliteStore:
    """A ledger in one file. Open it with `SqliteStore.open` (to write) or `SqliteStore.read` (to look)."""

    def __init__(self, connection: aiosqlite.Connection, reader: aiosqlite.Connection, lock: int | None) -> None:
        self._connection = connection
        self._reader = reader  # of its own, so that a request never waits for the writer's transaction
        self._lock = lock

    @classmethod
    async def open(cls, path: Path) -> "SqliteStore":
        """Open for writing, create what is missing. Raises StoreError when another process writes to it."""
        try:
            lock = _lock(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be opened: {error.strerror}. Name another file with --store.") from error
        try:
            connection = await aiosqlite.connect(path, isolation_level=None)
            try:
                await connection.execute("PRAGMA journal_mode=WAL")
                await connection.execute("PRAGMA synchronous=NORMAL")
                await _migrate(connection, path)
                reader = await aiosqlite.connect(path, isolation_level=None)
            except BaseException:
                await connection.close()
                raise
        except (aiosqlite.Error, OSError) as error:
            os.close(lock)
            raise StoreError(f"{path} cannot be used as a ledger: {error}. Name another file with --store.") from error
        except BaseException:
            os.close(lock)
            raise
        return cls(connection, reader, lock)

    @classmethod
    async def read(cls, path: Path) -> "SqliteStore":
        """Open a ledger only to read it. Raises StoreError when there is none."""
        try:
            connection = await aiosqlite.connect(f"{_absolute(path).as_uri()}?mode=ro", uri=True)
        except aiosqlite.Error as error:
            raise StoreError(f"{path} cannot be read: {error}. Name a ledger with --store.") from error
        try:
            await connection.execute(_SQL["count_entries"])
        except aiosqlite.Error as error:
            await connection.close()
            raise StoreError(f"{path} is not a ledger: {error}. Name a ledger with --store.") from error
        return cls(connection, connection, None)

    @classmethod
    async def beside(cls, path: Path) -> "SqliteStore":
        """Open a ledger that a proxy may be writing to, for what no proxy writes. Raises StoreError when there is none.

        What is written is one row in a transaction of its own, for which the proxy waits some milliseconds.
        """
        address = _to_write(path)
        store = await cls.read(path)
        try:
            connection = await aiosqlite.connect(address, uri=True, isolation_level=None)
        except aiosqlite.Error as error:
            await store.close()
            raise StoreError(f"{path} cannot be written to: {error}. Name a ledger with --store.") from error
        return cls(connection, store._reader, None)  # noqa: SLF001 - of its own class

    @classmethod
    async def amending(cls, path: Path) -> "SqliteStore":
        """Open a ledger for what no proxy writes: alone, or beside a proxy that has the same schema. Raises StoreError.

        The schema of a file that another process has is not changed under its feet.
        """
        _to_write(path)
        try:
            return await cls.open(path)
        except InUseError:
            store = await cls.beside(path)
        ((version,),) = await store._reader.execute_fetchall("PRAGMA user_version")  # noqa: SLF001 - of its own class
        if version != migrations("sqlite")[-1][0]:
            await store.close()
            raise StoreError(f"{path} is in use by a planner of another version. Upgrade the proxy first.")
        return store

    async def apply(self, records: Sequence[Record]) -> None:
        """Store records in one transaction; applying one twice changes nothing.

        Raises StoreError; of that RefusedError where the fault lies in a record.
        """
        try:
            try:
                await self._connection.execute("BEGIN IMMEDIATE")
                for name, rows in _rows(records).items():
                    await self._connection.executemany(_SQL[name], rows)
                await self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:  # a full disk may end it, or leave it open behind a failed COMMIT
                    await self._connection.execute("ROLLBACK")
        except (aiosqlite.IntegrityError, DataError, OverflowError, UnicodeError) as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        except (aiosqlite.Error, ValueError) as error:  # ValueError: the connection is closed
            raise StoreError(str(error)) from error

    async def entries(self, since: str = "") -> AsyncIterator[Entry]:
        """Every entry since a moment (RFC 3339 UTC, microseconds) in order of arrival.

        They are read by pages, so that a reader never blocks the writer for long. Raises StoreError.
        """
        at, request_id = since, ""
        while True:
            rows = await self._fetch("entries_after", at, request_id, PAGE)
            for _, _, entry in rows:
                yield _entries.decode(entry)
            if len(rows) < PAGE:
                return
            at, request_id, _ = rows[-1]

    async def corrections(self, request_id: str) -> tuple[Entry, ...]:
        """The corrections of an entry, in the order in which they were made. Raises StoreError."""
        return tuple(_entries.decode(entry) for (entry,) in await self._fetch("corrections", request_id))

    async def batch(self, digest: str) -> tuple[Entry, ...]:
        """The settled entries of a batch, in order of arrival. Raises StoreError."""
        return tuple(_entries.decode(entry) for (entry,) in await self._fetch("batch", digest))

    async def turn(self, key: str) -> Turn | None:
        """The turn that is found under a key. Raises StoreError."""
        rows = await self._fetch("turn", key)
        return _turns.decode(rows[0][0]) if rows else None

    async def conversation(self, root: str) -> tuple[Conversation, str] | None:
        """The conversation with a root, and when it was last seen (RFC 3339 UTC). Raises StoreError."""
        rows = await self._fetch("conversation", root)
        return (_conversations.decode(rows[0][0]), rows[0][1]) if rows else None

    async def scopes(self) -> dict[str, Scope]:
        """The scope of every principal that was ever answered. Raises StoreError."""
        rows = await self._fetch("scopes")
        return {principal: Scope(organization, workspace) for principal, organization, workspace in rows}

    async def learnt(self) -> Kept:
        """The newest that was learnt of edits and agents, as much as a process remembers. Raises StoreError."""
        learnt, unread = [], 0
        for (text,) in await self._fetch("learnt", PROFILES, SIZES):
            try:
                learnt.append(_learnt.decode(text))
            except (msgspec.DecodeError, TypeError, RecursionError, UnicodeError):
                unread += 1
        return Kept(tuple(learnt), unread)

    async def hours(self, since: str) -> list[Metered]:
        """What counts against the free hours since a moment (RFC 3339 UTC), in time order. Raises StoreError."""
        return [Metered(*row) for row in await self._fetch("hours", since)]

    async def closing(self, month: str) -> str | None:
        """What a month (`2026-11`) was closed with; None for one that is open. Raises StoreError."""
        rows = await self._fetch("closing", month)
        return str(rows[0][0]) if rows else None

    async def put_closing(self, month: str, closed_at: str, closing: str) -> bool:
        """Close a month (`2026-11`); False where that was done before, and then nothing changes. Raises StoreError."""
        try:
            rows = await self._connection.execute_fetchall(_SQL["put_closing"], (month, closed_at, closing))
        except (aiosqlite.Error, ValueError) as error:
            raise StoreError(str(error)) from error
        return bool(list(rows))

    async def keep_reconciliation(self, month: str, organization: str, made_at: str, statement: str) -> None:
        """Keep a statement (JSON) of a month, beside earlier ones. Raises StoreError."""
        await self._write("put_reconciliation", month, organization, made_at, statement)

    async def reconciliations(self) -> list[str]:
        """The newest statement (JSON) of every month and organization. Raises StoreError."""
        return [statement for (statement,) in await self._fetch("reconciliations")]

    async def keep_bill_page(self, name: str, at: str, page: str) -> None:
        """Keep a page of the bill in place of an earlier one of its name. Raises StoreError."""
        await self._write("put_bill_page", name, at, page)

    async def bill_page(self, name: str) -> tuple[str, str] | None:
        """A kept page: when it was fetched (RFC 3339 UTC), and its text. Raises StoreError."""
        rows = await self._fetch("bill_page", name)
        return (rows[0][0], rows[0][1]) if rows else None

    async def last_bill_page(self) -> str | None:
        """When the last page was fetched (RFC 3339 UTC), None for never. Raises StoreError."""
        ((at,),) = await self._fetch("last_bill_page")
        return None if at is None else str(at)

    async def forget(self, before: str) -> None:
        """Forget conversations that nobody went on with since (RFC 3339 UTC), scopes, what was learnt.

        Raises StoreError.
        """
        try:
            for name in ("forget_turns", "forget_turn_keys", "forget_conversations", "forget_scopes", "forget_learnt"):
                await self._connection.execute(_SQL[name], (before,))
        except (aiosqlite.Error, ValueError) as error:
            raise StoreError(str(error)) from error

    async def _write(self, name: str, *arguments: str) -> None:
        try:
            await self._connection.execute(_SQL[name], arguments)
        except (aiosqlite.Error, ValueError) as error:
            raise StoreError(str(error)) from error

    async def _fetch(self, name: str, *arguments: str | int) -> list[Any]:
        try:
            return list(await self._reader.execute_fetchall(_SQL[name], arguments))
        except aiosqlite.Error as error:
            raise StoreError(str(error)) from error

    async def count(self) -> dict[str, int]:
        """How many entries the ledger has, by outcome."""
        return dict(await self._fetch("count_entries"))

    async def close(self) -> None:
        """Close the file and let the next process have it."""
        await self._connection.close()
        if self._reader is not self._connection:
            await self._reader.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _to_write(path: Path) -> str:
    """The address by which a file is written to. Raises StoreError without one: failing to connect leaves a thread."""
    if not path.is_file():
        raise StoreError(f"{path} cannot be read: there is no such file. Name a ledger with --store.")
    return f"{path.absolute().as_uri()}?mode=rw"


def _absolute(path: Path) -> Path:
    return path.absolute()


def _lock(path: Path) -> int:
    """Hold `<path>.lock` as long as the process lives. Raises StoreError when another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise InUseError(
            f"{path} is in use by another planner process. Give this one its own file with --store, "
            "or let several share one PostgreSQL."
        ) from error
    return descriptor


async def _migrate(connection: aiosqlite.Connection, path: Path) -> None:
    """Bring the schema up to what this code knows. Raises StoreError for a schema from the future."""
    ((version,),) = await connection.execute_fetchall("PRAGMA user_version")
    scripts = migrations("sqlite")
    if version > scripts[-1][0]:
        raise StoreError(f"{path} was written by a newer planner (schema {version}). Upgrade this one.")
    for number, script in scripts:
        if number > version:
            await connection.executescript(f"BEGIN; {script} PRAGMA user_version = {number}; COMMIT;")


def _rows(records: Sequence[Record]) -> dict[str, list[Row]]:
    """What to write, by statement; within one statement the order of the records is kept."""
    rows: dict[str, list[Row]] = {}
    for record in records:
        match record:
            case EntryRecord(entry=entry):
                rows.setdefault("put_entry", []).append(_row(entry))
            case TurnRecord(at=at, turn=turn) if turn.keys:
                keys = turn.keys
                rows.setdefault("put_turn", []).append((keys[0], at, _encoder.encode(turn).decode()))
                rows.setdefault("put_turn_key", []).extend((key, at, keys[0]) for key in keys)
            case ConversationRecord(at=at, conversation=conversation):
                text = _encoder.encode(conversation).decode()
                rows.setdefault("put_conversation", []).append((conversation.root, at, text))
            case ScopeRecord(at=at, principal=principal, scope=scope):
                rows.setdefault("put_scope", []).append((principal, at, scope.organization, scope.workspace))
            case LearntRecord(at=at, learnt=learnt):
                rows.setdefault("put_learnt", []).append((learnt.name, at, _encoder.encode(learnt).decode()))
    return rows


def _row(entry: Entry) -> Row:
    return (
        entry.request_id,
        entry.at,
        entry.principal,
        entry.team,
        entry.endpoint,
        entry.model,
        entry.outcome,
        entry.cost_nano,
        entry.untouched_nano,
        _encoder.encode(entry).decode(),
        entry.organization,
        None if entry.code is None else entry.code.hours_ms,
        None if entry.code is None else entry.code.untouched_hours_ms,
        entry.corrects,
        entry.corrected_at,
        None if entry.batch is None else entry.batch.id,
    )
