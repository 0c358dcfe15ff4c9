"""The way to the upstream sends once, adds nothing, follows nothing, and says what went wrong."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp.client_proto import ResponseHandler

from planner.upstream import UpstreamError, UpstreamFault, UpstreamRequest
from planner.upstream.pooled import SENT_AT_ONCE, PooledResponse, PooledUpstream
from tests.doubles.proxy import run
from tests.doubles.upstream import Field, RawUpstream, Script, Turn, always, answer, chunk


@asynccontextmanager
async def pooled(script: Script, *, idle: float = 5.0) -> AsyncIterator[tuple[PooledUpstream, RawUpstream]]:
    """A pool in front of a script."""
    async with RawUpstream(script).listening() as raw:
        upstream = PooledUpstream(raw.address, connect_timeout=1.0, idle_timeout=idle)
        try:
            yield upstream, raw
        finally:
            await upstream.close()


def message(
    body: bytes | AsyncIterator[bytes] | None = b"{}", *fields: Field, length: int | None = None
) -> UpstreamRequest:
    """A request."""
    return UpstreamRequest("POST", "/v1/messages", fields, body, length)


async def whole(response: PooledResponse) -> bytes:
    """The body to its end, and the connection given back."""
    body = b"".join([part async for part in response.chunks()])
    response.release()
    return body


def test_body_forms() -> None:
    """A whole body has its length, a streamed one the announced length or chunks, none has neither."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"a"
        yield b"bc"

    async def scenario() -> None:
        async with pooled(always(answer(b"ok"))) as (upstream, raw):
            large = b"x" * 2_000_000
            for request in (
                message(b"{}"),
                message(b""),
                message(large),
                message(parts()),
                message(parts(), length=3),
                UpstreamRequest("GET", "/", (), None),
            ):
                assert await whole(await upstream.send(request)) == b"ok"
            framing = [
                {name.lower(): value for name, value in recorded.fields if name.lower() != b"host"}
                for recorded in raw.requests
            ]
            assert framing == [
                {b"content-length": b"2"},
                {b"content-length": b"0"},
                {b"content-length": b"2000000"},
                {b"transfer-encoding": b"chunked"},
                {b"content-length": b"3"},
                {},
            ]
            assert [recorded.body for recorded in raw.requests] == [b"{}", b"", large, b"abc", b"abc", b""]
            assert raw.connections == 1

    run(scenario())


def test_no_cookie_and_no_redirect() -> None:
    """What one answer sets, the next request does not carry; a redirect is an answer like any other."""
    told = answer(b"", (b"set-cookie", b"a=b"), (b"location", b"/elsewhere"), status=307)

    async def scenario() -> None:
        async with pooled(always(told)) as (upstream, raw):
            for _ in range(2):
                response = await upstream.send(message())
                assert response.status == 307
                await whole(response)
            assert len(raw.requests) == 2
            assert not raw.requests[1].values(b"cookie")

    run(scenario())


def test_concurrent_requests_keep_their_headers() -> None:
    """A hundred at once: each goes out with its own fields."""

    async def scenario() -> None:
        async with pooled(always(answer(b"ok"))) as (upstream, raw):

            async def one(number: int) -> None:
                await whole(await upstream.send(message(b"%d" % number, (b"X-Number", b"%d" % number))))

            await asyncio.gather(*map(one, range(100)))
            assert len(raw.requests) == 100
            assert all(recorded.values(b"x-number") == [recorded.body] for recorded in raw.requests)

    run(scenario())


def test_unread_answer_closes_its_connection() -> None:
    """Releasing an answer that was not read to its end closes the connection, at once."""
    gone = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunk(b"x"))
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with pooled(script) as (upstream, raw):
            for _ in range(2):
                gone.clear()
                (await upstream.send(message())).release()
                await gone.wait()
            assert raw.connections == 2

    run(scenario())


def test_cancelled_send_closes_its_connection() -> None:
    """A caller that stops waiting leaves no request running upstream."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        begun.set()
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with pooled(script) as (upstream, _):
            sending = asyncio.get_running_loop().create_task(upstream.send(message()))
            await begun.wait()
            sending.cancel()
            with pytest.raises(asyncio.CancelledError):
                await sending
            await gone.wait()

    run(scenario())


async def close(turn: Turn) -> None:
    """Read the request, and close."""
    await turn.body()
    turn.close()


async def silent(turn: Turn) -> None:
    """Read the request, and say nothing."""
    await turn.body()
    await turn.gone()


FAULTS = [
    (close, UpstreamFault.RESET),
    (silent, UpstreamFault.TIMEOUT),
    (always(b"NONSENSE\r\n\r\n"), UpstreamFault.PROTOCOL),
    (always(answer(b"", status=777)), UpstreamFault.PROTOCOL),
]


@pytest.mark.parametrize(("script", "fault"), FAULTS)
def test_faults(script: Script, fault: UpstreamFault) -> None:
    """What goes wrong has one name, and is not tried again, whatever the method."""

    async def scenario() -> None:
        for method in ("POST", "GET", "DELETE"):
            async with pooled(script, idle=0.1) as (upstream, raw):
                with pytest.raises(UpstreamError) as caught:
                    await upstream.send(UpstreamRequest(method, "/", (), None))
                assert caught.value.fault is fault
                assert len(raw.requests) == 1

    run(scenario())


def test_broken_kept_connection_is_not_retried() -> None:
    """A kept connection that breaks with a request on it is an error, for GET too: it may have been heard."""

    async def script(turn: Turn) -> None:
        await turn.body()
        if turn.request.target == b"/first":
            await turn.write(answer(b"ok"))
        else:
            turn.close()

    async def scenario() -> None:
        async with pooled(script) as (upstream, raw):
            await whole(await upstream.send(UpstreamRequest("GET", "/first", (), None)))
            with pytest.raises(UpstreamError):
                await upstream.send(UpstreamRequest("GET", "/second", (), None))
            assert len(raw.requests) == 2
            assert raw.connections == 1

    run(scenario())


def test_body_that_breaks_off() -> None:
    """A cut body raises, after what came before the cut."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        turn.close()

    async def scenario() -> None:
        async with pooled(script) as (upstream, _):
            response = await upstream.send(message())
            parts = response.chunks()
            assert await anext(parts) == b"abc"
            with pytest.raises(UpstreamError) as caught:
                await anext(parts)
            response.release()
            assert caught.value.fault is UpstreamFault.RESET

    run(scenario())


@pytest.mark.parametrize("size", [1, SENT_AT_ONCE, SENT_AT_ONCE + 1])
def test_what_goes_out_does_not_depend_on_the_size_of_the_body(size: int) -> None:
    """A small body is sent with its head and a larger one by a task; requests on one connection stay apart."""

    async def scenario() -> None:
        async with pooled(always(answer(b"ok"))) as (upstream, raw):
            for letter in (b"a", b"b"):
                assert await whole(await upstream.send(message(letter * size, (b"X-A", b"1"), (b"x-a", b"2")))) == b"ok"
            first, second = raw.requests
            assert (first.body, second.body) == (b"a" * size, b"b" * size)
            assert [name for name, _ in first.fields] == [b"Host", b"X-A", b"x-a", b"Content-Length"]
            assert raw.connections == 1

    run(scenario())


def test_a_small_body_waits_where_the_connection_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes behind its head all the same."""
    monkeypatch.setattr(ResponseHandler, "writing_paused", property(lambda _: True))

    async def scenario() -> None:
        async with pooled(always(answer(b"ok"))) as (upstream, raw):
            assert await whole(await upstream.send(message(b"{}", (b"x-a", b"2")))) == b"ok"
            assert raw.requests[0].body == b"{}"
            assert [name for name, _ in raw.requests[0].fields] == [b"Host", b"x-a", b"Content-Length"]

    run(scenario())
