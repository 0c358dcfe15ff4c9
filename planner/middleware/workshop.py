"""The planner's parts on an event loop of their own, in a thread of their own, whatever loops its callers run.

Clients come and go on loops that end with each `asyncio.run`, or have none; the ledger has one writer. So the thread
begins with the first request, serves every client of every loop and thread, and ends once.
"""

import asyncio
import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final

import msgspec

from planner.proxy.arrive import Head, arrive
from planner.proxy.course import Course, Fields, Refusal, Underway
from planner.works import Works

START_SECONDS: Final = 30.0
"""How long the first request waits for the store: what comes after it in the meantime waits as well. Ours."""
AGAIN_SECONDS: Final = 30.0
"""How long requests go untouched before a store that could not be opened is tried again. Ours."""
CLOSE_SECONDS: Final = 30.0
"""How long closing waits for the ledger. What it lacks then is in the journal."""


class UnavailableError(Exception):
    """The planner does not run here; the message says why."""


class Ready(msgspec.Struct, frozen=True):
    """A request that may go, or what is answered in its place, with header fields of ours."""

    underway: Underway
    refusal: Refusal | None = None
    fields: Fields = ()


class Workshop:
    """Runs the works of one process; everything public may be called from any thread."""

    def __init__(self, works: Works) -> None:
        self._works = works
        self._process = os.getpid()
        self._lock, self._counting = threading.Lock(), threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._course: Course | None = None
        self._open: dict[str, Underway] = {}
        self._closed = False
        self._trouble = ""
        self._again: float | None = None

    @property
    def works(self) -> Works:
        """The parts that run here."""
        return self._works

    @property
    def begun(self) -> bool:
        """Whether it runs."""
        return self._loop is not None

    def begin(self) -> None:
        """See that it runs; the first call opens the store, and the others wait. Raises UnavailableError."""
        if self._loop is not None:
            return
        with self._lock:
            if self.begun:  # another thread did it meanwhile
                return
            if self._closed:
                raise UnavailableError("this planner is closed")
            if self._again is not None and self._works.clock.monotonic() < self._again:
                raise UnavailableError(self._trouble)
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def _start(self) -> None:
        """Start the thread and wait until the store is open. Raises UnavailableError."""
        ready: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="planner")
        self._thread.start()
        _closed_at_exit(self)
        try:
            ready.result(START_SECONDS)
        except Exception as error:
            self._trouble = str(error) or "its store does not open"
            self._again = self._works.clock.monotonic() + AGAIN_SECONDS
            self._works.log.error("requests go untouched", trouble=self._trouble)  # noqa: TRY400 - a sentence says it
            raise UnavailableError(self._trouble) from error

    def _run(self, ready: Future[None]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except Exception as error:  # noqa: BLE001 - it ends a thread of ours, where nobody else would hear of it
            if not ready.done():
                ready.set_exception(error)
            else:
                name = type(error).__name__
                self._works.log.error("the planner ended", error=name)  # noqa: TRY400 - its words may be a caller's

    async def _serve(self, ready: Future[None]) -> None:
        """Hold the parts open until told to stop. Raises StoreError."""
        async with self._works.running() as running:
            self._stop, self._course = asyncio.Event(), running.course
            self._loop = asyncio.get_running_loop()
            ready.set_result(None)
            try:
                await self._stop.wait()
            finally:
                self._loop = None
                for underway in tuple(self._open.values()):  # nobody reads these answers to their end any more
                    underway.progress.ending = "cancelled"
                    self._settle(underway)

    def set_out(self, head: Head, body: bytes | None) -> "Future[Ready | None]":
        """Plan a request and write down that it goes; None for one that nothing could be written down of.

        Raises UnavailableError. Who gives up on the answer calls `abandon`.
        """
        loop = self._loop
        if loop is None:
            raise UnavailableError(self._trouble or "this planner is closed")
        return asyncio.run_coroutine_threadsafe(self._set_out(head, body), loop)

    async def _set_out(self, head: Head, body: bytes | None) -> Ready | None:
        works, course = self._works, self._course
        if course is None:
            return None
        arrived = arrive(head, works.rules.book, works.ids.new(), works.clock.now(), works.clock.monotonic())
        underway = await course.prepare(arrived, body)
        if underway is None:
            return None
        refusal = course.refusal(underway)
        if refusal is not None:
            return Ready(underway, refusal, course.deny(underway, refusal))
        self._open[arrived.request_id] = underway
        try:
            await course.depart(underway)
        except asyncio.CancelledError:
            self._never_sent(underway)
            raise
        return Ready(underway)

    def abandon(self, setting_out: "Future[Ready | None]") -> None:
        """Nobody waits for that any more: stop it, or enter what was made ready as never sent."""
        if not setting_out.cancel():
            setting_out.add_done_callback(self._drop)

    def _drop(self, setting_out: "Future[Ready | None]") -> None:
        if setting_out.cancelled() or setting_out.exception() is not None:
            return
        ready = setting_out.result()
        if ready is not None and ready.refusal is None:
            self.post(self._never_sent, ready.underway)

    def _never_sent(self, underway: Underway) -> None:
        underway.exchange.not_sent()
        underway.progress.ending = "cancelled"
        self._settle(underway)

    def settle(self, underway: Underway) -> None:
        """Settle a request, before any that sets out after this call; only the first call counts."""
        self.post(self._settle, underway)

    def _settle(self, underway: Underway) -> None:
        if self._course is not None and self._open.pop(underway.arrived.request_id, None) is not None:
            self._course.settle(underway)

    def count(self, cause: str) -> None:
        """Count that a request went on although a part of the planner failed."""
        if not self.post(self._works.metrics.fail_open.add, (cause,)):
            with self._counting:
                self._works.metrics.fail_open.add((cause,))

    def post(self, work: Callable[..., object], *args: object) -> bool:
        """Do something on the planner's own loop, in the order of these calls; False where it does not run."""
        loop = self._loop
        if loop is None:
            return False
        try:
            loop.call_soon_threadsafe(work, *args)
        except RuntimeError:  # it ended between these two lines
            return False
        return True

    def exposition(self) -> bytes:
        """Every metric in Prometheus' text format."""
        gauges: Future[list[Any]] = Future()
        if not self.post(lambda: gauges.set_result(self._works.metrics.gauges())):
            return self._works.metrics.text()
        return self._works.metrics.text(gauges.result(START_SECONDS))

    def close(self) -> None:
        """End it: answers that are still read are entered as cancelled, and the ledger is written to its end.

        In a process that was forked off it is not there to be ended.
        """
        if self._process != os.getpid():
            return
        with self._lock:
            self._closed = True
            thread = self._thread
        self.post(self._stop.set)
        if thread is not None and thread is not threading.current_thread():
            thread.join(CLOSE_SECONDS)


_at_exit: "weakref.WeakSet[Workshop]" = weakref.WeakSet()
_watching = threading.Lock()
_watched: set[threading.Thread] = set()


def _closed_at_exit(workshop: Workshop) -> None:
    """See that a workshop is closed when the program ends.

    `atexit` would be too late: it runs once all threads have ended, and the store's own waits to be told.
    """
    with _watching:
        _at_exit.add(workshop)
        if not any(thread.is_alive() for thread in _watched):
            watcher = threading.Thread(target=_wait_for_the_end, name="planner-exit", daemon=True)
            _watched.clear()
            _watched.add(watcher)
            watcher.start()


def _wait_for_the_end() -> None:
    threading.main_thread().join()
    for workshop in tuple(_at_exit):
        with suppress(Exception):  # the program ends, and there is nobody left to tell
            workshop.close()
