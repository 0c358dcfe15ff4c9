"""`planner store` brings a schema up to date and says how a store stands, of either kind."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.opening import is_shared, open_store
from planner.stores.schema import migrations
from planner.stores.sqlite import SqliteStore
from tests.doubles.databases import raw
from tests.stores.test_reading import entry, records
from tests.stores.test_sqlite import older


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a store with two settled entries and one that is open."""
    found = f"sqlite:///{tmp_path / 'l.db'}" if request.param == "sqlite" else request.getfixturevalue("database")

    async def fill() -> None:
        store = await open_store(found)
        await store.apply(records(entry(1, "ok"), entry(2, "error"), entry(3)))
        await store.close()

    asyncio.run(fill())
    return str(found)


def store(*words: str) -> Result:
    """Run a command of the group."""
    return CliRunner().invoke(main, ["store", *words])


def test_status(address: str) -> None:
    """In words and as JSON: schema, checksums, what is pending, how full it is."""
    newest = migrations("postgres" if is_shared(address) else "sqlite")[-1].number
    result = store("status", "--store", address)
    assert result.exit_code == 0, result.output
    lines = dict(line.split(maxsplit=1) for line in result.output.replace("open intents", "open_intents").splitlines())
    size = lines.pop("size")
    assert size.endswith(" bytes")
    assert lines == {
        "store": address,
        "schema": str(newest),
        "pending": "nothing",
        "checksums": "ok",
        "entries": "2",
        "open_intents": "1",
        "oldest": entry(1).at,
        "newest": entry(2).at,
    }
    told = json.loads(store("status", "--json", "--store", address).output)
    assert told.pop("bytes") > 0
    assert told == {
        "store": address,
        "schema": newest,
        "pending": [],
        "changed": [],
        "entries": 2,
        "open": 1,
        "oldest": entry(1).at,
        "newest": entry(2).at,
    }


def test_a_changed_script_is_a_finding(address: str) -> None:
    """Exit code 1 and its name; upgrading is refused with a sentence."""
    asyncio.run(raw(address, "UPDATE migrations SET checksum = 'x' WHERE number = 1"))
    name = migrations("postgres" if is_shared(address) else "sqlite")[0].name
    result = store("status", "--store", address)
    assert (result.exit_code, f"changed: {name}" in result.output) == (1, True)
    result = store("upgrade", "--store", address)
    assert (result.exit_code, f"another text of {name}" in result.stderr) == (3, True)


def test_upgrading_twice(tmp_path: Path) -> None:
    """The first time it says what it did, the second time that there is nothing to do."""
    older(3, tmp_path / "l.db", [entry(1, "ok")])
    address = f"sqlite:///{tmp_path / 'l.db'}"
    assert "unknown until it is upgraded" in store("status", "--store", address).output
    first, second = store("upgrade", "--store", address), store("upgrade", "--store", address)
    assert first.output.splitlines() == [f"applied {each.name}" for each in migrations("sqlite")[3:]]
    assert second.output == "up to date: nothing to apply\n"
    assert (first.exit_code, second.exit_code) == (0, 0)


def test_an_empty_database_gets_its_tables(database: str) -> None:
    """By the command as well as by the first process that serves."""
    result = store("upgrade", "--store", database)
    assert result.output.splitlines() == [f"applied {each.name}" for each in migrations("postgres")]


def test_compacting(tmp_path: Path, database: str) -> None:
    """A file is told in bytes before and after, and migrated first; a database is none, and is said to need nothing."""
    older(3, tmp_path / "l.db", [entry(number, "ok") for number in range(300)])
    told = store("upgrade", "--compact", "--store", f"sqlite:///{tmp_path / 'l.db'}")
    assert told.exit_code == 0
    *applied, compacted = told.output.splitlines()
    assert applied == [f"applied {each.name}" for each in migrations("sqlite")[3:]]
    match = re.fullmatch(r"compacted ([0-9,]+) bytes to ([0-9,]+)", compacted)
    assert match is not None
    before, after = (int(word.replace(",", "")) for word in match.groups())
    assert 0 < after < before
    refused = store("upgrade", "--compact", "--store", database)
    assert (refused.exit_code, "VACUUM FULL" in refused.stderr) == (2, True)


@pytest.mark.parametrize("command", ["status", "upgrade"])
def test_what_is_no_store(tmp_path: Path, command: str) -> None:
    """An address that is none is usage; a store that is not there, or held, is unavailable, and none is made."""
    assert store(command, "--store", "planner.db").exit_code == 2
    missing = store(command, "--store", f"sqlite:///{tmp_path}/none.db")
    assert (missing.exit_code, not list(tmp_path.iterdir())) == (3, True)
    gone = store(command, "--store", f"postgresql://me:secret@/db?host={tmp_path}")
    assert (gone.exit_code, "cannot be reached" in gone.stderr, "secret" in gone.stderr) == (3, True, False)


def test_a_file_in_use_is_not_upgraded(tmp_path: Path) -> None:
    """The process that writes to it has brought it up to date already."""

    async def hold() -> Result:
        held = await SqliteStore.open(tmp_path / "l.db")
        try:
            return await asyncio.to_thread(store, "upgrade", "--store", f"sqlite:///{tmp_path / 'l.db'}")
        finally:
            await held.close()

    result = asyncio.run(hold())
    assert (result.exit_code, "in use by another planner process" in result.stderr) == (3, True)
