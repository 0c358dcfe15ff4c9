"""`planner reconcile` end to end: real traffic through the proxy, the simulator's own bill, the official SDK."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.cli.reconcile import Asked, run
from planner.clock import VirtualClock
from planner.core.reconcile.statement import Statement
from planner.core.records import EntryRecord
from planner.settings import Settings
from planner.simulator import Switches
from planner.stores.sqlite import SqliteStore
from tests.doubles import proxy
from tests.doubles.billed import KNOWN, asks, ledger
from tests.doubles.simulated import Simulated, rules, simulated

ADMIN = "sk-ant-admin01-x"
BEGIN = datetime(2026, 11, 3, 9, tzinfo=UTC)
CODE_TOOL: Any = {"type": "code_execution_20250825", "name": "code_execution"}
SEARCH_TOOL: Any = {"type": "web_search_20250305", "name": "web_search"}
NO_HOURS: Any = {"free_hours.limit": "0"}


async def talk(url: str, key: str, planner: Simulated, days: int) -> None:
    """Some requests on each of some days."""
    async with anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as client:
        for _ in range(days):
            for text, tools in (("[csv]", [CODE_TOOL]), ("[research]", [SEARCH_TOOL])):
                await client.messages.create(
                    model="claude-opus-5-5", max_tokens=4096, messages=[{"role": "user", "content": text}], tools=tools
                )
            planner.advance(86_400)


def asked(**changes: Any) -> Asked:
    """The flags as they are by default."""
    usual: dict[str, Any] = {
        "month": "2026-11",
        "threshold": "0.5%",
        "organization": None,
        "every": 60.0,
        "refresh": False,
        "apply": False,
    }
    return Asked(**{**usual, **changes})


def reconciled(directory: Path, *, past: int = 0, **changes: Any) -> tuple[Statement, Simulated]:
    """Run traffic through a proxy and `past` days of it past the proxy, and reconcile the month while it serves."""

    async def scenario() -> tuple[Statement, Simulated]:
        book = rules(settings=NO_HOURS)
        clock = VirtualClock(BEGIN)
        simulator = {"clock": clock, "switches": Switches(free_hours_limit=0)}
        async with simulated(directory, book=book, simulator=simulator, observe=True) as planner:
            await talk(planner.address, "sk-ant-team", planner, 3)
            await planner.entries(6)
            if past:
                keys = planner.simulator.state.config.keys
                assert keys == ()
                await talk(planner.direct, "sk-ant-other", planner, past)
            settings = Settings(upstream=planner.direct, store=f"sqlite:///{planner.store}")
            statement = await run(asked(**changes), settings, book, ADMIN, planner.clock)
            again = await run(asked(**changes), settings, book, ADMIN, planner.clock)
            assert again.rows == statement.rows
            return statement, planner

    return proxy.run(scenario(), longest=60.0)


def test_real_traffic_agrees_with_the_bill(tmp_path: Path) -> None:
    """Ledger and bill are counted by different code, and agree; the container time was seen to run."""
    statement, planner = reconciled(tmp_path)
    assert statement.theirs_nano == planner.simulator.state.bill.nano > 0
    assert statement.requests == 6
    assert statement.unexplained_nano == 0
    assert statement.within
    assert {cause for cause, nano in statement.explained.items() if nano} <= {"container_estimate", "rounding"}


def test_traffic_past_the_proxy_is_a_bypass(tmp_path: Path) -> None:
    """The same key id at the simulator, on days on which nothing passed the planner: more than the ledger has."""
    statement, planner = reconciled(tmp_path, past=2)
    assert statement.theirs_nano == planner.simulator.state.bill.nano
    assert statement.explained["bypass"] > 0
    assert statement.difference_nano == sum(statement.explained.values()) + sum(
        row.unexplained_nano for row in statement.rows
    )


def test_what_was_found_is_kept_and_shown_again(tmp_path: Path) -> None:
    """`--stored` asks nobody, and prints the same statement; the proxy was serving while it was written."""
    statement, planner = reconciled(tmp_path)
    result = invoke("--stored", "--json", store=planner.store)
    assert msgspec.json.decode(result.stdout, type=Statement).theirs_nano == statement.theirs_nano
    assert result.exit_code == 0
    page = invoke("--stored", store=planner.store)
    assert "Unexplained without signs: $0.000000, within the threshold of 0.5%" in page.stdout
    assert invoke("--stored", "--month", "2026-10", store=planner.store).exit_code == 3


def invoke(*words: str, store: Path, key: str | None = None) -> Result:
    """Run the command."""
    month = () if "--month" in words else ("--month", "2026-11")
    environment = {"PLANNER_ADMIN_KEY": key}
    return CliRunner().invoke(main, ["reconcile", *month, "--store", f"sqlite:///{store}", *words], env=environment)


async def fill(path: Path) -> None:
    """A ledger of a small month."""
    store = await SqliteStore.open(path)
    await store.apply([EntryRecord(entry) for entry in ledger(asks())])
    await store.close()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--month", "2026-13"), 2, "a month as 2026-11"),
        (("--threshold", "some"), 2, "a threshold is a share"),
        ((), 2, "PLANNER_ADMIN_KEY"),
        (("--upstream", "ftp://x"), 2, "no http(s) address"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, words: tuple[str, ...], code: int, said: str) -> None:
    """A wrong flag is a usage error, and the key is never one."""
    asyncio.run(fill(tmp_path / "l.db"))
    result = invoke(*words, store=tmp_path / "l.db", key=ADMIN if "--upstream" in words else None)
    assert (result.exit_code, said in result.stderr) == (code, True)


def test_an_api_that_cannot_be_had_is_exit_3(tmp_path: Path) -> None:
    """Nobody listens there; the key stands in no word."""
    asyncio.run(fill(tmp_path / "l.db"))
    result = invoke("--every", "0", "--upstream", "http://127.0.0.1:9", store=tmp_path / "l.db", key=ADMIN)
    assert result.exit_code == 3
    assert "Try again later" in result.stderr
    assert ADMIN not in result.output
    assert invoke(store=tmp_path / "none.db", key=ADMIN).exit_code == 3


def test_a_key_that_is_none_is_not_repeated(tmp_path: Path) -> None:
    """Blanks in it are refused before anything is sent."""
    result = invoke(store=tmp_path / "l.db", key="sk-ant admin")
    assert result.exit_code == 2
    assert "sk-ant admin" not in result.output


def test_corrections_are_written_once(tmp_path: Path) -> None:
    """With `--apply` the ledger comes to the bill; applied again, nothing is written."""

    async def scenario() -> tuple[Statement, Statement, int]:
        book = rules(settings=NO_HOURS)
        clock = VirtualClock(BEGIN)
        simulator = {"clock": clock, "switches": Switches(free_hours_limit=0, code_minimum_per="session")}
        async with simulated(tmp_path, book=book, simulator=simulator, observe=True) as planner:
            await talk(planner.address, "sk-ant-team", planner, 2)
            entries = await planner.entries(4)
            long = [entry for entry in entries if entry.code is not None]
            settings = Settings(upstream=planner.direct, store=f"sqlite:///{planner.store}")
            first = await run(asked(apply=True), settings, book, ADMIN, clock)
            again = await run(asked(apply=True), settings, book, ADMIN, clock)
            after = await proxy.read_ledger(planner.store)
            assert len(after) - len(entries) == sum(entry.corrects is not None for entry in after)
            return first, again, len(long)

    first, again, uses = proxy.run(scenario(), longest=60.0)
    assert uses
    assert first.ours_nano == again.ours_nano
    assert KNOWN > BEGIN
