"""What lies in a store of either kind, not what is said of it: one statement, run past the planner."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

from planner.opening import is_shared
from planner.settings import sqlite_path


async def raw(address: str, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement on a connection of its own, and return its rows."""
    if not is_shared(address):
        return raw_file(sqlite_path(address), statement)
    connection = await asyncpg.connect(address)
    try:
        return [tuple(row) for row in await connection.fetch(statement)]
    finally:
        await connection.close()


def raw_file(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """The same for a file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [tuple(row) for row in connection.execute(statement).fetchall()]
