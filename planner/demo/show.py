"""The show: the agents run straight to a simulator, then through the planner to another, and the page is written."""

import asyncio
import io
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from planner.clock import Clock, SystemClock
from planner.core.findings import RulesError
from planner.core.ledger.entry import Entry
from planner.demo import world
from planner.demo.account import Account, Run, account
from planner.demo.agents import AGENTS, Agent
from planner.demo.conversation import Desk
from planner.demo.page import Places, write
from planner.listening import AddressError
from planner.settings import DEFAULT_PORT, SettingsError
from planner.simulator import Simulator
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore

PATIENCE: Final = 10.0
"""Seconds in which the ledger must have every request: writing is done within a twentieth of one."""
LOOK_AGAIN: Final = 0.02
LOG: Final = "planner.log"
RULES: Final = "rules"
INTRODUCTION: Final = (
    "Eight agents, one of them with two clients, do their work on the official SDK: straight to a simulated Claude "
    "API, through the planner to another one with the same seed, and through a planner that always bundles."
)


def run(console: Console, *, once: bool, port: int | None, seed: str, settings: Mapping[str, str]) -> bool:
    """Run the demo and say, when it is over, whether all went as it should.

    Without a port it is the proxy's own, or any free one when the demo runs only once.

    Raises:
        AddressError: the port cannot be had.
        StoreError: the ledger cannot be written or read.
        RulesError: a setting is unknown or has a value that it cannot take.
        SettingsError: the port is none, or the simulator cannot take a setting's value.
    """
    chosen = (0 if once else DEFAULT_PORT) if port is None else port
    return uvloop.run(
        _show(console, once=once, port=chosen, seed=seed, settings=world.BEYOND_THE_FREE_HOURS | dict(settings))
    )


async def _show(console: Console, *, once: bool, port: int, seed: str, settings: Mapping[str, str]) -> bool:
    directory = Path(tempfile.mkdtemp(prefix="planner-demo-"))
    columns = TextColumn("{task.description:<20}"), BarColumn()
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    bar = progress.add_task("", total=3 * len(AGENTS))
    stage = Stage(seed=seed, settings=settings, on_step=lambda name: progress.update(bar, description=name, advance=1))
    try:
        return await _performed(console, stage, directory, once=once, port=port, progress=progress)
    except (AddressError, RulesError, SettingsError):
        shutil.rmtree(directory)  # nothing was played, so nothing is kept
        raise


async def _performed(
    console: Console, stage: "Stage", directory: Path, *, once: bool, port: int, progress: Progress
) -> bool:
    async with stage.planned(directory, port=port) as planner:
        console.print(INTRODUCTION, highlight=False)
        with progress:
            told = await stage.perform(planner, directory)
        places = Places(
            planner=None if once else planner.address,
            simulator=None if once else planner.upstream,
            store=str(planner.store),
            rules=str(directory / RULES / "callers.yaml"),
            log=str(directory / LOG),
        )
        write(console, told, stage.settings, places)
        if not once:
            await _until_told(console)
    return told.check.agrees and all(row.stopped is None for row in told.rows)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What is up: where clients point to, and the simulator behind it; `upstream` and `store` are the planner's."""

    address: str
    simulator: Simulator
    clock: Clock
    upstream: str = ""
    store: Path = Path()


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """What all runs have in common; `on_step` hears the name of each agent that begins."""

    seed: str
    settings: Mapping[str, str]
    on_step: Callable[[str], None]

    async def perform(self, planner: Standing, directory: Path) -> Account:
        """Run the agents past the planner, through it, and through one that always bundles; return the account."""
        control = await self.control()
        planned = await self.play(planner)
        async with self.planned(directory / "anyway", policies=world.BUNDLE_ANYWAY) as other:
            anyway = await self.play(other)
        entries = await settled_entries(planner.store, len(planned.bill), SystemClock())
        return account(AGENTS, entries, planned, control, anyway)

    async def control(self) -> Run:
        """Run the agents with nothing between them and the API."""
        clock = world.SkippingClock()
        config = world.simulator_config(AGENTS, self.seed, clock, self.settings)
        async with world.simulated(config) as (simulator, address):
            return await self.play(Standing(address=address, simulator=simulator, clock=clock))

    @asynccontextmanager
    async def planned(self, directory: Path, *, port: int = 0, policies: str | None = None) -> AsyncIterator[Standing]:
        """A planner whose files are in `directory`, in front of a simulator of its own. Raises as `run`."""
        world.write_rules(directory / RULES, AGENTS, policies)
        book = world.read_book(directory / RULES, self.settings)
        clock = world.SkippingClock()
        config = world.simulator_config(AGENTS, self.seed, clock, self.settings)
        with (directory / LOG).open("w", encoding="utf-8") as log:
            async with (
                world.simulated(config) as (simulator, upstream),
                world.planned(directory, book, upstream, clock=clock, port=port, log=log) as (address, store),
            ):
                yield Standing(address=address, simulator=simulator, clock=clock, upstream=upstream, store=store)

    async def play(self, standing: Standing) -> Run:
        """Let the agents work, and take the bill."""
        stopped = await play(AGENTS, standing.address, standing.clock, self.on_step)
        return Run(tuple(standing.simulator.bill.charges), stopped)


async def play(agents: Sequence[Agent], address: str, clock: Clock, on_step: Callable[[str], None]) -> dict[str, str]:
    """Let the agents work, one after the other so that every run is the same; return why some did not finish."""
    from anthropic import (  # noqa: PLC0415 - it takes a second, which nobody else should wait
        APIError,
        AsyncAnthropic,
        DefaultAsyncHttpxClient,
    )
    from httpx2 import AsyncHTTPTransport  # noqa: PLC0415 - the SDK's own

    stopped = {}
    for agent in agents:
        on_step(agent.name)
        http = DefaultAsyncHttpxClient(transport=AsyncHTTPTransport(), trust_env=False)  # past the environment's proxy
        async with AsyncAnthropic(base_url=address, api_key=agent.key, http_client=http) as client:
            try:
                await agent.work(Desk(client, clock), agent)
            except APIError as error:
                stopped[agent.name] = _words_of(error.body) or error.message
    return stopped


async def settled_entries(store: Path, requests: int, clock: Clock) -> list[Entry]:
    """The ledger, as soon as it has that many requests and knows how each ended.

    Raises:
        StoreError: it cannot be read, or does not get there in time.
    """
    ledger = await SqliteStore.read(store)
    try:
        started = clock.monotonic()
        while True:
            entries = [entry async for entry in ledger.entries()]
            billed = [entry for entry in entries if entry.lines]
            if len(billed) >= requests and all(entry.outcome != "unknown" for entry in entries):
                return entries
            if clock.monotonic() - started > PATIENCE:
                raise StoreError(f"{store} has {len(billed)} of {requests} requests after {PATIENCE:.0f} seconds")
            await clock.sleep(LOOK_AGAIN)
    finally:
        await ledger.close()


def _words_of(body: object) -> str | None:
    """What the API says in an error's body."""
    error = body.get("error") if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    return message if isinstance(message, str) else None


async def _until_told(console: Console) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    console.print("\nBoth stay up. Stop with Ctrl-C.")
    if isinstance(console.file, io.TextIOBase):
        console.file.flush()
    await told.wait()
