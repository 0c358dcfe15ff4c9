"""Conversations as clients hold them: the whole history goes up, and the container only where the client keeps it."""

from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import pytest
import uvloop

from planner.clock import VirtualClock
from planner.demo.conversation import Conversation, Desk, files_of
from planner.simulator import Config, Simulator, serve
from tests.doubles.simulated import START, Attentive

MODEL = "claude-sonnet-5-5"
CODE = {"type": "code_execution_20260120", "name": "code_execution"}
QUERY = {
    "name": "query_database",
    "input_schema": {"type": "object"},
    "allowed_callers": ["code_execution_20260120"],
}


def talk(work: Callable[[Desk], Awaitable[None]]) -> Attentive:
    """Let something be said at a desk in front of a simulator; return the simulator that heard it."""
    simulator = Attentive(Config.default(clock=VirtualClock(START)))

    async def main() -> None:
        async with serve(simulator) as url, anthropic.AsyncAnthropic(base_url=url, api_key="k") as client:
            await work(Desk(client, simulator.state.clock))

    uvloop.run(main())
    return simulator


def bodies(simulator: Attentive) -> list[dict[str, Any]]:
    """The requests as they came."""
    return [heard.json() for heard in simulator.messages()]


@pytest.mark.parametrize("stream", [False, True])
def test_the_whole_history_goes_up_each_time(*, stream: bool) -> None:
    """As the API, which keeps nothing, wants it."""

    async def work(desk: Desk) -> None:
        conversation = Conversation(desk, stream=stream, model=MODEL)
        await conversation.say("Hello.")
        await conversation.say("And again.")

    sent = bodies(talk(work))
    assert [[message["role"] for message in body["messages"]] for body in sent] == [
        ["user"],
        ["user", "assistant", "user"],
    ]
    assert [body.get("stream", False) for body in sent] == [stream, stream]


@pytest.mark.parametrize("keeps", [False, True])
def test_the_container_is_sent_back_only_by_those_who_keep_it(*, keeps: bool) -> None:
    """Most frameworks do not."""

    async def work(desk: Desk) -> None:
        conversation = Conversation(desk, keeps_container=keeps, model=MODEL, tools=[CODE])
        await conversation.say("Compute 1 + 1.")
        await conversation.say("Compute 2 + 2.")

    first, second = bodies(talk(work))
    assert "container" not in first
    assert ("container" in second) is keeps


def test_calls_of_the_own_tools_are_answered() -> None:
    """Until the model has what it asked for."""
    asked: list[Any] = []

    def answer(value: Any) -> str:
        asked.append(value)
        return "5120"

    async def work(desk: Desk) -> None:
        conversation = Conversation(desk, keeps_container=True, answer=answer, model=MODEL, tools=[CODE, QUERY])
        message = await conversation.say("[orchestrate]")
        assert message.stop_reason == "end_turn"

    _, replies = bodies(talk(work))
    assert asked == [{"region": "north"}, {"region": "south"}]
    assert [block["type"] for block in replies["messages"][-1]["content"]] == ["tool_result", "tool_result"]


def test_a_call_that_nobody_answers_is_returned() -> None:
    """A conversation without an answer of its own leaves it to the caller."""

    async def work(desk: Desk) -> None:
        message = await Conversation(desk, model=MODEL, tools=[CODE, QUERY]).say("[orchestrate]")
        assert message.stop_reason == "tool_use"

    assert len(bodies(talk(work))) == 1


def test_the_files_that_code_left_are_found() -> None:
    """By the ids under which the Files API has them."""

    async def work(desk: Desk) -> None:
        tools = [{"type": "code_execution_20250825", "name": "code_execution"}]
        message = await Conversation(desk, model=MODEL, tools=tools).say("[csv]")
        (file_id,) = files_of(message)
        content = await desk.client.files.download(file_id)
        assert (await content.read()).startswith(b"region,total")

    talk(work)


def test_pondering_takes_time_on_the_desks_clock() -> None:
    """And none of anybody else's."""
    simulator: Simulator = talk(lambda desk: desk.ponder(90))
    assert (simulator.state.clock.now() - START).total_seconds() == 90
