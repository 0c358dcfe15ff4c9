"""The answer that names where results are names our address, and every other answer passes as it came."""

import asyncio
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from planner.proxy.addressing import LARGE_ANSWER, LONGEST_ANSWER
from planner.settings import DEFAULT_UPSTREAM
from tests.doubles.client import Answer, request
from tests.doubles.proxy import Proxied, proxied, run
from tests.doubles.simulated import rules
from tests.doubles.upstream import Field, Script, Turn, always, answer, chunk

JSON = (b"content-type", b"application/json")
HOST = b"127.0.0.1:8484"
OURS = b"http://127.0.0.1:8484"
THEIRS = DEFAULT_UPSTREAM.encode()
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
POLL = "/v1/messages/batches/msgbatch_1"


def batch(**more: Any) -> bytes:
    """A batch whose results are there, as the API words it."""
    url = f"{DEFAULT_UPSTREAM}/v1/messages/batches/msgbatch_1/results"
    value = {"id": "msgbatch_1", "type": "message_batch", **more, "results_url": url}
    return json.dumps(value, indent=1).encode()


def ours(body: bytes) -> bytes:
    """A body with our address in it."""
    return body.replace(THEIRS, OURS)


async def poll(proxy: Proxied, *fields: Field, method: str = "GET", target: str = POLL, host: bytes = HOST) -> Answer:
    """One request about batches, over a connection of its own."""
    body = b"{}" if method == "POST" else None
    async with proxy.client() as client:
        return await client.ask(request(method, target, *fields, body=body, host=host), head_only=method == "HEAD")


def asked(tmp_path: Path, script: Script) -> Answer:
    """What a poll of a batch gets."""

    async def scenario() -> Answer:
        async with proxied(tmp_path, script) as proxy:
            return await poll(proxy)

    return run(scenario())


def assert_changed(got: Answer, body: bytes | None = None) -> None:
    """The address is ours, the framing fits, and the edit is declared."""
    body = ours(batch()) if body is None else body
    assert (got.status, got.whole, got.body) == (200, True, body)
    assert [value for name, value in got.fields if name.lower() == b"content-length"] == [str(len(body)).encode()]
    assert (got.value(b"content-encoding"), got.value(b"transfer-encoding")) == (None, None)
    assert got.value(b"planner-answer") == b"results-url"
    assert got.value(b"planner-body") == b"unchanged"


def assert_as_it_came(got: Answer, body: bytes, *fields: Field) -> None:
    """Bytes and fields are the upstream's, and nothing is declared."""
    assert (got.status, got.whole, got.body) == (200, True, body)
    assert got.fields[: len(fields)] == list(fields)
    assert got.value(b"planner-answer") is None


ADDRESSES = [
    ("POST", "/v1/messages/batches", True),
    ("POST", "/v1/messages/batches?beta=true", True),
    ("GET", "/v1/messages/batches?limit=20", True),
    ("GET", POLL, True),
    ("POST", f"{POLL}/cancel", True),
    ("HEAD", POLL, False),
    ("DELETE", POLL, False),
    ("GET", f"{POLL}/results", False),
    ("POST", "/v1/messages", False),
    ("GET", "/v1/models", False),
]


def test_which_answers(tmp_path: Path) -> None:
    """Of the four addresses that answer with batches, and of no other."""

    async def script(turn: Turn) -> None:
        await turn.body()
        whole = answer(batch(), JSON)
        await turn.write(whole.removesuffix(batch()) if turn.request.method == b"HEAD" else whole)

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            for method, target, changes in ADDRESSES:
                got = await poll(proxy, method=method, target=target)
                body = ours(batch()) if changes else batch()
                assert (got.status, got.body) == (200, b"" if method == "HEAD" else body), (method, target)
                assert got.value(b"content-length") == str(len(body)).encode()
                assert (got.value(b"planner-answer") is not None) == changes

    run(scenario())


@pytest.mark.parametrize("size", [0, 2 * LARGE_ANSWER])
def test_a_list(tmp_path: Path, size: int) -> None:
    """Each batch of a page names our address, though the page is long, if only it can be held."""
    body = b'{ "data" : [%s,%s ], "has_more":false}' % (batch(), batch(padding="x" * size))
    assert_changed(asked(tmp_path, always(answer(body, JSON))), ours(body))


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "identity": bytes,
}


def test_encoded_answers(tmp_path: Path) -> None:
    """What is changed comes decoded; what has nothing to change comes encoded as it was."""
    plain = b'{"type":"message_batch","results_url":null}'

    async def script(turn: Turn) -> None:
        await turn.body()
        (coding,), (kind,) = turn.request.values(b"x-coding"), turn.request.values(b"x-kind")
        body = CODINGS[coding.decode()](batch() if kind == b"ended" else plain)
        await turn.write(answer(body, JSON, (b"content-encoding", coding)))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            for name, encode in CODINGS.items():
                coding = (b"x-coding", name.encode())
                assert_changed(await poll(proxy, coding, (b"x-kind", b"ended")))
                got = await poll(proxy, coding, (b"x-kind", b"running"))
                assert_as_it_came(got, encode(plain), JSON, (b"content-encoding", name.encode()))

    run(scenario())


def test_pieces(tmp_path: Path) -> None:
    """An answer in chunks of one byte is as good as any; it comes in one piece, with its length."""
    pieces = b"".join(chunk(bytes([byte])) for byte in batch())
    assert_changed(asked(tmp_path, always(CHUNKED + pieces + b"0\r\n\r\n")))


def test_without_a_length(tmp_path: Path) -> None:
    """An answer that ends with its connection gets a length when it is changed."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n" + batch())
        turn.close()

    assert_changed(asked(tmp_path, script))


def test_an_answer_that_is_too_long(tmp_path: Path) -> None:
    """It passes as it came: announced at once, otherwise from where it was too much on, before the rest has come."""
    body = batch(padding="x" * LONGEST_ANSWER)
    rest = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        if b"announced" in turn.request.target:
            await turn.write(answer(body, JSON)[:1_000])
        else:
            await turn.write(CHUNKED + chunk(body))
        await rest.wait()
        rest.clear()
        await turn.write(answer(body, JSON)[1_000:] if b"announced" in turn.request.target else b"0\r\n\r\n")

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for target in (f"{POLL}?announced", POLL):
                await client.send(request("GET", target, body=None, host=HOST))
                head = await client.head()  # which is there before the upstream goes on
                rest.set()
                assert head.value(b"planner-answer") is None
                got = b""
                while len(got) < len(body):
                    got += await client.piece(head)
                assert got == body
                assert await client.piece(head) == b"" if target == POLL else True

    run(scenario())


def test_a_bomb(tmp_path: Path) -> None:
    """What decodes to more than can be held passes as it came."""
    body = gzip.compress(batch(padding=" " * LONGEST_ANSWER))
    assert len(body) < LARGE_ANSWER
    got = asked(tmp_path, always(answer(body, JSON, (b"content-encoding", b"gzip"))))
    assert_as_it_came(got, body, JSON, (b"content-encoding", b"gzip"))


UNCHANGEABLE: list[list[Field]] = [
    [(b"content-type", b"application/x-jsonl")],
    [],
    [JSON, (b"content-encoding", b"gzip, br")],
    [JSON, (b"content-encoding", b"x-unknown")],
    [JSON, (b"content-encoding", b"identity"), (b"content-encoding", b"identity")],
    [JSON, (b"content-encoding", b"gzip")],
    [JSON, (b"content-digest", b"sha-256=:x:")],
]


def test_what_cannot_be_changed(tmp_path: Path) -> None:
    """No JSON, an encoding that is unknown, doubled or not that of the bytes, or a digest over them: as it came."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(answer(batch(), *UNCHANGEABLE[int(turn.request.target.partition(b"?")[2])]))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            for number, fields in enumerate(UNCHANGEABLE):
                assert_as_it_came(await poll(proxy, target=f"{POLL}?{number}"), batch(), *fields)

    run(scenario())


def test_other_statuses(tmp_path: Path) -> None:
    """An answer that is no plain success is nobody's batch, whatever it says."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(answer(batch(), JSON, status=int(turn.request.target.partition(b"?")[2])))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            for status in (201, 202, 207, 400, 404, 429, 500, 529):
                got = await poll(proxy, target=f"{POLL}?{status}")
                assert (got.status, got.body, got.value(b"planner-answer")) == (status, batch(), None)

    run(scenario())


def test_a_foreign_host(tmp_path: Path) -> None:
    """An address of anybody else's stays: keys go only where they went before."""
    body = batch().replace(b"api.anthropic.com", b"api.example.com")
    assert_as_it_came(asked(tmp_path, always(answer(body, JSON))), body, JSON)


def test_a_gateway_names_itself(tmp_path: Path) -> None:
    """The address of the upstream that we talk to is changed like Anthropic's."""

    async def script(turn: Turn) -> None:
        await turn.body()
        (host,) = turn.request.values(b"host")
        await turn.write(answer(batch().replace(THEIRS, b"http://" + host), JSON))

    assert_changed(asked(tmp_path, script))


STRANGERS: list[tuple[bytes, list[Field]]] = [
    (b"planner.example", []),
    (b"10.0.0.1:8484", []),
    (HOST, [(b"X-Forwarded-For", b"127.0.0.1")]),
    (HOST, [(b"Forwarded", b"for=127.0.0.1")]),
    (HOST, [(b"Host", b"localhost")]),
    (HOST, [(b"planner-mode", b"off")]),
]


def test_whom_we_do_not_know(tmp_path: Path) -> None:
    """Where it is not plain how the caller sees us, or the caller wants to be left alone, it stays as it came."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(batch(), JSON))) as proxy:
            for host, fields in STRANGERS:
                assert_as_it_came(await poll(proxy, *fields, host=host), batch(), JSON)

    run(scenario())


def test_a_public_address(tmp_path: Path) -> None:
    """What the operator says holds for everybody, from wherever and however forwarded; not where planning is off."""

    async def scenario() -> None:
        url = "https://planner.example:8443/"
        body = batch().replace(THEIRS, b"https://planner.example:8443")
        async with proxied(tmp_path, always(answer(batch(), JSON)), public_url=url) as proxy:
            assert_changed(await poll(proxy, host=b"other.example"), body)
            assert_changed(await poll(proxy, (b"X-Forwarded-For", b"10.0.0.9")), body)
            assert_changed(await poll(proxy, (b"planner-mode", b"observe")), body)
            assert_as_it_came(await poll(proxy, (b"planner-mode", b"off")), batch(), JSON)

    run(scenario())


def test_theirs(tmp_path: Path) -> None:
    """The setting switches it off: no byte and no field differs, whatever we know."""
    book = rules(settings={"batches.results_url": "theirs"})
    body = gzip.compress(batch())

    async def scenario() -> None:
        script = always(answer(body, JSON, (b"content-encoding", b"gzip")))
        async with proxied(tmp_path, script, rules=book, public_url="https://planner.example") as proxy:
            got = await poll(proxy)
            assert_as_it_came(got, body, JSON, (b"content-encoding", b"gzip"))
            assert {name for name, _ in got.fields[3:]} == {b"planner-request-id", b"planner-body"}

    run(scenario())


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_cut_in_the_middle(tmp_path: Path, framing: str) -> None:
    """An answer that the upstream cuts is cut for the caller, who gets what came of it as it came."""
    half = batch()[:60] + b"\n"

    async def script(turn: Turn) -> None:
        await turn.body()
        announced = answer(batch(), JSON).removesuffix(batch())
        await turn.write(announced + half if framing == "length" else CHUNKED + chunk(half))
        turn.close()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            got = await poll(proxy)
            assert (got.status, got.whole, got.body) == (200, False, half)
            assert got.value(b"planner-answer") is None
            entry = await proxy.entry()
            assert (entry.endpoint, entry.outcome, entry.status) == ("batches", "error", 200)
            assert (await proxy.metrics())['planner_upstream_errors_total{type="reset"}'] == 1

    run(scenario())


def test_nobody_answers(tmp_path: Path) -> None:
    """An error of ours passes, held back by nothing."""

    async def script(turn: Turn) -> None:
        turn.close()

    got = asked(tmp_path, script)
    assert (got.status, got.value(b"x-should-retry")) == (502, b"true")


def test_a_caller_that_leaves(tmp_path: Path) -> None:
    """One that hangs up while its answer is held ends it upstream, and leaves one entry and no task."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(answer(batch(), JSON)[:-10])
        begun.set()
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            async with proxy.client() as client:
                await client.send(request("GET", POLL, body=None, host=HOST))
                await begun.wait()
                client.cut()
            await gone.wait()
            assert (await proxy.entry()).outcome == "cancelled"

    run(scenario())


def test_a_bug_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer then comes as it came, and the bug is counted and named by its kind alone."""

    def fails(*_: object) -> None:
        raise RuntimeError("what somebody said")

    async def scenario() -> None:
        body = gzip.compress(batch())
        async with proxied(tmp_path, always(answer(body, JSON, (b"content-encoding", b"gzip")))) as proxy:
            monkeypatch.setattr("planner.proxy.addressing.readdress", fails)
            assert_as_it_came(await poll(proxy), body, JSON, (b"content-encoding", b"gzip"))
            assert (await proxy.metrics())['planner_fail_open_total{cause="bug"}'] == 1
            assert "somebody" not in proxy.log.getvalue()

    run(scenario())


def test_a_connection_goes_on(tmp_path: Path) -> None:
    """Changed answers are framed so that the next one on the connection is read right."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(batch(), JSON))) as proxy, proxy.client() as client:
            for _ in range(3):
                assert_changed(await client.ask(request("GET", POLL, body=None, host=HOST)))

    run(scenario())
