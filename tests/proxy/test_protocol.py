"""What a connection may do to the planner: pipelining, trailers, offers to upgrade, and bytes that are no HTTP."""

import asyncio
from pathlib import Path

from planner.proxy.bodies import Line
from planner.proxy.protocol import Coalescing
from tests.doubles.client import request
from tests.doubles.messages import ASKED
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, always, answer


class Sink(asyncio.Transport):
    """Keeps each write; `gone` says that the other end is."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self.gone = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Keep it."""
        self.writes.append(bytes(data))

    def is_closing(self) -> bool:
        """Whether it is of no use any more."""
        return self.gone

    def close(self) -> None:
        """Close."""
        self.gone = True

    def abort(self) -> None:
        """Close at once."""
        self.gone = True


def test_what_is_written_within_one_turn_goes_out_in_one_piece() -> None:
    """In order, at the next turn of the loop, before a close, and not to somebody who is gone."""

    async def scenario() -> None:
        sink = Sink()
        joined = Coalescing(sink)
        for part in (b"head", b"", b"body"):
            joined.write(part)
        assert sink.writes == []
        await asyncio.sleep(0)
        assert sink.writes == [b"headbody"]
        joined.write(b"next")
        await asyncio.sleep(0)
        joined.write(b"last")
        joined.close()
        assert sink.writes == [b"headbody", b"next", b"last"]
        assert joined.is_closing()
        joined.write(b"late")
        await asyncio.sleep(0)
        joined.write(b"never")
        joined.abort()
        await asyncio.sleep(0)
        assert sink.writes == [b"headbody", b"next", b"last"]

    run(scenario())


def test_a_line_tells_who_listens_last() -> None:
    """Once, and nobody who no longer listens; whoever listens has it read on."""
    resumed, heard = [], []
    line = Line(lambda: resumed.append(1))
    line.listen(lambda: heard.append("first"))
    line.listen(lambda: heard.append("second"))
    line.cut()
    assert (line.lost, heard, len(resumed)) == (True, ["second"], 2)
    silent = Line(lambda: resumed.append(1))
    silent.listen(lambda: heard.append("third"))
    silent.listen(None)
    silent.cut()
    assert (heard, len(resumed)) == (["second"], 3)


H2C = ((b"Connection", b"Upgrade, HTTP2-Settings"), (b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAMAAABk"))


async def echo(turn: Turn) -> None:
    """Answer with target and body."""
    await turn.write(answer(turn.request.target + b" " + await turn.body()))


def test_connection_is_used_again(tmp_path: Path) -> None:
    """One connection from the caller carries many requests, and one to the upstream serves them."""

    async def scenario() -> None:
        async with proxied(tmp_path, echo) as proxy, proxy.client() as client:
            for number in range(5):
                got = await client.ask(request("POST", f"/v1/x{number}", body=b"b"))
                assert got.body == b"/v1/x%d b" % number
                assert got.value(b"connection") is None
            assert proxy.upstream.connections == 1

    run(scenario())


def test_pipelined_requests_are_answered_in_order(tmp_path: Path) -> None:
    """Requests that come before the answer to the last one is there wait their turn."""

    async def scenario() -> None:
        async with proxied(tmp_path, echo) as proxy, proxy.client() as client:
            await client.send(b"".join(request("POST", f"/v1/x{number}", body=b"b" * number) for number in range(20)))
            for number in range(20):
                assert (await client.answer()).body == b"/v1/x%d " % number + b"b" * number

    run(scenario())


def test_request_that_comes_byte_by_byte(tmp_path: Path) -> None:
    """A head and body cut at every byte are the same request."""
    whole = request("POST", "/v1/messages?beta=true", (b"X-A", b"1"), (b"x-a", b"2"), body=ASKED)

    async def scenario() -> None:
        async with proxied(tmp_path, echo) as proxy, proxy.client() as client:
            for start in range(len(whole)):
                await client.send(whole[start : start + 1])
            assert (await client.answer()).body == b"/v1/messages?beta=true " + ASKED
            assert (b"x-a", b"2") in proxy.upstream.requests[0].fields

    run(scenario())


def test_trailer_is_no_header_field(tmp_path: Path) -> None:
    """A trailer cannot pass for a key or an instruction: it is dropped, and the request is as its head said."""
    sent = (
        b"POST /v1/messages HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Api-Key\r\n\r\n"
        b"2;a=b\r\n{}\r\n0\r\nX-Api-Key: evil\r\nplanner-mode: off\r\n\r\n"
    )

    async def scenario() -> None:
        async with proxied(tmp_path, echo) as proxy, proxy.client() as client:
            assert (await client.ask(sent)).body == b"/v1/messages {}"
            assert not proxy.upstream.requests[0].values(b"x-api-key")
            entry = await proxy.entry()
            assert (entry.principal, entry.mode) == ("anonymous", "plan")

    run(scenario())


def test_offer_to_upgrade_is_left_out(tmp_path: Path) -> None:
    """A client that offers HTTP/2 with its first request loses neither its body nor the connection."""

    async def scenario() -> None:
        async with proxied(tmp_path, echo) as proxy, proxy.client() as client:
            offers = [request("POST", "/v1/messages", *H2C, body=ASKED), request("GET", "/v1/models", *H2C, body=None)]
            for sent in (*offers, request("GET", "/v1/models", body=None), *offers):
                got = await client.ask(sent)
                expected = b"/v1/messages " + ASKED if b"POST" in sent else b"/v1/models "
                assert got.body == expected
            for recorded in proxy.upstream.requests:
                assert {name.lower() for name, _ in recorded.fields} <= {b"host", b"content-length"}

    run(scenario())


def test_offer_to_upgrade_byte_by_byte(tmp_path: Path) -> None:
    """The same holds when the offer comes in pieces and the next request hangs on to it."""
    whole = request("POST", "/v1/messages", *H2C, body=ASKED) + request("GET", "/v1/models", body=None)

    async def scenario() -> None:
        async with proxied(tmp_path, echo) as proxy, proxy.client() as client:
            for start in range(0, len(whole), 7):
                await client.send(whole[start : start + 7])
            assert (await client.answer()).body == b"/v1/messages " + ASKED
            assert (await client.answer()).body == b"/v1/models "

    run(scenario())


def test_what_is_no_http(tmp_path: Path) -> None:
    """Bytes that are no HTTP/1.1 get a 400 in Anthropic's shape and a closed connection; others go on."""
    wrong = [
        b"FOO /v1/models HTTP/1.1\r\n\r\n",
        b"GET /v1/a b HTTP/1.1\r\n\r\n",
        "GET /v1/é HTTP/1.1\r\n\r\n".encode(),
        b"GET /v1/x HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST /v1/x HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        b"POST /v1/x HTTP/1.1\r\ncontent-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /v1/x HTTP/1.1\r\nx: a\0b\r\n\r\n",
        b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]

    async def scenario() -> None:
        async with proxied(tmp_path, echo) as proxy:
            for data in wrong:
                async with proxy.client() as client:
                    got = await client.ask(data)
                    assert (got.status, b'"invalid_request_error"' in got.body) == (400, True), data
                    assert await client.end() == b""
            assert not proxy.upstream.requests
            async with proxy.client() as client:
                assert (await client.ask(request("GET", "/v1/models", body=None))).status == 200

    run(scenario())


def test_http_1_0(tmp_path: Path) -> None:
    """An HTTP/1.0 client without `Host` is served and its connection closed."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            got = await client.ask(b"GET /v1/models HTTP/1.0\r\n\r\n")
            assert (got.status, got.body) == (200, b"ok")
            assert await client.end() == b""

    run(scenario())
