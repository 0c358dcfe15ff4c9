"""The month: a company's traffic in a fresh ledger, its bill behind the report APIs, and step by step a close.

A step is one function of the run; it says what it found, in figures that the same seed repeats, and whether all is
well. `STEPS` is what runs, in order.
"""

import asyncio
import csv
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from planner.clock import VirtualClock
from planner.core.money import format_nano
from planner.core.records import EntryRecord
from planner.core.rulebook.book import RuleBook
from planner.demo import world
from planner.rulesource import load_rules, read_files
from planner.settings import SettingsError, environment
from planner.simulator import Config, Key
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from planner.traffic import Account, Month, overrides, rule_files
from planner.traffic.account import CAUSES, amounts
from planner.traffic.account import Key as Cell
from planner.traffic.bill import lines
from planner.traffic.teams import AGENTS

BATCH: Final = 1_000
"""Entries that are stored in one transaction."""

LEDGER, BILL, TRACE, RULES, FOCUS = "planner.db", "bill.jsonl", "trace.jsonl", "rules", "focus.csv"
AFTERWARDS: Final = timedelta(days=3)
"""How long after the month's end the simulator's clock stands: its reports are complete by then."""


class Told(msgspec.Struct, frozen=True):
    """What a step found: a heading, lines under it, and whether all is well."""

    heading: str
    lines: tuple[str, ...] = ()
    well: bool = True


class Run(msgspec.Struct):
    """One run, as its steps share it.

    Attributes:
        directory: where everything is: `planner.db`, `bill.jsonl`, `rules/`, and `trace.jsonl` where `traced`.
        month: the traffic; its account and bill are whole once it is written.
        progress: hears how many requests are done.
        stack: what is open until the last step is over.
        simulator: the address of the report APIs, once they are up; `admins` are their keys by organization.
        given: the settings of the month, as `--set` takes them.
    """

    directory: Path
    month: Month
    progress: Callable[[int], None]
    stack: AsyncExitStack
    traced: bool = False
    simulator: str = ""
    admins: dict[str, str] = {}
    given: tuple[str, ...] = ()

    @property
    def store(self) -> Path:
        """The ledger's file."""
        return self.directory / LEDGER

    @property
    def address(self) -> str:
        """The ledger, as `--store` takes it."""
        return f"sqlite:///{self.store.absolute()}"

    @property
    def account(self) -> Account:
        """What the month came to, by the one who made it."""
        return self.month.account


Step = Callable[[Run], Awaitable[Told]]


def run(
    console: Console,
    *,
    entries: int,
    seed: str,
    keep: Path | None,
    settings: dict[str, str],
    steps: Sequence[Step] | None = None,
) -> bool:
    """Make a month and go through its steps, or some of them; return whether all went well.

    Raises:
        StoreError: the ledger cannot be written, or `keep` has one already.
        RulesError: a setting is unknown or has a value that it cannot take.
        SettingsError: `entries` is no count.
        AddressError: no port can be had.
    """
    if entries < 1:
        raise SettingsError(f"a month has no {entries} entries: name 1 or more")
    asked = STEPS if steps is None else steps
    return uvloop.run(_run(console, asked, entries=entries, seed=seed, keep=keep, settings=settings))


async def _run(
    console: Console,
    steps: Sequence[Step],
    *,
    entries: int,
    seed: str,
    keep: Path | None,
    settings: dict[str, str],
) -> bool:
    directory = Path(tempfile.mkdtemp(prefix="planner-month-")) if keep is None else keep
    if (directory / LEDGER).exists():
        raise StoreError(f"{directory / LEDGER} is there already: name an empty directory with --keep")
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = progress.add_task("requests", total=entries)
    try:
        book = prepared(directory / RULES, entries, settings)
        month = Month(book, entries=entries, seed=seed)
        async with AsyncExitStack() as stack:
            given = tuple(
                word for key, value in (overrides(entries) | settings).items() for word in ("--set", f"{key}={value}")
            )
            shared = Run(
                directory,
                month,
                lambda done: progress.update(task, completed=done),
                stack,
                traced=keep is not None,
                given=given,
            )
            with progress:
                return await _steps(console, shared, steps)
    finally:
        if keep is None:
            shutil.rmtree(directory)


async def _steps(console: Console, shared: Run, steps: Sequence[Step]) -> bool:
    well = True
    for step in steps:
        told = await step(shared)
        well = well and told.well
        console.print(told.heading, style="bold", highlight=False)
        for line in told.lines:
            console.print(line, highlight=False, soft_wrap=True)
        console.print()
    return well


def prepared(directory: Path, entries: int, settings: dict[str, str]) -> RuleBook:
    """Write the month's rules and read them, as `planner` would with `--rules`. Raises RulesError."""
    shipped = read_files(None)
    for path, content in rule_files(shipped).items():
        place = directory / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    return load_rules(directory, overrides(entries) | settings).required()


# ---------------------------------------------------------------- steps


async def write(shared: Run) -> Told:
    """Make the month and store its entries, as the proxy's writer stores them. Raises StoreError."""
    store = await SqliteStore.open(shared.store)
    records: list[EntryRecord] = []
    try:
        with (shared.directory / TRACE).open("wb") as trace:
            for happening in shared.month.happenings():
                records += map(EntryRecord, happening.entries)
                if shared.traced and happening.line is not None:
                    trace.write(happening.line + b"\n")
                if len(records) >= BATCH:
                    await store.apply(records)
                    shared.progress(shared.account.entries)
                    records.clear()
        await store.apply(records)
    finally:
        await store.close()
    if not shared.traced:
        (shared.directory / TRACE).unlink()
    with (shared.directory / BILL).open("wb") as bill:
        bill.writelines(lines(shared.month.bill.items))
    account, first = shared.account, shared.month.start
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(account.outcomes.items()))
    return Told(
        f"The month {first:%Y-%m} of seed {shared.month.seed!r}",
        (
            f"{account.entries:,} entries and {account.corrections:,} corrections of {len(AGENTS)} agents.",
            f"How they ended: {outcomes}.",
            f"Free container hours of each organization: {shared.month.nature.free_hours_limit:g}.",
        ),
    )


async def serve_bill(shared: Run) -> Told:
    """Serve the bill as Anthropic's cost and usage reports, on a free port. Raises AddressError."""
    organizations = sorted({agent.organization for agent in AGENTS})
    shared.admins = {each: f"sk-ant-admin01-{each[-4:]}" for each in organizations}
    items = shared.month.bill.items
    config = Config.default(
        clock=VirtualClock(_next_month(shared.month.start) + AFTERWARDS),
        keys=tuple(Key(key=key, organization=each, admin=True) for each, key in shared.admins.items()),
        bill=tuple(lines(items)),
    )
    _, shared.simulator = await shared.stack.enter_async_context(world.simulated(config))
    nano = sum(item.nano for item in items)
    return Told("The bill", (f"{shared.month.bill.requests:,} charged requests, ${format_nano(nano)}.",))


async def total_by_team(shared: Run) -> Told:
    """What each team cost, read back from the ledger. Raises StoreError."""
    found: dict[str, int] = {}
    store = await SqliteStore.read(shared.store)
    try:
        async for entry in store.entries():
            team = entry.team or ""
            found[team] = found.get(team, 0) + sum(amounts(entry).values())
    finally:
        await store.close()
    rows = [f"  {team:<10} ${format_nano(nano):>18}" for team, nano in sorted(found.items())]
    rows.append(f"  {'together':<10} ${format_nano(sum(found.values())):>18}")
    return Told("What the teams cost, by the ledger", tuple(rows), found == shared.account.teams)


async def check(shared: Run) -> Told:
    """Hold the stored ledger against what the generator wrote and against the bill, cell by cell. Raises StoreError."""
    cells: dict[Cell, int] = {}
    store = await SqliteStore.read(shared.store)
    try:
        async for entry in store.entries():
            for kind, nano in amounts(entry).items():
                cell = Cell(entry.organization or "", entry.workspace or "", entry.at[:10], kind)
                cells[cell] = cells.get(cell, 0) + nano
    finally:
        await store.close()
    return judge(shared.account, cells)


async def close(shared: Run) -> Told:
    """Close the month, as finance does, and show what it froze."""
    month = f"{shared.month.start:%Y-%m}"
    closed = await planner("report", "close", month, "--force", "--store", shared.address)
    report = await planner("report", "--month", month, "--by", "team", "--store", shared.address)
    told = [line for line in report.text.splitlines() if not line.startswith("Closed on ")]  # which no seed repeats
    return Told("The month is closed", (closed.text, *told), closed.well and report.well)


async def export(shared: Run) -> Told:
    """Export the month by FOCUS, and hold its sum against the report's, to the nano-dollar."""
    month, file = f"{shared.month.start:%Y-%m}", shared.directory / FOCUS
    rules = ("--rules", str(shared.directory / RULES), "--store", shared.address)
    done = await planner("export", "--format", "focus", "--month", month, "--out", str(file), *rules)
    report = await planner("report", "--month", month, "--json", "--store", shared.address)
    if not (done.well and report.well):
        return Told("The export", (done.text, report.text), well=False)
    with file.open(newline="", encoding="utf-8") as rows:
        costs = [Decimal(row["BilledCost"]) for row in csv.DictReader(rows)]
    total = Decimal(msgspec.json.decode(report.text)["total"]["cost"]["usd"])
    said = f"{len(costs):,} rows of FOCUS 1.2, ${sum(costs):f}; the report says ${total:f}."
    return Told("The export", (said, done.text), sum(costs) == total)


async def reconcile(shared: Run) -> Told:
    """Hold the ledger against the bill of each organization, asked for as Anthropic serves it."""
    told, well = [], True
    for organization, key in shared.admins.items():
        words = ("--month", f"{shared.month.start:%Y-%m}", "--organization", organization, "--every", "0")
        rules = ("--rules", str(shared.directory / RULES), "--store", shared.address, *shared.given)
        done = await planner("reconcile", *words, "--upstream", shared.simulator, *rules, admin=key)
        told.append(done.text)
        well = well and done.well
    return Told("Reconciled with the bill", tuple(told), well)


class Done(msgspec.Struct, frozen=True):
    """How a command ended: what it wrote, and whether it was content."""

    text: str
    well: bool


async def planner(*words: str, admin: str | None = None) -> Done:
    """Run a command of the planner as a user would; an admin key goes by the environment, where nobody sees it."""
    started = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "planner",
        *words,
        env=environment(**({} if admin is None else {"PLANNER_ADMIN_KEY": admin}), COLUMNS="120"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await started.communicate()
    return Done((out or err).decode().rstrip(), started.returncode == 0)


def judge(account: Account, cells: dict[Cell, int]) -> Told:
    """What a ledger's cells (nano-dollars by workspace, day and kind) say, beside an account."""
    wrong = sum(cells.get(cell, 0) != account.ledger.get(cell, 0) for cell in cells.keys() | account.ledger.keys())
    unbalanced = len(account.unbalanced())
    ledger, bill = sum(cells.values()), sum(account.bill.values())
    sums = f"Ledger ${format_nano(ledger)}, bill ${format_nano(bill)}, difference ${format_nano(bill - ledger)}."
    counted = f"{len(account.ledger):,} cells of workspace, day and kind: {wrong} differ from what was written"
    beyond = f"{unbalanced} from the bill beyond what is explained."
    told = (sums, f"{counted}, {beyond}", *_explained(account))
    return Told("Is it true?", told, not wrong and not unbalanced)


def _explained(account: Account) -> Iterator[str]:
    for cause, words in CAUSES.items():
        if cause in account.causes:
            yield f"  ${format_nano(account.explained(cause)):>16}  {cause}: {words}"


def _next_month(start: datetime) -> datetime:
    return (start.replace(day=1) + timedelta(days=32)).replace(day=1)


STEPS: tuple[Step, ...] = (write, serve_bill, total_by_team, check, close, export, reconcile)
"""What runs, in order; a step that finds something wrong does not stop the ones behind it."""
