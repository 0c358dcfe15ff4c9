"""An upstream that fails is told from one that answers: once, in Anthropic's shape, with an entry that says so."""

import asyncio
import socket
from pathlib import Path

import pytest

from planner.core.ledger.entry import Entry
from tests.doubles.client import Answer, request
from tests.doubles.messages import ASKED, SSE_HEAD, events, message
from tests.doubles.proxy import Proxied, proxied, read_ledger, run
from tests.doubles.upstream import Turn, always, answer, chunk


async def ask(proxy: Proxied) -> tuple[Answer, Entry]:
    """A message, its answer and its entry."""
    async with proxy.client() as client:
        got = await client.ask(request(body=ASKED))
    return got, await proxy.entry()


def is_fault(got: Answer, status: int, kind: bytes) -> bool:
    """Whether an answer is an error of ours: Anthropic-shaped, ours by name, worth another try."""
    return (
        got.status == status
        and b'"type":"%s"' % kind in got.body
        and b"planner: " in got.body
        and got.value(b"x-should-retry") == b"true"
        and got.value(b"planner-request-id") is not None
    )


def test_nobody_listens(tmp_path: Path) -> None:
    """No connection is a 502; nothing was sent, so it cost nothing, and that is known."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        upstream = f"http://127.0.0.1:{unused.getsockname()[1]}"

        async def scenario() -> None:
            async with proxied(tmp_path, always(b""), upstream=upstream) as proxy:
                got, entry = await ask(proxy)
                assert is_fault(got, 502, b"api_error")
                assert f"planner: cannot connect to {upstream}: Connect".encode() in got.body
                assert (entry.outcome, entry.status, entry.cost_nano, entry.unpriced) == ("error", None, 0, None)
                assert (await proxy.metrics())['planner_upstream_errors_total{type="connect"}'] == 1

        run(scenario())


def test_no_such_host(tmp_path: Path) -> None:
    """A name that does not resolve is no connection either."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(b""), upstream="http://no-such-host.invalid") as proxy:
            got, entry = await ask(proxy)
            assert is_fault(got, 502, b"api_error")
            assert entry.cost_nano == 0

    run(scenario())


def test_connection_breaks_before_the_answer(tmp_path: Path) -> None:
    """A request that was sent and never answered may have been billed: its cost is unknown, and it is sent once."""

    async def close(turn: Turn) -> None:
        await turn.body()
        turn.close()

    async def cut(turn: Turn) -> None:
        await turn.body()
        turn.cut()

    async def half(turn: Turn) -> None:
        await turn.body()
        await turn.write(b"HTTP/1.1 200 OK\r\nconte")
        turn.close()

    async def scenario() -> None:
        for number, script in enumerate((close, cut, half)):
            async with proxied(tmp_path / str(number), script) as proxy:
                got, entry = await ask(proxy)
                assert is_fault(got, 502, b"api_error")
                assert (entry.outcome, entry.cost_nano, entry.unpriced) == ("error", None, "no-answer")
                assert len(proxy.upstream.requests) == 1

    run(scenario())


def test_kept_connection_that_went_away(tmp_path: Path) -> None:
    """A connection that the upstream closed while it was idle is not used; nothing is ever sent twice."""
    turns: list[Turn] = []

    async def script(turn: Turn) -> None:
        turns.append(turn)
        await turn.body()
        await turn.write(answer(message()))
        turn.close()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for number in range(1, 4):
                assert (await client.ask(request(body=ASKED))).status == 200
                assert len(turns) == number
                await turns[-1].gone()

    run(scenario())


def test_cut_in_the_middle(tmp_path: Path) -> None:
    """An answer cut by the upstream is cut for the caller too; the entry is an error with an estimate."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + b"".join(map(chunk, events(text="y" * 4_000)[:4])))
        turn.close()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            got, entry = await ask(proxy)
            assert (got.status, got.whole) == (200, False)
            assert got.body == b"".join(events(text="y" * 4_000)[:4])
            assert (entry.outcome, {line.basis for line in entry.lines}) == ("error", {"estimated"})
            assert entry.tokens is not None
            assert entry.tokens.output == 1_000
            assert (await proxy.metrics())['planner_upstream_errors_total{type="reset"}'] == 1

    run(scenario())


def test_message_cut_in_the_middle(tmp_path: Path) -> None:
    """A whole message that was cut tells no usage: its cost is unknown, never 0."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(answer(message(), (b"content-type", b"application/json"))[:-20])
        turn.cut()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            got, entry = await ask(proxy)
            assert not got.whole
            assert (entry.outcome, entry.cost_nano) == ("error", None)

    run(scenario())


def test_stream_that_ends_early_in_order(tmp_path: Path) -> None:
    """A stream that ends by its framing but without `message_stop` is an error, though every byte came."""
    body = b"".join(events()[:4])

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(body, (b"content-type", b"text/event-stream")))) as proxy:
            got, entry = await ask(proxy)
            assert (got.body, entry.outcome) == (body, "error")

    run(scenario())


def test_silence(tmp_path: Path) -> None:
    """An upstream silent beyond the idle timeout is a 504 before the answer, a cut within it."""

    async def silent(turn: Turn) -> None:
        await turn.body()
        await turn.gone()

    async def stalls(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + chunk(events()[0]))
        await turn.gone()

    async def scenario() -> None:
        async with proxied(tmp_path / "a", silent, idle_timeout=0.1) as proxy:
            got, entry = await ask(proxy)
            assert is_fault(got, 504, b"timeout_error")
            assert (entry.outcome, entry.cost_nano) == ("error", None)
            assert (await proxy.metrics())['planner_upstream_errors_total{type="timeout"}'] == 1
        async with proxied(tmp_path / "b", stalls, idle_timeout=0.1) as proxy:
            got, entry = await ask(proxy)
            assert (got.body, got.whole) == (events()[0], False)
            assert (entry.outcome, {line.basis for line in entry.lines}) == ("error", {"estimated"})

    run(scenario())


def test_what_is_no_http(tmp_path: Path) -> None:
    """Answers that are no HTTP are a 502, and the proxy lives on."""
    odd = [
        b"SSH-2.0-OpenSSH_9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nbad name: x\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    ]

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(odd[int(turn.request.target.partition(b"?")[2])])
        turn.close()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy, proxy.client() as client:
            for number in range(len(odd)):
                got = await client.ask(request("POST", f"/v1/messages?{number}", body=ASKED))
                assert is_fault(got, 502, b"api_error"), odd[number]

    run(scenario())


def test_bug_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug before the answer is a 500 in Anthropic's shape with an entry; one after it takes nothing away."""

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    def forgetful(*_: object) -> None:
        raise RuntimeError("another")

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message()))) as proxy, proxy.client() as client:
            with monkeypatch.context() as patched:
                patched.setattr("planner.proxy.forward.relay", broken)
                assert is_fault(await client.ask(request(body=ASKED)), 500, b"api_error")
            with monkeypatch.context() as patched:
                patched.setattr("planner.proxy.learning.Learning.settled", forgetful)
                for _ in range(2):
                    assert (await client.ask(request(body=ASKED))).body == message()
            assert [entry.outcome for entry in await proxy.entries(3)] == ["error", "ok", "ok"]
            assert (await proxy.metrics())['planner_fail_open_total{cause="learning"}'] == 2
            assert "a bug" not in proxy.log.getvalue()

    run(scenario())


@pytest.mark.parametrize(
    ("broken", "cause", "outcomes"),
    [
        ("recorder.Recorder.intend", "record", ["ok"]),
        ("recorder.Recorder.settle", "record", ["unknown"]),
        ("course.Course._terms", "settle", ["unknown"]),
        ("learning.Learning.sending", "remembering", ["ok"]),
        ("planning.Planning.plan", "bug", ["ok"]),
    ],
)
def test_a_bug_beside_the_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, cause: str, outcomes: list[str]
) -> None:
    """The caller has its answer whatever fails around it; it is counted by its cause, and named by its kind alone."""

    def fails(*_: object) -> None:
        raise RuntimeError("what somebody said")

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message()))) as proxy, proxy.client() as client:
            monkeypatch.setattr(f"planner.proxy.{broken}", fails)
            assert (await client.ask(request(body=ASKED))).body == message()
            assert (await proxy.metrics())[f'planner_fail_open_total{{cause="{cause}"}}'] == 1
            while [entry.outcome for entry in await read_ledger(proxy.store)] != outcomes:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)
            assert "somebody" not in proxy.log.getvalue()

    run(scenario())


def test_a_bug_before_the_request_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be settled is not sent, and the caller hears so in Anthropic's shape."""

    def fails(*_: object) -> None:
        raise RuntimeError("what somebody said")

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message()))) as proxy, proxy.client() as client:
            monkeypatch.setattr("planner.proxy.course.Course._intent", fails)
            assert is_fault(await client.ask(request(body=ASKED)), 500, b"api_error")
            assert not proxy.upstream.requests
            assert "somebody" not in proxy.log.getvalue()

    run(scenario())


def test_a_bug_that_nobody_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even then the answer has Anthropic's shape, and neither it nor the log says more than the kind."""

    def fails(*_: object) -> None:
        raise RuntimeError("what somebody said")

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message()))) as proxy, proxy.client() as client:
            monkeypatch.setattr("planner.proxy.forward.arrive", fails)
            got = await client.ask(request(body=ASKED))
            assert is_fault(got, 500, b"api_error")
            assert b"somebody" not in got.body
            assert '"error":"RuntimeError"' in proxy.log.getvalue()
            assert "somebody" not in proxy.log.getvalue()

    run(scenario())
