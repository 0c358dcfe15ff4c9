"""Builds everything and decides nothing: one process of the proxy, from its settings to an ASGI application."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import uvicorn
from litestar import Litestar, Request, Response, asgi
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from planner import log as logs
from planner.clock import Clock, Ids, RandomIds, SystemClock
from planner.core.learning.experience import Experience
from planner.core.learning.sizes import Sizes
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.dashboard.asked import Standing
from planner.dashboard.desk import Desk
from planner.dashboard.routes import ROOT, Door, below, pages
from planner.dashboard.telling import Telling
from planner.lastgood import LastGood
from planner.listening import Listener, listening
from planner.metrics import Metrics
from planner.opening import beside, hold_journal, is_shared, journal_path, open_budgets, open_leases, open_store
from planner.proxy import errors, own
from planner.proxy.asking import Asking
from planner.proxy.batches import Batches
from planner.proxy.budgets import Budgets
from planner.proxy.calibration import Calibration
from planner.proxy.forward import Forward
from planner.proxy.hours import Hours, remembered
from planner.proxy.inforce import InForce
from planner.proxy.learning import Learning
from planner.proxy.lending import Lending
from planner.proxy.lessons import Lessons
from planner.proxy.memory import Glance, Memory
from planner.proxy.planning import Planning
from planner.proxy.protocol import FaithfulProtocol
from planner.proxy.reconciled import Reconciled
from planner.proxy.recorder import Recorder
from planner.proxy.reload import Reload
from planner.proxy.sharing import Sharing
from planner.proxy.upkeep import count_hours, forget_old, text_of
from planner.rulesource import Watched
from planner.settings import Settings
from planner.stores.budgets import BudgetStore
from planner.stores.journal import Journal
from planner.stores.writer import Writer
from planner.tasks import Tasks
from planner.upstream import Upstream
from planner.upstream.pooled import PooledUpstream

GRACEFUL_SECONDS = 30
TRUSTED = 3  # times a count may have failed to be made anew before it counts no more than anything else: ours


class App:
    """One proxy process: `asgi` serves while `running` holds its parts open."""

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
        self._clock = clock or SystemClock()
        self.rules = InForce(rules, self._clock)
        self._watched = watched
        self._reload: Reload | None = None
        self._ids = ids or RandomIds()
        self.log = log or logs.build()
        self._forward: Forward | None = None
        self._asking: Asking | None = None
        self.metrics = Metrics()
        self._desk, self._telling = Desk(settings.store), Telling()
        door = Door(self._desk, self._standing, settings.admin_token, self.log, lambda: self._asking)
        self._pages = pages(door)
        self.asgi = Litestar(
            route_handlers=[
                *own.routes(
                    self.metrics,
                    token=settings.admin_token,
                    open_metrics=settings.open_metrics,
                    ready=lambda: self._forward is not None,
                ),
                asgi("/", is_mount=True, copy_scope=False)(self._handle),
            ],
            exception_handlers={Exception: self._last_resort},
            logging_config=None,
            openapi_config=None,
        )

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the rule book in force and of its prices."""
        book = self.rules.book
        return {"rules": book.digest, "prices": book.prices.digest}

    def _standing(self) -> Standing:
        """What the dashboard is told of this process with each question."""
        settings, rules = self._settings, self.rules
        return self._telling.standing(
            rules.book,
            now=self._clock.now(),
            mode="observe" if settings.observe else "drain" if settings.drain else "plan",
            source=None if self._watched is None else self._watched.source,
            age=rules.age,
            stale=rules.stale,
            changes=rules.changes,
        )

    def _last_resort(self, _: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
        """Answer what nobody caught in Anthropic's own shape, and say no more of it than its kind."""
        request_id = self._ids.new()
        if isinstance(error, HTTPException) and error.status_code < errors.OUR_BUG.status:
            fault, text = errors.OF_ROUTING.get(error.status_code, errors.BAD_REQUEST), "this is not served here"
        else:
            self.log.error("request failed", request_id=request_id, error=type(error).__name__)
            fault, text = errors.OUR_BUG, "an error of its own"
        return Response(
            errors.error_body(fault, text, request_id),
            status_code=fault.status,
            media_type="application/json",
            headers={"planner-request-id": request_id, "x-should-retry": "true" if fault.retry else "false"},
        )

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._forward is None:
            raise RuntimeError("a request came before the application was running")
        page = below(scope)  # here, since a mount at the root takes everything that is no plain address
        await (self._forward(scope, receive, send) if page is None else self._pages(page, receive, send))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Open store, journal and upstream, and close them in the order in which nothing is lost. Raises StoreError."""
        settings = self._settings
        async with AsyncExitStack() as opened:
            shared, directory = is_shared(settings.store), journal_path(settings.store, settings.journal)
            if shared:
                opened.callback(os.close, hold_journal(directory))
            store = await open_store(settings.store)
            opened.push_async_callback(store.close)
            opened.push_async_callback(self._desk.close)
            await store.prepare(text_of(self._clock.now()))
            journal = Journal(directory)
            opened.callback(journal.close)
            tasks = Tasks(self._task_failed)
            budgets = self._budgets(await open_budgets(settings.store), tasks)
            opened.push_async_callback(budgets.close)
            writer = Writer(
                journal,
                store,
                self._clock,
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
            since = remembered(self._clock.now())
            hours.restore(await store.hours(text_of(since)))
            opened.push_async_callback(tasks.close)
            opened.push_async_callback(_write_all, writer, recorder, tasks.start("writer", writer.run()))
            opened.push_async_callback(lending.finish)
            tasks.start("leases", lending.run())
            tasks.start("forgetting", forget_old(store, self.rules, self._clock, self.log))
            tasks.start("budgets", budgets.run())
            if shared:
                opened.callback(tasks.start("counting", count_hours(store, hours, self._clock, self.log)).cancel)
            tasks.start("reconciled", Reconciled(store, self.metrics, self._clock, self.log).run())
            if self._watched is not None:
                self._reload = await self._reloading(self._watched, beside(settings.store, settings.journal))
                tasks.start("reload", self._reload.run())
            upstream = PooledUpstream(
                settings.upstream, connect_timeout=settings.connect_timeout, idle_timeout=settings.idle_timeout
            )
            opened.push_async_callback(upstream.close)
            opened.callback(lambda: lessons.keep(self._clock.now()))
            if settings.calibration_key is not None:
                calibration = self._calibration(lessons, upstream, settings.calibration_key)
                opened.callback(tasks.start("calibration", calibration.run()).cancel)
            self._export(writer, memory, hours, budgets)
            lessons.export(self.metrics, self.rules)
            self._asking = Asking(
                Glance(memory, store), hours, experience, stop=_stop(settings), rules=self.rules, clock=self._clock
            )
            self._forward = Forward(
                upstream=upstream,
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
                learning=Learning(memory, lending, hours, recorder, lessons),
                recorder=recorder,
                metrics=self.metrics,
                hours=hours,
                batches=Batches(store),
                budgets=budgets,
                rules=self.rules,
                clock=self._clock,
                ids=self._ids,
                tasks=tasks,
                log=self.log,
                body_limit=settings.body_limit,
            )
            opened.callback(self._close)
            yield

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
            owner=self._ids.new(),
            clock=self._clock,
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
                clock=self._clock,
                metrics=self.metrics,
                log=self.log,
                tasks=tasks,
            )
        return Lending(memory.lent, shared, self._ids.new())

    def _calibration(self, lessons: Lessons, upstream: Upstream, key: str) -> Calibration:
        return Calibration(
            lessons=lessons,
            upstream=upstream,
            key=key,
            clock=self._clock,
            metrics=self.metrics,
            log=self.log,
            every=timedelta(days=self._settings.calibrate_every_days),
            pause=self._settings.calibration_pause,
        )

    def _close(self) -> None:
        self._forward = self._asking = None

    def _export(self, writer: Writer, memory: Memory, hours: Hours, budgets: Budgets) -> None:
        """Export what only this process as a whole knows."""
        gauge = self.metrics.gauge
        gauge("planner_ledger_pending", "Records that the store lacks.", lambda: [((), float(writer.pending))])
        gauge(
            "planner_ledger_oldest_pending_seconds",
            "How long the oldest of them has waited.",
            lambda: [((), writer.oldest_pending_seconds())],
        )
        self.rules.export(self.metrics)
        budgets.export(self.metrics)
        gauge(
            "planner_containers",
            "Containers of remembered turns.",
            lambda: [((state,), float(number)) for state, number in memory.containers().items()],
            labels=("state",),
        )
        gauge(
            "planner_edited_conversations",
            "Edited conversations seen within the last hour.",
            lambda: [((), float(memory.edited_conversations(self._clock.now())))],
        )
        hours.export(self.metrics, self.rules, self._clock)

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


class Server:
    """The HTTP server around an App."""

    def __init__(self, app: App, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def serve(self) -> None:
        """Serve until a signal says stop. Raises StoreError, AddressError."""
        loop = asyncio.get_running_loop()
        async with self._app.running(), self._listening() as (listener, url):
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, listener.stop)
            loop.add_signal_handler(signal.SIGHUP, self._app.look_at_rules)
            shown, upstream = f"{url}{ROOT}/", self._settings.upstream
            self._app.log.info("listening", url=url, dashboard=shown, upstream=upstream, **self._app.digests)
            await listener.stopped.wait()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve beside other work and yield the base address. Raises StoreError, AddressError."""
        async with self._app.running(), self._listening() as (_, url):
            yield url

    def _listening(self) -> AbstractAsyncContextManager[tuple[Listener, str]]:
        config = uvicorn.Config(
            self._app.asgi,
            http=FaithfulProtocol,
            loop="uvloop",
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="critical",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=GRACEFUL_SECONDS,
        )
        return listening(config, self._settings.host, self._settings.port)
