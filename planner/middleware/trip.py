"""One attempt of the SDK, from the request that goes on to the answer that was read: called by its own thread or task.

The answer passes as it came. What is read of it is read beside, chunk by chunk, and nothing here ever raises.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import anthropic
import httpx2
from anthropic import APIRequest, APIResponse, AsyncAPIResponse

from planner.middleware.seeing import Client, Seen, onward
from planner.middleware.workshop import Ready, Workshop
from planner.proxy.errors import error_body
from planner.proxy.relay import give_way, told, way_of
from planner.upstream import UpstreamFault

CLIENT_ERROR: Final = 400
NEVER_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout, httpx2.UnsupportedProtocol)
ENCODED: Final = b"content-encoding"
REQUEST_ID: Final = "planner-request-id"


class Trip:
    """A request that is on its way; `request` is what goes on."""

    def __init__(self, workshop: Workshop, ready: Ready, request: APIRequest, seen: Seen) -> None:
        self._workshop = workshop
        self._underway = ready.underway
        self._exchange, self._progress = ready.underway.exchange, ready.underway.progress
        self._ours = seen.ours
        self._status = 0
        self._over = False
        planned = ready.underway.planned
        self._way = None if planned is None else way_of(planned, ready.underway.arrived.book)
        self.request = onward(request, seen.ours, planned.body if planned is not None and planned.edited else None)

    def to_be_read(self, response: object) -> httpx2.Response | None:
        """The answer, if it is a refusal that may be about an edit of ours, or a container, and so has to be read."""
        http = getattr(response, "http_response", None)
        if self._way is None or not isinstance(http, httpx2.Response):
            return None
        return http if self._way.open(http.status_code, self._progress.plan) else None

    def instead(self, refused: httpx2.Response) -> APIRequest | None:
        """What goes on in place of a request that was refused with this answer, which is read; None: it stands."""
        try:
            if self._way is None:
                return None
            found = give_way(self._way, self._exchange, self._progress, refused.status_code, refused.text)
            return None if found is None else onward(self.request, self._ours, found.body)
        except Exception as error:  # noqa: BLE001 - the refusal is an answer, whatever is wrong with reading it
            self._failed(error)
            return None

    def broke(self, error: BaseException) -> None:
        """No answer came, or it stopped in the middle; what is no error of the way was stopped before it was sent."""
        fault = _fault(error)
        if not isinstance(error, Exception):
            self._progress.ending = "cancelled"
        elif fault is not None:
            self._workshop.post(self._workshop.works.metrics.upstream_errors.add, (fault.value,))
        if fault is UpstreamFault.CONNECT or _before_sending(error):
            self._exchange.not_sent()
        self._settle()

    def arrived(self, response: object) -> None:
        """The head of the answer is there: add our fields to it, and see that what comes is read beside."""
        try:
            http = getattr(response, "http_response", None)
            if not isinstance(http, httpx2.Response):  # another middleware answered in place of the API
                self._exchange.not_sent()
                self._progress.ending = "ok"
                self._settle()
                return
            self._status = http.status_code
            self._progress.first_byte_at = self._workshop.works.clock.monotonic()
            self._progress.begun = True
            fields = http.headers.raw
            if http.is_closed:  # read to its end, and decoded
                self._exchange.begin(http.status_code, [each for each in fields if each[0].lower() != ENCODED])
                self.feed(http.content)
                self.ended(whole=True)
            else:
                self._exchange.begin(http.status_code, fields)
                body = http.stream
                http.stream = AsyncTee(body, self) if isinstance(body, httpx2.AsyncByteStream) else Tee(body, self)
            for name, value in told(self._exchange, self._progress):
                if REQUEST_ID not in http.headers or name.decode() != REQUEST_ID:
                    http.headers[name.decode()] = value.decode()
        except Exception as error:  # noqa: BLE001 - the answer is the caller's, whatever is wrong with reading it
            self._failed(error)
            self._settle()

    def feed(self, chunk: bytes) -> None:
        """Read what comes."""
        self._exchange.feed(chunk, self._workshop.works.clock.monotonic())

    def ended(self, *, whole: bool) -> None:
        """Nothing more is read; an answer that is not whole was closed by its caller, unless it is an error anyway."""
        if not self._over:
            self._progress.ending = "ok" if whole or self._status >= CLIENT_ERROR else "cancelled"
            self._settle()

    def _settle(self) -> None:
        if not self._over:
            self._over = True
            self._workshop.settle(self._underway)

    def _failed(self, error: Exception) -> None:
        self._workshop.works.log.error(
            "failed open", cause="bug", request_id=self._underway.arrived.request_id, error=type(error).__name__
        )
        self._workshop.count("bug")


def refused(ready: Ready, request: APIRequest, client: Client) -> APIResponse[Any] | AsyncAPIResponse[Any]:
    """What a policy or a budget answers in place of the API, as an answer of the SDK's."""
    refusal, request_id = ready.refusal, ready.underway.arrived.request_id
    if refusal is None:
        raise ValueError("this request is not refused")
    fields = [
        (b"content-type", b"application/json"),
        (b"planner-request-id", request_id.encode()),
        (b"x-should-retry", b"true" if refusal.fault.retry else b"false"),
        *ready.fields,
    ]
    raw = httpx2.Response(
        refusal.fault.status,
        headers=fields,
        content=error_body(refusal.fault, refusal.words, request_id),
        request=httpx2.Request(request.method.upper(), client.base_url.join(request.url)),
    )
    kind = APIResponse if isinstance(client, anthropic.Anthropic) else AsyncAPIResponse
    return kind(
        raw=raw,
        cast_to=request.cast_to,
        client=client,
        stream=request.stream,
        stream_cls=request.stream_cls,
        options=request.options,
        retries_taken=request.retries_taken,
    )


def _fault(error: BaseException) -> UpstreamFault | None:
    """What went wrong on the way, by the error below the SDK's own; None for what is none of the way's."""
    below = error.__cause__ if isinstance(error, anthropic.APIConnectionError) else error
    if isinstance(below, NEVER_SENT):
        return UpstreamFault.CONNECT
    if isinstance(below, httpx2.TimeoutException):
        return UpstreamFault.TIMEOUT
    if isinstance(below, httpx2.ProtocolError):
        return UpstreamFault.PROTOCOL
    if isinstance(below, httpx2.TransportError) or isinstance(error, anthropic.APIConnectionError):
        return UpstreamFault.RESET
    return None


def _before_sending(error: BaseException) -> bool:
    """Whether the SDK could not even make the request: it wraps all that comes after."""
    return isinstance(error, Exception) and not isinstance(error, anthropic.AnthropicError | httpx2.HTTPError)


class _Beside:
    """A body that is read beside, before its chunks are handed on; what else is asked of it, the body itself has."""

    _stream: object
    _trip: Trip

    def __getattr__(self, name: str) -> object:
        if name in {"_stream", "_trip"}:  # asked for before they are set, as by who copies it
            raise AttributeError(name)
        return getattr(self._stream, name)

    def __del__(self) -> None:
        self._trip.ended(whole=False)  # dropped without being closed


class Tee(_Beside, httpx2.SyncByteStream):
    """The body of an answer to the synchronous client."""

    def __init__(self, stream: httpx2.SyncByteStream, trip: Trip) -> None:
        self._stream: httpx2.SyncByteStream = stream
        self._trip = trip

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._stream:
                self._trip.feed(chunk)
                yield chunk
        except Exception as error:
            self._trip.broke(error)
            raise
        self._trip.ended(whole=True)

    def close(self) -> None:
        """Close the body."""
        try:
            self._stream.close()
        finally:
            self._trip.ended(whole=False)


class AsyncTee(_Beside, httpx2.AsyncByteStream):
    """The body of an answer to the asynchronous client."""

    def __init__(self, stream: httpx2.AsyncByteStream, trip: Trip) -> None:
        self._stream: httpx2.AsyncByteStream = stream
        self._trip = trip

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._stream:
                self._trip.feed(chunk)
                yield chunk
        except Exception as error:
            self._trip.broke(error)
            raise
        self._trip.ended(whole=True)

    async def aclose(self) -> None:
        """Close the body."""
        try:
            await self._stream.aclose()
        finally:
            self._trip.ended(whole=False)
