"""A planner with a month in its ledger that stands on a day of it, in a thread of its own, for a browser to visit."""

import asyncio
import io
import threading
from collections.abc import Coroutine, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from planner import log as logs
from planner.app import App, Server
from planner.clock import VirtualClock
from planner.core.ledger.entry import Entry
from planner.core.reconcile.statement import Statement
from planner.core.records import EntryRecord
from planner.core.rulebook.book import RuleBook
from planner.settings import Settings
from planner.stores.sqlite import SqliteStore

T = TypeVar("T")
PATIENCE = 20.0


class Standstill(VirtualClock):
    """A clock that stands until it is moved, on which sleeping takes real time: what waits must not spin."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class Site:
    """Where it is, and how to reach into it from another thread."""

    def __init__(self, address: str, store: Path, clock: Standstill, loop: asyncio.AbstractEventLoop) -> None:
        self.address, self.store, self.clock = address, store, clock
        self._loop = loop

    def url(self, path: str = "") -> str:
        """The address of a page."""
        return f"{self.address}/planner/{path}"

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something beside it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE)

    def add(self, *entries: Entry) -> None:
        """Put entries into its ledger, as another process that has the same schema does."""

        async def put() -> None:
            store = await SqliteStore.beside(self.store)
            try:
                await store.apply([EntryRecord(entry) for entry in entries])
            finally:
                await store.close()

        self.call(put())

    def later(self, **time: float) -> None:
        """Let time pass."""
        self.clock.advance(timedelta(**time).total_seconds())


async def fill(path: Path, entries: Iterable[Entry], statements: Iterable[Statement] = ()) -> None:
    """Make a ledger, with months that were reconciled."""
    store = await SqliteStore.open(path)
    try:
        await store.apply([EntryRecord(entry) for entry in entries])
        for each in statements:
            text = msgspec.json.encode(each).decode()
            await store.keep_reconciliation(each.month, each.organization or "", each.made_at, text)
    finally:
        await store.close()


@contextmanager
def standing_site(
    directory: Path,
    entries: Iterable[Entry],
    now: datetime,
    book: RuleBook,
    *,
    statements: Iterable[Statement] = (),
    token: str | None = None,
) -> Iterator[Site]:
    """Fill a ledger and serve it for as long as the block lasts; its clock stands at `now`."""
    path, clock = directory / "ledger.db", Standstill(now)
    ready, found, done = threading.Event(), [], threading.Event()

    async def serve() -> None:
        await fill(path, entries, statements)
        settings = Settings(port=0, store=f"sqlite:///{path}", upstream="http://127.0.0.1:9", admin_token=token)
        app = App(settings, book, clock=clock, log=logs.build(io.StringIO()))
        async with Server(app, settings).serving() as address:
            found.append(Site(address, path, clock, asyncio.get_running_loop()))
            ready.set()
            await asyncio.to_thread(done.wait)

    def work() -> None:
        try:
            asyncio.run(serve())
        finally:
            ready.set()

    thread = threading.Thread(target=work, name="site")
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        assert found, "the planner did not start"
        yield found[0]
    finally:
        done.set()
        thread.join(PATIENCE)
