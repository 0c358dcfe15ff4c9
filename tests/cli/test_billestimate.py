"""The bill's half of an estimate: two months by the SDK, the answer, and the row that is written."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest
from click.testing import CliRunner

from planner.bills import BillError
from planner.cli import main
from planner.cli.billestimate import BillEstimate, ask, estimate, text, write_used_elsewhere
from planner.clock import VirtualClock
from planner.core.reconcile.paid import Elsewhere
from planner.core.records import EntryRecord
from planner.core.rulefile import load
from planner.rulesource import read_files
from planner.simulator import Switches
from planner.stores.sqlite import SqliteStore
from tests.doubles.billed import asks, ledger
from tests.doubles.proxy import run
from tests.doubles.simulated import rules, simulating
from tests.test_bills import ADMIN, CODE_TOOL, Kept

OCTOBER = datetime(2026, 10, 3, 9, tzinfo=UTC)
CALLERS = """principals:
  reports:
    team: finance
    api_keys: [apikey_01Simulator]
"""


def asked(limit: int, *, callers: str = "principals: {}", key: str = ADMIN) -> BillEstimate:
    """An estimate in December of an October in which code ran twice."""

    async def scenario() -> BillEstimate:
        clock = VirtualClock(OCTOBER)
        async with simulating(clock, switches=Switches(free_hours_limit=limit)) as (_, url):
            async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-team", max_retries=0) as client:
                for _ in range(2):
                    message: Any = {"role": "user", "content": "[csv]"}
                    await client.messages.create(
                        model="claude-opus-5-5", max_tokens=4096, messages=[message], tools=[CODE_TOOL]
                    )
                    clock.advance(86_400)
            clock.advance(40 * 86_400)
            book = rules({"callers.yaml": callers}, {"free_hours.limit": str(limit)})
            return await ask(
                key, url, book, pages=Kept(), clock=clock, metered_ms=lambda _: 0, tell=lambda _: None, every=60.0
            )

    return run(scenario(), longest=60.0)


def test_nothing_was_paid() -> None:
    """Then nothing can be saved."""
    found = asked(1_550)
    assert found.answer == "You paid $0 for code execution: leave bundling off."
    assert [month.month for month in found.months] == ["2026-10"]
    assert found.months[0].spans == 4


def test_what_was_paid_is_the_most_that_can_be_saved() -> None:
    """By team, where callers name the key."""
    found = asked(0, callers=CALLERS)
    assert found.answer.startswith("You paid $0.0083333")
    assert "most of it by finance" in found.answer
    lines = list(text(found))
    assert lines[0] == found.answer
    assert any("finance in wrkspc_01SimulatorDefault" in line for line in lines)


def test_a_key_without_admin_rights_is_told() -> None:
    """And not taken for a bill of nothing."""
    with pytest.raises(BillError):
        asked(0, key="sk-ant-team")


def test_the_row_is_written_and_read(tmp_path: Path) -> None:
    """Into a settings file that is there, and into one that is not."""
    path = tmp_path / "settings.yaml"
    shipped = read_files(None)
    for before in (shipped["settings.yaml"].decode(), None):
        path.unlink(missing_ok=True)
        if before is not None:
            path.write_text(before, encoding="utf-8")
        row = write_used_elsewhere(path, Elsewhere(month="2026-10", hours=650.25, exact=True), OCTOBER)
        assert "value: 650.25" in row
        book = load({**shipped, "settings.yaml": path.read_bytes()})
        assert book.settings.free_hours.used_elsewhere == 650.25


def test_the_ledger_tells_what_was_metered(tmp_path: Path) -> None:
    """Of the hours on the bill those that the planner metered are its own; without a ledger all are of others."""

    async def scenario(store: Path) -> BillEstimate:
        clock = VirtualClock(OCTOBER)
        async with simulating(clock, switches=Switches(free_hours_limit=0)) as (_, url):
            async with anthropic.AsyncAnthropic(base_url=url, api_key="sk-ant-team", max_retries=0) as client:
                message: Any = {"role": "user", "content": "[csv]"}
                await client.messages.create(
                    model="claude-opus-5-5", max_tokens=4096, messages=[message], tools=[CODE_TOOL]
                )
            clock.advance(45 * 86_400)
            book = rules(settings={"free_hours.limit": "0"})
            return await estimate(ADMIN, url, book, f"sqlite:///{store}", clock=clock, tell=lambda _: None)

    async def fill(store: Path) -> None:
        ledger_store = await SqliteStore.open(store)
        first = next(entry for entry in ledger(asks()) if entry.code is not None)
        metered = msgspec.structs.replace(first, at="2026-10-03T09:00:00.000000+00:00")
        await ledger_store.apply([EntryRecord(metered)])
        await ledger_store.close()

    alone = run(scenario(tmp_path / "none.db"), longest=60.0).used_elsewhere
    run(fill(tmp_path / "l.db"))
    metered = run(scenario(tmp_path / "l.db"), longest=60.0).used_elsewhere
    assert alone is not None
    assert metered is not None
    assert (alone.exact, alone.hours) == (True, 0.08)
    assert metered.hours == 0.0


def test_the_command_asks_the_bill_where_there_is_a_key(tmp_path: Path) -> None:
    """Without one `--write` is refused; with one that nobody answers, the command says so."""
    words = ["estimate", "--store", f"sqlite:///{tmp_path}/none.db"]
    refused = CliRunner().invoke(main, [*words, "--write", str(tmp_path / "s.yaml")], env={"PLANNER_ADMIN_KEY": None})
    assert refused.exit_code == 2
    assert "PLANNER_ADMIN_KEY" in refused.stderr
    wrong = CliRunner().invoke(main, [*words, "--upstream", "ftp://x"], env={"PLANNER_ADMIN_KEY": ADMIN})
    assert wrong.exit_code == 2
    assert ADMIN not in wrong.output
