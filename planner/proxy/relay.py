"""The answer's way back: each chunk goes to the caller as it came, and only then is it read for the ledger.

The planner sends a request once. It sends it again only when nothing has reached the caller yet and the refusal names
an edit of ours: then once more, without that edit.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from planner.clock import Clock
from planner.core import splice
from planner.core.breaker import Blame, blame, loss, may_be_ours, refuses, retreat
from planner.core.exchange import Exchange, container_digest
from planner.core.ledger.entry import Ending, Entry, Lost
from planner.core.metering.decoding import Decoder
from planner.core.metering.readers import Told
from planner.core.plan import Plan
from planner.core.reasons import plan_header
from planner.core.rulebook.book import RuleBook
from planner.proxy.bodies import Incoming
from planner.proxy.headers import downward, value
from planner.proxy.planning import Planned
from planner.tasks import Tasks
from planner.upstream import Upstream, UpstreamError, UpstreamRequest, UpstreamResponse

if TYPE_CHECKING:  # who carries bytes without HTTP of its own loads no web framework
    from litestar.types import Send

LONGEST_REFUSAL: Final = 64 * 1024
"""Bytes of an error body that are read before it is relayed, to see whether it names our edit."""


class Instead(msgspec.Struct, frozen=True):
    """What goes out instead of a request whose edit was refused, and the plan behind it."""

    body: bytes
    plan: Plan


class Way(msgspec.Struct, frozen=True):
    """The way out for a planned request that is refused: `instead` makes what goes out when it was an edit of ours.

    `container` is the one that it names, by our doing or its caller's.
    """

    instead: Callable[[Blame], Instead | None]
    container: str | None

    def open(self, status: int, plan: Plan | None) -> bool:
        """Whether a refusal with this status has to be read: it may be about what we did, or about a container."""
        return plan is not None and may_be_ours(status) and (bool(plan.edits) or self.container is not None)


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it goes out, and its way out, if it is planned.

    `drain` says that its answer is read to the end when the caller hangs up: it is metered exactly, and paid in full.
    """

    request: UpstreamRequest
    way: Way | None = None
    drain: bool = False


class Relay(msgspec.Struct):
    """How far the answer to one request has come; times are monotonic seconds.

    `plan` is the one that the request was sent under last; `more` are header fields of ours besides the usual ones.
    `refused` says that the API refused the container that the request named at first.
    `overhead` is the time that we took before sending, in seconds.
    """

    plan: Plan | None = None
    ending: Ending = "error"
    first_byte_at: float | None = None
    begun: bool = False
    done: bool = False
    attempts: int = 1
    blamed: Blame | None = None
    refused: bool = False
    more: tuple[tuple[bytes, bytes], ...] = ()
    overhead: float = 0.0


def way_of(planned: Planned, book: RuleBook) -> Way:
    """The way out for a planned request."""
    return Way(lambda blamed: without(planned, blamed, book), planned.container)


def without(planned: Planned, blamed: Blame, book: RuleBook) -> Instead | None:
    """What goes out instead of a request, without what was refused of it; None for nothing."""
    request = planned.request
    plan = None if request is None else retreat(planned.plan, request, blamed, book)
    return None if request is None or plan is None else Instead(splice.apply(request.body, plan.edits).body, plan)


def marked(entry: Entry, progress: Relay, planned: Planned | None, told: Told) -> Entry:
    """A settled entry with what the way of its request tells: how often it was sent, and whether a container was lost.

    `planned` is how it was meant to go. What went as the caller's own bytes carried no container of ours.
    """
    entry = msgspec.structs.replace(entry, attempts=progress.attempts)
    if planned is None or planned.request is None:
        return entry
    ours = planned.plan.threaded
    named = planned.container
    if progress.blamed is Blame.TOOLS and ours:
        named = None
    cause = loss(named, entry.status, told, refused=progress.refused)
    return msgspec.structs.replace(
        entry,
        replayed=None if progress.blamed is None else progress.blamed.value,
        lost=None if cause is None or named is None else Lost(container_digest(named), cause, ours),
    )


def give_way(way: Way, exchange: Exchange, progress: Relay, status: int, said: str) -> Instead | None:
    """What goes out in place of a request that was refused with these words, where they name an edit of ours.

    That it does is noted, and that the words name its container. None leaves everything as it is.
    """
    progress.refused = refuses(status, said, way.container)
    blamed = None if progress.plan is None else blame(status, said, progress.plan)
    found = None if blamed is None else way.instead(blamed)
    if found is None:
        return None
    progress.attempts += 1
    progress.blamed, progress.plan = blamed, found.plan
    exchange.sent_instead(found.plan.decisions)
    return found


async def relay(  # noqa: PLR0913 - the parts of one exchange
    outgoing: Outgoing,
    exchange: Exchange,
    progress: Relay,
    *,
    incoming: Incoming,
    upstream: Upstream,
    send: "Send",
    tasks: Tasks,
    clock: Clock,
) -> None:
    """Send a request and pass the answer on until it ends or the caller hangs up. Raises UpstreamError."""
    try:
        async with asyncio.timeout(None) as window:
            incoming.watch(lambda: _hung_up(outgoing, exchange, progress, window))
            try:
                response, kept = await _answer(outgoing, exchange, progress, upstream, tasks)
                progress.first_byte_at = clock.monotonic()
                await _pass(response, kept, exchange, progress, send, clock)
            finally:
                progress.done = True
                incoming.unwatch()
    except TimeoutError:
        progress.ending = "cancelled"
    else:
        progress.ending = "cancelled" if exchange.abandoned else "ok"


async def _answer(
    outgoing: Outgoing, exchange: Exchange, progress: Relay, upstream: Upstream, tasks: Tasks
) -> tuple[UpstreamResponse, list[bytes]]:
    """The answer to relay, and what was read of it already."""
    response = await upstream.send(outgoing.request)
    if outgoing.way is None or not outgoing.way.open(response.status, progress.plan):
        return response, []
    try:
        kept = await _peek(response)
    except BaseException:
        response.release()
        raise
    try:
        instead = give_way(outgoing.way, exchange, progress, response.status, _readable(response, kept))
    except Exception as error:  # noqa: BLE001 - the refusal is an answer, whatever is wrong with reading it
        tasks.report("blame", error)
        return response, kept
    if instead is None:
        return response, kept
    response.release()
    return await upstream.send(msgspec.structs.replace(outgoing.request, body=instead.body)), []


async def _peek(response: UpstreamResponse) -> list[bytes]:
    """The beginning of a refusal; what is longer is no refusal that names a field, and one that is cut stays cut."""
    kept: list[bytes] = []
    size = 0
    with suppress(UpstreamError):  # reading on, which the relay does, raises it again
        async for chunk in response.chunks():
            kept.append(chunk)
            size += len(chunk)
            if size > LONGEST_REFUSAL:
                break
    return kept


def _readable(response: UpstreamResponse, kept: list[bytes]) -> str:
    """What a refusal says, as far as it was read; empty where its encoding is not known."""
    decoder = Decoder.for_encoding(value(response.headers, b"content-encoding"))
    return "" if decoder is None else b"".join(map(decoder.feed, kept)).decode("utf-8", "replace")


async def _pass(
    response: UpstreamResponse, kept: list[bytes], exchange: Exchange, progress: Relay, send: "Send", clock: Clock
) -> None:
    try:
        exchange.begin(response.status, response.headers)
        headers = downward(response.headers, response.status) + told(exchange, progress)
        progress.begun = True
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        async for chunk in _all(kept, response):
            came = clock.monotonic()
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            exchange.feed(chunk, came)
        progress.done = True
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        response.release()


async def _all(kept: list[bytes], response: UpstreamResponse) -> AsyncIterator[bytes]:
    for chunk in kept:
        yield chunk
    async for chunk in response.chunks():
        yield chunk


def told(exchange: Exchange, progress: Relay) -> list[tuple[bytes, bytes]]:
    """The response headers that the planner adds: what became of the request in the end."""
    plan = progress.plan
    edited = plan is not None and bool(plan.edits)
    headers = [
        *progress.more,
        (b"planner-request-id", exchange.intent.request_id.encode()),
        (b"planner-body", b"edited" if edited else b"unchanged"),
    ]
    if plan is not None:
        headers.append((b"planner-plan", plan_header(plan.decisions).encode()))
    return headers


def _hung_up(outgoing: Outgoing, exchange: Exchange, progress: Relay, window: asyncio.Timeout) -> None:
    """End the relay when the caller hangs up, or go on reading alone; behind the end of the answer it may."""
    if progress.done:
        return
    if outgoing.drain:
        exchange.hung_up()
    else:
        window.reschedule(asyncio.get_running_loop().time())
