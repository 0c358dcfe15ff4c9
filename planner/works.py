"""Builds all that plans, meters and writes down in one process, and decides nothing; who carries the bytes is not here.

The proxy (`app`) and the SDK's middleware stand on it: the same core, the same ledger.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

import msgspec
from structlog.typing import FilteringBoundLogger

from planner import log as logs
from planner.clock import Clock, Ids, RandomIds, SystemClock
from planner.core.learning.experience import Experience
from planner.core.learning.sizes import Sizes
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.lastgood import LastGood
from planner.metrics import Metrics
from planner.opening import (
    beside,
    hold_journal,
    is_shared,
    journal_path,
    open_budgets,
    open_leases,
    open_retention,
    open_store,
)
from planner.proxy.asking import Asking
from planner.proxy.batches import Batches
from planner.proxy.batching import Batching
from planner.proxy.budgets import Budgets
from planner.proxy.course import Course
from planner.proxy.expiry import Expiry
from planner.proxy.hours import Hours, remembered
from planner.proxy.inforce import InForce
from planner.proxy.learning import Learning
from planner.proxy.lending import Lending
from planner.proxy.lessons import Lessons
from planner.proxy.memory import Glance, Memory
from planner.proxy.planning import Planning
from planner.proxy.reconciled import Reconciled
from planner.proxy.recorder import Recorder
from planner.proxy.reload import Reload
from planner.proxy.sharing import Sharing
from planner.proxy.upkeep import count_hours, text_of
from planner.rulesource import Watched
from planner.settings import Settings
from planner.stores.budgets import BudgetStore
from planner.stores.journal import Journal
from planner.stores.writer import Writer
from planner.tasks import Tasks

TRUSTED = 3  # times a count may have failed to be made anew before it counts no more than anything else: ours


class Running(msgspec.Struct, frozen=True):
    """What runs while the parts are open: the course that requests take, and the lessons that are learnt of them.

    `containers` counts those of remembered turns by state; `asking` answers what would be done, and does nothing.
    """

    course: Course
    lessons: Lessons
    containers: Callable[[], dict[str, int]]
    asking: Asking


class Works:
    """The parts of one process, which `running` holds open."""

    def __init__(
        self,
        settings: Settings,
        rules: RuleBook,
        *,
        clock: Clock | None = None,
        ids: Ids | None = None,
        log: FilteringBoundLogger | None = None,
        watched: Watched | None = None,
    ) -> None:
        self._settings = settings
        self._watched = watched
        self._reload: Reload | None = None
        self.clock = clock or SystemClock()
        self.ids = ids or RandomIds()
        self.log = log or logs.build()
        self.rules = InForce(rules, self.clock)
        self.metrics = Metrics()
        self.tasks = Tasks(self._task_failed)

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the rule book in force and of its prices."""
        book = self.rules.book
        return {"rules": book.digest, "prices": book.prices.digest}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Running]:
        """Open store and journal, and close them in the order in which nothing is lost. Raises StoreError."""
        settings = self._settings
        async with AsyncExitStack() as opened:
            shared, directory = is_shared(settings.store), journal_path(settings.store, settings.journal)
            if shared:
                opened.callback(os.close, hold_journal(directory))
            store = await open_store(settings.store)
            opened.push_async_callback(store.close)
            await store.prepare(text_of(self.clock.now()))
            journal = Journal(directory)
            opened.callback(journal.close)
            tasks = self.tasks
            budgets = self._budgets(await open_budgets(settings.store), tasks)
            opened.push_async_callback(budgets.close)
            writer = Writer(
                journal,
                store,
                self.clock,
                on_write=self.metrics.ledger_write.observe,
                on_trouble=lambda text: self.log.error("ledger", trouble=text),
                on_refused=lambda: self.metrics.fail_open.add(("record",)),
                shared=shared,
                on_stored=budgets.stored,
            )
            memory, hours = Memory(store, shared=shared), Hours()
            lending = await self._lending(memory, opened, tasks)
            recorder = Recorder(journal, writer, self.metrics, self.log)
            await writer.drain()  # what the last process left behind is remembered before the first request comes
            experience = Experience(Sizes(trusted=TRUSTED * timedelta(days=settings.calibrate_every_days)))
            lessons = Lessons(experience, recorder)
            await memory.load()
            await lessons.recall(store, self.log)
            since = remembered(self.clock.now())
            hours.restore(await store.hours(text_of(since)))
            opened.push_async_callback(tasks.close)
            opened.push_async_callback(_write_all, writer, recorder, tasks.start("writer", writer.run()))
            opened.push_async_callback(lending.finish)
            tasks.start("leases", lending.run())
            retention = partial(open_retention, settings.store)
            tasks.start("expiry", Expiry(store, retention, self.rules, self.clock, self.metrics, self.log).run())
            tasks.start("budgets", budgets.run())
            if shared:
                opened.callback(tasks.start("counting", count_hours(store, hours, self.clock, self.log)).cancel)
            tasks.start("reconciled", Reconciled(store, self.metrics, self.clock, self.log).run())
            if self._watched is not None:
                self._reload = await self._reloading(self._watched, beside(settings.store, settings.journal))
                tasks.start("reload", self._reload.run())
            opened.callback(lambda: lessons.keep(self.clock.now()))
            self._export(writer, memory, hours)
            lessons.export(self.metrics, self.rules)
            budgets.export(self.metrics)
            course = Course(
                planning=Planning(
                    memory=memory,
                    lending=lending,
                    hours=hours,
                    experience=experience,
                    metrics=self.metrics,
                    log=self.log,
                    stop=_stop(settings),
                    budget=settings.decide_timeout,
                ),
                batching=Batching(
                    memory=memory,
                    hours=hours,
                    experience=experience,
                    metrics=self.metrics,
                    log=self.log,
                    stop=_stop(settings),
                ),
                learning=Learning(memory, lending, hours, recorder, lessons),
                recorder=recorder,
                metrics=self.metrics,
                hours=hours,
                batches=Batches(store, shared=shared),
                budgets=budgets,
                clock=self.clock,
                log=self.log,
            )
            asking = Asking(
                Glance(memory, store), hours, experience, stop=_stop(settings), rules=self.rules, clock=self.clock
            )
            yield Running(course, lessons, memory.containers, asking)

    async def _reloading(self, watched: Watched, place: Path) -> Reload:
        reload = Reload(
            watched,
            self.rules,
            LastGood(place),
            metrics=self.metrics,
            log=self.log,
            every=self._settings.reload_every,
        )
        await reload.begin()
        return reload

    def look_at_rules(self) -> None:
        """Look now whether the rules have changed, where they are watched."""
        if self._reload is not None:
            self._reload.wake()

    def _budgets(self, store: BudgetStore, tasks: Tasks) -> Budgets:
        return Budgets(
            store,
            self.rules,
            owner=self.ids.new(),
            clock=self.clock,
            metrics=self.metrics,
            log=self.log,
            tasks=tasks,
            observe=self._settings.observe,
        )

    async def _lending(self, memory: Memory, opened: AsyncExitStack, tasks: Tasks) -> Lending:
        shared, store = None, await open_leases(self._settings.store)
        if store is not None:
            opened.push_async_callback(store.close)
            shared = Sharing(
                store,
                memory.lent,
                self.rules,
                self._settings.decide_timeout,
                clock=self.clock,
                metrics=self.metrics,
                log=self.log,
                tasks=tasks,
            )
        return Lending(memory.lent, shared, self.ids.new())

    def _export(self, writer: Writer, memory: Memory, hours: Hours) -> None:
        """Export what only this process as a whole knows."""
        gauge = self.metrics.gauge
        gauge("planner_ledger_pending", "Records that the store lacks.", lambda: [((), float(writer.pending))])
        gauge(
            "planner_ledger_oldest_pending_seconds",
            "How long the oldest of them has waited.",
            lambda: [((), writer.oldest_pending_seconds())],
        )
        self.rules.export(self.metrics)
        memory.export(self.metrics, self.clock)
        hours.export(self.metrics, self.rules, self.clock)

    def _task_failed(self, name: str, error: BaseException) -> None:
        self.log.error("task failed", task=name, error=type(error).__name__)


async def _write_all(writer: Writer, recorder: Recorder, writing: asyncio.Task[None]) -> None:
    """Let the writer end between two transactions, then move what is left."""
    writer.stop()
    try:
        await writing
    finally:
        recorder.close()
        await writer.drain()


def _stop(settings: Settings) -> Reason | None:
    """Why this process decides nothing new, if it does not; what was begun is repeated all the same."""
    return Reason.OBSERVE if settings.observe else Reason.DRAINING if settings.drain else None
