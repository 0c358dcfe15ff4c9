"""Takes entries, or a name, out of the file of the embedded store, on a connection of its own, beside a proxy."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosqlite

from planner.stores import InUseError, StoreError
from planner.stores.locks import hold
from planner.stores.retention import STATEMENTS, Fetch, Retention, begin_pruning, span
from planner.stores.rows import add_amounts
from planner.stores.statements import question_marks, statements

STEP: Final = 100
"""Entries that go in one transaction: milliseconds."""
LOCK: Final = ".lock"
"""Who writes to the file holds this one beside it."""
RETENTION: Final = ".retention"
"""And who takes something out of it this one."""
_SQL: Final = {name: question_marks(text) for name, text in (STATEMENTS | statements("only_sqlite")).items()}


class SqliteRetention(Retention):
    """Takes out of one file; open it once a `SqliteStore` has found the schema up to date."""

    def __init__(self, connection: aiosqlite.Connection, path: Path) -> None:
        self._connection, self._path = connection, path
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> "SqliteRetention":
        """Open a connection. Raises StoreError."""
        try:
            connection = await aiosqlite.connect(path, isolation_level=None)
            try:
                await connection.execute("PRAGMA synchronous=NORMAL")
                await connection.execute("PRAGMA secure_delete=ON")  # what goes is overwritten
                await connection.create_function("add_amounts", 2, add_amounts, deterministic=True)
            except BaseException:
                await connection.close()
                raise
        except aiosqlite.Error as error:
            raise StoreError(f"{path} cannot be written to: {error}. Name a ledger with --store.") from error
        return cls(connection, path)

    async def fetch(self, name: str, *arguments: str | int) -> Sequence[Sequence[Any]]:
        """Run a statement that only reads. Raises StoreError."""
        async with self._turn:
            try:
                return await self._fetch(name, *arguments)
            except (aiosqlite.Error, ValueError) as error:
                raise StoreError(str(error)) from error

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Fetch]:
        """A transaction, in which statements are run by their names. Raises StoreError."""
        async with self._turn:
            try:
                try:
                    await self._connection.execute("BEGIN IMMEDIATE")
                    yield self._fetch
                    await self._connection.execute("COMMIT")
                finally:
                    if self._connection.in_transaction:
                        await self._connection.execute("ROLLBACK")
            except (aiosqlite.Error, ValueError) as error:  # ValueError: the connection is closed
                raise StoreError(str(error)) from error

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Whether no other process takes something out, for as long as this is held. Raises StoreError."""
        lock = self._hold(RETENTION)
        try:
            yield lock is not None
        finally:
            if lock is not None:
                os.close(lock)

    async def prune(self, month: str, at: str, pruning: str, entries: int) -> AsyncIterator[int]:
        """Take the entries of a month out, a hundred a transaction; each step says how many. Raises StoreError."""
        begin, end = span(month)
        async with self.transaction() as fetch:
            await begin_pruning(fetch, month, at, pruning, entries)
            await fetch("drop_spending", begin, end)
        while True:
            async with self.transaction():
                cursor = await self._connection.execute(_SQL["prune_entries"], (begin, end, STEP))
                gone = cursor.rowcount
                await cursor.close()
            yield gone
            if gone < STEP:
                return

    async def vacuum(self) -> bool:
        """Write the file anew, which no other process may have meanwhile; False where one has it. Raises StoreError."""
        lock = self._hold(LOCK)
        if lock is None:
            return False
        try:
            async with self._turn:
                await self._connection.execute("VACUUM")
                await self._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        except (aiosqlite.Error, ValueError) as error:
            raise StoreError(str(error)) from error
        finally:
            os.close(lock)
        return True

    def _hold(self, suffix: str) -> int | None:
        """Hold a lock beside the file; None where another process has it. Raises StoreError."""
        try:
            return hold(self._path.with_name(self._path.name + suffix), "in use")
        except InUseError:
            return None
        except OSError as error:
            raise StoreError(f"{self._path} cannot be locked: {error.strerror}") from error

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _fetch(self, name: str, *arguments: str | int) -> Sequence[Sequence[Any]]:
        return list(await self._connection.execute_fetchall(_SQL[name], arguments))
