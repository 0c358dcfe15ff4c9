"""The reference way to the upstream: aiohttp with all that it would add, follow, store or decode switched off."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from contextvars import ContextVar
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from multidict import CIMultiDict
from yarl import URL

from planner.upstream import Headers, UpstreamError, UpstreamFault, UpstreamRequest

ADDED_BY_AIOHTTP = frozenset({"accept", "accept-encoding", "content-type", "user-agent"})
READ_BUFFER = 256 * 1024
LONGEST_FIELD = 64 * 1024
MOST_FIELDS = 1_000
SENT_IN_PIECES = 1024 * 1024
SENT_AT_ONCE = 64 * 1024
"""Bytes of a body that wait for nobody: as much as a transport takes before it says that it is full."""
FIRST_STATUS, LAST_STATUS = 200, 599
FRAMING = frozenset({"host", "content-length", "transfer-encoding"})

_exact: ContextVar[UpstreamRequest] = ContextVar("the request that is being built in this task, as it is to go out")
_SKIPPED: CIMultiDict[None] = CIMultiDict((name, None) for name in ADDED_BY_AIOHTTP)


class ExactRequest(aiohttp.ClientRequest):
    """Sends the caller's header fields as they are.

    aiohttp's session folds `X-A` and `x-a` into one field; a proxy must not. Only the framing stays aiohttp's own.
    """

    def update_auto_headers(self, skip_auto_headers: Iterable[str] | None) -> None:
        """Add nothing: `send` would drop it again."""
        del skip_auto_headers
        self._skip_auto_headers = _SKIPPED

    async def send(self, conn: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        """Put the exact fields between `Host` and the body's framing, and send.

        A small body goes out behind the head in one go: aiohttp would start a task for it.
        """
        request = _exact.get()
        framing = [(name, value) for name, value in self.headers.items() if name.lower() in FRAMING]
        exact = [(name.decode("ascii"), value.decode()) for name, value in request.headers]
        self.headers = CIMultiDict(framing[:1] + exact + framing[1:])
        small, protocol = _at_once(request.body), conn.protocol
        if not small:
            return await super().send(conn)
        if protocol is None or protocol.transport is None or protocol.writing_paused:
            self.update_body_from_data(small)  # aiohttp waits, or finds that the connection broke
            return await super().send(conn)
        transport = protocol.transport
        protocol.transport = head = _Kept(transport)
        try:
            response = await super().send(conn)  # without a body this writes a head, and waits for nothing
        finally:
            protocol.transport = transport
        transport.write(bytes(head.written) + small)
        return response


class _Resumed(ResponseHandler):
    """aiohttp's end of a connection; with each piece that is taken it is told to read on, which it mostly does anyway.

    A burst of events is dozens of pieces.
    """

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        """Read on, where it was held."""
        if self._reading_paused:
            super().resume_reading(resume_parser)


class _Kept(asyncio.Transport):
    """Stands for a transport while a head is written, and keeps it."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self.written = bytearray()

    def is_closing(self) -> bool:
        """Whether the transport is closing."""
        return self._transport.is_closing()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep what is to be sent."""
        self.written += data


class PooledResponse:
    """An aiohttp response behind `UpstreamResponse`."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers: Headers = response.raw_headers

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives. Raises UpstreamError when it is cut."""
        content = self._response.content
        try:
            while chunk := await content.readany():
                yield chunk
        except (aiohttp.ClientError, OSError, asyncio.IncompleteReadError) as error:
            raise _upstream_error(error) from error

    def release(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class PooledUpstream:
    """A pool of connections to one base address."""

    def __init__(self, base: str, *, connect_timeout: float, idle_timeout: float) -> None:
        parts = urlsplit(base)
        self._scheme, self._authority, self._prefix = parts.scheme, parts.netloc, parts.path.rstrip("/")
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=15.0)
        made: Any = partial(_Resumed, loop=asyncio.get_running_loop())
        connector._factory = made  # noqa: SLF001 - there is no public way
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=LONGEST_FIELD,
            max_headers=MOST_FIELDS,
            max_line_size=LONGEST_FIELD,
            read_bufsize=READ_BUFFER,
            request_class=ExactRequest,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout, sock_read=idle_timeout),
            trust_env=False,
        )
        # aiohttp would send GET, PUT and DELETE again when a reused connection breaks; the planner retries nothing.
        self._session._retry_connection = False  # noqa: SLF001 - there is no public switch

    async def send(self, request: UpstreamRequest) -> PooledResponse:
        """Send once and return when the head of the answer is there. Raises UpstreamError."""
        # The whole target goes in as an encoded *path*: taken apart into path and query, an empty query loses its "?".
        url = URL.build(
            scheme=self._scheme, authority=self._authority, path=self._prefix + request.target, encoded=True
        )
        small = _at_once(request.body)
        length = request.length if small is None else len(small)
        framing = None if length is None else {"Content-Length": str(length)}
        _exact.set(request)
        try:
            response = await self._session.request(
                request.method, url, headers=framing, data=_payload(request.body), allow_redirects=False
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _upstream_error(error, f"{self._scheme}://{self._authority}") from error
        if not FIRST_STATUS <= response.status <= LAST_STATUS:
            response.close()
            raise UpstreamError(UpstreamFault.PROTOCOL, f"not HTTP as we know it: status {response.status}")
        return PooledResponse(response)

    async def close(self) -> None:
        """Close idle and open connections."""
        await self._session.close()


def _at_once(body: bytes | AsyncIterator[bytes] | None) -> bytes | None:
    """A body that is written with the head; None for one that aiohttp sends."""
    return body if isinstance(body, bytes) and len(body) <= SENT_AT_ONCE else None


def _payload(body: bytes | AsyncIterator[bytes] | None) -> bytes | AsyncIterator[bytes] | io.BytesIO | None:
    """The body as aiohttp should take it: a large one in pieces, since one long write holds the loop."""
    if _at_once(body) is not None:
        return None
    return io.BytesIO(body) if isinstance(body, bytes) and len(body) > SENT_IN_PIECES else body


def _upstream_error(error: Exception, base: str = "the upstream") -> UpstreamError:
    """Sort what aiohttp raises by what it means for the request."""
    match error:
        case aiohttp.ClientConnectorError():
            cause = error.os_error.strerror or str(error.os_error)
            return UpstreamError(UpstreamFault.CONNECT, f"cannot connect to {base}: {cause}")
        case aiohttp.ConnectionTimeoutError():
            return UpstreamError(UpstreamFault.CONNECT, f"cannot connect to {base}: no answer in time")
        case TimeoutError():
            return UpstreamError(UpstreamFault.TIMEOUT, "no bytes within the idle timeout")
        case aiohttp.ClientPayloadError() | aiohttp.ServerDisconnectedError() | OSError():
            return UpstreamError(UpstreamFault.RESET, f"the connection broke: {type(error).__name__}")
        case _:
            return UpstreamError(UpstreamFault.PROTOCOL, f"not HTTP as we know it: {type(error).__name__}")
