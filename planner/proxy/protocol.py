"""uvicorn's own HTTP protocol, which also keeps what ASGI throws away: the raw target and the case of header names."""

import asyncio
from collections.abc import Sequence
from typing import Final, cast

import httptools
from litestar.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from planner.proxy.arrive import Head
from planner.proxy.bodies import Line
from planner.proxy.errors import BAD_REQUEST, UNREAD, error_body

TARGET: str = "planner.target"
HEADERS: str = "planner.headers"
LINE: str = "planner.line"
NOT_HTTP: Final = error_body(BAD_REQUEST, "the request cannot be read as HTTP/1.1", UNREAD)

Field = tuple[bytes, bytes]


def head_of(scope: Scope) -> Head:
    """The head of a request as it came."""
    method = str(scope["method"])  # type: ignore[typeddict-item]  # websockets are off
    target = cast("bytes", scope[TARGET])  # type: ignore[literal-required]  # not ASGI's key
    return Head(method, target, cast("Sequence[Field]", scope[HEADERS]))  # type: ignore[literal-required]  # likewise


def line_of(scope: Scope) -> Line:
    """The caller's end of the connection that a request came on."""
    return cast("Line", scope[LINE])  # type: ignore[literal-required]  # not ASGI's key


class Coalescing(asyncio.Transport):
    """A transport that sends what is written within one turn of the event loop in one go.

    An answer is written in pieces (its head, its body, the end of its chunks), and each would be a system call.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._parts: list[bytes | bytearray | memoryview] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send, at the latest when the loop turns."""
        if not data:
            return
        if not self._parts:
            self._loop.call_soon(self._send)
        self._parts.append(data)

    def _send(self) -> None:
        parts, self._parts = self._parts, []
        if parts and not self._transport.is_closing():  # the caller may be gone by now
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))

    def close(self) -> None:
        """Close behind what was written."""
        self._send()
        self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        self._parts = []
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether it is closing or closed."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: object = None) -> object:
        """What the transport knows."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Read no more for now."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read on."""
        self._transport.resume_reading()


class FaithfulProtocol(HttpToolsProtocol):
    """Puts the request target and the headers, byte for byte, into the scope, and tells who asks of the caller's end.

    ASGI has the path and the query apart, so that `/v1/models?` and `/v1/models` look alike, and lowers header names.
    An offer to upgrade (Java's client offers HTTP/2 with its first request) is left out, not taken: the parser would
    take the body for bytes of the other protocol.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        """A caller is there."""
        super().connection_made(Coalescing(transport))
        self._line = Line(self.flow.resume_reading)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is no longer."""
        super().connection_lost(exc)
        self._line.cut()

    def on_message_begin(self) -> None:
        """Start a scope with our keys in it."""
        super().on_message_begin()
        self._fields: list[Field] = []
        self._offered = False
        self.scope[LINE] = self._line  # type: ignore[literal-required]  # extra keys are ours, and TypedDict knows none
        self.scope[HEADERS] = ()  # type: ignore[literal-required]  # extra keys are ours, and TypedDict knows none

    def on_url(self, url: bytes) -> None:
        """Keep the target as it comes; it may come in pieces."""
        super().on_url(url)
        self.scope[TARGET] = self.url  # type: ignore[literal-required]  # see on_message_begin

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep the field as it comes."""
        super().on_header(name, value)
        self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        """Close the fields: what the parser reports from here on are trailers, and a trailer is no header field."""
        self._offered = self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"
        if not self._offered:
            self.scope[HEADERS] = tuple(self._fields)  # type: ignore[literal-required]  # see on_message_begin
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """End the request's body, unless the head is going to be read again without its offer."""
        if not self._offered:
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._offered:
                self.data_received(self._without_offer() + data[upgrade.args[0] :])
            else:
                self.send_400_response("")
        except httptools.HttpParserError:
            self.send_400_response("")

    def _without_offer(self) -> bytes:
        """The head that was read, without its `Upgrade`; a new parser is there to read it."""
        version = self.parser.get_http_version().encode()
        line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does for each connection
        return line + b"".join(b"%s: %s\r\n" % item for item in self._fields if item[0].lower() != b"upgrade") + b"\r\n"

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP in Anthropic's shape, and close."""
        del msg
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nx-should-retry: false\r\n"
        self.transport.write(b"%scontent-length: %d\r\nconnection: close\r\n\r\n%s" % (head, len(NOT_HTTP), NOT_HTTP))
        self.transport.close()
