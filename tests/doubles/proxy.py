"""The whole planner in this process, between a raw client and a raw upstream, with its ledger in sight."""

import asyncio
import gc
import io
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import uvloop

from planner import log as logs
from planner.app import App, Server
from planner.core.ledger.entry import Entry
from planner.core.rulebook.book import RuleBook
from planner.rulesource import Watched, load_rules
from planner.settings import Settings
from planner.stores.sqlite import SqliteStore
from tests.doubles.client import RawClient, connected, request
from tests.doubles.upstream import RawUpstream, Script

LONGEST = 60.0
"""Seconds after which a test hangs; it takes a fraction of that on an idle machine."""
DECIDES = 0.5
"""Seconds that deciding may take where it is no matter: twenty times the usual, since tests keep a machine busy."""
T = TypeVar("T")


@cache
def shipped_rules() -> RuleBook:
    """The rule book that ships."""
    return load_rules(None).required()


def run(work: Coroutine[Any, Any, T], *, longest: float = LONGEST) -> T:
    """Run a test's coroutine as the server runs, and fail where it left a task or an unheard exception behind."""

    async def watched() -> T:
        unheard: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unheard.append(context))
        async with asyncio.timeout(longest):
            result = await work
        async with asyncio.timeout(10):
            await settled(lambda: len(asyncio.all_tasks()) == 1)
        gc.collect()
        assert not unheard, unheard
        return result

    return uvloop.run(watched())


async def settled(condition: Callable[[], bool]) -> None:
    """Let the loop turn until a condition holds; the test's own time limit ends the wait."""
    while not condition():  # noqa: ASYNC110 - what is waited for is another party's state and has no event
        await asyncio.sleep(0.001)


class Proxied(msgspec.Struct):
    """A running planner: where it listens, what it talks to, and what it wrote."""

    address: str
    app: App
    upstream: RawUpstream
    store: Path
    log: io.StringIO

    def client(self) -> AbstractAsyncContextManager[RawClient]:
        """A new connection to the planner."""
        return connected(self.address)

    async def entries(self, count: int = 1) -> list[Entry]:
        """The ledger, once that many requests are settled in it."""
        while True:
            entries = await read_ledger(self.store)
            if sum(entry.outcome != "unknown" for entry in entries) >= count:
                return entries
            await asyncio.sleep(0.005)

    async def entry(self) -> Entry:
        """The only entry of the ledger, once it is settled."""
        (entry,) = await self.entries()
        return entry

    async def metrics(self) -> dict[str, float]:
        """Every sample of a scrape by its series."""
        async with self.client() as client:
            answer = await client.ask(request("GET", "/metrics", body=None))
        lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
        return {series: float(value) for series, value in (line.rsplit(" ", 1) for line in lines)}


async def read_ledger(path: Path) -> list[Entry]:
    """Every entry of a ledger."""
    store = await SqliteStore.read(path)
    try:
        return [entry async for entry in store.entries()]
    finally:
        await store.close()


@asynccontextmanager
async def proxied(
    directory: Path,
    script: Script,
    *,
    rules: RuleBook | None = None,
    watched: Watched | None = None,
    log: io.StringIO | None = None,
    **settings: Any,
) -> AsyncIterator[Proxied]:
    """A planner in front of a scripted upstream, whose rules are watched where a source of them is given."""
    async with RawUpstream(script).listening() as upstream:
        store = f"sqlite:///{directory / 'ledger.db'}"
        usual = Settings(upstream=upstream.address, port=0, store=store, decide_timeout=DECIDES)
        values = msgspec.structs.replace(usual, **settings)
        log = io.StringIO() if log is None else log
        app = App(values, rules or shipped_rules(), log=logs.build(log), watched=watched)
        async with Server(app, values).serving() as address:
            yield Proxied(address, app, upstream, directory / "ledger.db", log)
