"""A served simulator: raw bytes on a socket, early leavers, and an address that is taken."""

import asyncio
from typing import Any

import pytest

from planner.clock import SystemClock
from planner.simulator import Config, Simulator, build, serve
from tests.simulator.asgi import PRICES, Api


def http(body: bytes, *, path: str = "/v1/messages", chunked: bool = False) -> bytes:
    """A request as bytes."""
    framing = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % len(body)
    sent = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    head = b"POST %s HTTP/1.1\r\nhost: x\r\nx-api-key: k\r\nanthropic-version: 2023-06-01\r\nconnection: close\r\n"
    return head % path.encode() + framing + b"\r\n\r\n" + sent


BODY = b'{"model":"claude-opus-5-5","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"%s"}]}'


async def exchange(url: str, sent: bytes) -> bytes:
    """Send bytes, read until the connection closes."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(sent)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    return received


@pytest.mark.parametrize("chunked", [False, True])
def test_a_stream_on_a_socket(*, chunked: bool) -> None:
    """Chunked transfer, one chunk an event, the same bytes as without a socket."""

    async def main() -> bytes:
        async with serve(Config.default(prices=(PRICES,), clock=Api().clock)) as url:
            return await exchange(url, http(BODY % b"hello", path="/v1/messages?beta=true", chunked=chunked))

    head, _, body = asyncio.run(main()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"content-type: text/event-stream" in head
    assert b"\r\nserver:" not in head
    assert body.endswith(b"0\r\n\r\n")
    assert dechunked(body) == Api().ask("hello", max_tokens=99, stream=True).body


def dechunked(body: bytes) -> bytes:
    """A chunked body's content."""
    content = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        content += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return content


def test_a_cut_connection_on_a_socket() -> None:
    """The connection closes before the body has ended, for streams and for JSON."""

    async def main() -> tuple[bytes, bytes]:
        async with serve(Config.default()) as url:
            stream = await exchange(url, http(BODY % b"[cut]"))
            whole = await exchange(url, http(BODY.replace(b"true", b"false") % b"[cut]"))
        return stream, whole

    stream, whole = asyncio.run(main())
    assert b"This breaks off" in stream
    assert not stream.endswith(b"0\r\n\r\n")
    head, _, body = whole.partition(b"\r\n\r\n")
    assert b"content-length" in head
    assert body.startswith(b'{"id"')
    assert not body.endswith(b"}")


def test_who_leaves_early_is_billed_for_what_was_sent() -> None:
    """A client that goes away in the middle leaves one entry, cancelled, for the part it got."""

    async def main() -> Simulator:
        simulator = build(Config.default(prices=(PRICES,), clock=SystemClock(), event_delay=0.01))
        charged = asyncio.Event()
        simulator.bill.listeners.append(lambda _charge: charged.set())
        async with serve(simulator) as url:
            host, port = url.removeprefix("http://").split(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            writer.write(http(BODY % b"[long]"))
            await reader.readuntil(b"text_delta")
            writer.close()
            await writer.wait_closed()
            async with asyncio.timeout(10):
                await charged.wait()
        return simulator

    charges = list(asyncio.run(main()).bill.charges)
    assert [charge.work.outcome for charge in charges] == ["cancelled"]
    assert charges[0].lines[0].kind == "input"


def test_an_address_that_is_taken_is_an_error() -> None:
    """The second on a port is told so."""

    async def main() -> None:
        async with serve(Config()) as url, serve(Config(), port=int(url.rsplit(":", 1)[1])):
            pass

    with pytest.raises(OSError, match="in use"):
        asyncio.run(main())


def test_the_clock_can_be_moved_from_outside() -> None:
    """A virtual clock has an endpoint; the machine's has not."""
    api = Api()
    assert api.call("POST", "/simulator/advance", {"seconds": 90}).status == 200
    assert api.clock.monotonic() == 90
    assert api.call("POST", "/simulator/advance", {"seconds": -1}).status == 400
    assert Api(clock=SystemClock()).call("POST", "/simulator/advance", {"seconds": 1}).status == 404


def test_lifespan_is_answered() -> None:
    """Under another ASGI server start-up and shut-down are acknowledged."""

    async def main() -> list[str]:
        events: list[Any] = [{"type": "lifespan.shutdown"}, {"type": "lifespan.startup"}]
        sent: list[str] = []

        async def receive() -> Any:
            return events.pop()

        async def send(event: Any) -> None:
            sent.append(event["type"])

        await build(Config())({"type": "lifespan"}, receive, send)
        return sent

    assert asyncio.run(main()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
