"""Processes that keep budgets over one ledger, each with its own way to the store, and one clock for all."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from planner import log as logs
from planner.clock import VirtualClock
from planner.core.ledger.entry import Entry
from planner.core.records import EntryRecord
from planner.core.rulebook.book import RuleBook
from planner.metrics import Metrics
from planner.opening import open_budgets, open_store
from planner.proxy.arrive import Arrived
from planner.proxy.budgets import Admission, Budgets
from planner.proxy.inforce import InForce
from planner.stores import Store
from planner.stores.budgets import BudgetStore
from planner.tasks import Tasks
from tests.doubles.budgets import arrived, entered, planned
from tests.doubles.deciding import NOW

LATE = datetime(2026, 11, 30, 23, 59, 58, tzinfo=UTC)


class One:
    """One process: its budgets, its ledger's way in, and its clock."""

    def __init__(self, store: BudgetStore, ledger: Store, book: RuleBook, clock: VirtualClock, **more: Any) -> None:
        self.failures: list[BaseException] = []
        self.clock, self.ledger, self.metrics, self.said = clock, ledger, Metrics(), io.StringIO()
        self.rules = InForce(book, clock)
        self.tasks = Tasks(lambda _, error: self.failures.append(error))
        self.store, self.writing = store, asyncio.Lock()
        self.budgets = Budgets(
            store,
            self.rules,
            **({"owner": "one"} | more),
            clock=clock,
            metrics=self.metrics,
            log=logs.build(self.said),
            tasks=self.tasks,
        )
        self.budgets.export(self.metrics)

    async def admit(self, number: int, team: str | None = "finance", **more: Any) -> tuple[Arrived, Admission]:
        """A request comes."""
        request = arrived(number, self.rules.book, self.clock.now(), team, **more)
        return request, await self.budgets.admit(request, planned())

    async def settle(self, request: Arrived, cost: int | None, *, stored: bool = True) -> Entry:
        """It ends, and the ledger has it."""
        entry = entered(request, cost)
        self.budgets.settle(request, entry)
        if stored:
            await self.store_entry(entry)
        return entry

    async def store_entry(self, entry: Entry) -> None:
        """The writer brings it into the ledger."""
        async with self.writing:
            await self.ledger.apply([EntryRecord(entry)])
        self.budgets.stored([EntryRecord(entry)])

    def gauge(self, amount: str, name: str = "finance-month") -> float:
        """What is exported."""
        found = {
            labels: value
            for gauge in self.metrics._gauges  # noqa: SLF001 - its samples
            if gauge.name == "planner_budget_usd"
            for labels, value in gauge.read()
        }
        return sum(value for labels, value in found.items() if (labels[0], labels[3]) == (name, amount))


@asynccontextmanager
async def running(
    place: Path | str, book: RuleBook, *, processes: int = 1, clock: VirtualClock | None = None, **more: Any
) -> AsyncIterator[Sequence[One]]:
    """So many processes over one store: a file in a directory, or what an address says."""
    address = place if isinstance(place, str) else f"sqlite:///{place / 'ledger.db'}"
    clock = clock or VirtualClock(NOW)
    ledger = await open_store(address)
    found: list[One] = []
    for number in range(processes):
        store = await open_budgets(address)
        found.append(One(store, ledger, book, clock, owner=f"p{number}", **more))
        found[-1].writing = found[0].writing  # one ledger has one writer
    try:
        yield found
    finally:
        for one in found:
            await one.tasks.close()
            await one.budgets.close()
            await one.store.close()
        await ledger.close()
    assert [error for one in found for error in one.failures] == []
