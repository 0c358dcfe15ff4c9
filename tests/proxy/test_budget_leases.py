"""What processes lease of a budget: shared by many, given back, ended by itself, and bounded in memory."""

import asyncio
import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.core.budget import HOLD_LASTS, LEASE_LASTS, SHARES
from planner.core.rulebook.spending import For
from planner.proxy import budgets as module
from planner.stores.sqlitebudgets import SqliteBudgets
from tests.doubles.budgeting import One, running
from tests.doubles.budgets import WORST, arrived, budget, planned, rules
from tests.doubles.deciding import NOW
from tests.doubles.proxy import run, settled

LATE = datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC)


def share(place: Path | str) -> int:
    """Four processes spend one budget, each until it is refused, so that none ends with a lease it could have used.

    Whatever the order, it is all of the limit and no more. Return how many leases were written to a file.
    """
    limit, count = 400 * WORST, 4

    async def one_process(one: One, first: int) -> int:
        spent = 0
        for number in itertools.count(first):
            request, admission = await one.admit(number)
            if admission.refused is not None:
                break
            await one.settle(request, WORST)
            spent += WORST
        return spent

    async def scenario() -> int:
        async with running(place, rules(budget(limit)), processes=count) as processes:
            spent = await asyncio.gather(*(one_process(one, 1_000 * at) for at, one in enumerate(processes)))
            assert limit - count * WORST <= sum(spent) <= limit
            files = [one.store for one in processes if isinstance(one.store, SqliteBudgets)]
            touched = sum(each.ran.get("put_lease", 0) for each in files)
            for one in processes:
                await one.budgets.renew()
            assert processes[0].gauge("spent") == pytest.approx(sum(spent) / 1e9)
            return touched

    return run(scenario())


def test_several_processes_share_one_budget(tmp_path: Path) -> None:
    """However they interleave, with few exchanges a request."""
    assert 0 < share(tmp_path) <= 150  # of 400 that were sent


def test_several_processes_share_one_database(database: str) -> None:
    """The same, where each writes to the ledger itself."""
    share(database)


def test_a_block_is_given_back(tmp_path: Path) -> None:
    """Once nothing was held from it for a while, another process may have all of it."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(16 * WORST)), processes=2) as (one, two):
            request, _ = await one.admit(1)
            await one.settle(request, 0)
            for _ in range(2):
                await one.budgets.renew()
            taken = await asyncio.gather(*(two.admit(number) for number in range(10, 26)))
            assert all(admission.refused is None for _, admission in taken)

    run(scenario())


def test_a_process_that_died_keeps_its_lease_for_a_minute(tmp_path: Path) -> None:
    """What it held frees itself; what it had stored stays spent."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(3 * WORST // 2)), processes=2) as (dead, one):
            request, _ = await dead.admit(1)
            await dead.settle(request, WORST // 2)
            await dead.admit(2)  # it never comes back
            assert (await one.admit(3))[1].refused is not None
            one.clock.advance(LEASE_LASTS.total_seconds())
            request, admission = await one.admit(4)
            assert admission.refused is None
            assert one.gauge("spent") == pytest.approx(WORST / 2e9)

    run(scenario())


def test_a_hold_that_nobody_settles_frees_itself(tmp_path: Path) -> None:
    """And is said; leases are kept alive meanwhile."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(WORST))) as (one,):
            await one.admit(1)
            for _ in range(int(HOLD_LASTS / (LEASE_LASTS / 4))):
                one.clock.advance(LEASE_LASTS.total_seconds() / 4)
                assert (await one.admit(2))[1].refused is not None or one.clock.now() >= NOW + HOLD_LASTS
                await one.budgets.renew()
            assert "holds expired" in one.said.getvalue()
            assert (await one.admit(3))[1].refused is None

    run(scenario())


def test_accounts_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys come: idle ones are forgotten, and nothing is lost by it."""
    monkeypatch.setattr(module, "ACCOUNTS", 3)
    monkeypatch.setattr(module, "REMEMBERED", 2)
    each = budget(SHARES * WORST, spenders=For(principal=("*",)), each=True)

    async def scenario() -> None:
        async with running(tmp_path, rules(each)) as (one,):
            usual, unstored = arrived(1, one.rules.book), []
            for number in range(12):
                caller = msgspec.structs.replace(usual.caller, principal=f"k{number}")
                request = msgspec.structs.replace(usual, request_id=f"r{number}", caller=caller)
                assert (await one.budgets.admit(request, planned())).refused is None
                if number < 9:
                    await one.settle(request, 1)
                else:
                    unstored.append(await one.settle(request, 1, stored=False))
            assert len(one.budgets._accounts) <= 4  # noqa: SLF001 - the bound
            assert len(one.budgets._unstored) == 2  # noqa: SLF001 - likewise
            for entry in unstored:
                await one.store_entry(entry)

    run(scenario())


def test_the_task_renews_and_forgets(tmp_path: Path) -> None:
    """It begins at once, so that a gauge is there before the first request."""

    async def scenario() -> None:
        async with running(tmp_path, rules(budget(WORST))) as (one,):
            one.tasks.start("budgets", one.budgets.run())
            await settled(lambda: one.gauge("limit") > 0)
            assert one.gauge("limit") == pytest.approx(WORST / 1e9)
            store: Any = one.store
            await settled(lambda: "forget_leases" in store.ran)
            assert one.clock.now() < NOW + timedelta(days=1)

    run(scenario())
