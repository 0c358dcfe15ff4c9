"""Budgets in a file: a cancelled exchange leaves nothing open, and an older planner's ledger is brought up to date."""

import asyncio
from pathlib import Path

import pytest

from planner.core.records import EntryRecord
from planner.core.rulebook.spending import Spender
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from planner.stores.sqlitebudgets import SqliteBudgets
from tests.doubles.proxy import run
from tests.stores.test_budgets import account, ask, spent
from tests.stores.test_sqlite import older


def test_a_cancelled_exchange_leaves_no_transaction_open(tmp_path: Path) -> None:
    """The next one works, and the ledger can be written."""
    path = tmp_path / "ledger.db"

    async def scenario() -> None:
        store = await SqliteStore.open(path)
        shared = await SqliteBudgets.open(path)
        for turns in range(12):
            task = asyncio.get_running_loop().create_task(shared.exchange(account(), ask(spare=10)))
            for _ in range(turns):
                await asyncio.sleep(0.0002)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert (await shared.exchange(account(), ask(spare=10))).nano == 10
            await store.apply([EntryRecord(spent(turns, 1))])
        await shared.close()
        await store.close()

    run(scenario())


def test_a_file_that_is_no_ledger_is_told(tmp_path: Path) -> None:
    """With a way out."""
    (tmp_path / "ledger.db").write_text("no database " * 100)
    with pytest.raises(StoreError, match="Name another file"):
        run(SqliteBudgets.open(tmp_path / "ledger.db"))


def test_an_older_ledger_counts_from_now_on(tmp_path: Path) -> None:
    """What it holds names no spender; what is settled after that does, of intents that an older planner wrote too."""
    path, nobody = tmp_path / "ledger.db", Spender()
    older(4, path, [spent(3, 500, nobody), spent(1, None, nobody, outcome="unknown")])

    async def scenario() -> None:
        store = await SqliteStore.open(path)
        shared = await SqliteBudgets.open(path)
        await store.apply([EntryRecord(spent(1, 30)), EntryRecord(spent(2, 4))])
        assert (await shared.exchange(account(), ask())).spent == 34
        await shared.close()
        await store.close()

    run(scenario())
