"""Answers come back as they are, as they come, and are metered on the way."""

import asyncio
import gzip
import zlib
from pathlib import Path

import brotli
import pytest
import zstandard

from tests.doubles.client import request
from tests.doubles.messages import ASKED, COST_NANO, SSE_END, SSE_HEAD, chunked, event, events, message
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, always, answer, chunk

JSON = (b"content-type", b"application/json")


def test_message_is_metered(tmp_path: Path) -> None:
    """The ledger entry of a plain message: who, what, how much, by which rules."""
    fields = (JSON, (b"request-id", b"req_1"), (b"anthropic-organization-id", b"org"))

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message(), *fields))) as proxy, proxy.client() as client:
            sent = request("POST", "/v1/messages", (b"x-api-key", b"k"), (b"planner-tags", b"team=search"), body=ASKED)
            got = await client.ask(sent)
            assert (got.status, got.body) == (200, message())
            entry = await proxy.entry()
            assert got.value(b"planner-request-id") == entry.request_id.encode()
            assert (entry.outcome, entry.status, entry.cost_nano) == ("ok", 200, COST_NANO)
            assert sum(line.nano for line in entry.lines) == COST_NANO
            assert {line.basis for line in entry.lines} == {"measured"}
            assert (entry.model, entry.served_model) == ("claude-opus-5-5", "claude-opus-5-5")
            assert (entry.team, entry.organization, entry.upstream_request_id) == ("search", "org", "req_1")
            assert entry.latency is not None
            assert entry.latency.first_byte is not None
            assert 0 <= entry.latency.overhead <= entry.latency.first_byte <= entry.latency.total

    run(scenario())


def test_events_pass_as_they_come(tmp_path: Path) -> None:
    """Each chunk of a stream reaches the caller before the upstream sends the next, a ping too."""
    ready = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD)
        for piece in events():
            await ready.wait()
            ready.clear()
            await turn.write(chunk(piece))
        await turn.write(SSE_END)

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            await client.send(request(body=ASKED))
            head = await client.head()
            assert head.value(b"content-type") == b"text/event-stream; charset=utf-8"
            for piece in events():
                ready.set()
                assert await client.piece(head) == piece
            assert await client.piece(head) == b""
            entry = await proxy.entry()
            assert (entry.outcome, entry.cost_nano) == ("ok", COST_NANO)

    run(scenario())


CODINGS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "x-unknown": bytes,
    "gzip, br": bytes,
}


def test_encoded_answers(tmp_path: Path) -> None:
    """Encoded answers pass as they are; what can be decoded is metered, the rest costs unknown, never 0."""

    async def script(turn: Turn) -> None:
        await turn.body()
        (coding,) = turn.request.values(b"x-coding")
        whole = b"json" in turn.request.target
        kind, data = (JSON[1], message()) if whole else (b"text/event-stream", b"".join(events()))
        body = CODINGS[coding.decode()](data)
        await turn.write(answer(body, (b"content-type", kind), (b"content-encoding", coding)))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for coding, encode in CODINGS.items():
                for target, data in (("/v1/messages?json", message()), ("/v1/messages?sse", b"".join(events()))):
                    got = await client.ask(request("POST", target, (b"x-coding", coding.encode()), body=ASKED))
                    assert (got.body, got.value(b"content-encoding")) == (encode(data), coding.encode())
            costs = [entry.cost_nano for entry in await proxy.entries(2 * len(CODINGS))]
            assert costs == [COST_NANO] * 8 + [None] * 4

    run(scenario())


ERRORS = {
    429: ((b"retry-after", b"17"), (b"retry-after-ms", b"17000"), (b"anthropic-ratelimit-tokens-remaining", b"0")),
    529: ((b"x-should-retry", b"true"), (b"request-id", b"req_9")),
    500: ((b"x-should-retry", b"false"),),
    413: (),
    401: ((b"www-authenticate", b"x"),),
    404: (),
    302: ((b"location", b"http://127.0.0.1:1/elsewhere"),),
}


def test_upstream_errors_are_not_ours_to_word(tmp_path: Path) -> None:
    """Refusals and redirects come back byte for byte, once, and cost nothing."""

    async def script(turn: Turn) -> None:
        await turn.body()
        status = int(turn.request.target.partition(b"?")[2])
        await turn.write(answer(b'{ "odd" :  %d}\n' % status, *ERRORS[status], status=status))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for status, fields in ERRORS.items():
                got = await client.ask(request("POST", f"/v1/messages?{status}", body=ASKED))
                assert (got.status, got.body) == (status, b'{ "odd" :  %d}\n' % status)
                assert got.fields[: len(fields)] == list(fields)
            assert len(proxy.upstream.requests) == len(ERRORS)
            for entry in await proxy.entries(len(ERRORS)):
                assert (entry.outcome, entry.cost_nano) == ("ok" if entry.status == 302 else "error", 0)

    run(scenario())


BODYLESS = {
    "204": b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n",
    "204-length": b"HTTP/1.1 204 No Content\r\ncontent-length: 0\r\n\r\n",
    "304": b'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n',
    "304-length": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 1234\r\n\r\n",
}


def test_statuses_without_a_body(tmp_path: Path) -> None:
    """204 and 304 end with their head, whatever length they tell, and the connection goes on."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(BODYLESS[turn.request.target.decode().removeprefix("/")])

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for name in BODYLESS:
                assert (await client.ask(request("GET", f"/{name}", body=None))).status == int(name[:3])

    run(scenario())


def test_informational_responses_are_of_one_hop(tmp_path: Path) -> None:
    """100 and 103 of the upstream are swallowed; the final answer is what counts."""
    before = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"

    async def scenario() -> None:
        async with proxied(tmp_path, always(before + answer(b"ok"))) as proxy, proxy.client() as client:
            got = await client.ask(request(body=ASKED))
            assert (got.status, got.body) == (200, b"ok")

    run(scenario())


@pytest.mark.parametrize("cut", [False, True])
def test_answer_while_uploading(tmp_path: Path, cut: bool) -> None:  # noqa: FBT001 - a column
    """An upstream that refuses in the middle of an upload is heard at once, however it closes."""

    async def script(turn: Turn) -> None:
        await turn.piece()
        await turn.write(answer(b"enough", (b"connection", b"close"), status=413))
        turn.cut() if cut else turn.close()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            length = (b"Content-Length", b"1000000000")
            await client.send(request("POST", "/v1/files", length, body=None) + b"x" * 100_000)
            got = await client.answer()
            assert (got.status, got.body) == (413, b"enough")
            assert (await proxy.entry()).status == 413

    run(scenario())


def test_slow_reader_holds_the_upstream_back(tmp_path: Path) -> None:
    """An answer that nobody reads is not heaped up here: the upstream is not read either."""
    wrote: list[int] = []
    held_back = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD)
        try:
            async with asyncio.timeout(0.5):
                for _ in range(2_000):
                    await turn.write(chunk(b"x" * 100_000))
                    wrote.append(100_000)
        except TimeoutError:
            held_back.set()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            await client.send(request("GET", "/v1/files/x/content", body=None))
            await client.head()
            await held_back.wait()
            assert sum(wrote) < 64_000_000
            client.cut()
            assert (await proxy.entry()).outcome == "cancelled"

    run(scenario())


def test_error_inside_a_stream(tmp_path: Path) -> None:
    """An `error` event after a 200 passes, and the entry says error with what was used until then."""
    pieces = [*events()[:4], event("error", error={"type": "overloaded_error", "message": "Overloaded"})]

    async def scenario() -> None:
        async with proxied(tmp_path, always(chunked(pieces))) as proxy, proxy.client() as client:
            assert (await client.ask(request(body=ASKED))).body == b"".join(pieces)
            entry = await proxy.entry()
            assert entry.outcome == "error"
            assert entry.cost_nano
            assert {line.basis for line in entry.lines} == {"estimated"}

    run(scenario())


def test_subscription_is_notional(tmp_path: Path) -> None:
    """A login that is not billed by the token is priced as notional and stays out of money metrics."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message(), JSON))) as proxy, proxy.client() as client:
            key = (b"authorization", b"Bearer sk-ant-oat01-xyz")
            await client.ask(request("POST", "/v1/messages", key, body=ASKED))
            entry = await proxy.entry()
            assert {line.basis for line in entry.lines} == {"notional"}
            assert not [series for series in await proxy.metrics() if series.startswith("planner_cost_usd_total")]

    run(scenario())
