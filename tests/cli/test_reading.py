"""The ledger is read for every command that looks at it in the same way."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from planner.cli.reading import each_entry
from planner.core.ledger.entry import Entry
from planner.core.records import EntryRecord
from planner.stores.sqlite import SqliteStore
from tests.doubles.recorded import entry
from tests.doubles.simulated import START


def fill(path: Path, *entries: Entry) -> str:
    """A ledger of these entries, as a store is named."""

    async def write() -> None:
        store = await SqliteStore.open(path)
        try:
            await store.apply([EntryRecord(each) for each in entries])
        finally:
            await store.close()

    asyncio.run(write())
    return f"sqlite:///{path}"


def test_entries_come_in_order_and_since_a_moment(tmp_path: Path) -> None:
    """The moment itself is part of it."""
    store = fill(tmp_path / "l.db", *(entry(second) for second in (2, 0, 1)))
    for since, wanted in ((None, [0, 1, 2]), (START + timedelta(seconds=1), [1, 2]), (START + timedelta(days=1), [])):
        found: list[Entry] = []
        each_entry(store, since, found.append)
        assert found == [entry(second) for second in wanted]


def test_reading_ends_before_a_moment(tmp_path: Path) -> None:
    """Which is not part of it."""
    store = fill(tmp_path / "l.db", *(entry(second) for second in (2, 0, 1)))
    found: list[Entry] = []
    each_entry(store, None, found.append, until=START + timedelta(seconds=2))
    assert found == [entry(0), entry(1)]


@pytest.mark.parametrize(("store", "code"), [("sqlite:///none/l.db", 3), ("nothing", 2)])
def test_a_ledger_that_cannot_be_read_ends_the_command(store: str, code: int) -> None:
    """By the code that says whose fault it is."""
    with pytest.raises(SystemExit) as stop:
        each_entry(store, None, print)
    assert stop.value.code == code
