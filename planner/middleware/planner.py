"""The middleware: each attempt of the SDK is planned, sent on, and settled, as the proxy does with each request.

Fail open is the law here as there: whatever breaks in the planner, the request goes on as its caller wrote it, without
the header fields that are for the planner, and that it did is counted.
"""

import asyncio
import logging
import os
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, cast

import anthropic
import msgspec
from anthropic import APIRequest, APIResponse, AsyncAPIResponse, AsyncCallNext, CallNext

from planner import log as logs
from planner.clock import Clock, Ids
from planner.middleware.beginning import begin
from planner.middleware.seeing import Client, Seen, UnseenError, client_of, is_elsewhere, onward, see
from planner.middleware.trip import Trip, refused
from planner.middleware.workshop import Ready, UnavailableError, Workshop
from planner.proxy.headers import OURS
from planner.settings import DEFAULT_STORE
from planner.works import Works

PATIENCE_SECONDS: Final = 5.0
"""How long a request waits for the planner at most: a decision takes 25 ms, a look-up in the middle of a conversation a
second (three, where code waits for a call), a budget that is leased another. What takes longer hangs, and the request
goes without it. Ours."""
DECIDE_SECONDS: Final = 0.025
"""As in the proxy; a program whose threads keep the interpreter busy may want to give it more."""
LOGGER: Final = "planner"
NAMES: Final = frozenset(name.decode() for name in OURS)


class Asked(msgspec.Struct, frozen=True):
    """A request that the planner is asked about, and the client that it is of."""

    client: Client
    seen: Seen


class Planner(anthropic.Middleware):
    """The planner for every client that it is given to, of whatever loop or thread: `middleware=[..., Planner()]`.

    It stands last in that list, next to the API, where it sees what is sent. The store is opened with the first
    request and closed by `close`, by the end of a `with` block, or by the end of the program.

    Attributes:
        store: `sqlite:///path`, for this process alone, or `postgresql://…`, which several share.
        rules: a directory of rule files; the shipped ones without it. Changes are taken while requests run.
        observe: decide nothing new, and meter everything.
        drain: begin no new edits, and keep those begun.
        settings: beat `settings.yaml`, such as `{"free_hours.limit": "0"}`.
        decide_timeout: seconds that looking things up for a decision may take; then the request goes untouched.
        journal: where what the store lacks is kept; beside the store's file, or in the working directory, without it.
        log: where lines go; the logger `planner` without it.

    Errors: SettingsError for an argument that cannot be used, RulesError for rules that make no rule book.
    """

    def __init__(  # noqa: PLR0913 - what a planner can be told, named
        self,
        *,
        store: str = DEFAULT_STORE,
        rules: str | Path | None = None,
        observe: bool = False,
        drain: bool = False,
        settings: Mapping[str, str] | None = None,
        decide_timeout: float = DECIDE_SECONDS,
        journal: str | Path | None = None,
        log: logging.Logger | None = None,
        clock: Clock | None = None,
        ids: Ids | None = None,
    ) -> None:
        self._told = begin(
            store=store,
            rules=rules,
            journal=journal,
            observe=observe,
            drain=drain,
            settings={} if settings is None else settings,
            decide_timeout=decide_timeout,
        )
        self._log = logs.through(log or logging.getLogger(LOGGER))
        self._clock, self._ids = clock, ids
        self._left: list[Workshop] = []
        self._begin()

    def _begin(self) -> None:
        """A workshop for this process."""
        told = self._told
        works = Works(told.settings, told.book, clock=self._clock, ids=self._ids, log=self._log, watched=told.watched)
        self._workshop, self._process = Workshop(works), os.getpid()

    @property
    def _shop(self) -> Workshop:
        """The workshop of this process: after a fork, no thread of the one before is there."""
        if self._process != os.getpid():
            self._left.append(self._workshop)  # kept, so that nothing of what the parent uses is closed here
            self._begin()
        return self._workshop

    def handle(self, request: APIRequest, call_next: CallNext) -> APIResponse[Any]:
        """One attempt of the synchronous client."""
        shop = self._shop
        asked = self._ask(shop, request, call_next)
        ready = None if asked is None else self._wait(shop, asked)
        if asked is None or ready is None:
            return call_next(onward(request, NAMES))
        if ready.refusal is not None:
            return cast("APIResponse[Any]", refused(ready, request, asked.client))
        trip = Trip(shop, ready, request, asked.seen)
        try:
            response = call_next(trip.request)
            if (http := trip.to_be_read(response)) is not None:
                http.read()
                if (again := trip.instead(http)) is not None:
                    response = call_next(again)
        except BaseException as error:
            trip.broke(error)
            raise
        trip.arrived(response)
        return response

    async def handle_async(self, request: APIRequest, call_next: AsyncCallNext) -> AsyncAPIResponse[Any]:
        """One attempt of the asynchronous client."""
        shop = self._shop
        asked = self._ask(shop, request, call_next)
        ready = None if asked is None else await self._await(shop, asked)
        if asked is None or ready is None:
            return await call_next(onward(request, NAMES))
        if ready.refusal is not None:
            return cast("AsyncAPIResponse[Any]", refused(ready, request, asked.client))
        trip = Trip(shop, ready, request, asked.seen)
        try:
            response = await call_next(trip.request)
            if (http := trip.to_be_read(response)) is not None:
                await http.aread()
                if (again := trip.instead(http)) is not None:
                    response = await call_next(again)
        except BaseException as error:
            trip.broke(error)
            raise
        trip.arrived(response)
        return response

    def _ask(self, shop: Workshop, request: APIRequest, call_next: CallNext | AsyncCallNext) -> Asked | None:
        """What the planner is asked; None for what it is not asked about, or cannot read."""
        try:
            client = client_of(call_next)
            return None if is_elsewhere(client) else Asked(client, see(request, client))
        except Exception as error:  # noqa: BLE001 - the request goes on, whatever broke in the planner
            self._failed(shop, error)
            return None

    def _wait(self, shop: Workshop, asked: Asked) -> Ready | None:
        """What became of the request, in a thread; None where the planner failed."""
        setting_out: Future[Ready | None] | None = None
        try:
            shop.begin()
            seen = asked.seen
            head = seen.head if seen.tokens is None else seen.bearing(seen.tokens.get_token())
            setting_out = shop.set_out(head, seen.body)
            return setting_out.result(PATIENCE_SECONDS)
        except BaseException as error:
            if setting_out is not None:
                shop.abandon(setting_out)
            if not isinstance(error, Exception):
                raise
            self._failed(shop, error)
            return None

    async def _await(self, shop: Workshop, asked: Asked) -> Ready | None:
        """The same on the caller's loop, which goes on meanwhile."""
        setting_out: Future[Ready | None] | None = None
        try:
            if not shop.begun:
                await asyncio.to_thread(shop.begin)
            seen = asked.seen
            head = seen.head if seen.tokens is None else seen.bearing(await seen.tokens.async_get_token())
            setting_out = shop.set_out(head, seen.body)
            return await asyncio.wait_for(asyncio.wrap_future(setting_out), PATIENCE_SECONDS)
        except BaseException as error:
            if setting_out is not None:
                shop.abandon(setting_out)
            if not isinstance(error, Exception):
                raise
            self._failed(shop, error)
            return None

    def _failed(self, shop: Workshop, error: Exception) -> None:
        """Count that a request goes on without the planner, and say why, unless it was said when it began."""
        cause = "store" if isinstance(error, UnavailableError) else "bug"
        if isinstance(error, TimeoutError):
            cause = "time-budget"
        shop.count(cause)
        if not isinstance(error, UnavailableError):
            detail = str(error) if isinstance(error, UnseenError) else ""
            self._log.error("failed open", cause=cause, error=type(error).__name__, detail=detail)

    def metrics(self) -> bytes:
        """Every metric of this planner in Prometheus' text format, for the program to serve where it is scraped."""
        return self._shop.exposition()

    def close(self) -> None:
        """Write the ledger to its end and let go of the store; requests after that go untouched and are counted."""
        self._shop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.close)
