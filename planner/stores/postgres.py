"""The shared store: one PostgreSQL that many proxies write to and read from.

Rows that more than one process writes are written in the order of their keys, one table after the other in the same
order, so that two transactions that meet wait and never in a circle. Whatever goes wrong with the server is a
StoreError: the writer keeps the batch in the journal and tries it again, whole, which changes nothing twice.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import DecisionModelKey, ShadowModelKey, rollup
from planner.core.records import Record
from planner.stores import RefusedError
from planner.stores.connections import Connection, Connections
from planner.stores.reading import FORGETTING, PAGE, STATEMENTS, Reading
from planner.stores.rows import Written, cell_rows, entry_row, filled_rows, spending_rows, written
from planner.stores.schema import (
    Applied,
    Status,
    changed,
    migrations,
    pending,
    refuse_changed,
    refuse_older,
    version,
)
from planner.stores.statements import statements

MONTHS_AHEAD: Final = 2
FILLS: Final[Mapping[int, tuple[type[Any], ...]]] = {8: (DecisionModelKey, ShadowModelKey)}
"""Migrations that make tables of sums beside entries that are there, and which sums these are."""
_MONTH: Final = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-")
_SQL: Final = STATEMENTS | statements("only_postgres")


class PostgresStore(Reading):
    """A ledger in one schema of a database. Open it with `PostgresStore.open`, or `PostgresStore.read` to look."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._months: set[str] = set()

    @classmethod
    async def open(cls, address: str) -> "PostgresStore":
        """Open for writing; an empty database gets its tables.

        Raises StoreError when it cannot be reached, and when its schema is older than what this code needs.
        """
        return cls(await _opened(address, create=True))

    @classmethod
    async def read(cls, address: str) -> "PostgresStore":
        """Open only to read. Raises StoreError as `open` does, and for an empty database; nothing is created."""
        return cls(await _opened(address, create=False))

    async def apply(self, records: Sequence[Record]) -> None:
        """Store records in one transaction; applying one twice changes nothing.

        Raises StoreError; of that RefusedError where the fault lies in a record.
        """
        async with self._connections.one() as connection:
            batch = written(records)
            months = {_month(entry.at) for entry in batch.settled.values()}
            await self._make_partitions(connection, months)
            async with connection.transaction():
                new = await _put_entries(connection, batch)
                for name, each in {"open_intent": batch.intents, **batch.kept}.items():
                    if each:
                        await connection.executemany(_SQL[name], each)
                await _add_sums(connection, new)  # last: their rows are shared, and locked until the end

    async def prepare(self, now: str) -> None:
        """Make the partitions of the month of a moment and of those that come next. Raises StoreError."""
        months = [_month(now)]
        for _ in range(MONTHS_AHEAD):
            months.append(_after(months[-1]))
        async with self._connections.one() as connection:
            await self._make_partitions(connection, set(months))

    async def _make_partitions(self, connection: Connection, months: set[str]) -> None:
        """Make the partitions of these months that are missing, one process at a time."""
        if months <= self._months:
            return
        async with connection.transaction():
            await connection.execute(_SQL["lock_schema"])
            for month in sorted(months - self._months):
                await connection.execute(_SQL["make_partition"], month)
        self._months |= months

    async def put_closing(self, month: str, closed_at: str, closing: str) -> bool:
        """Close a month (`2026-11`); False where that was done before, and then nothing changes. Raises StoreError."""
        return bool(await self._fetch("put_closing", month, closed_at, closing))

    async def forget(self, before: str) -> None:
        """Forget conversations that nobody went on with since (RFC 3339 UTC), scopes, what was learnt.

        Raises StoreError.
        """
        async with self._connections.one() as connection:
            for name in FORGETTING:
                await connection.execute(_SQL[name], before)

    async def _write(self, name: str, *arguments: str) -> None:
        async with self._connections.one() as connection:
            await connection.execute(_SQL[name], *arguments)

    async def _fetch(self, name: str, *arguments: str | int) -> Sequence[Any]:
        async with self._connections.one() as connection:
            rows: Sequence[Any] = await connection.fetch(_SQL[name], *arguments)
        return rows

    async def close(self) -> None:
        """Let go of the database."""
        await self._connections.close()


async def upgrade(address: str) -> tuple[str, ...]:
    """Bring a schema up to what this code knows, one process at a time; return the names of what was applied.

    Raises StoreError when it cannot be reached, and when it was made by other scripts.
    """
    connections = await Connections.open(address)
    try:
        async with connections.one() as connection:
            return await _upgrade(connection, connections.address)
    finally:
        await connections.close()


async def status(address: str) -> Status:
    """How a database stands, of whatever version it is. Raises StoreError when it cannot be reached."""
    connections = await Connections.open(address)
    try:
        async with connections.one() as connection:
            return await _status(connection, connections.address)
    finally:
        await connections.close()


async def _opened(address: str, *, create: bool) -> Connections:
    """Connections to a schema that this code can work with: a newer one too, since migrations only add."""
    connections, known = await Connections.open(address), migrations("postgres")
    try:
        async with connections.one() as connection:
            if create and await connection.fetchval(_SQL["tables"]) == 0:
                await _upgrade(connection, connections.address)
            applied = await _applied(connection)
        refuse_changed(connections.address, known, applied)
        refuse_older(connections.address, known, applied)
    except BaseException:
        await connections.close()
        raise
    return connections


async def _put_entries(connection: Connection, batch: Written) -> list[Entry]:
    """Insert settled entries, which are open no more; return those that were not there."""
    if not batch.settled:
        return []
    columns = list(zip(*map(entry_row, batch.settled.values()), strict=True))
    new = await connection.fetch(_SQL["put_entries"], *columns)
    await connection.execute(_SQL["close_intents"], list(batch.settled))
    return [batch.settled[row[0]] for row in new]


async def _add_sums(connection: Connection, new: list[Entry]) -> None:
    """Add to the sums what new entries come to."""
    for name, cells in cell_rows(rollup(new)).items():
        await connection.execute(_SQL[name], *zip(*cells, strict=True))
    if spending := spending_rows(new):
        await connection.executemany(_SQL["add_spending"], spending)


async def _applied(connection: Connection) -> list[Applied]:
    """The migrations that a database has."""
    if not await connection.fetchval(_SQL["has_migrations"]):
        return []
    return [Applied(*row) for row in await connection.fetch(_SQL["migrations"])]


async def _upgrade(connection: Connection, address: str) -> tuple[str, ...]:
    """Apply what is missing, all of it or nothing; return the names. Raises StoreError for changed scripts."""
    async with connection.transaction():
        await connection.execute(_SQL["lock_schema"])
        applied, known = await _applied(connection), migrations("postgres")
        refuse_changed(address, known, applied)
        await connection.execute(_SQL["create_migrations"])
        todo = pending(known, applied)
        for each in todo:
            await connection.execute(each.script)
            if each.number in FILLS:
                await _fill_sums(connection, address, FILLS[each.number])
            await connection.execute(_SQL["put_migration"], each.number, each.name, each.checksum)
    return tuple(each.name for each in todo)


async def _fill_sums(connection: Connection, address: str, kinds: Sequence[type[Any]]) -> None:
    """Add up the entries that are there by now. Raises StoreError for one that cannot be read.

    Those that the version before settles meanwhile are in none of the pages, or in one: they add to what has no model.
    """
    at, request_id = "", ""
    while rows := await connection.fetch(_SQL["entries_for_sums"], at, request_id, PAGE):
        for name, cells in filled_rows(address, rows, kinds).items():
            await connection.execute(_SQL[name], *zip(*cells, strict=True))
        at, request_id, _ = rows[-1]


async def _status(connection: Connection, address: str) -> Status:
    applied, known = await _applied(connection), migrations("postgres")
    found = Status(
        store=address,
        schema=version(applied),
        pending=tuple(each.name for each in pending(known, applied)),
        changed=tuple(each.name for each in changed(known, applied)),
        bytes=await connection.fetchval(_SQL["size"]),
    )
    if not applied:
        return found
    entries, oldest, newest = await connection.fetchrow(_SQL["extent"])
    opened = await connection.fetchval(_SQL["count_intents"])
    return msgspec.structs.replace(found, entries=entries, open=opened, oldest=oldest, newest=newest)


def _month(at: str) -> str:
    """The month (2026-11) of a moment. Raises RefusedError for what is none."""
    if _MONTH.match(at) is None:
        raise RefusedError(f"{at!r} is no moment of which the month is known")
    return at[:7]


def _after(month: str) -> str:
    """The month after a month."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year + number // 12:04d}-{number % 12 + 1:02d}"
