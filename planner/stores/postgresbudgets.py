"""Budgets in the shared store: an account belongs to one transaction at a time, and accounts never wait for entries.

An exchange locks the account and no row that another one wants, so that transactions that meet wait and never in a
circle. What it reads it reads after the lock is held, so it sees what whoever held it before has leased.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from planner.core.budget import Ask, Granted
from planner.core.rulebook.spending import Claim
from planner.stores.budgets import STATEMENTS, exchange_in, text
from planner.stores.connections import Connection, Connections
from planner.stores.statements import statements

CONNECTIONS: Final = 2
"""At most so many of one process, beside those of the ledger. Ours."""
FORGETTING: Final = "forgetting"
"""What is locked while old leases are forgotten: the name of no account, since those have three parts."""
_LOCK: Final = statements("only_postgres")["lock_account"]


class PostgresBudgets:
    """Accounts in one schema of a database; open it once a `PostgresStore` has found the schema up to date."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @classmethod
    async def open(cls, address: str) -> "PostgresBudgets":
        """Connect. Raises StoreError when that cannot be done."""
        return cls(await Connections.open(address, CONNECTIONS))

    async def exchange(self, claim: Claim, ask: Ask) -> Granted:
        """Give a process its lease of an account, in place of the one it had. Raises StoreError."""
        async with self._connections.one() as connection, connection.transaction():
            await connection.execute(_LOCK, f"{claim.key.budget}\n{claim.key.value}\n{claim.key.period}")
            return await exchange_in(_Fetching(connection), claim, ask)

    async def forget(self, before: datetime) -> None:
        """Forget leases that ended before a moment, one process at a time. Raises StoreError."""
        async with self._connections.one() as connection, connection.transaction():
            await connection.execute(_LOCK, FORGETTING)
            await connection.execute(STATEMENTS["forget_leases"], text(before))

    async def close(self) -> None:
        """Let go of the database."""
        await self._connections.close()


class _Fetching:
    """Runs statements by their names inside the transaction of a connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def __call__(self, name: str, *arguments: str | int) -> Sequence[Any]:
        rows: Sequence[Any] = await self._connection.fetch(STATEMENTS[name], *arguments)
        return rows
