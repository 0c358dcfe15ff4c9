"""Connections to PostgreSQL: a few of one process, made again when they are lost; what goes wrong is a StoreError."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from planner.stores import RefusedError, StoreError

CONNECTIONS: Final = 4
"""At most so many of one process: one writes, the others answer what requests ask for. Ours."""
CONNECT_SECONDS: Final = 10.0
COMMAND_SECONDS: Final = 300.0
CLOSE_SECONDS: Final = 5.0
_OF_A_RECORD: Final = ("22", "23")
"""Classes of SQLSTATE where the fault lies in what was written: data exceptions and broken constraints.
https://www.postgresql.org/docs/current/errcodes-appendix.html"""
_ERRORS: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)

Connection = Any
"""A connection of asyncpg, which comes without types."""


class Connections:
    """The pool of one process; `address` is where it leads, without a password."""

    def __init__(self, pool: Any, address: str) -> None:  # noqa: ANN401 - asyncpg comes without types
        self._pool = pool
        self.address = address

    @classmethod
    async def open(cls, address: str, most: int = CONNECTIONS, *, ready: bool = False) -> "Connections":
        """Connect, at most so many at a time. Raises StoreError when that cannot be done.

        With `ready` all of them are made at once and kept, and handed on as they are: for those who have no time to
        wait for one, and change nothing of it.
        """
        kept = {"max_inactive_connection_lifetime": 0, "reset": _as_it_is} if ready else {}
        shown = without_password(address)
        try:
            pool = await asyncpg.create_pool(
                address,
                min_size=most if ready else 1,
                max_size=most,
                timeout=CONNECT_SECONDS,
                command_timeout=COMMAND_SECONDS,
                server_settings={"application_name": "planner"},
                **kept,
            )
        except (*_ERRORS, ValueError) as error:
            raise StoreError(f"{shown} cannot be reached: {_said(error)}. Name another with --store.") from error
        return cls(pool, shown)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Connection]:
        """A connection, for as long as it is needed. Raises StoreError, RefusedError for what its user does with it."""
        try:
            async with self._pool.acquire(timeout=CONNECT_SECONDS) as connection:
                yield connection
        except UnicodeError as error:
            raise RefusedError(_said(error)) from error
        except _ERRORS as error:
            state = getattr(error, "sqlstate", None) or ""
            kind = RefusedError if state.startswith(_OF_A_RECORD) else StoreError
            raise kind(_said(error)) from error

    async def close(self) -> None:
        """Let go of them, whatever state the server is in."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._pool.close()
        except _ERRORS:
            self._pool.terminate()


def without_password(address: str) -> str:
    """An address as it may be said."""
    parts = urlsplit(address)
    if parts.password is None:
        return address
    login, _, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{login.split(':', 1)[0]}@{host}"))


async def _as_it_is(_: Connection) -> None:
    """Leave a connection as its last user left it: one round trip less, where that changes nothing of it."""


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
