"""Leases in PostgreSQL: who is lent a container waits for nobody, who must change it waits, and rows are bounded."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from planner.core.containers import State
from planner.core.lending import Answer
from planner.stores import StoreError
from planner.stores.postgres import PostgresStore
from planner.stores.postgresleases import PostgresLeases
from tests.core.test_lending import SOON, ask
from tests.doubles.databases import raw
from tests.doubles.deciding import NOW
from tests.doubles.proxy import run


@asynccontextmanager
async def opened(database: str) -> AsyncIterator[PostgresLeases]:
    """Leases in a schema that is up to date."""
    await (await PostgresStore.open(database)).close()
    leases = await PostgresLeases.open(database)
    try:
        yield leases
    finally:
        await leases.close()


def test_a_container_that_somebody_changes_is_busy(database: str) -> None:
    """For who is lent it: at once, and it may be free in a moment. A pending call waits, and so does an end."""

    async def scenario() -> None:
        other = await asyncpg.connect(database)
        async with opened(database) as leases:
            assert (await leases.take(ask("a"), NOW)).taken
            assert (await leases.give_back(ask("a"), "failed", NOW, claimed=False)).counts
            async with asyncio.TaskGroup() as group, other.transaction():
                await other.execute("SELECT * FROM containers FOR UPDATE")
                async with asyncio.timeout(5):
                    assert await leases.take(ask("b"), NOW) == Answer(taken=False, state=State.BUSY, passing=True)
                pending = group.create_task(leases.take(ask("p", way="pending"), NOW))
                await asyncio.sleep(0.05)
                assert not pending.done()
            assert pending.result().claimed
            await other.close()

    run(scenario())


def test_nothing_is_written_for_who_is_refused(database: str) -> None:
    """Nor is a row touched that nobody changes."""

    async def scenario() -> None:
        async with opened(database) as leases:
            assert (await leases.take(ask("a"), NOW)).taken
            for number in range(3):
                assert not (await leases.take(ask(str(number)), NOW)).taken
            assert (await leases.renew([ask("nobody", container="d")], SOON, NOW)) == frozenset()
            assert await raw(database, "SELECT container, version FROM containers") == [("c", 1)]

    run(scenario())


def test_containers_of_long_ago_are_forgotten(database: str) -> None:
    """One that is in use is not: it was changed since."""

    async def scenario() -> None:
        later = NOW + timedelta(days=2)
        async with opened(database) as leases:
            for name in ("c", "d"):
                assert (await leases.take(ask(name, container=name, until=later), NOW)).taken
            assert await leases.renew([ask("d", container="d")], later + timedelta(minutes=1), later) == {"d"}
            await leases.forget(NOW + timedelta(days=1))
            assert await raw(database, "SELECT container FROM containers") == [("d",)]

    run(scenario())


def test_what_another_version_wrote_is_no_lease(database: str) -> None:
    """It is said, and stops nobody but who wants that container."""

    async def scenario() -> None:
        async with opened(database) as leases:
            await raw(database, "INSERT INTO containers VALUES ('c', '2026', 1, '{\"held\": 5}') RETURNING 1")
            with pytest.raises(StoreError, match="not understood"):
                await leases.take(ask("a"), NOW)
            assert (await leases.take(ask("a", container="d"), NOW)).taken

    run(scenario())


def test_no_server(database: str) -> None:
    """The sentence says where it looked."""

    async def scenario() -> None:
        with pytest.raises(StoreError, match=r"cannot be reached.*--store"):
            await PostgresLeases.open(f"{database}_not_there")

    run(scenario())
