"""The answer that names where results of a batch are: held back, bounded, until it names our own address instead.

Everything else passes as it came, and so does an answer that is too long, broken off, in an unknown encoding, or has
nothing to change: with the bytes and header fields that it had. `planner-answer` declares the one edit.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from litestar.types import HTTPResponseStartEvent, Message, Scope, Send
from structlog.typing import FilteringBoundLogger

from planner.access import seen_as
from planner.core.batch.addresses import bases_of, names_results, readdress
from planner.core.exchange import OK
from planner.core.metering.decoding import Decoder
from planner.metrics import Metrics
from planner.proxy.arrive import Arrived
from planner.proxy.bodies import announced_length
from planner.proxy.guard import Guard
from planner.proxy.headers import Field, value

LONGEST_ANSWER: Final = 4 * 1024 * 1024
"""Bytes of an answer that are held back, as they came and decoded: a page of a thousand batches has some 420 kB."""

LARGE_ANSWER: Final = 16 * 1024
"""Bytes from which on an answer is read beside the event loop: forty batches, which take some 3 ms."""

_SEALS: Final = frozenset({b"content-digest", b"repr-digest", b"digest", b"content-md5", b"signature"})
"""Fields that vouch for the bytes of a body: what is sealed is not changed."""


class Addressing:
    """Knows where the upstream's results are and where we are, as each caller sees us."""

    def __init__(self, upstream: str, public_url: str | None, *, metrics: Metrics, log: FilteringBoundLogger) -> None:
        self._theirs = bases_of(upstream)
        self._public = None if public_url is None else public_url.rstrip("/")
        self._metrics = metrics
        self._log = log

    def held(self, scope: Scope, arrived: Arrived, send: Send) -> "Held | None":
        """What stands between a relay and its caller; None where the answer goes as it comes."""
        if not names_results(arrived.method, arrived.target.partition("?")[0]):
            return None
        if arrived.book.settings.batches.results_url != "ours" or arrived.caller.mode == "off":
            return None
        ours = self._public or seen_as(scope)
        if ours is None:
            return None
        guard = Guard("bug", arrived.request_id, self._metrics, self._log)
        return Held(send, lambda body: readdress(body, self._theirs, ours).body, guard)


class Held:
    """Takes the messages of one answer, and passes them on once it is whole, or once it is plain that it goes as it is.

    `change` returns the body to send, which equals the one that it is given where there is nothing to change.
    """

    def __init__(self, send: Send, change: Callable[[bytes], bytes], guard: Guard) -> None:
        self._send = send
        self._change = change
        self._guard = guard
        self._start: HTTPResponseStartEvent | None = None
        self._parts: list[bytes] = []
        self._size = 0

    async def __call__(self, message: Message) -> None:
        """Take one message of the answer."""
        if message["type"] == "http.response.start" and _may_change(message):
            self._start = message
        elif message["type"] == "http.response.body" and self._start is not None:
            await self._keep(self._start, message["body"], whole=not message["more_body"])
        else:
            await self._send(message)

    async def let_go(self) -> None:
        """Pass on what is held as it came: there is more than can be held, or the answer was broken off."""
        start, parts, self._start, self._parts = self._start, self._parts, None, []
        if start is not None:
            await self._send(start)
            for part in parts:
                await self._body(part, more=True)

    async def _keep(self, start: HTTPResponseStartEvent, part: bytes, *, whole: bool) -> None:
        """Hold a part of the body, and send the answer once that was its last or too much."""
        self._parts.append(part)
        self._size += len(part)
        changed = None
        if whole and self._size <= LONGEST_ANSWER:
            with self._guard:  # a bug of ours leaves the answer as it came
                changed = await self._changed(start)
        if changed is not None:
            self._start, self._parts = None, []
            framed: HTTPResponseStartEvent = {**start, "headers": _framed(start["headers"], len(changed))}
            await self._send(framed)
            await self._body(changed, more=False)
        elif whole or self._size > LONGEST_ANSWER:
            await self.let_go()
            if whole:
                await self._body(b"", more=False)

    async def _changed(self, start: HTTPResponseStartEvent) -> bytes | None:
        """The body to send in place of what came; None for none."""
        came, coding = b"".join(self._parts), value(start["headers"], b"content-encoding")
        if len(came) > LARGE_ANSWER:
            return await asyncio.to_thread(self._read, came, coding)
        return self._read(came, coding)

    def _read(self, came: bytes, coding: bytes | None) -> bytes | None:
        decoder = Decoder.for_encoding(coding, LONGEST_ANSWER)
        body = b"" if decoder is None else decoder.feed(came)
        changed = self._change(body)
        return None if changed == body else changed

    async def _body(self, part: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": part, "more_body": more})


def _may_change(start: HTTPResponseStartEvent) -> bool:
    """Whether an answer with this head may be changed: JSON that can be decoded, its bytes vouched for by nothing."""
    fields = list(start["headers"])
    kind = (value(fields, b"content-type") or b"").partition(b";")[0].strip().lower()
    codings = [content for name, content in fields if name.lower() == b"content-encoding"]
    return (
        start["status"] == OK
        and kind == b"application/json"
        and len(codings) <= 1
        and Decoder.for_encoding(codings[0] if codings else None) is not None
        and (announced_length(fields) or 0) <= LONGEST_ANSWER
        and not any(name.lower() in _SEALS for name, _ in fields)
    )


def _framed(fields: Iterable[Field], length: int) -> list[Field]:
    """The fields of a changed answer: plain, as long as it is now, and declared."""
    stay = [field for field in fields if field[0].lower() not in {b"content-encoding", b"content-length"}]
    return [*stay, (b"content-length", str(length).encode()), (b"planner-answer", b"results-url")]
