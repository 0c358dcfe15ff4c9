"""Takes entries, or a name, out of the shared store: a month is one partition, which is dropped at once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from planner.stores.connections import Connection, Connections
from planner.stores.retention import STATEMENTS, BusyError, Fetch, Retention, begin_pruning, span
from planner.stores.statements import statements

CONNECTIONS: Final = 2
"""At most so many of one process: one keeps other processes away, the other works."""
TRIES: Final = 50
PAUSE_SECONDS: Final = 0.2
"""A partition is dropped as soon as for a moment nobody reads or writes entries; so often that is tried. Ours."""
_SQL: Final = STATEMENTS | statements("only_postgres")


class PostgresRetention(Retention):
    """Takes out of one schema of a database; open it once a `PostgresStore` has found the schema up to date."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, address: str) -> "PostgresRetention":
        """Connect. Raises StoreError when that cannot be done."""
        return cls(await Connections.open(address, CONNECTIONS))

    async def fetch(self, name: str, *arguments: str | int) -> Sequence[Sequence[Any]]:
        """Run a statement that only reads. Raises StoreError."""
        async with self._connections.one() as connection:
            return await _Fetching(connection)(name, *arguments)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Fetch]:
        """A transaction, in which statements are run by their names. Raises StoreError."""
        async with self._connections.one() as connection, connection.transaction():
            yield _Fetching(connection)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[bool]:
        """Whether no other process takes entries out, for as long as this is held. Raises StoreError."""
        async with self._connections.one() as connection:
            held = bool(await connection.fetchval(_SQL["try_to_prune"]))
            try:
                yield held
            finally:
                if held:
                    await connection.execute(_SQL["end_pruning"])

    async def prune(self, month: str, at: str, pruning: str, entries: int) -> AsyncIterator[int]:
        """Drop the partition of a month, in one transaction with all that is written of it. Raises StoreError."""
        for _ in range(TRIES):
            if await self._drop(month, at, pruning, entries):
                yield entries
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise BusyError(
            f"the partition of {month} was never free for a moment: somebody reads or writes entries for long"
        )

    async def _drop(self, month: str, at: str, pruning: str, entries: int) -> bool:
        """Whether it could be dropped now."""
        async with self._connections.one() as connection:
            try:
                async with connection.transaction():
                    fetch = _Fetching(connection)
                    await fetch("hurry")
                    await fetch("hold_partition", month)
                    await begin_pruning(fetch, month, at, pruning, entries)
                    await fetch("drop_spending", *span(month))
                    await fetch("drop_partition", month)
            except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
                return False
        return True

    async def vacuum(self) -> bool:
        """A dropped partition gives its room back at once, and the server sees to the rest by itself."""
        return True

    async def close(self) -> None:
        """Let go of the database."""
        await self._connections.close()


_OF_MANY: Final = frozenset({"add_cells", "add_cells_by_tag"})
"""Statements that take a list of values for each column, since a batch of the ledger's is added at once."""


class _Fetching:
    """Runs statements by their names inside the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __call__(self, name: str, *arguments: str | int) -> Sequence[Any]:
        values = ([each] for each in arguments) if name in _OF_MANY else arguments
        rows: Sequence[Any] = await self._connection.fetch(_SQL[name], *values)
        return rows
