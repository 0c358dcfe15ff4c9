"""The shared store drops the partition of a month, whole, with all that is written of it, or not at all."""

import asyncpg
import pytest

from planner.stores import postgresretention as module
from planner.stores.postgresretention import PostgresRetention
from planner.stores.retention import BusyError
from tests.doubles.databases import raw
from tests.doubles.outgoing import closed, opened
from tests.doubles.proxy import run
from tests.doubles.reported import MONTH, month
from tests.stores.test_reading import ledger


def test_somebody_who_never_lets_go(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many tries it is told; nothing is written of the month, and all entries are there."""
    monkeypatch.setattr(module, "TRIES", 2)
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0.0)

    async def scenario() -> None:
        async with opened(database) as (store, retention):
            await closed(store, month())
            reader = await asyncpg.connect(database)
            async with reader.transaction():
                await reader.fetch("SELECT COUNT(*) FROM entries")
                with pytest.raises(BusyError, match="never free"):
                    await anext(retention.prune(MONTH, "2027", "{}", len(month())))
            await reader.close()
            assert await raw(database, "SELECT COUNT(*) FROM prunings") == [(0,)]
            assert len(await ledger(store)) == len(month())

    run(scenario())


def test_the_lock_of_a_process_goes_with_it(database: str) -> None:
    """One that is closed without letting go keeps nobody away; there is nothing to vacuum."""

    async def scenario() -> None:
        async with opened(database) as (_, retention):
            other = await PostgresRetention.open(database)
            async with other.alone() as first, retention.alone() as second:
                assert (first, second) == (True, False)
            await other.close()
            async with retention.alone() as alone:
                assert alone
            assert await retention.vacuum()

    run(scenario())


def test_a_month_without_a_partition(database: str) -> None:
    """Is pruned all the same: nothing comes into it any more."""

    async def scenario() -> None:
        async with opened(database) as (_, retention):
            assert [gone async for gone in retention.prune("2020-01", "2027", "{}", 0)] == [0]
            assert await retention.is_pruned("2020-01")

    run(scenario())
