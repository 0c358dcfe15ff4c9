"""The demo's worlds: a simulator of the Claude API, alone or with the planner in front of it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TextIO

import msgspec

from planner import log as logs
from planner.app import App, Server
from planner.clock import Clock, CountedIds, SystemClock
from planner.core.rulebook.book import RuleBook
from planner.demo.agents import Agent
from planner.proxy.callers import fingerprint
from planner.rulesource import load_rules
from planner.settings import Settings, SettingsError
from planner.simulator import Config, Key, Simulator, serve
from planner.simulator.config import ORGANIZATION, WORKSPACE

BEYOND_THE_FREE_HOURS: Final = {"free_hours.limit": "0"}
"""The one setting that the demo changes: below the free hours code costs nothing, and there is nothing to save."""


PATIENCE: Final = 10.0
"""Seconds for a decision: all share one process here, and a busy machine must not change the page."""

BUNDLE_ANYWAY: Final = """policies:
  - name: bundle-anyway
    why: It shows what a proxy would cost that always adds the web tool.
    mode: enforce
    then: {bundle: always, tool_version: keep, container: conversation}
"""


class SkippingClock:
    """The machine's clock, on which sleeping takes no time: the clock skips what would be slept.

    So a build of four minutes takes four minutes on the bill, and none of the visitor's.
    """

    def __init__(self, base: Clock | None = None) -> None:
        self._base = base or SystemClock()
        self._skipped = 0.0

    def now(self) -> datetime:
        """Wall time and what was skipped, aware, UTC."""
        return self._base.now() + timedelta(seconds=self._skipped)

    def monotonic(self) -> float:
        """Monotonic seconds and what was skipped."""
        return self._base.monotonic() + self._skipped

    async def sleep(self, seconds: float) -> None:
        """Let others run once, then be that much later."""
        await self._base.sleep(0)
        self._skipped += max(seconds, 0.0)


def simulator_config(agents: Sequence[Agent], seed: str, clock: Clock, settings: Mapping[str, str]) -> Config:
    """A simulator that knows the agents' keys and scripts, and bills by the settings that the planner believes.

    Raises:
        SettingsError: a setting has a value that the simulator cannot take.
    """
    config = Config.default(
        seed=seed,
        clock=clock,
        keys=tuple(Key(key=agent.key, id=agent.key_id) for agent in agents),
        time_factor=1.0,
    )
    script = Path(__file__).with_name("scripts.yaml").read_text(encoding="utf-8")
    known = msgspec.to_builtins(config.switches)
    try:
        switches = config.switches.with_texts({name: text for name, text in settings.items() if name in known})
    except msgspec.ValidationError as error:
        raise SettingsError(f"the simulator cannot take these settings: {error}") from error
    return msgspec.structs.replace(config, scenarios=(script, *config.scenarios), switches=switches)


@asynccontextmanager
async def simulated(config: Config) -> AsyncIterator[tuple[Simulator, str]]:
    """A simulator and its address."""
    simulator = Simulator(config)
    async with serve(simulator) as address:
        yield simulator, address


@asynccontextmanager
async def planned(
    directory: Path, book: RuleBook, upstream: str, *, clock: Clock, port: int, log: TextIO
) -> AsyncIterator[tuple[str, Path]]:
    """A planner in front of an upstream: its address and its ledger, which lies in `directory`.

    Raises:
        AddressError: the port cannot be had.
        StoreError: the ledger cannot be written.
    """
    store = directory / "planner.db"
    settings = Settings(port=port, upstream=upstream, store=f"sqlite:///{store}", decide_timeout=PATIENCE)
    app = App(settings, book, clock=clock, ids=CountedIds(), log=logs.build(log))
    async with Server(app, settings).serving() as address:
        yield address, store


def write_rules(directory: Path, agents: Sequence[Agent], policies: str | None = None) -> None:
    """Write a rules directory whose `callers.yaml` says who the agents are, as a platform team would.

    Without policies the shipped ones hold.
    """
    directory.mkdir(parents=True)
    lines = ["principals:"]
    for agent in agents:
        lines += [
            f"  {agent.name}:",
            f"    keys: [{fingerprint(agent.key.encode())}]",
            f"    team: {agent.team}",
            f"    organization: {ORGANIZATION}",
            f"    workspace: {WORKSPACE}",
        ]
    (directory / "callers.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if policies is not None:
        (directory / "policies").mkdir()
        (directory / "policies" / "demo.yaml").write_text(policies, encoding="utf-8")


def read_book(directory: Path, settings: Mapping[str, str]) -> RuleBook:
    """The rules of a directory, shipped ones for the kinds that it lacks, under settings. Raises RulesError."""
    return load_rules(directory, settings).required()
