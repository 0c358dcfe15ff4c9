"""`planner demo --month`: written through the real store, read back, held against generator and bill, and served."""

import asyncio
import io
import re
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import anthropic
import msgspec
import pytest
from rich.console import Console

from planner.core.findings import RulesError
from planner.core.records import EntryRecord
from planner.core.replay.trace import TraceLine, read_trace
from planner.demo import month as show
from planner.demo.month import (
    STEPS,
    Run,
    Step,
    Told,
    check,
    close,
    export,
    judge,
    planner,
    prepared,
    reconcile,
    serve_bill,
    total_by_team,
    write,
)
from planner.settings import SettingsError
from planner.simulator import check_bill
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from planner.traffic import Account, Month
from planner.traffic.account import CAUSES, UNEXPLAINED
from planner.traffic.teams import AGENTS, TEAMS
from tests.doubles.months import book_of
from tests.pages import DOCS

PAGE = (DOCS / "demo.md").read_text(encoding="utf-8").partition("## A month")[2]
SIZE = 400
OCTOBER = {"starting_at": "2026-10-01T00:00:00Z", "ending_at": "2026-11-01T00:00:00Z", "limit": 31}
T = TypeVar("T")


TRAFFIC = STEPS[:4]
"""What runs in this process alone; the other steps run commands, each of which takes a second to start."""


def shown(
    directory: Path | None, *, seed: str = "planner", steps: Sequence[Step] = TRAFFIC, **settings: str
) -> tuple[bool, str]:
    """Whether all went well, and what a person sees in a pipe."""
    out = io.StringIO()
    console = Console(file=out, width=100)
    well = show.run(console, entries=SIZE, seed=seed, keep=directory, settings=settings, steps=steps)
    return well, out.getvalue()


def within(directory: Path, use: Callable[[Run], Awaitable[T]]) -> T:
    """Do something with a run that has been written."""

    async def main() -> T:
        async with AsyncExitStack() as stack:
            month = Month(prepared(directory / "rules", SIZE, {}), entries=SIZE)
            run = Run(directory, month, lambda _: None, stack)
            await write(run)
            return await use(run)

    return asyncio.run(main())


def test_it_shows_the_same_figures_each_time(tmp_path: Path) -> None:
    """Every team, the bill, and that nothing is left over; another seed shows others."""
    first, second = shown(tmp_path / "one"), shown(tmp_path / "two")
    assert first == second
    well, text = first
    assert well
    assert all(f"  {team:<10} $" in text for team in TEAMS)
    assert f"{SIZE:,} entries and " in text
    assert "0 differ from what was written, 0 from the bill beyond what is explained." in text
    assert shown(None, seed="another")[1] != text


def test_it_leaves_what_can_be_used_elsewhere(tmp_path: Path) -> None:
    """A ledger, a bill that the simulator takes, a trace that a replay reads, and rules."""
    shown(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"planner.db", "bill.jsonl", "trace.jsonl", "rules"}
    assert check_bill("bill", (tmp_path / "bill.jsonl").read_bytes().splitlines()) == []
    read = list(read_trace((tmp_path / "trace.jsonl").read_bytes().splitlines()))
    assert read
    assert all(isinstance(line, TraceLine) for line in read)
    with pytest.raises(StoreError, match="is there already"):
        shown(tmp_path)


def test_the_month_is_closed_exported_and_reconciled(tmp_path: Path) -> None:
    """By the commands that finance uses: frozen figures, a file that adds up to them, and a bill that is explained."""
    well, text = shown(tmp_path, steps=STEPS)
    assert well
    assert "2026-10 is closed: " in text
    said = re.search(r"rows of FOCUS 1.2, \$([0-9.]+); the report says \$([0-9.]+)\.", text)
    assert said is not None
    assert said[1] == said[2]
    assert text.count("Unexplained without signs: $0.0000") == 2
    assert (tmp_path / "focus.csv").is_file()


def test_a_command_that_fails_is_told(tmp_path: Path) -> None:
    """With what it said, and the step is not well."""
    done = asyncio.run(planner("report", "--store", f"sqlite:///{tmp_path / 'none.db'}"))
    assert not done.well
    assert "there is no such file" in done.text


def test_nothing_is_left_where_nothing_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A month is large."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert shown(None)[0]
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_made(tmp_path: Path) -> None:
    """No entries, and a setting that nothing reads."""
    with pytest.raises(SettingsError, match="no 0 entries"):
        show.run(Console(), entries=0, seed="s", keep=tmp_path, settings={})
    with pytest.raises(RulesError):
        shown(tmp_path, nonsense="1")


def test_the_report_apis_tell_the_bill_to_the_official_sdk(tmp_path: Path) -> None:
    """Both organizations together, in cents, as long as the run is open."""

    async def read(run: Run) -> tuple[Told, Decimal]:
        told = await serve_bill(run)
        cents = Decimal(0)
        for key in run.admins.values():
            async with anthropic.AsyncAnthropic(base_url=run.simulator, api_key=key) as client:
                page = await client.get("/v1/organizations/cost_report", options={"params": OCTOBER}, cast_to=object)
                for day in msgspec.convert(page, dict)["data"]:
                    cents += sum((Decimal(row["amount"]) for row in day["results"]), Decimal(0))
        assert int(cents * 10_000_000) == sum(run.account.bill.values())
        assert set(run.admins) == {agent.organization for agent in AGENTS}
        return told, cents

    told, cents = within(tmp_path, read)
    assert cents > 0
    assert told.well


def test_a_ledger_that_was_changed_is_told(tmp_path: Path) -> None:
    """A line that is another one is found, in its cell and in its team."""

    async def change(run: Run) -> tuple[Told, Told]:
        store = await SqliteStore.open(run.store)
        try:
            every = [entry async for entry in store.entries() if entry.team == "support" and entry.lines]
            added = msgspec.structs.replace(every[0], request_id="one-more", lines=every[0].lines[:1])
            await store.apply([EntryRecord(added)])
        finally:
            await store.close()
        return await total_by_team(run), await check(run)

    teams, cells = within(tmp_path, change)
    assert not teams.well
    assert not cells.well
    assert "1 differ from what was written, 0 from the bill" in cells.lines[1]


def test_what_nobody_can_explain_is_not_well() -> None:
    """Bill and ledger differ, and no cause says why."""
    account = Account()
    assert judge(account, {}).well
    month = Month(book_of(30), entries=30)
    for happening in month.happenings():
        account.add(happening.entries, {"input": 1}, 0, None)
    assert not judge(account, dict(account.ledger)).well


def test_the_page_explains_every_cause_and_every_team() -> None:
    """A reader of the last lines finds what they mean."""
    told = set(re.findall(r"^\| `([a-z-]+)` \|", PAGE, re.MULTILINE))
    assert told == set(CAUSES) - {UNEXPLAINED}
    assert set(re.findall(r"^\| ([a-z]+) \| [a-z, ]+ \|", PAGE, re.MULTILINE)) >= set(TEAMS)


def test_the_steps_are_functions_in_a_row() -> None:
    """So that one more is one more word."""
    assert STEPS[:2] == (write, serve_bill)
    assert STEPS[-4:] == (check, close, export, reconcile)
