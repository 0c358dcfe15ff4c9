"""Budgets in PostgreSQL: an account is one process's at a time, and writers of one day do not wait in a circle."""

import asyncio
import random

import asyncpg
import pytest

from planner.core.ledger.entry import Entry
from planner.core.records import EntryRecord
from planner.core.rulebook.spending import For, Spender
from planner.stores import StoreError
from planner.stores.postgres import PostgresStore
from planner.stores.postgresbudgets import FORGETTING, PostgresBudgets
from planner.stores.statements import statements
from tests.doubles.budgets import budget
from tests.doubles.deciding import NOW
from tests.doubles.proxy import run
from tests.stores.test_budgets import account, ask, spent

LOCK = statements("only_postgres")["lock_account"]


def test_an_account_that_somebody_has_is_waited_for(database: str) -> None:
    """Until its transaction is over; other accounts do not wait, and a wait that is cancelled leaves nothing behind."""

    async def scenario() -> None:
        ledger, shared = await PostgresStore.open(database), await PostgresBudgets.open(database)
        other = await asyncpg.connect(database)
        key = account().key
        async with asyncio.TaskGroup() as group, asyncio.timeout(20):
            async with other.transaction():
                await other.execute(LOCK, f"{key.budget}\n{key.value}\n{key.period}")
                await other.execute(LOCK, FORGETTING)
                for waits in (shared.exchange(account(), ask("a", spare=600)), shared.forget(NOW)):
                    with pytest.raises(TimeoutError):
                        await asyncio.wait_for(waits, 0.1)
                asked = group.create_task(shared.exchange(account(), ask("b", spare=600)))
                of_another = await shared.exchange(account(budget(1_000, name="other")), ask("b", spare=600))
                assert of_another.nano == 600
                assert not asked.done()
            assert (await asked).nano == 600
            assert (await shared.exchange(account(), ask("c", spare=600))).nano == 400
        await other.close()
        await shared.close()
        await ledger.close()

    run(scenario())


def test_writers_and_askers_that_meet_never_wait_in_a_circle(database: str) -> None:
    """Three ledgers take entries of the same few spenders, each batch in an order of its own; all of it counts."""
    spenders = [Spender(principal=f"p{at % 5}", team=f"t{at % 3}", project=f"x{at % 2}") for at in range(30)]
    everything = [spent(number, number, spenders[number % 30]) for number in range(1_500)]
    of_all = account(budget(1, spenders=For(team=("t*",))))

    async def scenario() -> None:
        ledgers = [await PostgresStore.open(database) for _ in range(3)]
        shared = [await PostgresBudgets.open(database) for _ in range(2)]

        async def write(place: int) -> None:
            mine: list[Entry] = everything[place::3]
            random.Random(place).shuffle(mine)  # noqa: S311 - an order, no secret
            for start in range(0, len(mine), 50):
                await ledgers[place].apply([EntryRecord(each) for each in mine[start : start + 50]])

        async def look(place: int) -> None:
            for turn in range(30):
                await shared[place].exchange(of_all, ask(f"{place}-{turn}", spare=1))
                await shared[place].forget(NOW)

        async with asyncio.TaskGroup() as together:
            for place in range(3):
                together.create_task(write(place))
            for place in range(2):
                together.create_task(look(place))
        assert (await shared[0].exchange(of_all, ask())).spent == sum(range(1_500))
        for asker in shared:
            await asker.close()
        for ledger in ledgers:
            await ledger.close()

    run(scenario())


def test_no_server(database: str) -> None:
    """The sentence says where it looked."""

    async def scenario() -> None:
        with pytest.raises(StoreError, match=r"cannot be reached.*--store"):
            await PostgresBudgets.open(f"{database}_not_there")

    run(scenario())
