"""A closing is written once, beside whoever writes the ledger, and read as it was."""

from pathlib import Path

import pytest

from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from tests.cli.test_reading import fill
from tests.doubles.proxy import run
from tests.doubles.recorded import entry


def test_a_month_is_closed_once(tmp_path: Path) -> None:
    """By the store itself and by one that stands beside it; the first stays."""
    path = tmp_path / "l.db"

    async def scenario() -> None:
        store = await SqliteStore.open(path)
        beside = await SqliteStore.beside(path)
        try:
            assert await store.closing("2025-10") is None
            assert await beside.put_closing("2025-10", "2025-11-01", "first")
            assert not await store.put_closing("2025-10", "2025-11-02", "second")
            assert await store.put_closing("2025-11", "2025-12-01", "another")
            assert [await each.closing("2025-10") for each in (store, beside)] == ["first", "first"]
        finally:
            await beside.close()
            await store.close()

    run(scenario())


def test_what_was_opened_to_be_read_closes_nothing(tmp_path: Path) -> None:
    """And says so, as a store that is closed does."""
    fill(tmp_path / "l.db", entry())

    async def scenario() -> None:
        store = await SqliteStore.read(tmp_path / "l.db")
        with pytest.raises(StoreError, match="readonly"):
            await store.put_closing("2025-10", "2025-11-01", "first")
        await store.close()
        with pytest.raises(StoreError):
            await store.put_closing("2025-10", "2025-11-01", "first")

    run(scenario())


def test_beside_nothing(tmp_path: Path) -> None:
    """No ledger is made."""
    with pytest.raises(StoreError, match=r"l\.db cannot be read"):
        run(SqliteStore.beside(tmp_path / "l.db"))
    assert not list(tmp_path.iterdir())
