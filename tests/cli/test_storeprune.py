"""`planner store prune`: what goes, what stays and why, and what every other command says of a pruned month."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.clock import SystemClock
from planner.stores.sqlite import SqliteStore
from tests.cli.test_reading import fill
from tests.doubles.databases import raw
from tests.doubles.reported import END, MONTH, month, request

DUE = "2025-11-01"


def run(*words: str) -> Result:
    """Run a command."""
    return CliRunner().invoke(main, words)


def prune(store: str, *words: str) -> Result:
    """Run it."""
    return run("store", "prune", "--store", store, *words)


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A ledger of a closed month, and of the next one, which is open."""
    store = fill(tmp_path / "ledger.db", *month(), request(6_000, END + timedelta(days=2)))
    assert run("report", "close", MONTH, "--store", store).exit_code == 0
    return store


def test_a_closed_month_goes(store: str) -> None:
    """First looked at, then done, then nothing is left to do."""
    looked = prune(store, "--before", DUE, "--dry-run")
    assert looked.exit_code == 0, looked.output
    assert looked.stdout.startswith(f"{MONTH}  128 entries, $")
    assert looked.stdout.endswith("  would go\n")
    assert len(run("export", "--store", store).stdout.splitlines()) == 129
    done = prune(store, "--before", DUE)
    assert done.stdout == looked.stdout.replace("would go", "gone")
    assert prune(store, "--before", DUE).stdout == f"No entries of months that ended by {DUE}: nothing to take out.\n"


def test_one_that_is_not_closed_stays(store: str) -> None:
    """By an exit code that a timer sees, until it is forced."""
    kept = prune(store, "--before", "2025-12-01", "--json")
    assert kept.exit_code == 1
    told = json.loads(kept.stdout)
    assert (told["before"], told["dry_run"], told["room"]) == ("2025-12-01", False, None)
    assert [(each["month"], each["entries"], each["closed"]) for each in told["months"]] == [
        (MONTH, 128, True),
        ("2025-11", 1, False),
    ]
    assert told["months"][1]["kept"] == "it is not closed: planner report close 2025-11"
    forced = prune(store, "--before", "2025-12-01", "--force")
    assert forced.exit_code == 0
    assert "gone; not closed, and never will be" in forced.stdout
    close = run("report", "close", "2025-11", "--store", store)
    assert close.exit_code == 2
    assert "nothing is left to close it with" in close.stderr


def test_by_the_settings(store: str) -> None:
    """For ever unless they say how long; a word for how long is checked."""
    forever = prune(store)
    assert forever.exit_code == 2
    assert "entries are kept for ever" in forever.stderr
    days = (SystemClock().now() - END).days
    assert prune(store, "--set", f"retention.entries_days={days + 1}").stdout.startswith("No entries of months")
    assert prune(store, "--set", f"retention.entries_days={days}").stdout.startswith(MONTH)
    assert prune(store, "--set", "retention.entries_days=7").exit_code == 2


@pytest.mark.parametrize("word", ["yesterday", "2025-02-30", "2025-11", "400d"])
def test_a_date_is_one(store: str, word: str) -> None:
    """Anything else ends the command before a store is opened."""
    result = prune(store, "--before", word)
    assert result.exit_code == 2
    assert "--before takes a date like 2026-11-01" in result.stderr


def test_room_is_given_back(tmp_path: Path, store: str) -> None:
    """With no planner running; beside one that is said, and the entries are gone all the same."""
    path = tmp_path / "ledger.db"

    async def beside() -> Result:
        ledger = await SqliteStore.open(path)
        try:
            return await asyncio.to_thread(prune, store, "--before", DUE, "--vacuum")
        finally:
            await ledger.close()

    result = asyncio.run(beside())
    assert "gone" in result.stdout
    assert "since a proxy has it" in result.stdout
    before = path.stat().st_size
    assert prune(store, "--before", DUE, "--vacuum").exit_code == 0
    assert path.stat().st_size < before


def test_a_closed_month_is_verified_without_its_entries(store: str) -> None:
    """It says since when, and that sums agree with sums; a sum that was changed is found."""
    prune(store, "--before", DUE)
    verified = run("report", "close", MONTH, "--store", store, "--verify")
    assert verified.exit_code == 0, verified.output
    assert verified.stdout.startswith(f"The entries of {MONTH} were pruned at 20")
    assert "agrees with the hourly sums, which stay: $" in verified.stdout
    told = json.loads(run("report", "close", MONTH, "--store", store, "--verify", "--json").stdout)
    assert (told["same"], told["missing"], told["found"]) == (True, 128, told["digest"])
    assert told["pruned_at"] is not None
    asyncio.run(_change(store))
    changed = run("report", "close", MONTH, "--store", store, "--verify")
    assert changed.exit_code == 1
    assert "128 of them gone, pruned at 20" in changed.stdout


async def _change(store: str) -> None:

    await raw(
        store, "UPDATE cells SET amounts = json_set(amounts, '$.\"nano.input\"', 1) WHERE hour LIKE '2025-10-03%'"
    )


def test_a_report_of_a_pruned_month_is_what_it_was(tmp_path: Path, store: str) -> None:
    """Of a closed one to the byte; of one that was not closed by its sums, and hold-outs are not told."""
    before = run("report", "--store", store, "--month", MONTH, "--by", "team,principal", "--format", "json")
    prune(store, "--before", DUE)
    after = run("report", "--store", store, "--month", MONTH, "--by", "team,principal", "--format", "json")
    assert before.stdout == after.stdout
    other = fill(tmp_path / "open.db", *month())
    before = run("report", "--store", other, "--month", MONTH, "--format", "csv")
    assert prune(other, "--before", DUE, "--force").exit_code == 0
    after = run("report", "--store", other, "--month", MONTH, "--format", "csv")
    assert before.stdout == after.stdout
    told = json.loads(run("report", "--store", other, "--month", MONTH, "--json").stdout)
    assert told["holdouts"] == []
    assert f"Entries of {MONTH} were pruned, so hold-outs cannot be told: they are no sum." in told["notes"]


def test_what_reads_entries_says_that_they_are_gone(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An export on standard error, and the reconciliation by refusing: it would take them all for lost."""
    prune(store, "--before", DUE)
    exported = run("export", "--store", store, "--month", MONTH)
    assert exported.stdout == ""
    assert f"planner: left out: 128 entries of {MONTH}, pruned at 20" in exported.stderr
    assert "left out" not in run("export", "--store", store, "--since", "2025-11-01").stderr
    assert "left out" not in run("export", "--store", store, "--until", "2025-10-01").stderr
    monkeypatch.setenv("PLANNER_ADMIN_KEY", "sk-ant-admin-none")
    reconciled = run("reconcile", "--store", store, "--month", MONTH, "--upstream", "http://127.0.0.1:1")
    assert reconciled.exit_code == 3
    assert f"entries of {MONTH} were pruned at 20" in reconciled.stderr


def test_a_store_that_cannot_be_pruned(tmp_path: Path) -> None:
    """One that is not there, or no store at all."""
    assert prune(f"sqlite:///{tmp_path / 'none.db'}", "--before", DUE).exit_code == 3
    assert prune("mysql://x", "--before", DUE).exit_code == 2
