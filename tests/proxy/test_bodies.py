"""Uploads flow through as they come; what is planned is read whole, up to a limit."""

import asyncio
import resource
from contextlib import suppress
from pathlib import Path

import pytest

from planner.proxy.bodies import announced_length, has_body
from tests.doubles.client import RawClient, request
from tests.doubles.messages import ASKED, message
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, always, answer, chunk

PIECE = b"x" * 65_536


@pytest.mark.parametrize(
    ("fields", "body", "length"),
    [
        ([], False, None),
        ([(b"content-length", b"0")], False, 0),
        ([(b"Content-Length", b"12")], True, 12),
        ([(b"Transfer-Encoding", b"chunked")], True, None),
        ([(b"content-length", b"x")], True, None),
    ],
)
def test_announced(fields: list[tuple[bytes, bytes]], body: bool, length: int | None) -> None:  # noqa: FBT001 - a column
    """Whether a body follows, and how long it says it is."""
    assert (has_body(fields), announced_length(fields)) == (body, length)


def test_upload_starts_before_it_ends(tmp_path: Path) -> None:
    """The first bytes of an upload reach the upstream before the last are sent, chunked or with a length."""
    seen = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.piece()
        seen.set()
        body = await turn.body()
        await turn.write(answer(b"%d" % len(body)))

    async def upload(client: RawClient, framing: tuple[bytes, bytes], *, chunked: bool) -> None:
        seen.clear()
        piece = chunk(PIECE) if chunked else PIECE
        await client.send(request("POST", "/v1/files", framing, body=None) + piece)
        await seen.wait()
        await client.send(piece + (b"0\r\n\r\n" if chunked else b""))
        assert (await client.answer()).body == b"%d" % (2 * len(PIECE))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            await upload(client, (b"Transfer-Encoding", b"chunked"), chunked=True)
            await upload(client, (b"Content-Length", b"%d" % (2 * len(PIECE))), chunked=False)
            first, second = proxy.upstream.requests
            assert first.values(b"transfer-encoding") == [b"chunked"]
            assert second.values(b"content-length") == [b"%d" % (2 * len(PIECE))]
            assert not second.values(b"transfer-encoding")

    run(scenario())


def test_memory_stays_flat(tmp_path: Path) -> None:
    """A long upload to an upstream that does not read waits at the caller; 200 MB pass through some megabytes."""
    count = 3_000
    reading = asyncio.Event()

    async def script(turn: Turn) -> None:
        await reading.wait()
        size = 0
        while data := await turn.piece():
            size += len(data)
            turn.request.body = b""
        await turn.write(answer(b"%d" % size))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            sent = 0
            await client.send(request("POST", "/v1/files", (b"Transfer-Encoding", b"chunked"), body=None))
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            async with asyncio.timeout(0.5) as held_back:
                while not held_back.expired() and sent < count:
                    sent += 1
                    with suppress(asyncio.CancelledError):
                        await client.send(chunk(PIECE))
            assert sent < count  # the caller is held back, whatever the sockets between buffer
            reading.set()
            for _ in range(count - sent):
                await client.send(chunk(PIECE))
            await client.send(b"0\r\n\r\n")
            assert (await client.answer()).body == b"%d" % (count * len(PIECE))
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024

    run(scenario())


def test_large_message(tmp_path: Path) -> None:
    """A message of megabytes, whole or in chunks, is the same upstream."""
    body = ASKED[:-1] + b',"pad":"' + b"y" * 5_000_000 + b'"}'

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message()))) as proxy, proxy.client() as client:
            assert (await client.ask(request(body=body))).status == 200
            await client.send(request("POST", "/v1/messages", (b"Transfer-Encoding", b"chunked"), body=None))
            for start in range(0, len(body), 99_991):
                await client.send(chunk(body[start : start + 99_991]))
            assert (await client.ask(b"0\r\n\r\n")).status == 200
            assert [recorded.body for recorded in proxy.upstream.requests] == [body, body]

    run(scenario())


def test_expect_100_continue(tmp_path: Path) -> None:
    """A caller that waits for leave to send gets it; the expectation is of this hop."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy, proxy.client() as client:
            fields = ((b"Expect", b"100-continue"), (b"Content-Length", b"2"))
            await client.send(request("POST", "/v1/messages", *fields, body=None))
            assert await client.informational() == 100
            assert (await client.ask(b"{}")).status == 200
            assert not proxy.upstream.requests[0].values(b"expect")

    run(scenario())


@pytest.mark.parametrize("announced", [True, False])
def test_too_large(tmp_path: Path, announced: bool) -> None:  # noqa: FBT001 - a column
    """A message beyond the limit is refused in Anthropic's shape, never sent and not in the ledger."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok")), body_limit=100_000) as proxy, proxy.client() as client:
            body = b"x" * 100_001
            if announced:
                await client.send(request(body=body))
            else:
                head = request("POST", "/v1/messages", (b"Transfer-Encoding", b"chunked"), body=None)
                await client.send(head + chunk(body) + b"0\r\n\r\n")
            got = await client.answer()
            assert (got.status, got.value(b"x-should-retry")) == (413, b"false")
            assert b'"request_too_large"' in got.body
            assert not proxy.upstream.requests
            refused = 'planner_requests_total{endpoint="messages",model="",status="413",team=""}'
            assert (await proxy.metrics())[refused] == 1
            assert '"event":"refused"' in proxy.log.getvalue()
            assert (await client.ask(request(body=ASKED))).body == b"ok"
            assert len(await proxy.entries()) == 1

    run(scenario())


UNREADABLE = [
    *(b"", b"not json", b'{"model":', b"[]", b"null"),
    *(b'{"model":"\\ud800"}', b'\xef\xbb\xbf{"a":1}', b"\xff\xfe"),
]


def test_what_is_no_message_is_forwarded(tmp_path: Path) -> None:
    """A body that cannot be read goes on untouched: the API says best what is wrong with it."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"no", status=400))) as proxy, proxy.client() as client:
            for body in UNREADABLE:
                got = await client.ask(request(body=body))
                assert (got.status, got.body) == (400, b"no"), body
                assert proxy.upstream.requests[-1].body == body
            for entry in await proxy.entries(len(UNREADABLE)):
                assert (entry.outcome, entry.cost_nano, entry.model) == ("error", 0, None)

    run(scenario())


def test_encoded_body_is_streamed(tmp_path: Path) -> None:
    """A message with a content-encoding is forwarded as it is, and its answer metered."""

    async def scenario() -> None:
        async with (
            proxied(tmp_path, always(answer(message(), (b"content-type", b"application/json")))) as proxy,
            proxy.client() as client,
        ):
            fields = ((b"Content-Encoding", b"gzip"),)
            assert (await client.ask(request("POST", "/v1/messages", *fields, body=b"\x1f\x8b..."))).status == 200
            assert proxy.upstream.requests[0].body == b"\x1f\x8b..."
            assert (await proxy.entry()).cost_nano is not None

    run(scenario())
