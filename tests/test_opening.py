"""An address names its store, and where a process keeps what that store does not have yet."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner.opening import beside, hold_journal, is_shared, journal_path, open_store, upgrade
from planner.settings import SettingsError
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from tests.doubles.proxy import run


def test_which_stores_are_shared() -> None:
    """PostgreSQL is; a file is not; nothing else is a store."""
    assert is_shared("postgresql://host/db")
    assert is_shared("postgres://host/db")
    assert not is_shared("sqlite:///planner.db")
    for address in ("planner.db", "mysql://host/db", "sqlite:///", "http://[host"):
        with pytest.raises(SettingsError, match=r"Write sqlite:///planner\.db"):
            is_shared(address)


def test_where_the_journal_is() -> None:
    """Beside the file, in the working directory for a shared store, or where it was told."""
    assert journal_path("sqlite:////data/planner.db") == Path("/data/planner.db.intents")
    assert journal_path("postgresql://host/db") == Path("planner.intents")
    assert journal_path("postgresql://host/db", Path("/there")) == Path("/there")
    assert journal_path("sqlite:///planner.db", Path("/there")) == Path("/there")
    assert beside("sqlite:////data/planner.db", Path("/there")) == Path("/data/planner.db")
    assert beside("postgresql://host/db", Path("/there")) == Path("/there")


def test_one_process_holds_a_journal(tmp_path: Path) -> None:
    """The sentence says how to give the other one its own; a place that holds none is told too."""
    held = hold_journal(tmp_path / "journal")
    with pytest.raises(StoreError, match=r"of another planner process.*--journal"):
        hold_journal(tmp_path / "journal")
    os.close(held)
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot hold the journal"):
        hold_journal(tmp_path / "file")


def test_opening_a_file(tmp_path: Path) -> None:
    """It is made; bringing one up to date that is not there is refused, and makes none."""
    with pytest.raises(StoreError, match="nothing to bring up to date"):
        run(upgrade(f"sqlite:///{tmp_path}/l.db"))
    assert not list(tmp_path.iterdir())

    async def scenario() -> None:
        store = await open_store(f"sqlite:///{tmp_path}/l.db")
        assert isinstance(store, SqliteStore)
        await store.close()
        assert await upgrade(f"sqlite:///{tmp_path}/l.db") == ()

    run(scenario())


def test_without_the_driver() -> None:
    """Who has no use for PostgreSQL does not load its driver; who lacks it is told which extra brings it."""
    program = (
        "import sys, asyncio; sys.modules['asyncpg'] = None; from planner import app, opening\n"
        "try: asyncio.run(opening.open_store('postgresql://host/db'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("StoreError PostgreSQL needs a driver: pip install 'claude-cost-planner[postgres]'")
