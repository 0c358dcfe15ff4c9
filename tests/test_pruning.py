"""Months go out of a store when nothing needs their entries, in both stores, and what they came to stays."""

import asyncio
from datetime import timedelta
from pathlib import Path

import asyncpg
import msgspec
import pytest

from planner.core.ledger.rollup import rollup
from planner.core.records import EntryRecord
from planner.core.reports.closing import Closing
from planner.core.reports.pruning import verify_pruned
from planner.opening import is_shared
from planner.pruning import Month, prune, prunings
from planner.stores import RefusedError, WholeStore
from planner.stores.retention import BusyError, Retention
from planner.stores.sqliteretention import STEP
from tests.doubles.databases import raw
from tests.doubles.outgoing import NEXT, NOW, beside, closed, day, nothing, opened
from tests.doubles.proxy import run
from tests.doubles.reported import BEGIN, END, MONTH, month, request
from tests.stores.test_reading import ledger, sums

WAITING = "SELECT COUNT(*) FROM pg_locks WHERE NOT granted"
LATER = request(6_000, END + timedelta(days=3))


async def pruned(store: WholeStore, retention: Retention, *, dry_run: bool = False, force: bool = False) -> list[Month]:
    """What became of each month up to the next one's end."""
    work = prune(store, retention, before=day(2025, 12), now=NOW, pause=nothing, dry_run=dry_run, force=force)
    return [month async for month in work]


async def holds(store: WholeStore) -> None:
    """The month that went agrees with what it was closed with."""
    told = msgspec.json.decode(await store.closing(MONTH) or "", type=Closing)
    found = verify_pruned(told, (await prunings(store))[MONTH], rollup(month()))
    assert found.same


def test_a_closed_month_goes_and_its_sums_stay(address: str) -> None:
    """One that is not closed stays and says how to close it; the second time nothing is left to do."""

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, [*month(), LATER])
            before = await sums(store)
            looked = await pruned(store, retention, dry_run=True)
            assert len(await ledger(store)) == len(month()) + 1
            assert await prunings(store) == {}
            gone, kept = await pruned(store, retention)
            assert looked == [gone, kept]
            assert (gone.month, gone.entries, gone.closed, gone.kept) == (MONTH, len(month()), True, None)
            assert (kept.month, kept.entries, kept.closed) == (NEXT, 1, False)
            assert kept.kept is not None
            assert f"planner report close {NEXT}" in kept.kept
            assert await ledger(store) == [LATER]
            assert await sums(store) == before == rollup([*month(), LATER])
            await holds(store)
            assert await pruned(store, retention) == [kept]
            assert (await pruned(store, retention, force=True))[0].kept is None
            assert await ledger(store) == []
            assert await sums(store) == before

    run(scenario())


def test_what_was_spent_within_budgets_goes_with_its_month(address: str) -> None:
    """No budget asks for days of months that are over; those of others stay."""

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, month())
            async with retention.transaction() as fetch:
                for date in ("2025-09-30", "2025-10-01", "2025-10-31", "2025-11-01"):
                    await fetch("add_spending", "team", "t", date, 5)
            await pruned(store, retention)
            assert await raw(address, "SELECT day FROM spending ORDER BY day") == [("2025-09-30",), ("2025-11-01",)]

    run(scenario())


def test_a_record_of_a_pruned_month_is_refused(address: str) -> None:
    """It may have been counted before its entry went: its writer lays it aside. An intent is left out."""

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, month())
            await pruned(store, retention)
            for again in (month()[0], request(6_001, BEGIN)):
                with pytest.raises(RefusedError):
                    await store.apply([EntryRecord(again)])
            await store.apply([EntryRecord(request(6_002, BEGIN, outcome="unknown")), EntryRecord(LATER)])
            assert await ledger(store) == [LATER]
            assert await sums(store) == rollup([*month(), LATER])
        async with opened(address) as (store, _):  # by a process that has never heard of it
            with pytest.raises(RefusedError):
                await store.apply([EntryRecord(month()[1])])

    run(scenario())


def test_open_requests_stay(address: str) -> None:
    """Their cost is not known: nobody has counted them."""
    open_ = request(6_003, BEGIN, outcome="unknown")

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, [*month(), open_])
            await pruned(store, retention)
            assert await ledger(store) == [open_]
            assert (await prunings(store))[MONTH].open == 1

    run(scenario())


def test_a_month_that_changed_while_it_was_looked_at_stays(address: str) -> None:
    """Nothing is written of it, and the next look finds it as it is."""

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, month())
            with pytest.raises(BusyError, match="has 128 now"):
                await anext(retention.prune(MONTH, "2026", "{}", len(month()) - 1))
            assert await prunings(store) == {}
            assert len(await ledger(store)) == len(month())

    run(scenario())


def test_one_process_at_a_time(address: str) -> None:
    """The second one is told at once."""

    async def scenario() -> None:
        async with opened(address) as (store, first), beside(address) as second:
            await closed(store, month())
            async with first.alone() as alone:
                assert alone
                with pytest.raises(BusyError, match="another process"):
                    await pruned(store, second)
            assert (await pruned(store, second))[0].kept is None

    run(scenario())


def test_a_month_that_has_just_ended_stays(address: str) -> None:
    """Results of its batches can still be fetched, whatever date is named."""

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, month())
            work = prune(store, retention, before=END, now=END + timedelta(days=30), pause=nothing, force=True)
            (kept,) = [each async for each in work]
            assert kept.kept == "it is not over for 31 days"
            work = prune(store, retention, before=END - timedelta(days=1), now=NOW, pause=nothing, force=True)
            assert [each async for each in work] == []

    run(scenario())


@pytest.mark.parametrize("steps", [1, 2])
def test_killed_in_the_middle(tmp_path: Path, steps: int) -> None:
    """In a file some entries are gone and some are not: the next run goes on, by the look that was written down."""
    address = f"sqlite:///{tmp_path / 'l.db'}"
    entries = [*month(), *(request(20_000 + number, BEGIN + timedelta(minutes=number)) for number in range(2 * STEP))]

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, entries)
            pauses = 0

            async def killed() -> None:
                nonlocal pauses
                if (await prunings(store)) and (pauses := pauses + 1) == steps:
                    raise KeyboardInterrupt

            work = prune(store, retention, before=day(2025, 12), now=NOW, pause=killed)
            with pytest.raises(KeyboardInterrupt):
                async for _ in work:
                    pass
            left = len(entries) - steps * STEP
            assert len(await ledger(store)) == left
            (again,) = await pruned(store, retention)
            assert (again.resumed, again.entries, again.kept) == (True, left, None)
            assert await ledger(store) == []
            assert await sums(store) == rollup(entries)
            assert (await prunings(store))[MONTH].entries == len(entries)
            assert await pruned(store, retention) == []

    run(scenario())


def test_a_partition_is_dropped_and_nobody_waits_for_it(database: str) -> None:
    """Behind somebody who reads for long it is tried again, and whoever writes meanwhile is let through."""
    assert is_shared(database)

    async def scenario() -> None:
        async with opened(database) as (store, retention):
            await closed(store, month())
            reader = await asyncpg.connect(database)
            reading = reader.transaction()
            await reading.start()
            await reader.fetch("SELECT COUNT(*) FROM entries")
            work = asyncio.get_running_loop().create_task(pruned(store, retention))
            while await raw(database, WAITING) == [(0,)]:  # noqa: ASYNC110 - what another session waits for has no event
                await asyncio.sleep(0)
            async with asyncio.timeout(2):
                await store.apply([EntryRecord(LATER)])
            assert len(await ledger(store)) == len(month()) + 1
            await reading.rollback()
            await reader.close()
            assert (await work)[0].kept is None
            assert await ledger(store) == [LATER]
            assert await raw(database, "SELECT TO_REGCLASS('entries_2025_10')::TEXT") == [(None,)]
            await holds(store)

    run(scenario())
