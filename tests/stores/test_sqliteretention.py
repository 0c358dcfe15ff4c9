"""The embedded store is pruned a little at a time, beside whoever writes to it, and overwrites what goes."""

import asyncio
from pathlib import Path

import pytest

from planner.core.records import EntryRecord
from planner.stores import StoreError
from planner.stores.sqliteretention import STEP, SqliteRetention
from tests.doubles.outgoing import closed, on_disk, opened
from tests.doubles.proxy import run
from tests.doubles.reported import END, MONTH, month, request
from tests.stores.test_reading import ledger


def test_entries_go_a_hundred_at_a_time_while_others_come(tmp_path: Path) -> None:
    """Between any two steps whoever writes gets through."""
    many = [request(20_000 + number, END) for number in range(2 * STEP)]
    october = [request(30_000 + number, END.replace(month=10, day=2)) for number in range(2 * STEP + 5)]

    async def scenario() -> None:
        async with opened(f"sqlite:///{tmp_path / 'l.db'}") as (store, retention):
            await closed(store, october)
            steps = []
            async for gone in retention.prune(MONTH, "2027", "{}", len(october)):
                await store.apply([EntryRecord(many.pop())])
                steps.append(gone)
            assert steps == [STEP, STEP, 5]
            assert len(await ledger(store)) == 3
            assert [gone async for gone in retention.prune(MONTH, "2027", "{}", 0)] == [0]

    run(scenario())


def test_what_goes_is_overwritten(tmp_path: Path) -> None:
    """Once nobody has the file it is written anew, and is smaller; while somebody has it that is told."""
    path = tmp_path / "l.db"

    async def scenario() -> None:
        async with opened(f"sqlite:///{path}") as (store, retention):
            await closed(store, month())
            async for _ in retention.prune(MONTH, "2027", "{}", len(month())):
                pass
            assert not await retention.vacuum()
        before = path.stat().st_size
        retention = await SqliteRetention.open(path)
        assert await retention.vacuum()
        await retention.close()
        assert path.stat().st_size < before
        assert month()[0].request_id.encode() not in on_disk(path)

    run(scenario())


def test_a_file_that_is_none(tmp_path: Path) -> None:
    """Told with its name; a directory that takes no lock as well."""

    async def scenario() -> None:
        with pytest.raises(StoreError, match="Name a ledger with --store"):
            await SqliteRetention.open(tmp_path)
        path = tmp_path / "l.db"
        async with opened(f"sqlite:///{path}") as (_, retention):
            (tmp_path / "l.db.retention").mkdir()
            with pytest.raises(StoreError, match="cannot be locked"):
                async with retention.alone():
                    pass
        await asyncio.sleep(0)

    run(scenario())
