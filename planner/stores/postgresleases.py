"""Leases of containers in the shared store: a container belongs to one transaction at a time, and entries never wait.

Who asks for a container that another transaction has is told that it is busy and waits for nobody (`SKIP LOCKED`); who
gives one back waits for the milliseconds of the other. What is read is read after the lock is held, each statement by
itself, so that it sees what whoever held it before has written.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final

from planner.core.containers import State
from planner.core.lending import Answer, Ask, End, Ended
from planner.stores.connections import Connection, Connections
from planner.stores.leases import STATEMENTS, Fetch, give_back_in, take_in, text

CONNECTIONS: Final = 4
"""At most so many of one process, beside those of the ledger and of budgets: an exchange takes a millisecond or two.
Ours."""
FORGETTING: Final = ("forget_container_leases", "forget_continued_turns", "forget_containers")
_LOCKED: Final = Answer(taken=False, state=State.BUSY, passing=True)


class PostgresLeases:
    """Leases in one schema of a database; open it once a `PostgresStore` has found the schema up to date."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, address: str) -> "PostgresLeases":
        """Connect. Raises StoreError when that cannot be done."""
        return cls(await Connections.open(address, CONNECTIONS))

    async def take(self, ask: Ask, now: datetime) -> Answer:
        """Give a request a lease of its container, or say why not; it waits for no other. Raises StoreError."""
        waits = "have_container" if ask.way == "lent" else "wait_for_container"
        async with self._having() as fetch:
            for _ in range(2):
                if await fetch(waits, ask.container):
                    return await take_in(fetch, ask, now)
                await fetch("add_container", ask.container, text(now))
        return _LOCKED

    async def give_back(self, ask: Ask, end: End, now: datetime, *, claimed: bool) -> Ended:
        """End the lease of a request. Raises StoreError."""
        async with self._having() as fetch:
            if not await fetch("wait_for_container", ask.container):
                await fetch("add_container", ask.container, text(now))
                await fetch("wait_for_container", ask.container)
            return await give_back_in(fetch, ask, end, now, claimed=claimed)

    async def renew(self, holders: Sequence[str], until: datetime) -> frozenset[str]:
        """Let leases go on until then; say which of them there still are. Raises StoreError."""
        async with self._connections.one() as connection:
            rows = await connection.fetch(STATEMENTS["renew_leases"], list(holders), text(until))
        return frozenset(holder for (holder,) in rows)

    async def forget(self, before: datetime) -> None:
        """Forget containers, turns and leases of which nothing was heard since. Raises StoreError."""
        async with self._connections.one() as connection:
            for name in FORGETTING:
                await connection.execute(STATEMENTS[name], text(before))

    async def close(self) -> None:
        """Let go of the database."""
        await self._connections.close()

    @asynccontextmanager
    async def _having(self) -> AsyncIterator[Fetch]:
        """A transaction whose every statement sees what was committed before it. Raises StoreError."""
        async with self._connections.one() as connection, connection.transaction(isolation="read_committed"):
            yield _Fetching(connection)


class _Fetching:
    """Runs statements by their names inside the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __call__(self, name: str, *arguments: str | None) -> Sequence[Any]:
        rows: Sequence[Any] = await self._connection.fetch(STATEMENTS[name], *arguments)
        return rows
