"""The API refuses an edit of ours: what goes instead, once, and what header and ledger then say of it."""

import asyncio
import gzip
import io
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner import log as logs
from planner.app import App, Server
from planner.clock import VirtualClock
from planner.core.ledger.entry import Entry
from planner.settings import Settings
from tests.doubles.client import Answer, RawClient, connected, request
from tests.doubles.deciding import NEWER_CODE, PENDING, USER, body
from tests.doubles.messages import SSE_HEAD, event, message, usage
from tests.doubles.proxy import Proxied, run, settled
from tests.doubles.stored import START
from tests.doubles.upstream import RawUpstream, Turn, answer, chunk
from tests.proxy.test_learning import ran
from tests.proxy.test_planning import BOOK

INERT = (
    b'{"type":"web_fetch_20260318","name":"web_fetch","max_uses":1,"url_sources":{"user_input":{"type":"none"},'
    b'"client_tool_results":{"type":"none"},"server_tool_results":{"type":"none"}}}'
)
WHERE = [
    (b"content-type", b"application/json"),
    (b"anthropic-organization-id", b"org"),
    (b"anthropic-workspace-id", b"workspace"),
]
BEGUN = body(tools=[NEWER_CODE])
HISTORY = [USER, {"role": "assistant", "content": ran()}, {"role": "user", "content": "Go on."}]
GOING_ON = body(tools=[NEWER_CODE], messages=HISTORY)
LATER = body(
    tools=[NEWER_CODE],
    messages=[*HISTORY, {"role": "assistant", "content": ran("srvtoolu_2")}, {"role": "user", "content": "And on."}],
)
NO_SUCH_CONTAINER = "container: Container container_1 was not found."
NO_SUCH_TOOL = "tools.1.web_fetch_20260318.url_sources: Extra inputs are not permitted"


def tooled(sent: bytes) -> bytes:
    """A body with our tool behind the caller's."""
    declared = b'[{"type": "code_execution_20260120", "name": "code_execution"}]'
    assert declared in sent
    return sent.replace(declared, declared[:-1] + b"," + INERT + b"]")


def contained(sent: bytes, container: str) -> bytes:
    """A body with a container at its end."""
    return b'%s,"container":"%s"}' % (sent[:-1], container.encode())


def ok(*, container: str | None = "container_1", call: str | None = "srvtoolu_9", **members: Any) -> bytes:
    """An answer in which code ran in a container."""
    there = {} if container is None else {"container": {"id": container, "expires_at": "2026-11-22T12:05:00Z"}}
    content = {} if call is None else {"content": ran(call)}
    return answer(message(**({"model": "claude-haiku-5-5"} | there | content | members)), *WHERE)


def refusal(text: str, status: int = 400, *fields: tuple[bytes, bytes]) -> bytes:
    """An error."""
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": text}, "request_id": "req_1"}
    said = msgspec.json.encode(error)
    return answer(gzip.compress(said) if fields else said, *WHERE, *fields, status=status)


class Talk(msgspec.Struct):
    """A planner, an upstream that gives these answers in turn, and a client."""

    proxy: Proxied
    client: RawClient
    clock: VirtualClock
    answers: list[bytes]

    async def ask(self, sent: bytes, *answers: bytes) -> Answer:
        """Send one request, for which the upstream has these answers, no more and no less."""
        self.answers[:] = answers
        got = await self.client.ask(post(sent))
        assert self.answers == []
        return got

    def sent(self, count: int) -> list[bytes]:
        """The last bodies that went up."""
        return [each.body for each in self.proxy.upstream.requests[-count:]]

    async def entry(self, got: Answer) -> Entry:
        """The settled entry of an answer."""
        request_id = (got.value(b"planner-request-id") or b"").decode()
        while True:
            for entry in await self.proxy.entries(0):
                if entry.request_id == request_id and entry.outcome != "unknown":
                    return entry
            await asyncio.sleep(0.005)


def post(sent: bytes, *fields: tuple[bytes, bytes]) -> bytes:
    """A request of the one caller."""
    return request("POST", "/v1/messages", (b"x-api-key", b"k"), *fields, body=sent)


def plan_of(got: Answer) -> str:
    """`planner-plan` without the policies."""
    return re.sub(r';policy="[^"]*"', "", (got.value(b"planner-plan") or b"").decode())


@asynccontextmanager
async def planned(
    directory: Path, script: Callable[[Turn], Awaitable[None]]
) -> AsyncIterator[tuple[Proxied, VirtualClock]]:
    """A planner for which code costs at once, in front of a scripted upstream."""
    clock = VirtualClock(START)
    async with RawUpstream(script).listening() as upstream:
        store = directory / "ledger.db"
        values = Settings(upstream=upstream.address, port=0, store=f"sqlite:///{store}", decide_timeout=10.0)
        log = io.StringIO()
        app = App(values, BOOK, clock=clock, log=logs.build(log))
        async with Server(app, values).serving() as address:
            yield Proxied(address, app, upstream, store, log), clock


@asynccontextmanager
async def talking(directory: Path, *, begun: bool = True, **members: Any) -> AsyncIterator[Talk]:
    """A planner that knows where its caller belongs, and, if so wished, has begun a conversation."""
    answers: list[bytes] = []

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(answers.pop(0))

    async with planned(directory, script) as (proxy, clock), proxy.client() as client:
        talk = Talk(proxy, client, clock, answers)
        await talk.ask(body(tools=None), ok(container=None, call=None))
        if begun:
            got = await talk.ask(BEGUN, ok(call="srvtoolu_9", **members))
            assert plan_of(got) == "version=kept, bundle=applied, container=none"
            assert talk.sent(1) == [tooled(BEGUN)]
        yield talk


def going_on(call: str = "srvtoolu_9") -> bytes:
    """The request that goes on from the first answer."""
    return GOING_ON.replace(b"srvtoolu_1", call.encode())


@pytest.mark.parametrize("fields", [(), ((b"content-encoding", b"gzip"),)], ids=["plain", "gzip"])
def test_a_refused_tool(tmp_path: Path, fields: tuple[tuple[bytes, bytes], ...]) -> None:
    """The caller's own bytes go once, are charged as what they are, and the conversation goes on with them."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            got = await talk.ask(BEGUN, refusal(NO_SUCH_TOOL, 400, *fields), ok())
            assert (got.status, got.value(b"planner-body")) == (200, b"unchanged")
            assert talk.sent(2) == [tooled(BEGUN), BEGUN]
            assert plan_of(got) == "version=kept, bundle=declined;reason=breaker, container=none"
            entry = await talk.entry(got)
            assert (entry.attempts, entry.outcome, entry.status) == (2, "ok", 200)
            assert [each.reason for each in entry.decisions] == [None, "breaker", None]
            assert entry.code is not None
            assert entry.code.charge == "billed"
            assert entry.untouched_nano == entry.cost_nano
            later = await talk.ask(going_on(), ok(call="srvtoolu_2"))
            assert plan_of(later) == "version=kept, bundle=declined;reason=breaker, container=threaded"
            assert talk.sent(1) == [contained(going_on(), "container_1")]
            new = body(tools=[NEWER_CODE], messages=[{"role": "user", "content": "Another."}])
            assert "bundle=declined;reason=breaker" in plan_of(await talk.ask(new, ok()))
            talk.clock.advance(3600)
            assert "bundle=applied" in plan_of(await talk.ask(new, ok()))

    run(scenario())


def test_a_refused_container(tmp_path: Path) -> None:
    """It goes once more without the id, the bundle stays, and the id is offered to nobody again."""

    async def scenario() -> None:
        async with talking(tmp_path) as talk:
            got = await talk.ask(
                going_on(), refusal(NO_SUCH_CONTAINER, 404), ok(container="container_2", call="srvtoolu_2")
            )
            assert (got.status, got.value(b"planner-body")) == (200, b"edited")
            assert talk.sent(2) == [contained(tooled(going_on()), "container_1"), tooled(going_on())]
            assert plan_of(got) == (
                "version=kept, bundle=kept;reason=repeated, container=declined;reason=container-gone"
            )
            entry = await talk.entry(got)
            assert (entry.attempts, [each.reason for each in entry.decisions]) == (
                2,
                [None, "repeated", "container-gone"],
            )
            assert entry.code is not None
            assert entry.code.charge == "free"
            fork = await talk.ask(going_on(), ok(container="container_3"))
            assert plan_of(fork).endswith("container=declined;reason=container-gone")
            await talk.ask(LATER, ok(call="srvtoolu_3"))
            assert talk.sent(1) == [contained(tooled(LATER), "container_2")]

    run(scenario())


def test_a_500_on_our_container(tmp_path: Path) -> None:
    """It comes back as it came; the client's own retry goes without the id."""

    async def scenario() -> None:
        async with talking(tmp_path) as talk:
            broken = refusal("Internal server error", 500)
            got = await talk.ask(going_on(), broken)
            assert got.status == 500
            assert broken.endswith(got.body)
            assert plan_of(got).endswith("container=threaded")
            assert (await talk.entry(got)).attempts == 1
            again = await talk.ask(going_on(), ok())
            assert talk.sent(1) == [tooled(going_on())]
            assert plan_of(again).endswith("container=declined;reason=container-gone")

    run(scenario())


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (400, "max_tokens: Field required"),
        (400, "messages.0.content.0.container_upload: File not found"),
        (403, "web_fetch is switched off"),
        (429, NO_SUCH_CONTAINER),
        (500, NO_SUCH_TOOL),
        (529, NO_SUCH_CONTAINER),
    ],
)
def test_refusals_that_are_not_about_us(tmp_path: Path, status: int, text: str) -> None:
    """They come back as they came, after one attempt, and the container is free for the client's own retry."""

    async def scenario() -> None:
        async with talking(tmp_path) as talk:
            got = await talk.ask(going_on(), refusal(text, status))
            assert got.status == status
            assert refusal(text, status).endswith(got.body)
            assert (await talk.entry(got)).attempts == 1
            again = await talk.ask(going_on(), ok())
            gone = "container=declined;reason=container-gone" if status == 500 else "container=threaded"
            assert plan_of(again).endswith(gone)
            assert "bundle=kept;reason=repeated" in plan_of(again)

    run(scenario())


@pytest.mark.parametrize("second", [NO_SUCH_TOOL, NO_SUCH_CONTAINER, "max_tokens: Field required"])
@pytest.mark.parametrize("first", [NO_SUCH_TOOL, NO_SUCH_CONTAINER])
def test_nothing_is_sent_a_third_time(tmp_path: Path, first: str, second: str) -> None:
    """The second refusal is the caller's, and the conversation keeps its edit: the caller's bytes fared no better."""

    async def scenario() -> None:
        async with talking(tmp_path) as talk:
            got = await talk.ask(going_on(), refusal(first), refusal(second))
            assert (got.status, refusal(second).endswith(got.body)) == (400, True)
            entry = await talk.entry(got)
            assert (entry.attempts, entry.outcome, entry.cost_nano) == (2, "error", 0)
            again = await talk.ask(going_on(), ok())
            assert "bundle=kept;reason=repeated" in plan_of(again)
            assert plan_of(again).endswith(
                "container=declined;reason=container-gone" if first == NO_SUCH_CONTAINER else "container=threaded"
            )

    run(scenario())


@pytest.mark.parametrize("text", [NO_SUCH_TOOL, NO_SUCH_CONTAINER])
def test_a_pending_call_is_never_sent_again(tmp_path: Path, text: str) -> None:
    """Without its container, or under other tools, it could only fail once more."""

    async def scenario() -> None:
        async with talking(tmp_path) as talk:
            pending = msgspec.json.encode(PENDING).replace(b"srvtoolu_1", b"srvtoolu_9")
            sent = body(tools=[NEWER_CODE], messages=msgspec.json.decode(pending))
            got = await talk.ask(sent, refusal(text))
            assert (got.status, refusal(text).endswith(got.body)) == (400, True)
            assert talk.sent(1) == [contained(tooled(sent), "container_1")]
            assert plan_of(got).endswith("container=threaded;reason=pending-call")
            assert (await talk.entry(got)).attempts == 1

    run(scenario())


def test_a_callers_own_container_is_the_callers_affair(tmp_path: Path) -> None:
    """A refusal of it comes back as it came."""

    async def scenario() -> None:
        async with talking(tmp_path) as talk:
            own = contained(going_on(), "container_1")
            got = await talk.ask(own, refusal(NO_SUCH_CONTAINER))
            assert got.status == 400
            assert talk.sent(1) == [tooled(own)]
            assert (await talk.entry(got)).attempts == 1

    run(scenario())


def test_an_encoded_body_is_forwarded_unplanned(tmp_path: Path) -> None:
    """Byte for byte, and it says so."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            packed = gzip.compress(BEGUN)
            talk.answers[:] = [ok()]
            got = await talk.client.ask(post(packed, (b"content-encoding", b"gzip")))
            assert talk.sent(1) == [packed]
            assert got.value(b"planner-body") == b"unchanged"
            assert plan_of(got).count("reason=encoded-body") == 3
            assert (await talk.entry(got)).outcome == "ok"

    run(scenario())


def test_a_busy_container_is_not_lent_twice(tmp_path: Path) -> None:
    """While the first to go on is answered, another gets none; when the first hangs up, its retry has it again."""
    held = asyncio.Event()
    events = [event("message_start", message={"id": "msg_2", "model": "claude-haiku-5-5", "usage": usage()})]

    async def script(turn: Turn) -> None:
        sent = await _body(turn)
        if sent.endswith(b'"container":"container_1"}') and not held.is_set():
            await turn.write(SSE_HEAD + chunk(events[0]))
            held.set()
            await turn.gone()
            return
        await turn.write(ok())

    async def scenario() -> None:
        async with planned(tmp_path, script) as (proxy, _), proxy.client() as client, connected(proxy.address) as other:
            await client.ask(post(body(tools=None)))
            await client.ask(post(BEGUN))
            await other.send(post(going_on()))
            await held.wait()
            assert plan_of(await client.ask(post(going_on()))).endswith("container=declined;reason=busy")
            other.cut()
            memory = proxy.app.metrics
            await settled(lambda: any("cancelled" in line for line in proxy.log.getvalue().splitlines()))
            assert memory.fail_open.values == {}
            assert plan_of(await client.ask(post(going_on()))).endswith("container=threaded")

    run(scenario())


async def _body(turn: Turn) -> bytes:
    await turn.body()
    return turn.request.body


def test_a_journal_that_was_left_behind(tmp_path: Path) -> None:
    """What a killed process wrote down is known before the next one answers its first request."""

    async def scenario() -> None:
        (tmp_path / "next").mkdir()
        async with talking(tmp_path) as talk:
            await talk.proxy.entries(2)
            shutil.copytree(tmp_path / "ledger.db.intents", tmp_path / "next" / "ledger.db.intents")
        async with talking(tmp_path / "next", begun=False) as talk:
            later = await talk.ask(going_on(), ok())
            assert plan_of(later) == "version=kept, bundle=kept;reason=repeated, container=threaded"
            assert talk.sent(1) == [contained(tooled(going_on()), "container_1")]
            assert len(await talk.proxy.entries(4)) == 4

    run(scenario())


def test_a_refusal_that_is_cut_stays_a_refusal(tmp_path: Path) -> None:
    """What was read to see whose fault it is reaches the caller, with its status, and ends where it ended."""
    whole = b'HTTP/1.1 400 Bad Request\r\nretry-after: 7\r\ncontent-length: 500\r\nconnection: close\r\n\r\n{"type":'

    async def script(turn: Turn) -> None:
        await turn.body()
        if b"code_execution" not in turn.request.body:
            await turn.write(ok(container=None, call=None))
            return
        await turn.write(whole)
        turn.close()

    async def scenario() -> None:
        async with planned(tmp_path, script) as (proxy, _):
            async with proxy.client() as client:
                await client.ask(post(body(tools=None)))
            async with proxy.client() as client:
                got = await client.ask(post(BEGUN))
            assert (got.status, got.whole, got.body, got.value(b"retry-after")) == (400, False, b'{"type":', b"7")
            assert len(proxy.upstream.requests) == 2

    run(scenario())
