"""Opens the store that an address names: `sqlite:///path`, or `postgresql://…` where the extra `postgres` is there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from planner.settings import SettingsError, sqlite_path
from planner.stores import StoreError, WholeStore
from planner.stores.locks import hold
from planner.stores.schema import Status

if TYPE_CHECKING:
    from planner.stores.budgets import BudgetStore
    from planner.stores.leases import LeaseStore
    from planner.stores.retention import Retention
    from planner.stores.sqlite import SqliteStore

SHARED: Final = ("postgresql", "postgres")
"""Schemes of stores that several processes share."""
INTENTS: Final = ".intents"
LOCK: Final = "lock"
SHARED_JOURNAL: Final = Path("planner.intents")
"""Where a process keeps what a shared store does not have yet, unless it is told: in its working directory."""


def is_shared(address: str) -> bool:
    """Whether several processes may write to a store at a time. Raises SettingsError for an address of no store."""
    try:
        scheme = urlsplit(address).scheme
    except ValueError as error:
        raise SettingsError("the store's address cannot be read. Write sqlite:///planner.db.") from error
    if scheme in SHARED:
        return True
    sqlite_path(address)
    return False


def journal_path(address: str, told: Path | None = None) -> Path:
    """The directory in which a process keeps what a store does not have yet. Raises SettingsError."""
    if told is not None:
        return told
    if is_shared(address):
        return SHARED_JOURNAL
    path = sqlite_path(address)
    return path.with_name(path.name + INTENTS)


def beside(address: str, journal: Path | None = None) -> Path:
    """What a process keeps its own files beside: the file of the store, else the journal. Raises SettingsError."""
    return journal_path(address, journal) if is_shared(address) else sqlite_path(address)


def hold_journal(directory: Path) -> int:
    """Hold the journal of a shared store, which a file's own lock does not do; close the descriptor to let go of it.

    Raises StoreError when another process holds it, or when there can be no such directory.
    """
    try:
        return hold(
            directory / LOCK,
            f"{directory} is the journal of another planner process. Give this one its own with --journal.",
        )
    except OSError as error:
        raise StoreError(f"{directory} cannot hold the journal: {error.strerror}. Make it writable.") from error


@contextmanager
def hold_store(address: str, journal: Path | None = None) -> Iterator[None]:
    """Keep processes that write from a journal, for as long as it is worked on; it may be missing.

    Raises SettingsError, StoreError; of that InUseError where one has it.
    """
    directory = journal_path(address, journal)
    if is_shared(address):
        descriptor = hold_journal(directory) if directory.is_dir() else None
    else:
        path = sqlite_path(address)
        descriptor = hold(path.with_name(f"{path.name}.{LOCK}"), f"{path} is in use by another planner process.")
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


async def open_store(address: str) -> WholeStore:
    """Open a store for writing; a file is brought up to date, an empty database gets its tables.

    Raises SettingsError for an address of no store, StoreError when it cannot be used.
    """
    if is_shared(address):
        opened: WholeStore = await _postgres().PostgresStore.open(address)
        return opened
    return await _sqlite().open(sqlite_path(address))


async def open_budgets(address: str) -> "BudgetStore":
    """Open what processes share of budgets, in a store that `open_store` has opened. Raises SettingsError, StoreError.

    It has connections of its own, so that a request that waits for its lease never waits for the ledger.
    """
    if is_shared(address):
        _postgres()
        from planner.stores.postgresbudgets import PostgresBudgets  # noqa: PLC0415 - only who uses it loads the driver

        return await PostgresBudgets.open(address)
    from planner.stores.sqlitebudgets import SqliteBudgets  # noqa: PLC0415 - as above

    return await SqliteBudgets.open(sqlite_path(address))


async def open_leases(address: str) -> "LeaseStore | None":
    """Open what processes share of containers, in a store that `open_store` has opened; None for a file.

    A file has one process, which knows by itself where its requests run. Raises SettingsError, StoreError.
    """
    if not is_shared(address):
        return None
    _postgres()
    from planner.stores.postgresleases import PostgresLeases  # noqa: PLC0415 - only who uses it loads the driver

    return await PostgresLeases.open(address)


async def open_retention(address: str) -> "Retention":
    """Open what takes entries or names out of a store that another function here has opened. Raises as `open_budgets`.

    It works beside proxies that have the store, on connections of its own.
    """
    if is_shared(address):
        _postgres()
        from planner.stores.postgresretention import PostgresRetention  # noqa: PLC0415 - only who uses it loads it

        return await PostgresRetention.open(address)
    from planner.stores.sqliteretention import SqliteRetention  # noqa: PLC0415 - as above

    return await SqliteRetention.open(sqlite_path(address))


async def read_store(address: str) -> WholeStore:
    """Open a store only to read it; it does not disturb whoever writes. Raises SettingsError, StoreError."""
    if is_shared(address):
        opened: WholeStore = await _postgres().PostgresStore.read(address)
        return opened
    return await _sqlite().read(sqlite_path(address))


async def beside_store(address: str) -> WholeStore:
    """Open a store that proxies may be writing to, for what no proxy writes. Raises SettingsError, StoreError."""
    return await open_store(address) if is_shared(address) else await _sqlite().beside(sqlite_path(address))


def is_there(address: str) -> bool:
    """Whether there is a store to open: a database is asked when it is opened. Raises SettingsError."""
    return is_shared(address) or sqlite_path(address).is_file()


async def amend_store(address: str) -> WholeStore:
    """Open a store for what no proxy writes, alone or beside proxies. Raises SettingsError, StoreError."""
    return await open_store(address) if is_shared(address) else await _sqlite().amending(sqlite_path(address))


async def upgrade(address: str) -> tuple[str, ...]:
    """Bring a store's schema up to date; return the names of the migrations that were applied, none the second time.

    Raises SettingsError, and StoreError when it cannot be used or another process writes to the file.
    """
    if is_shared(address):
        applied: tuple[str, ...] = await _postgres().upgrade(address)
        return applied
    path = sqlite_path(address)
    if not path.is_file():
        raise StoreError(f"{path} is not there, so there is nothing to bring up to date. Name a ledger with --store.")
    store = await _sqlite().open(path)
    await store.close()
    return store.upgraded


async def status(address: str) -> Status:
    """How a store stands, of whatever version it is. Raises SettingsError, StoreError."""
    if is_shared(address):
        found: Status = await _postgres().status(address)
        return found
    return await _sqlite().status(sqlite_path(address))


def _sqlite() -> "type[SqliteStore]":
    """The store in a file."""
    from planner.stores.sqlite import SqliteStore  # noqa: PLC0415 - who only asks about an address loads no driver

    return SqliteStore


def _postgres() -> ModuleType:
    """The module that speaks to PostgreSQL, with the driver that it needs. Raises StoreError without the driver."""
    try:
        from planner.stores import postgres  # noqa: PLC0415 - only who uses it loads the driver
    except ImportError as error:
        raise StoreError("PostgreSQL needs a driver: pip install 'claude-cost-planner[postgres]'") from error
    return postgres
