"""`planner report close`: a month that is over, once, with nothing open unless that is said; and held against later."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planner import __version__
from planner.cli import main
from planner.clock import SystemClock
from planner.stores.sqlite import SqliteStore
from tests.cli.test_reading import fill
from tests.doubles.reported import BEGIN, END, MONTH, amendment, closing_of, month, request

OPEN = request(7_777, BEGIN, outcome="unknown", shapeless=True, cost_nano=None, lines=())


def close(*arguments: str) -> Result:
    """Run it."""
    return CliRunner().invoke(main, ["report", "close", *arguments])


@pytest.fixture
def store(tmp_path: Path) -> str:
    """A ledger of the month."""
    return fill(tmp_path / "ledger.db", *month())


def test_a_month_is_closed_with_its_seal(store: str) -> None:
    """As text and as JSON; the seal is that over its entries."""
    result = close(MONTH, "--store", store)
    assert result.exit_code == 0, result.output
    closing = closing_of(month())
    assert f"{MONTH} is closed: 128 entries, of them 1 correction." in result.stdout
    assert f"Cost ${closing.cost.usd}, at list price ${closing.listed.usd}.\nSeal {closing.digest}\n" in result.stdout


def test_the_closing_as_json(store: str) -> None:
    """What a program keeps of it."""
    told = json.loads(close(MONTH, "--store", store, "--json").stdout)
    closing = closing_of(month())
    assert told == {
        "month": MONTH,
        "closed_at": told["closed_at"],
        "version": __version__,
        "entries": 128,
        "corrections": 1,
        "open": 0,
        "digest": closing.digest,
        "cost": {"usd": closing.cost.usd, "nano": closing.cost.nano},
        "listed": {"usd": closing.listed.usd, "nano": closing.listed.nano},
    }


def test_a_month_is_not_closed_twice(tmp_path: Path, store: str) -> None:
    """Neither after nothing nor after something came: the first closing stays."""
    assert close(MONTH, "--store", store).exit_code == 0
    fill(tmp_path / "ledger.db", request(6_000, BEGIN))
    again = close(MONTH, "--store", store, "--force")
    assert again.exit_code == 2
    assert f"{MONTH} was closed at" in again.stderr
    assert "128 entries" in close(MONTH, "--store", store, "--verify").stdout


def test_a_month_that_is_not_over_is_not_closed(store: str) -> None:
    """By the clock, in UTC."""
    this = f"{SystemClock().now():%Y-%m}"
    result = close(this, "--store", store)
    assert result.exit_code == 2
    assert f"{this} is not over before" in result.stderr


def test_open_requests_keep_a_month_open(tmp_path: Path, store: str) -> None:
    """They are named; with --force they come later, and verifying counts them then."""
    fill(tmp_path / "ledger.db", OPEN)
    result = close(MONTH, "--store", store)
    assert result.exit_code == 1
    assert f"{MONTH} has 1 open request," in result.stderr
    assert OPEN.request_id in result.stderr
    forced = close(MONTH, "--store", store, "--force")
    assert forced.exit_code == 0
    assert "1 open request:" in forced.stdout
    fill(tmp_path / "ledger.db", request(7_777, BEGIN))
    verified = close(MONTH, "--store", store, "--verify")
    assert verified.exit_code == 0
    assert "1 entry came since" in verified.stdout


def test_a_month_without_entries_can_be_closed(store: str) -> None:
    """Whatever comes into it later is late."""
    assert "0 entries" in close("2025-01", "--store", store).stdout
    assert close("2025-01", "--store", store, "--verify").exit_code == 0


def test_verifying_what_was_not_changed(tmp_path: Path, store: str) -> None:
    """Corrections and late requests are no change."""
    close(MONTH, "--store", store)
    fill(tmp_path / "ledger.db", request(6_000, BEGIN), amendment(6_001, month()[2], nano=-5, at=END))
    told = json.loads(close(MONTH, "--store", store, "--verify", "--json").stdout)
    assert (told["same"], told["missing"], told["later"]) == (True, 0, 2)
    assert told["found"] == told["digest"]


def test_verifying_finds_a_changed_entry(tmp_path: Path, store: str) -> None:
    """By an exit code that a script sees."""
    close(MONTH, "--store", store)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        (text,) = connection.execute("SELECT entry FROM entries WHERE request_id = ?", (f"{8:024x}",)).fetchone()
        entry = json.loads(text)
        entry["lines"][0]["nano"] += 1
        entry["cost_nano"] += 1
        connection.execute("UPDATE entries SET entry = ? WHERE request_id = ?", (json.dumps(entry), f"{8:024x}"))
    connection.close()
    result = close(MONTH, "--store", store, "--verify")
    assert result.exit_code == 1
    assert f"{MONTH} is NOT as it was closed" in result.stdout
    told = json.loads(close(MONTH, "--store", store, "--verify", "--json").stdout)
    assert told["found_cost"]["nano"] == told["cost"]["nano"] + 1


def test_what_was_not_closed_cannot_be_verified(store: str) -> None:
    """And how to close it."""
    result = close(MONTH, "--store", store, "--verify")
    assert result.exit_code == 2
    assert f"planner report close {MONTH}" in result.stderr


def test_a_running_proxy_is_not_disturbed(tmp_path: Path, store: str) -> None:
    """Finance does not stop it: the month is closed beside it."""

    async def beside() -> Result:
        ledger = await SqliteStore.open(tmp_path / "ledger.db")
        try:
            return await asyncio.to_thread(close, MONTH, "--store", store)
        finally:
            await ledger.close()

    assert asyncio.run(beside()).exit_code == 0
