"""The embedded store: one SQLite file in WAL mode, written by one process, readable by any."""

import os
from collections.abc import Mapping, Sequence
from errno import EISDIR
from pathlib import Path
from sqlite3 import DataError
from typing import Any, Final

import aiosqlite
import msgspec

from planner.core.ledger.rollup import (
    DecisionKey,
    DecisionModelKey,
    Key,
    ShadowKey,
    ShadowModelKey,
    TagKey,
    rollup,
)
from planner.core.records import Record
from planner.stores import InUseError, RefusedError, StoreError
from planner.stores.locks import hold
from planner.stores.reading import FORGETTING, PAGE, STATEMENTS, Reading
from planner.stores.rows import Row, Written, add_amounts, cell_rows, entry_row, filled_rows, spending_rows, written
from planner.stores.schema import (
    Applied,
    Status,
    changed,
    migrations,
    pending,
    refuse_changed,
    refuse_older,
)
from planner.stores.statements import question_marks, statements

FILLS_SUMS = 5
"""The first migration that sums are filled in with: from the entries that the file has by then."""
FILLS: Final[Mapping[int, tuple[type[Any], ...]]] = {
    FILLS_SUMS: (Key, TagKey, DecisionKey, ShadowKey),
    11: (DecisionModelKey, ShadowModelKey),
}
"""Migrations that make tables of sums, and which sums these are."""
PAGE_BYTES = 8_192
"""The page of new files. An entry takes some 2.5 kB: one fits on SQLite's usual page of 4 kB, three on this; larger
ones are filled little better, and a transaction writes whole pages (docs/benchmarks.md). A file that is there keeps its
own until it is compacted."""
_SQL = {name: question_marks(text) for name, text in (STATEMENTS | statements("only_sqlite")).items()}
_ids = msgspec.json.Encoder()


class SqliteStore(Reading):
    """A ledger in one file. Open it with `SqliteStore.open` (to write) or `SqliteStore.read` (to look)."""

    def __init__(self, connection: aiosqlite.Connection, reader: aiosqlite.Connection, lock: int | None) -> None:
        self._connection = connection
        self._reader = reader  # of its own, so that a request never waits for the writer's transaction
        self._lock = lock
        self.upgraded: tuple[str, ...] = ()

    @classmethod
    async def open(cls, path: Path) -> "SqliteStore":
        """Open for writing, create what is missing; `upgraded` are the migrations that were applied.

        Raises StoreError when another process writes to it.
        """
        try:
            lock = _lock(path)
        except OSError as error:
            raise StoreError(f"{path} cannot be opened: {error.strerror}. Name another file with --store.") from error
        try:
            connection = await aiosqlite.connect(path, isolation_level=None)
            try:
                await connection.execute(f"PRAGMA page_size={PAGE_BYTES}")  # of a file that has nothing in it yet
                await connection.execute("PRAGMA journal_mode=WAL")
                await connection.execute("PRAGMA synchronous=NORMAL")
                await connection.create_function("add_amounts", 2, add_amounts, deterministic=True)
                upgraded = await _migrate(connection, path)
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
        store = cls(connection, reader, lock)
        store.upgraded = tuple(upgraded)
        return store

    @classmethod
    async def read(cls, path: Path) -> "SqliteStore":
        """Open a ledger only to read it. Raises StoreError when there is none."""
        connection = await _look(path)
        try:
            applied = await _applied(connection)
            refuse_older(f"sqlite:///{path}", migrations("sqlite"), applied)
        except StoreError:
            await connection.close()
            raise
        except aiosqlite.Error as error:
            await connection.close()
            raise StoreError(f"{path} is not a ledger: {error}. Name a ledger with --store.") from error
        return cls(connection, connection, None)

    @classmethod
    async def status(cls, path: Path) -> Status:
        """How a file stands, of whatever version it is. Raises StoreError when there is none."""
        connection = await _look(path)
        try:
            try:
                applied, known = await _applied(connection), migrations("sqlite")
                ((size,),) = await connection.execute_fetchall(_SQL["size"])
                ((number,),) = await connection.execute_fetchall("PRAGMA user_version")
                found = Status(
                    store=f"sqlite:///{path}",
                    schema=number,
                    pending=tuple(each.name for each in pending(known, applied)),
                    changed=tuple(each.name for each in changed(known, applied)),
                    bytes=size,
                )
                if number < FILLS_SUMS:
                    return found
                ((entries, oldest, newest),) = await connection.execute_fetchall(_SQL["extent"])
                ((opened,),) = await connection.execute_fetchall(_SQL["count_intents"])
                return msgspec.structs.replace(found, entries=entries, open=opened, oldest=oldest, newest=newest)
            finally:
                await connection.close()
        except aiosqlite.Error as error:
            raise StoreError(f"{path} is not a ledger: {error}. Name a ledger with --store.") from error

    @classmethod
    async def beside(cls, path: Path) -> "SqliteStore":
        """Open a ledger that a proxy may be writing to, for what no proxy writes. Raises StoreError when there is none.

        What is written is one row in a transaction of its own, for which the proxy waits some milliseconds.
        """
        store = await cls.read(path)
        try:
            connection = await aiosqlite.connect(_to_write(path), uri=True, isolation_level=None)
            await connection.create_function("add_amounts", 2, add_amounts, deterministic=True)
        except aiosqlite.Error as error:
            await store.close()
            raise StoreError(f"{path} cannot be written to: {error}. Name a ledger with --store.") from error
        return cls(connection, store._reader, None)  # noqa: SLF001 - of its own class

    @classmethod
    async def amending(cls, path: Path) -> "SqliteStore":
        """Open a ledger for what no proxy writes: alone, or beside a proxy that has the same schema. Raises StoreError.

        The schema of a file that another process has is not changed under its feet, and a file that is not there is
        not made.
        """
        _to_read(path)
        try:
            return await cls.open(path)
        except InUseError:
            return await cls.beside(path)

    @classmethod
    async def compact(cls, path: Path) -> tuple[int, int]:
        """Bring a file up to date and write it anew in pages of today's size; return its bytes before and after.

        It takes as much disk again while it lasts. Raises StoreError, also where somebody else has the file open.
        """
        await (await cls.open(path)).close()
        lock = _lock(path)
        try:
            async with aiosqlite.connect(_to_write(path), uri=True, isolation_level=None) as connection:
                return await _vacuum(connection)
        except aiosqlite.Error as error:
            raise StoreError(f"{path} cannot be compacted, and is as it was: {error}.") from error
        finally:
            os.close(lock)

    async def apply(self, records: Sequence[Record]) -> None:
        """Store records in one transaction; applying one twice changes nothing.

        Raises StoreError; of that RefusedError where the fault lies in a record.
        """
        try:
            try:
                await self._connection.execute("BEGIN IMMEDIATE")
                await self._put(written(records))
                await self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:  # a full disk may end it, or leave it open behind a failed COMMIT
                    await self._connection.execute("ROLLBACK")
        except (aiosqlite.IntegrityError, DataError, OverflowError, UnicodeError) as error:
            raise RefusedError(f"{type(error).__name__}: {error}") from error
        except (aiosqlite.Error, ValueError) as error:  # ValueError: the connection is closed
            raise StoreError(str(error)) from error

    async def _put(self, batch: Written) -> None:
        """Write the rows of a batch, and add to the sums what is new in it."""
        ids = _ids.encode(list(batch.settled)).decode()
        known = {row[0] for row in await self._connection.execute_fetchall(_SQL["settled_among"], (ids,))}
        new = [entry for request_id, entry in batch.settled.items() if request_id not in known]
        rows: dict[str, Sequence[Row]] = {
            "put_entry": [entry_row(entry) for entry in new],
            "close_intent": [(request_id,) for request_id in batch.settled],
            "open_intent": batch.intents,
            **cell_rows(rollup(new)),
            "add_spending": spending_rows(new),
            **batch.kept,
        }
        for name, each in rows.items():
            await self._connection.executemany(_SQL[name], each)

    async def put_closing(self, month: str, closed_at: str, closing: str) -> bool:
        """Close a month (`2026-11`); False where that was done before, and then nothing changes. Raises StoreError."""
        try:
            rows = await self._connection.execute_fetchall(_SQL["put_closing"], (month, closed_at, closing))
        except (aiosqlite.Error, ValueError) as error:
            raise StoreError(str(error)) from error
        return bool(list(rows))

    async def forget(self, before: str) -> None:
        """Forget conversations that nobody went on with since (RFC 3339 UTC), scopes, what was learnt.

        Raises StoreError.
        """
        try:
            for name in FORGETTING:
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

    async def prepare(self, now: str) -> None:
        """A file needs nothing for what arrives after a moment."""
        del now

    async def close(self) -> None:
        """Close the file and let the next process have it."""
        await self._connection.close()
        if self._reader is not self._connection:
            await self._reader.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


async def _look(path: Path) -> aiosqlite.Connection:
    """Connect only to read. Raises StoreError when that cannot be done."""
    try:
        return await aiosqlite.connect(_to_read(path), uri=True)
    except aiosqlite.Error as error:
        raise StoreError(f"{path} cannot be read: {error}. Name a ledger with --store.") from error


def _to_read(path: Path) -> str:
    """The address by which a file is only read. Raises StoreError without one: failing to connect leaves a thread."""
    if not path.is_file():
        raise StoreError(f"{path} cannot be read: there is no such file. Name a ledger with --store.")
    return f"{path.absolute().as_uri()}?mode=ro"


def _to_write(path: Path) -> str:
    """The address by which a file that is there is written to beside another process."""
    return f"{path.absolute().as_uri()}?mode=rw"


def _lock(path: Path) -> int:
    """Hold `<path>.lock` as long as the process lives. Raises StoreError when another process holds it."""
    if path.is_dir():
        raise IsADirectoryError(EISDIR, os.strerror(EISDIR))
    return hold(
        path.with_name(path.name + ".lock"),
        f"{path} is in use by another planner process. Give this one its own file with --store, "
        "or let several share one PostgreSQL.",
    )


async def _applied(connection: aiosqlite.Connection) -> list[Applied]:
    """The migrations of a file; of one that an older version made, with the checksums that they have to have."""
    ((number,),) = await connection.execute_fetchall("PRAGMA user_version")
    ((there,),) = await connection.execute_fetchall(_SQL["has_migrations"])
    if there:
        return [Applied(*row) for row in await connection.execute_fetchall(_SQL["migrations"])]
    return [Applied(each.number, each.checksum) for each in migrations("sqlite") if each.number <= number]


async def _migrate(connection: aiosqlite.Connection, path: Path) -> list[str]:
    """Bring the schema up to what this code knows; return the names of what was applied.

    Raises StoreError for a schema from the future, and for one that was made by other scripts.
    """
    ((number,),) = await connection.execute_fetchall("PRAGMA user_version")
    known, applied = migrations("sqlite"), await _applied(connection)
    if number > known[-1].number:
        raise StoreError(f"{path} was written by a newer planner (schema {number}). Upgrade this one.")
    refuse_changed(str(path), known, applied)
    todo = pending(known, applied)
    for migration in todo:
        try:
            await connection.executescript(  # which ends a transaction that is open, but leaves open what it began
                f"BEGIN IMMEDIATE; {_SQL['create_migrations']} {migration.script} "
                f"PRAGMA user_version = {migration.number};"
            )
            if migration.number in FILLS:
                await _fill_sums(connection, path, FILLS[migration.number])
            noted = {row[0] for row in await connection.execute_fetchall(_SQL["migrations"])}
            here = [each for each in known if each.number <= migration.number and each.number not in noted]
            await connection.executemany(_SQL["put_migration"], [(e.number, e.name, e.checksum) for e in here])
            await connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                await connection.execute("ROLLBACK")
    return [migration.name for migration in todo]


async def _vacuum(connection: aiosqlite.Connection) -> tuple[int, int]:
    """Write a file anew; return its bytes before and after.

    Pages can change their size only outside of WAL mode, which a file leaves only where nobody else has it open.
    """
    ((before,),) = await connection.execute_fetchall(_SQL["size"])
    await connection.execute("PRAGMA journal_mode=DELETE")
    try:
        await connection.execute(f"PRAGMA page_size={PAGE_BYTES}")
        await connection.execute("VACUUM")
    finally:
        await connection.execute("PRAGMA journal_mode=WAL")
    ((after,),) = await connection.execute_fetchall(_SQL["size"])
    return before, after


async def _fill_sums(connection: aiosqlite.Connection, path: Path, kinds: Sequence[type[Any]]) -> None:
    """Add up the entries that an older version wrote. Raises StoreError for one that cannot be read."""
    at, request_id = "", ""
    while rows := list(await connection.execute_fetchall(_SQL["entries_for_sums"], (at, request_id, PAGE))):
        for name, cells in filled_rows(str(path), rows, kinds).items():
            await connection.executemany(_SQL[name], cells)
        at, request_id, _ = rows[-1]
