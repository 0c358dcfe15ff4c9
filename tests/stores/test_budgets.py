"""What stores share of budgets: one suite for both of them, through the one place that opens stores."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any, Final

import pytest

from planner.core.budget import LEASE_LASTS, Ask
from planner.core.ledger.entry import Entry
from planner.core.records import EntryRecord
from planner.core.rulebook.spending import Budget, Claim, For, Spender, claim
from planner.opening import open_budgets, open_store
from planner.stores import StoreError
from planner.stores.budgets import BudgetStore, text
from tests.doubles.budgets import budget, settled_entry
from tests.doubles.deciding import NOW
from tests.doubles.proxy import run

FINANCE: Final = Spender(principal="p1", team="finance", project="x")
Put = Callable[[Sequence[Entry]], Any]


class Opened:
    """A store: `put` brings entries into its ledger, `shared` are the budgets as so many processes see them."""

    def __init__(self, put: Put, shared: Sequence[BudgetStore]) -> None:
        self.put = put
        self.shared = shared


@asynccontextmanager
async def opening(address: str, processes: int) -> AsyncIterator[Opened]:
    """One store; what is opened several times stands for several processes."""
    store = await open_store(address)
    shared = [await open_budgets(address) for _ in range(processes)]

    async def put(entries: Sequence[Entry]) -> None:
        await store.apply([EntryRecord(entry) for entry in entries])

    try:
        yield Opened(put, shared)
    finally:
        for each in shared:
            await each.close()
        await store.close()


def account(of: Budget | None = None, value: str = "", at: datetime = NOW) -> Claim:
    """An account."""
    return claim(budget(1_000) if of is None else of, value, at.date())


def ask(owner: str = "a", **changes: Any) -> Ask:
    """What a process asks."""
    usual: dict[str, Any] = {"owner": owner, "limit": 1_000, "now": NOW}
    return Ask(**(usual | changes))


def spent(number: int, cost: int | None, spender: Spender = FINANCE, at: datetime = NOW, **more: Any) -> Entry:
    """A settled entry."""
    return settled_entry(f"{number:024x}", at, spender, cost, **more)


def test_leases_are_shared(address: str) -> None:
    """What one has, others have not, until it is given back or has ended."""

    async def scenario() -> None:
        async with opening(address, 2) as store:
            one, two = store.shared
            assert (await one.exchange(account(), ask("a", spare=700))).nano == 700
            assert (await two.exchange(account(), ask("b", spare=700))).nano == 300
            assert (await two.exchange(account(budget(1_000, name="other")), ask("b", spare=700))).nano == 700
            assert (await one.exchange(account(), ask("a"))).nano == 0
            assert (await two.exchange(account(), ask("b", spare=700))).nano == 700
            later = NOW + LEASE_LASTS
            assert (await one.exchange(account(), ask("a", spare=1_000, now=later))).nano == 1_000

    run(scenario())


def test_what_was_settled_counts_once(address: str) -> None:
    """Whatever is read again: an intent, its settlement, a second one; and without an intent; corrections count."""
    intent, settled, late = spent(1, None, outcome="unknown"), spent(1, 50), spent(1, 70)
    bare = spent(2, 5)
    correction = spent(3, -20, corrects=settled.request_id, corrected_at=text(NOW))

    async def scenario() -> None:
        async with opening(address, 1) as store:

            async def known() -> int:
                return (await store.shared[0].exchange(account(), ask())).spent

            await store.put([intent])
            assert await known() == 0
            for entries in ([settled], [intent, settled], [late], [intent]):
                await store.put(entries)
                assert await known() == 50
            await store.put([bare, bare])
            await store.put([bare])
            assert await known() == 55
            await store.put([correction])
            await store.put([correction])
            assert await known() == 35
            await store.put([spent(4, None), spent(5, 0)])
            assert await known() == 35

    run(scenario())


ROWS: Final = (
    (Spender(principal="p1", team="finance"), NOW, 1),
    (Spender(principal="p2", team="finance", project="x"), NOW - timedelta(days=1), 10),
    (Spender(principal="p1", team="fun"), NOW, 100),
    (Spender(principal="finance", project="finance"), NOW, 1_000),
    (Spender(principal="p1", team="finance"), NOW - timedelta(days=22), 10_000),
    (Spender(), NOW, 100_000),
)


@pytest.mark.parametrize(
    ("of", "value", "expected"),
    [
        (budget(1), "", 11),
        (budget(1, per="day"), "", 1),
        (budget(1, spenders=For(team=("f*",))), "", 111),
        (budget(1, spenders=For(team=("finance", "fun", "finance"))), "", 111),
        (budget(1, spenders=For(team=("f*",)), each=True), "finance", 11),
        (budget(1, spenders=For(team=("f*",)), each=True, per="day"), "fun", 100),
        (budget(1, spenders=For(project=("*",))), "", 1_010),
        (budget(1, spenders=For(principal=("p?",))), "", 111),
        (budget(1, spenders=For(principal=("finance",))), "", 1_000),
        (budget(1, spenders=For(team=("nobody",))), "", 0),
    ],
)
def test_whose_spending_an_account_has(address: str, of: Budget, value: str, expected: int) -> None:
    """By its kind of spender, its values and its days; what is for no budget is in none."""

    async def scenario() -> None:
        async with opening(address, 1) as store:
            await store.put([spent(number, cost, who, at) for number, (who, at, cost) in enumerate(ROWS)])
            assert (await store.shared[0].exchange(account(of, value), ask())).spent == expected

    run(scenario())


def test_many_ask_at_once_and_none_gets_what_another_has(address: str) -> None:
    """Whoever comes first; all together no more than there is."""

    async def scenario() -> None:
        async with opening(address, 4) as store:
            asked = [
                each.exchange(account(), ask(f"{number}-{again}", spare=90, block=True))
                for number, each in enumerate(store.shared)
                for again in range(5)
            ]
            granted = [each.nano for each in await asyncio.gather(*asked)]
            assert sum(granted) == 1_000
            assert max(granted) == 90

    run(scenario())


def test_old_leases_are_forgotten(address: str) -> None:
    """Those that still hold are not."""

    async def scenario() -> None:
        async with opening(address, 1) as store:
            (shared,) = store.shared
            await shared.exchange(account(), ask("a", spare=400))
            await shared.exchange(account(), ask("b", spare=400, now=NOW + timedelta(days=2)))
            await shared.forget(NOW + timedelta(days=1))
            assert (await shared.exchange(account(), ask("c", spare=1_000))).nano == 600

    run(scenario())


def test_a_store_that_is_gone_says_so(address: str) -> None:
    """In the one way that the proxy knows."""

    async def scenario() -> None:
        async with opening(address, 1) as store:
            (shared,) = store.shared
            await shared.close()
            with pytest.raises(StoreError):
                await shared.exchange(account(), ask())
            with pytest.raises(StoreError):
                await shared.forget(NOW)

    run(scenario())
