"""What goes up when the API refuses an edit: once more at most, without what was refused, and never a third time."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from planner.core.exchange import container_digest
from planner.core.ledger.entry import Cause, Lost
from tests.doubles.client import Answer, request
from tests.doubles.deciding import NEW_SEARCH, NEWER_CODE, PENDING, body
from tests.doubles.messages import SSE_END, SSE_HEAD, event, usage
from tests.doubles.proxy import run
from tests.doubles.upstream import chunk
from tests.proxy.test_forward import (
    HISTORY,
    NO_SUCH_CONTAINER,
    NO_SUCH_TOOL,
    WHERE,
    Talk,
    contained,
    ok,
    plan_of,
    refusal,
    talking,
    tooled,
)

BOTH = f"{NO_SUCH_TOOL} (in container container_1)"
NEITHER = "max_tokens: Field required"
STATUSES = (400, 404, 429, 500, 529)
TEXTS = (NO_SUCH_CONTAINER, NO_SUCH_TOOL, BOTH, NEITHER)
WAITS = msgspec.json.decode(msgspec.json.encode(PENDING).replace(b"srvtoolu_1", b"srvtoolu_9"))


class Case(NamedTuple):
    """A request under an edit of ours, and how the API refuses it."""

    edits: str
    pending: bool
    stream: bool
    status: int
    text: str

    @property
    def asked(self) -> bytes:
        """The caller's own bytes."""
        members: dict[str, Any] = {"tools": [NEWER_CODE], "stream": self.stream or None}
        if self.edits != "tools":
            members["messages"] = WAITS if self.pending else HISTORY
        if self.edits == "container":
            members["tools"] = [NEWER_CODE, NEW_SEARCH]
        sent = body(**members).replace(b"srvtoolu_1", b"srvtoolu_9")
        return contained(sent, "container_1") if self.edits == "own" else sent

    def with_tools(self, sent: bytes) -> bytes:
        """A body with what we put into `tools`."""
        return sent if self.edits == "container" else tooled(sent)

    @property
    def first(self) -> bytes:
        """What goes up."""
        edited = self.with_tools(self.asked)
        return contained(edited, "container_1") if self.edits in {"both", "container"} else edited

    @property
    def refused(self) -> bool:
        """Whether the answer says that the request itself is wrong."""
        return 400 <= self.status < 500 and self.status != 429

    @property
    def lost(self) -> bool:
        """Whether a container of ours is gone, as far as can be told."""
        named = self.edits in {"both", "container"}
        return named and (self.status == 500 or (self.refused and "container" in self.text))

    @property
    def second(self) -> bytes | None:
        """What goes up instead, by the words of the design: None for nothing."""
        if self.pending or not self.refused:
            return None
        if self.lost:
            return self.with_tools(self.asked)
        if self.edits != "container" and self.status == 400 and "web_fetch" in self.text:
            return self.asked
        return None

    def retried(self, again: str) -> bytes:
        """What goes up when the client itself sends it once more, after a second refusal of this kind.

        A container that is gone is named for a pending call alone, which fails without it. An edit is given up where
        nothing was said under it yet, and the caller's own bytes were not refused as well.
        """
        given_up = self.edits == "tools" and self.second == self.asked and again == "overloaded"
        sent = self.asked if given_up else self.with_tools(self.asked)
        ours = self.edits in {"both", "container"} and (self.pending or not self.lost)
        return contained(sent, "container_1") if ours else sent


CASES = [
    Case(*each)
    for each in itertools.product(("both", "container", "tools", "own"), (False, True), (False, True), STATUSES, TEXTS)
    if each[0] in {"both", "container"} or not each[1]  # what begins awaits nothing, and an own id needs no help
]


class Caller(msgspec.Struct):
    """One of many callers of one planner, who calls its own container `container_1`.

    What one of them has learnt says nothing of the others.
    """

    talk: Talk
    number: int

    async def ask(self, sent: bytes, *answers: bytes) -> tuple[Answer, list[bytes]]:
        """Send a request for which the upstream has these answers, no more and no less; and what went up."""
        before, mine = len(self.talk.proxy.upstream.requests), b"c%010d" % self.number  # an id as long, for all to see
        self.talk.answers[:] = [each.replace(b"container_1", mine) for each in answers]
        fields, body = (b"x-api-key", b"key-%d" % self.number), sent.replace(b"container_1", mine)
        got = await self.talk.client.ask(request("POST", "/v1/messages", fields, body=body))
        assert self.talk.answers == [], (self.number, plan_of(got))
        return got, [each.body.replace(mine, b"container_1") for each in self.talk.proxy.upstream.requests[before:]]

    async def begin(self, case: Case) -> None:
        """Become known, and begin the conversation of a case."""
        await self.ask(body(tools=None), ok(container=None, call=None))
        if case.edits != "tools":
            tools = [NEWER_CODE, NEW_SEARCH] if case.edits == "container" else [NEWER_CODE]
            opening = body(tools=tools, stream=case.stream or None)
            assert (await self.ask(opening, ok()))[1] == [case.with_tools(opening)]


def streamed(*more: bytes, container: str = "container_1", call: str = "srvtoolu_9") -> bytes:
    """A streamed answer in which code ran, up to its last two events, and what comes then."""
    started = {"id": "msg_1", "model": "claude-haiku-5-5", "content": [], "usage": usage(output_tokens=1)}
    block = {"type": "server_tool_use", "id": call, "name": "bash_code_execution", "input": {}}
    there = {"id": container, "expires_at": "2026-11-22T12:05:00Z"}
    told = {"stop_reason": "end_turn", "container": there}
    pieces = [
        event("message_start", message=started),
        event("content_block_start", index=0, content_block=block),
        event("content_block_stop", index=0),
        *(more or (event("message_delta", delta=told, usage=usage()), event("message_stop"))),
    ]
    head = b"".join(name + b": " + value + b"\r\n" for name, value in WHERE[1:])
    return SSE_HEAD[:-2] + head + b"\r\n" + b"".join(map(chunk, pieces)) + SSE_END


SECONDS: dict[str, Callable[[Case], bytes]] = {
    "ok": lambda case: streamed() if case.stream else ok(),
    "refused": lambda case: refusal(case.text, case.status),
    "other": lambda _: refusal(NEITHER),
    "overloaded": lambda _: refusal("Overloaded", 529),
}
"""How the API answers what goes up instead."""


@pytest.mark.parametrize("again", SECONDS)
def test_what_goes_up(tmp_path: Path, again: str) -> None:
    """By status, words, stream, pending calls and edits: as the table says, and the client's own retry fares alike."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            sent: list[int] = []
            for number, case in enumerate(case for case in CASES if again == "ok" or case.second is not None):
                caller = Caller(talk, number)
                await caller.begin(case)
                said = refusal(case.text, case.status)
                expected = [each for each in (case.first, case.second) if each is not None]
                answers = [said, SECONDS[again](case)][: len(expected)]
                got, went = await caller.ask(case.asked, *answers)
                assert (went, b"%d" % got.status) == (expected, answers[-1].split(b" ")[1]), case
                sent.append(len(went))
                if got.status != 200:  # nobody sends again what was answered
                    assert (await caller.ask(case.asked, refusal("Overloaded", 529)))[1] == [case.retried(again)], case
            asked = len(talk.proxy.upstream.requests) - sent.count(2)
            replayed = [entry for entry in await talk.proxy.entries(asked) if entry.replayed is not None]
            assert len(replayed) == sent.count(2) > 0
            assert {entry.attempts for entry in replayed} == {2}
            samples = await talk.proxy.metrics()
            counted = [samples[f'planner_replays_total{{cause="{cause}"}}'] for cause in ("container", "tools")]
            assert sum(counted) == len(replayed)

    run(scenario(), longest=60)


async def begun(talk: Talk) -> None:
    """Begin the one conversation of a talk, whose container is `container_1`."""
    await talk.ask(body(tools=[NEWER_CODE], stream=True), streamed())


GOING_ON = body(tools=[NEWER_CODE], messages=HISTORY, stream=True).replace(b"srvtoolu_1", b"srvtoolu_9")


def test_a_replay_without_an_answer(tmp_path: Path) -> None:
    """Whatever becomes of the second, there is no third; and the container stays lost."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            await begun(talk)
            got = await talk.ask(GOING_ON, refusal(NO_SUCH_CONTAINER, 404), b"What?\r\n\r\n")
            assert got.status == 502
            assert talk.sent(2) == [contained(tooled(GOING_ON), "container_1"), tooled(GOING_ON)]
            entry = await talk.entry(got)
            assert (entry.attempts, entry.replayed, entry.cost_nano) == (2, "container", None)
            again = await talk.ask(GOING_ON, streamed())
            assert plan_of(again).endswith("container=declined;reason=container-gone")

    run(scenario())


@pytest.mark.parametrize(
    ("kind", "cause"), [("api_error", "server-error"), ("overloaded_error", None), ("timeout_error", None)]
)
def test_an_error_inside_a_stream(tmp_path: Path, kind: str, cause: str | None) -> None:
    """It passes as it came, once; an `api_error` is as good as a 500: the client's own retry goes without the id."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            await begun(talk)
            failing = event("error", error={"type": kind, "message": "Sorry"})
            got = await talk.ask(GOING_ON, streamed(failing, call="srvtoolu_2"))
            assert (got.status, failing in got.body) == (200, True)
            entry = await talk.entry(got)
            assert (entry.outcome, entry.attempts, entry.replayed) == ("error", 1, None)
            lost = None if cause is None else Lost(container_digest("container_1"), "server-error", ours=True)
            assert entry.lost == lost
            again = plan_of(await talk.ask(GOING_ON, streamed()))
            assert again.endswith("declined;reason=container-gone" if cause else "container=threaded")

    run(scenario())


@pytest.mark.parametrize("own", [False, True], ids=["ours", "the-callers"])
def test_a_container_that_is_replaced_without_a_word(tmp_path: Path, own: bool) -> None:  # noqa: FBT001 - a column
    """It is noticed, counted and written down; the new one is what the conversation goes on in, from a minimum anew."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            await begun(talk)
            asked = contained(GOING_ON, "container_1") if own else GOING_ON
            got = await talk.ask(asked, streamed(container="container_2", call="srvtoolu_2"))
            assert talk.sent(1)[0].count(b"container_1") == 1
            entry = await talk.entry(got)
            assert entry.lost == Lost(container_digest("container_1"), "replaced", ours=not own)
            assert (entry.container, entry.attempts) == (container_digest("container_2"), 1)
            fork = await talk.ask(GOING_ON, streamed(container="container_3", call="srvtoolu_3"))
            assert plan_of(fork).endswith("container=declined;reason=container-gone")
            later = GOING_ON.replace(b"srvtoolu_9", b"srvtoolu_2")
            await talk.ask(later, streamed(container="container_2", call="srvtoolu_4"))
            assert talk.sent(1) == [contained(tooled(later), "container_2")]
            samples = await talk.proxy.metrics()
            named_by = "caller" if own else "planner"
            assert samples[f'planner_container_losses_total{{cause="replaced",named_by="{named_by}"}}'] == 1
            assert (samples["planner_container_starts_total"], samples["planner_container_reuses_total"]) == (3, 1)

    run(scenario())


@pytest.mark.parametrize(("status", "cause"), [(404, "refused"), (500, "server-error")])
def test_a_container_that_its_caller_loses(tmp_path: Path, status: int, cause: Cause) -> None:
    """It comes back as it came, and never again for a caller that leaves the id out the next time."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            await begun(talk)
            text = NO_SUCH_CONTAINER if status == 404 else "Internal server error"
            got = await talk.ask(contained(GOING_ON, "container_1"), refusal(text, status))
            assert got.status == status
            entry = await talk.entry(got)
            assert (entry.attempts, entry.lost) == (1, Lost(container_digest("container_1"), cause, ours=False))
            again = await talk.ask(GOING_ON, streamed())
            assert plan_of(again).endswith("container=declined;reason=container-gone")

    run(scenario())


def test_a_rule_rests_for_a_profile(tmp_path: Path) -> None:
    """Whatever the system prompt says, a clock in it included; on another model, or for another caller, it goes on."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            first = body(tools=[NEWER_CODE], system="It is 12:00.")
            await talk.ask(first, refusal(NO_SUCH_TOOL), ok())
            later = await talk.ask(body(tools=[NEWER_CODE], system="It is 12:01."), ok())
            assert "bundle=declined;reason=breaker" in plan_of(later)
            model = body(tools=[NEWER_CODE], system="It is 12:02.", model="claude-sonnet-4-5")
            assert "breaker" not in plan_of(await talk.ask(model, ok()))
            other = Caller(talk, 1)
            await other.ask(body(tools=None), ok(container=None, call=None))
            got, _ = await other.ask(first, ok())
            assert "bundle=applied" in plan_of(got)

    run(scenario())


def test_what_began_in_the_same_words_rests_too(tmp_path: Path) -> None:
    """A decision that holds for all that begin alike ends where the API refuses its edit; what has begun keeps it."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            words = body(tools=[NEWER_CODE], system="One.")
            assert "bundle=applied" in plan_of(await talk.ask(words, ok(call="srvtoolu_9")))
            await talk.ask(body(tools=[NEWER_CODE], system="Two."), refusal(NO_SUCH_TOOL), ok(call="srvtoolu_8"))
            assert "bundle=declined;reason=breaker" in plan_of(await talk.ask(words, ok(call="srvtoolu_7")))
            begun = body(tools=[NEWER_CODE], system="One.", messages=HISTORY).replace(b"srvtoolu_1", b"srvtoolu_9")
            assert "bundle=kept;reason=repeated" in plan_of(await talk.ask(begun, ok()))

    run(scenario())
