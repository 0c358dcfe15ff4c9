"""Budgets in the file of the embedded store, on a connection of their own, beside the writer's transactions."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import aiosqlite

from planner.core.budget import Ask, Granted
from planner.core.rulebook.spending import Claim
from planner.stores import StoreError
from planner.stores.budgets import STATEMENTS, exchange_in, text
from planner.stores.statements import question_marks

_SQL = {name: question_marks(statement) for name, statement in STATEMENTS.items()}


class SqliteBudgets:
    """Accounts in one file; open it with `SqliteBudgets.open` once a `SqliteStore` has brought its schema up to date.

    `ran` counts the statements, by name.
    """

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._turn = asyncio.Lock()
        self.ran: dict[str, int] = {}

    @classmethod
    async def open(cls, path: Path) -> "SqliteBudgets":
        """Open a connection. Raises StoreError."""
        try:
            connection = await aiosqlite.connect(path, isolation_level=None)
            try:
                await connection.execute("PRAGMA synchronous=NORMAL")
                await connection.execute(_SQL["leases"], ("", "", ""))
            except BaseException:
                await connection.close()
                raise
        except aiosqlite.Error as error:
            raise StoreError(f"{path} cannot hold budgets: {error}. Name another file with --store.") from error
        return cls(connection)

    async def exchange(self, claim: Claim, ask: Ask) -> Granted:
        """Give a process its lease of an account, in place of the one it had. Raises StoreError."""
        async with self._turn:
            try:
                try:
                    await self._connection.execute("BEGIN IMMEDIATE")
                    granted = await exchange_in(self._fetch, claim, ask)
                    await self._connection.execute("COMMIT")
                except BaseException:  # it failed, or was cancelled, perhaps on the way to its beginning
                    with suppress(aiosqlite.OperationalError):  # nothing had begun
                        await self._connection.execute("ROLLBACK")
                    raise
            except (aiosqlite.Error, ValueError) as error:  # ValueError: the connection is closed
                raise StoreError(str(error)) from error
        return granted

    async def forget(self, before: datetime) -> None:
        """Forget leases that ended before a moment. Raises StoreError."""
        async with self._turn:
            try:
                await self._fetch("forget_leases", text(before))
            except (aiosqlite.Error, ValueError) as error:
                raise StoreError(str(error)) from error

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _fetch(self, name: str, *arguments: str | int) -> Sequence[Sequence[Any]]:
        self.ran[name] = self.ran.get(name, 0) + 1
        return list(await self._connection.execute_fetchall(_SQL[name], arguments))
