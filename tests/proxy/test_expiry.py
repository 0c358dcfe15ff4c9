"""Once a day a process forgets what is old, and what went wrong on one day is tried again on the next."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from planner import log as logs
from planner.clock import VirtualClock
from planner.core.conversations import Conversation
from planner.core.ledger.rollup import rollup
from planner.core.records import ConversationRecord
from planner.core.rulebook.book import RuleBook
from planner.metrics import Metrics
from planner.opening import open_retention
from planner.proxy.expiry import Expiry
from planner.proxy.inforce import InForce
from planner.rulesource import load_rules
from planner.stores import StoreError, WholeStore
from planner.stores.retention import Retention
from tests.doubles.outgoing import NOW, closed, opened
from tests.doubles.proxy import run, settled
from tests.doubles.reported import END, month, request
from tests.stores.test_reading import ledger, sums

LATER = request(6_000, END + timedelta(days=2))
GAUGE = "planner_retention_overdue_months"


def keeping(days: int | None) -> RuleBook:
    """Rules that keep entries for so long."""
    word = "null" if days is None else str(days)
    return load_rules(None, {"retention.entries_days": word}).required()


class Days:
    """An expiry that works as often as it is told."""

    def __init__(self, store: WholeStore, book: RuleBook, opening: Callable[[], Awaitable[Retention]]) -> None:
        self.said, self.metrics, clock = io.StringIO(), Metrics(), VirtualClock(NOW)
        self.rules = InForce(book, clock)
        self.expiry = Expiry(store, opening, self.rules, clock, self.metrics, logs.build(self.said), every=0.0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """While it works day after day."""
        task = asyncio.get_running_loop().create_task(self.expiry.run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def overdue(self) -> list[float]:
        """What the gauge says."""
        samples = [sample for each in self.metrics.gauges() if each.name == GAUGE for sample in each.samples]
        return [sample.value for sample in samples]


def test_entries_go_by_the_settings(address: str) -> None:
    """What is closed goes; what is not stays, is said, and counted for an alarm."""

    async def scenario() -> None:
        async with opened(address) as (store, _):
            await closed(store, [*month(), LATER])
            old = ConversationRecord("2025-10-01", Conversation(root="r", principal="p", prefix="x"))
            await store.apply([old])
            days = Days(store, keeping(400), lambda: open_retention(address))
            assert days.overdue() == []
            async with days.running():
                await settled(lambda: days.overdue() == [1.0])
            assert await ledger(store) == [LATER]
            assert await sums(store) == rollup([*month(), LATER])
            assert await store.conversation("r") is None
            told = days.said.getvalue()
            assert '"month":"2025-10","entries":128,"event":"entries pruned"' in told
            assert "planner report close 2025-11" in told

    run(scenario())


def test_for_ever_unless_they_say_so(tmp_path: Path) -> None:
    """Nothing is even opened; a reload of the settings holds from the next day on."""
    address, asked = f"sqlite:///{tmp_path / 'l.db'}", list[int]()

    async def scenario() -> None:
        async with opened(address) as (store, _):
            await closed(store, month())

            def opening() -> Awaitable[Retention]:
                asked.append(1)
                return open_retention(address)

            days, passed = Days(store, keeping(None), opening), 0
            forget = store.forget

            async def counted(before: str) -> None:
                nonlocal passed
                passed += 1
                await forget(before)

            store.forget = counted  # type: ignore[method-assign]  # to see days go by
            async with days.running():
                await settled(lambda: passed > 2)
                assert (asked, days.overdue(), len(await ledger(store))) == ([], [], len(month()))
                days.rules.take(keeping(400))
                await settled(lambda: days.overdue() == [0.0])
            assert await ledger(store) == []

    run(scenario())


def test_a_day_that_went_wrong(tmp_path: Path) -> None:
    """Is said, and the next one comes: another process prunes, the store is down, a bug of ours."""
    address, troubles = f"sqlite:///{tmp_path / 'l.db'}", [StoreError("down"), ValueError("secret"), None]

    async def scenario() -> None:
        async with opened(address) as (store, other):
            await closed(store, month())

            async def opening() -> Retention:
                trouble = troubles.pop(0) if troubles else None
                if trouble is not None:
                    raise trouble
                return await open_retention(address)

            days = Days(store, keeping(400), opening)
            async with days.running():
                async with other.alone():
                    await settled(lambda: "another process prunes" in days.said.getvalue())
                await settled(lambda: days.overdue() == [0.0])
            told = days.said.getvalue()
            assert '"error":"down"' in told
            assert '"error":"ValueError"' in told
            assert "secret" not in told
            assert await ledger(store) == []

    run(scenario())
