"""Builds everything and decides nothing: one process of the proxy, from its settings to an ASGI application."""

import asyncio
import gc
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import uvicorn
from litestar import Litestar, Request, Response, asgi
from litestar.exceptions import HTTPException
from litestar.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock, Ids
from planner.core.rulebook.book import RuleBook
from planner.dashboard.asked import Standing
from planner.dashboard.desk import Desk
from planner.dashboard.routes import ROOT, Door, below, pages
from planner.dashboard.telling import Telling
from planner.listening import Listener, listening
from planner.proxy import errors, own
from planner.proxy.addressing import Addressing
from planner.proxy.asking import Asking
from planner.proxy.calibration import Calibration
from planner.proxy.forward import Forward
from planner.proxy.lessons import Lessons
from planner.proxy.protocol import FaithfulProtocol
from planner.rulesource import Watched
from planner.settings import Settings
from planner.upstream import Upstream
from planner.upstream.pooled import PooledUpstream
from planner.works import Works

GRACEFUL_SECONDS = 30


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
        self._settings, self._watched = settings, watched
        self._works = Works(settings, rules, clock=clock, ids=ids, log=log, watched=watched)
        self.rules, self.metrics, self.log = self._works.rules, self._works.metrics, self._works.log
        self._clock, self._ids = self._works.clock, self._works.ids
        self._forward: Forward | None = None
        self._asking: Asking | None = None
        self._desk, self._telling = Desk(settings.store), Telling()
        door = Door(
            self._desk, self._standing, settings.admin_token, self.log, lambda: self._asking, settings.public_url
        )
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
        """Open all parts, and close them in the order in which nothing is lost. Raises StoreError."""
        settings, works = self._settings, self._works
        async with works.running() as running, AsyncExitStack() as opened:
            opened.push_async_callback(self._desk.close)
            self._telling.containers, self._asking = running.containers, running.asking
            upstream = PooledUpstream(
                settings.upstream, connect_timeout=settings.connect_timeout, idle_timeout=settings.idle_timeout
            )
            opened.push_async_callback(upstream.close)
            if settings.calibration_key is not None:
                calibration = self._calibration(running.lessons, upstream, settings.calibration_key)
                opened.callback(works.tasks.start("calibration", calibration.run()).cancel)
            self._forward = Forward(
                upstream=upstream,
                course=running.course,
                addressing=Addressing(settings.upstream, settings.public_url, metrics=self.metrics, log=self.log),
                metrics=self.metrics,
                rules=self.rules,
                clock=self._clock,
                ids=self._ids,
                tasks=works.tasks,
                log=self.log,
                body_limit=settings.body_limit,
            )
            opened.callback(self._close)
            yield

    @property
    def digests(self) -> dict[str, str]:
        """The digests of the rule book in force and of its prices."""
        return self._works.digests

    def look_at_rules(self) -> None:
        """Look now whether the rules have changed, where they are watched."""
        self._works.look_at_rules()

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


OBJECTS_MADE: Final = 10_000
"""So many more objects than were let go have the collector look for cycles: some ten requests' worth, about a megabyte.
Python's 700 are less than one request makes, and looking that often took a twelfth of all processor time. Ours."""


def _collect_seldom() -> None:
    """Have the collector look seldom, and never at what the start has made, which stays."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_MADE)


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
            _collect_seldom()
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
