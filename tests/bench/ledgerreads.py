"""What is read of a ledger, and how long that takes: by the store's methods, at a proxy's start, by whole commands."""

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import aiosqlite
import asyncpg
import msgspec

from planner.app import App
from planner.clock import SystemClock
from planner.core.budget import Ask
from planner.core.ledger.rollup import Amounts, DecisionKey, K, Key, TagKey, add
from planner.core.rulebook.spending import Budget, For, claim
from planner.opening import is_shared, open_budgets, read_store
from planner.rulesource import load_rules
from planner.settings import Settings, sqlite_path
from planner.stores import Store
from tests.bench.ledgers import END, MONTH

NEXT: Final = "2026-12"
DAY: Final = (f"{MONTH}-15", f"{MONTH}-16")
COMMANDS: Final = (
    ("report", "--month", MONTH, "--by", "team"),
    ("report", "--month", MONTH, "--by", "day"),
    ("export", "--since", DAY[0], "--until", DAY[1], "--out"),
    ("store", "status"),
)
BUDGET: Final = Budget(
    name="all", why="To be measured.", mode="enforce", spenders=For(team=("*",)), per="month", nano=1
)


class Sample(NamedTuple):
    """Entries by arrival and id, and keys of turns, spread over the month."""

    entries: list[tuple[str, str]]
    keys: list[str]


class MonthsEnd(SystemClock):
    """A clock that stands at the end of the month, so that what a proxy remembers of it is read."""

    def now(self) -> datetime:
        """The last moment."""
        return END


async def read(address: str, sample: Sample) -> None:
    """Read a ledger as the product does, and print how long each piece takes."""
    store = await read_store(address)
    try:
        await _timed("month: all cells", lambda: _total(store, Key, MONTH, NEXT))
        await _timed("month: cells by tag", lambda: _total(store, TagKey, MONTH, NEXT))
        await _timed("month: cells by decision", lambda: _total(store, DecisionKey, MONTH, NEXT))
        await _timed("a day: all cells", lambda: _total(store, Key, *DAY))
        await _timed("month: free hours", lambda: _hours(store))
        await _timed("a page of entries, from the middle", lambda: _page(store))
        await _timed("a turn by its key", lambda: _turns(store, sample.keys), len(sample.keys))
        await _timed("corrections of an entry", lambda: _corrections(store, sample.entries), len(sample.entries))
    finally:
        await store.close()
    await _timed("an entry by its id", lambda: _by_id(address, sample.entries), min(len(sample.entries), LOOKED_UP))
    await _timed("a budget of one team: what is spent", lambda: _spent(address, "team-1", each=True))
    await _timed("a budget of all teams together", lambda: _spent(address, "team-1", each=False))
    await _timed("a proxy starts", lambda: _start(address))
    with tempfile.TemporaryDirectory(prefix="planner-bench-") as directory:
        for words in COMMANDS:
            place = (str(Path(directory) / "exported"),) if words[-1] == "--out" else ()
            await _timed(f"planner {' '.join(words)}", partial(_command, address, *words, *place))


LOOKED_UP: Final = 20
"""Entries that are looked up by their ids: where nothing finds them each is a scan."""


async def _timed(name: str, work: Callable[[], Awaitable[int]], times: int = 1) -> None:
    started = time.perf_counter()  # noqa: TID251 - a benchmark measures real time
    rows = await work()
    each = (time.perf_counter() - started) / max(times, 1)  # noqa: TID251 - likewise
    print(f"  {name:<60} {each:10.4f} s   {rows:,} rows", flush=True)


async def _total(store: Store, kind: type[K], since: str, until: str) -> int:
    """Add up all cells of some hours; return how many there are."""
    sums: Amounts = {}
    cells = 0
    async for _, amounts in store.cells(kind, since, until):
        add(sums, amounts)
        cells += 1
    return cells


async def _hours(store: Store) -> int:
    return len(await store.hours(f"{MONTH}-01"))


async def _page(store: Store) -> int:
    """The first thousand entries of a day."""
    number = 0
    async for _ in store.entries(DAY[0]):
        number += 1
        if number == 1_000:
            break
    return number


async def _turns(store: Store, keys: list[str]) -> int:
    return sum([await store.turn(key) is not None for key in keys])


async def _corrections(store: Store, entries: list[tuple[str, str]]) -> int:
    return sum([len(await store.corrections(request_id)) for _, request_id in entries])


async def _by_id(address: str, entries: list[tuple[str, str]]) -> int:
    """Look entries up as a person does who was told an id; the product itself never does."""
    ids = [request_id for _, request_id in entries[:: max(len(entries) // LOOKED_UP, 1)]][:LOOKED_UP]
    if is_shared(address):
        server = await asyncpg.connect(address)
        try:
            return sum([len(await server.fetch("SELECT entry FROM entries WHERE request_id = $1", i)) for i in ids])
        finally:
            await server.close()
    async with aiosqlite.connect(sqlite_path(address)) as file:
        found = [await file.execute_fetchall("SELECT entry FROM entries WHERE request_id = ?", (i,)) for i in ids]
        return sum(len(list(rows)) for rows in found)


async def _spent(address: str, team: str, *, each: bool) -> int:
    """Ask for a lease of an account, which needs to know what was spent of it."""
    budgets = await open_budgets(address)
    try:
        account = claim(msgspec.structs.replace(BUDGET, each=each), team, END.date() - timedelta(days=1))
        granted = await budgets.exchange(account, Ask(owner="bench", limit=1, now=END))
        return int(granted.spent > 0)
    finally:
        await budgets.close()


async def _start(address: str) -> int:
    """Open all that a proxy has, until it could take requests."""
    with tempfile.TemporaryDirectory(prefix="planner-bench-") as directory:
        settings = Settings(store=address, journal=Path(directory) / "intents")
        async with App(settings, load_rules(None).required(), clock=MonthsEnd()).running():
            return 1


async def _command(address: str, *words: str) -> int:
    """Run a command; return how many lines it says, or writes."""
    command = [sys.executable, "-m", "planner", *words, "--store", address]
    done = await asyncio.to_thread(subprocess.run, command, check=True, stdout=subprocess.PIPE)
    return len(done.stdout.splitlines())
