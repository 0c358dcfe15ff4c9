"""What befalls a container on the way: restarts, forks, two at once, silence, expiry, threads, and callers' own ids."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import anthropic
import pytest

from planner.clock import VirtualClock
from tests.doubles.halting import Halting
from tests.doubles.proxy import run
from tests.doubles.simulated import START, Simulated, assert_reconciled, planning, simulated, simulating
from tests.endtoend.cases import CASES, PATIENT, UPSTREAM, Case
from tests.endtoend.client import CODE, MODEL, OLD_CODE, QUERY, Form, Talk, connect, contained, named, results

KEY = "sk-ant-life"
THREADS = "message-threads-2026-08-12"
Work = Callable[[Simulated], Awaitable[None]]


def within(directory: Path, work: Work, clock: VirtualClock | None = None, **upstream: Any) -> None:
    """Run work with a planner in front of a simulator."""

    async def main() -> None:
        async with simulated(directory, simulator=UPSTREAM | {"clock": clock} | upstream, **PATIENT) as planner:
            await work(planner)

    run(main())


@asynccontextmanager
async def talking(planner: Simulated, **ways: Any) -> AsyncIterator[Talk]:
    """A conversation whose key has been answered before."""
    assert isinstance(planner.clock, VirtualClock)
    async with Talk(planner.address, KEY, planner.clock, **({"tools": [OLD_CODE]} | ways)) as talk:
        await talk.client.models.list()
        yield talk


def containers(planner: Simulated) -> list[tuple[int, int]]:
    """How many requests ran in each container that was started, and how many at once at most."""
    return [(each.requests, each.most_at_once) for each in planner.simulator.state.containers]


def plans(talk: Talk) -> list[str]:
    """What was done about the container in each request."""
    return [each.plan["container"] for each in talk.spoken]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_planner_that_restarts_between_any_two_requests(tmp_path: Path, case: Case) -> None:
    """Every request meets another process, also while a call is pending."""

    async def main() -> None:
        async with simulating(**UPSTREAM) as (simulator, url):
            clock = simulator.state.clock
            assert isinstance(clock, VirtualClock)
            talk = Talk(url, KEY, clock, **case.fields)
            got: list[str] = []
            for text in case.says:
                ask: Any = {"role": "user", "content": text}
                while ask is not None:
                    talk.messages += [ask] if ask else []
                    async with (
                        planning(tmp_path, simulator, url, **PATIENT) as planner,
                        talk.moved(planner.address) as talk,
                    ):
                        if not got:
                            await talk.client.models.list()
                        message = await talk.send(resumes=ask == {})
                        got += plans(talk)
                    answers = {"role": "user", "content": results(message)}
                    ask = {"tool_use": answers, "pause_turn": {}}.get(message.stop_reason or "")
            assert got == list(case.gets)
            assert len(simulator.state.containers) == 1
            assert_reconciled(await planner.entries(len(simulator.heard)), simulator)

    run(main())


@pytest.mark.parametrize("stream", [False, True])
def test_clients_that_rewrite_what_they_were_told(tmp_path: Path, *, stream: bool) -> None:
    """Two answers put into one message, answers kept as their trimmed words: the container is found all the same."""

    async def work(planner: Simulated) -> None:
        async with talking(planner, stream=stream, merges=True, words=True) as talk:
            for text in ("[halfway]", "[talk]", "[halfway]", "[more]"):
                await talk.say(text)
            assert [len(message["content"]) for message in talk.messages[1::2]] == [3, len("So it seems."), 3, 3]
            assert plans(talk) == ["none", *["threaded"] * 5]
            assert containers(planner) == [(6, 1)]

    within(tmp_path, work)


@pytest.mark.parametrize("stream", [False, True])
def test_a_fork_gets_none_and_a_pending_one_gets_it(tmp_path: Path, *, stream: bool) -> None:
    """The first that goes on has the container; another that goes on from the same answer starts its own, and keeps it.

    Where a call is pending, the fork fails without the id, so it is put in; the API then has the last word.
    """

    async def work(planner: Simulated) -> None:
        async with talking(planner, stream=stream) as talk:
            await talk.say("[more]")
            await talk.say("[talk]")
            for other in (talk.fork(), talk.fork()):
                async with other:
                    await other.say("[more]")
                    await other.say("[talk]")
                    await other.say("[more]")
                    own = other.containers[-3:]
                    assert len(set(own)) == 1
                    first = planner.heard[-3]
            assert plans(other) == ["none:fork", "threaded", "threaded"]
            assert named(first.body) is None
            assert containers(planner) == [(5, 1), (3, 1)]
            await talk.say("[more]")
            assert plans(talk)[-1] == "none:fork"

        async with talking(planner, stream=stream, tools=[CODE, QUERY]) as talk:
            talk.messages = [{"role": "user", "content": "[regions]"}]
            waits = await talk.send()
            answer: Any = {"role": "user", "content": results(waits)}
            async with talk.fork() as other:
                for each in (talk, other):
                    each.messages.append(answer)
                await talk.send()
                with pytest.raises(anthropic.BadRequestError, match="has no pending tool use"):
                    await other.send()
                assert plans(talk) == ["none", "threaded:pending-call"]
                assert plans(other) == ["threaded:pending-call"]
                assert named(planner.heard[-1].body) == talk.containers[0]

    within(tmp_path, work)


@pytest.mark.parametrize("stream", [False, True])
def test_one_at_a_time(tmp_path: Path, *, stream: bool) -> None:
    """While one request runs in the container, another that goes on from the same answer gets none."""
    clock = Halting(START)

    async def work(planner: Simulated) -> None:
        async with talking(planner, stream=stream) as talk:
            await talk.say("[more]")
            clock.go.clear()
            async with talk.fork() as other:

                async def meanwhile() -> None:
                    await clock.halted(1)
                    asked = asyncio.gather(other.say("[more]"), gone_on())
                    await asked

                async def gone_on() -> None:
                    await clock.halted(2)
                    assert sorted(each.running for each in planner.simulator.state.containers) == [1, 1]
                    clock.go.set()

                await asyncio.gather(talk.say("[more]"), meanwhile())
                assert plans(talk) == ["none", "threaded"]
                assert plans(other) == ["declined:busy"]
                assert containers(planner) == [(2, 1), (1, 1)]

    within(tmp_path, work, clock, time_factor=0.1)


@pytest.mark.parametrize("keeps", ["string", "object"])
def test_a_callers_own_id_is_never_replaced(tmp_path: Path, keeps: Form) -> None:
    """Not one of another conversation, not one that the API refuses, in whatever form it is written."""

    async def work(planner: Simulated) -> None:
        async with talking(planner, keeps=keeps) as talk, talking(planner) as other:
            await talk.say("[more]")
            await other.say("[more]")
            theirs = other.containers[0]
            for name in (theirs, "container_of_nobody"):
                talk.fields["container"] = name if keeps == "string" else {"id": name}
                talk.messages.append({"role": "user", "content": "[more]"})
                if name == theirs:
                    await talk.send()
                else:
                    with pytest.raises(anthropic.BadRequestError, match=r"container_of_nobody was not found\."):
                        await talk.send()
                assert planner.heard[-1].body == talk.spoken[-1].sent
                assert plans(talk)[-1] == "caller"
            assert talk.containers == [talk.containers[0], theirs]
            assert (await planner.entries(6))[-1].attempts == 1

    within(tmp_path, work)


@pytest.mark.parametrize("empty", [None, {}, {"id": None}])
def test_what_names_none_is_filled_in(tmp_path: Path, empty: Any) -> None:
    """Null, an empty object and a null id are no id; the object stays an object."""

    async def work(planner: Simulated) -> None:
        async with talking(planner) as talk:
            await talk.say("[more]")
            talk.fields["container"] = empty
            await talk.say("[more]")
            container = talk.containers[0]
            expected = container if empty is None else {"id": container}
            assert planner.heard[-1].json()["container"] == expected
            assert (plans(talk)[-1], talk.containers[-1]) == ("threaded", container)

    within(tmp_path, work)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_leaves_its_container_out(tmp_path: Path, *, stream: bool) -> None:
    """The last that is known counts on; where none was known before, there is none to go on in."""

    async def work(planner: Simulated) -> None:
        async with talking(planner, stream=stream) as talk:
            for text in ("[more]", "[shy]", "[talk]", "[shy]", "[more]"):
                await talk.say(text)
            first = talk.containers[0]
            assert talk.containers == [first, None, first, None, first]
            assert plans(talk) == ["none", *["threaded"] * 4]
            assert containers(planner) == [(5, 1)]
        async with talking(planner, stream=stream) as talk:
            await talk.say("[shy]")
            await talk.say("[more]")
            assert plans(talk) == ["none", "none"]

    within(tmp_path, work)


@pytest.mark.parametrize("words", [False, True])
def test_its_expiry_rolls_on_and_ends(tmp_path: Path, *, words: bool) -> None:
    """Each use, in code or in words alone, keeps it warm for five minutes more; past that a new one is started."""

    async def work(planner: Simulated) -> None:
        async with talking(planner) as talk:
            expires: list[datetime] = []
            for _ in range(4):
                message = await talk.say("[talk]" if words and expires else "[more]")
                assert message.container is not None
                expires.append(message.container.expires_at)
                planner.advance(290)
            assert expires == sorted(set(expires))
            assert plans(talk) == ["none", *["threaded"] * 3]
            planner.advance(20)
            await talk.say("[more]")
            assert plans(talk)[-1] == "declined:expired"
            assert planner.heard[-1].body == talk.spoken[-1].sent
            await talk.say("[more]")
            assert plans(talk)[-1] == "threaded"
            assert containers(planner) == [(4, 1), (2, 1)]

    within(tmp_path, work)


def test_a_pending_call_in_a_container_that_went_cold(tmp_path: Path) -> None:
    """The id goes up all the same, since the call fails without it; the API's own refusal of it comes back."""

    async def work(planner: Simulated) -> None:
        async with talking(planner, tools=[CODE, QUERY]) as talk:
            talk.messages = [{"role": "user", "content": "[regions]"}]
            waits = await talk.send()
            talk.messages.append({"role": "user", "content": results(waits)})
            planner.advance(301)
            with pytest.raises(anthropic.BadRequestError, match=r"has expired\."):
                await talk.send()
            assert plans(talk)[-1] == "threaded:pending-call"
            assert (await planner.entries(3))[-1].attempts == 1

    within(tmp_path, work)


@pytest.mark.parametrize("stream", [False, True])
def test_the_sdks_tool_runner(tmp_path: Path, *, stream: bool) -> None:
    """It goes on in a message thread and names the container by itself, so nothing is put in."""

    @anthropic.beta_async_tool
    async def query_database(region: str) -> str:
        """Sales of a region."""
        return {"north": "5120"}.get(region, "4410")

    async def work(planner: Simulated) -> None:
        sdk, ear = connect(planner.address, KEY)
        async with sdk as client:
            await client.models.list()
            tool: Any = query_database.to_dict() | {"allowed_callers": ["code_execution_20260120"]}
            query_database.to_dict = lambda: tool  # type: ignore[method-assign]  # the decorator knows no callers
            asked: Any = {"model": MODEL, "max_tokens": 999, "tools": [query_database, CODE], "stream": stream}
            async for answer in client.beta.messages.tool_runner(**asked, messages=[user("[regions]")]):
                planner.advance(1)
                if stream:
                    await answer.get_final_message()
        (container,) = planner.simulator.state.containers
        spoken = [each for each in ear.spoken if each.path == "/v1/messages"]
        assert [each.plan["container"] for each in spoken] == ["none", "caller"]
        assert planner.heard[1].json()["thread"]["type"] == "continue"
        assert [named(each.body) for each in planner.heard] == [None, container.id]
        assert [each.sent for each in spoken] == [each.body for each in planner.heard]
        assert [each.received for each in spoken] == [each.answer for each in planner.heard]

    within(tmp_path, work)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("tools", [[CODE], [CODE, QUERY]])
def test_a_message_thread_whose_client_forgets(tmp_path: Path, tools: list[Any], *, stream: bool) -> None:
    """Its continuations have no tools and no history: they are known by the last id, in words, in code and pending."""

    async def work(planner: Simulated) -> None:
        sdk, ear = connect(planner.address, KEY)
        async with sdk as client:
            await client.models.list()
            fields: Any = {"tools": tools, "thread": {"type": "create"}}
            for text in ("[more]", "[talk]", "[shy]", "[regions]"):
                content: Any = text
                while content:
                    planner.advance(1)
                    fields |= {"model": MODEL, "max_tokens": 999, "betas": [THREADS], "messages": [user(content)]}
                    if stream:
                        async with client.beta.messages.stream(**fields) as events:
                            answer = await events.get_final_message()
                    else:
                        answer = await client.beta.messages.create(**fields)
                    fields = {"thread": {"type": "continue", "previous_message_id": answer.id}}
                    content = results(answer)
        (container,) = planner.simulator.state.containers
        spoken = [each for each in ear.spoken if each.path == "/v1/messages"]
        pending = ["threaded:pending-call"] if QUERY in tools else []
        assert [each.plan["container"] for each in spoken] == ["none", *["threaded"] * 3, *pending]
        for said, heard in zip(spoken[1:], planner.heard[1:], strict=True):
            assert heard.body == contained(said.sent, container.id)
            assert said.received == heard.answer
        assert (container.requests, container.most_at_once) == (len(spoken), 1)

    within(tmp_path, work)


def user(content: Any) -> Any:
    """A user message."""
    return {"role": "user", "content": content}
