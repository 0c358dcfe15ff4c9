"""The SDK with a planner in it: the same answers, an entry for each attempt, edits repeated, and never in the way."""

import asyncio
from pathlib import Path
from typing import Any

import anthropic
import pytest

from planner.core.ledger.entry import Entry
from planner.core.reasons import Action
from planner.middleware import Planner
from tests.doubles.inside import CODE, KEY, MODEL, NEW_CODE, Hasty, Inside, asked, inside, rules_in, user
from tests.doubles.proxy import run
from tests.doubles.simulated import assert_reconciled

LOOKUP: Any = {
    "name": "get_weather",
    "description": "The weather",
    "input_schema": {"type": "object"},
    "allowed_callers": ["code_execution_20260120"],
}


def outcomes(entries: list[Entry], action: Action) -> list[str]:
    """What was decided about one action, request by request."""
    return [each.outcome.value for entry in entries for each in entry.decisions if each.action is action]


def test_both_clients_share_one_planner(tmp_path: Path) -> None:
    """Whole and streamed, by either client, of one key or two: one ledger, and it agrees with the bill."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:

            def talk(client: anthropic.Anthropic) -> None:
                assert client.messages.create(**asked("[csv]", tools=[CODE])).stop_reason == "end_turn"
                with client.messages.stream(**asked("[research]", tools=[])) as stream:
                    assert stream.get_final_message().usage.output_tokens
                events = [event.type for event in client.messages.create(**asked(), stream=True)]
                assert events[-1] == "message_stop"

            async with here.client(api_key="sk-ant-other") as client:
                await asyncio.gather(here.thread(talk), client.messages.create(**asked()))
                async with client.messages.stream(**asked("[csv]", tools=[CODE])) as stream:
                    assert (await stream.get_final_message()).stop_reason == "end_turn"
                events = [event.type async for event in await client.messages.create(**asked(), stream=True)]
                assert events[-1] == "message_stop"
            assert here.failures() == {}
            entries = await here.entries()
            assert {(entry.outcome, entry.status, entry.attempts) for entry in entries} == {("ok", 200, 1)}
            assert len({entry.principal for entry in entries}) == 2
            assert len(entries) == 6
            assert_reconciled(entries, here.simulator)

    run(scenario())


def test_what_is_not_edited_goes_as_the_sdk_writes_it(tmp_path: Path) -> None:
    """Byte by byte what a client without a planner sends, with the same header fields."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:
            odd = asked("ünïcode \u2028 é", metadata={"user_id": "u"}, extra_body={"x": [1.50, 1e300, None]})
            async with Hasty(base_url=here.url, api_key=KEY, max_retries=0) as plain:
                await plain.messages.create(**odd)
            async with here.client() as client:
                await client.messages.create(**odd)
            without, within = here.heard
            assert within.body == without.body
            added = ("x-stainless-raw-response", "raw")  # by the SDK itself, to whatever has a middleware
            assert sorted(each for each in within.fields if each != added) == sorted(without.fields)

    run(scenario())


def test_our_fields_are_used_and_taken_off(tmp_path: Path) -> None:
    """Tags, session and mode, of the client or of one call: the API never sees them, the ledger does."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:
            async with here.client(default_headers={"Planner-Tags": "team=search", "planner-session": "s1"}) as client:
                await client.messages.create(**asked(), extra_headers={"planner-mode": "observe"})
            assert not [name for name in here.headers if name.startswith("planner-")]
            (entry,) = await here.entries()
            assert (entry.team, entry.mode) == ("search", "observe")

    run(scenario())


def test_answers_say_what_was_done(tmp_path: Path) -> None:
    """The same header fields as behind a proxy, on answers that are whole and on streams."""

    async def scenario() -> None:
        async with inside(tmp_path) as here, here.client() as client:
            raw = await client.messages.with_raw_response.create(**asked())
            assert raw.headers["planner-body"] == "unchanged"
            assert raw.headers["planner-plan"].startswith("version=kept")
            async with client.messages.stream(**asked()) as stream:
                assert stream.response.headers["planner-plan"] == raw.headers["planner-plan"]
                await stream.until_done()
            counted = await client.messages.with_raw_response.count_tokens(model=MODEL, messages=[user("hi")])
            assert "planner-plan" not in counted.headers
            entries = await here.entries()
            assert entries[0].request_id == raw.headers["planner-request-id"]
            assert [entry.endpoint for entry in entries] == ["messages", "messages", "count_tokens"]

    run(scenario())


def test_a_bundle_is_repeated_on_every_turn(tmp_path: Path) -> None:
    """The tool goes last into the bytes that the SDK would have sent, and the same ones on later turns."""

    async def scenario() -> None:
        async with inside(tmp_path, rules=rules_in(tmp_path)) as here, here.client() as client:
            history: list[Any] = [user("[csv]")]
            for _ in range(3):
                answer = await client.messages.create(model=MODEL, max_tokens=4096, messages=history, tools=[NEW_CODE])
                history += [{"role": "assistant", "content": answer.content}, user("[talk]")]
            sent = [heard.json()["tools"] for heard in here.heard]
            assert [[tool["type"] for tool in tools] for tools in sent] == [
                [NEW_CODE["type"], "web_fetch_20260318"]
            ] * 3
            assert sent[0] == sent[1] == sent[2]
            entries = await here.entries()
            assert outcomes(entries, Action.BUNDLE) == ["applied", "kept", "kept"]
            assert_reconciled(entries, here.simulator)

    run(scenario())


def test_a_client_that_forgets_its_container_goes_on(tmp_path: Path) -> None:
    """A call of code that waits gets the container that it waits in; without a planner the API refuses it."""

    async def scenario() -> None:
        async with inside(tmp_path) as here, here.client() as client:
            tools: Any = [NEW_CODE, LOOKUP]
            first = await client.messages.create(**asked("[pending]", tools=tools))
            calls = [block.id for block in first.content if block.type == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": call, "content": "mild"} for call in calls]
            history: Any = [user("[pending]"), {"role": "assistant", "content": first.content}, user(results)]
            again = await client.messages.create(model=MODEL, max_tokens=4096, messages=history, tools=tools)
            assert again.stop_reason == "end_turn"
            assert first.container is not None
            assert here.heard[1].json()["container"] == first.container.id
            assert outcomes(await here.entries(), Action.CONTAINER) == ["none", "threaded"]

    run(scenario())


def test_the_tool_runner_and_threads(tmp_path: Path) -> None:
    """What the SDK does by itself on top of messages is planned like anything else, one entry a request."""

    @anthropic.beta_async_tool
    async def get_weather() -> str:
        """The weather."""
        return "mild"

    async def scenario() -> None:
        async with inside(tmp_path) as here, here.client() as client:
            asks: Any = asked("[think-tool]", tools=[get_weather])
            turns = [message async for message in client.beta.messages.tool_runner(**asks)]
            assert turns[-1].stop_reason == "end_turn"
            thread = client.beta.messages.thread(model=MODEL, max_tokens=99, system="Be brief.")
            for text in ("hello", "and again"):
                await thread.send(user(text))
            entries = await here.entries()
            assert len(entries) == len(here.heard) == len(turns) + 2
            assert_reconciled(entries, here.simulator)

    run(scenario())


@pytest.mark.parametrize(("marker", "attempts"), [("[overloaded]", 3), ("[500]", 3), ("[400]", 1)])
def test_each_attempt_is_an_entry_of_its_own(tmp_path: Path, marker: str, attempts: int) -> None:
    """As behind a proxy: the SDK tries again, and each try is planned, the same way, and settled."""

    async def scenario() -> None:
        async with inside(tmp_path, rules=rules_in(tmp_path)) as here:

            def talk(client: anthropic.Anthropic) -> None:
                with pytest.raises(anthropic.APIStatusError):
                    client.messages.create(**asked(marker, tools=[NEW_CODE]))

            await here.thread(talk, retries=2)
            async with here.client(retries=2) as client:
                with pytest.raises(anthropic.APIStatusError):
                    await client.messages.create(**asked(marker, tools=[NEW_CODE]), stream=True)
            whole, streamed = here.heard[:attempts], here.heard[attempts:]
            assert len(streamed) == attempts
            assert len({heard.body for heard in whole}) == len({heard.body for heard in streamed}) == 1
            entries = await here.entries()
            assert [(entry.outcome, entry.cost_nano) for entry in entries] == [("error", 0)] * 2 * attempts

    run(scenario())


def test_the_attempt_that_works_is_the_same_request(tmp_path: Path) -> None:
    """A rate limit, then an answer: the edit is the same, and only the answer costs."""

    async def scenario() -> None:
        async with inside(tmp_path, rules=rules_in(tmp_path)) as here, here.client(retries=2) as client:
            assert (await client.messages.create(**asked("[rate-limit]", tools=[NEW_CODE]))).content
            limited, answered = here.heard
            assert limited.body == answered.body
            entries = await here.entries()
            assert [entry.outcome for entry in entries] == ["error", "ok"]
            assert outcomes(entries, Action.BUNDLE) == ["applied", "kept"]
            assert_reconciled(entries, here.simulator)

    run(scenario())


def test_a_policy_refuses_as_the_api_would(tmp_path: Path) -> None:
    """Nothing is sent, the SDK raises its own error without trying again, and the ledger says `refused`."""
    policies = "policies:\n  - {name: no, why: A test., mode: enforce, then: {deny: Ask finance first.}}\n"

    async def scenario() -> None:
        async with inside(tmp_path, rules=rules_in(tmp_path, policies)) as here:

            def talk(client: anthropic.Anthropic) -> None:
                with pytest.raises(anthropic.PermissionDeniedError, match="Ask finance first"):
                    client.messages.create(**asked())

            await here.thread(talk, retries=2)
            async with here.client(retries=2) as client:
                with pytest.raises(anthropic.PermissionDeniedError, match="Ask finance first"):
                    await client.messages.create(**asked(), stream=True)
            assert here.heard == []
            assert {(entry.outcome, entry.attempts) for entry in await here.entries()} == {("refused", 0)}

    run(scenario())


def test_a_planner_outlives_the_loops_of_its_clients(tmp_path: Path) -> None:
    """A program may run a loop for each request: the planner has one of its own, and one ledger."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:

            def programs() -> None:
                for _ in range(2):
                    asyncio.run(one(here))

            await asyncio.to_thread(programs)
            assert len(await here.entries()) == 2

    async def one(here: Inside) -> None:
        async with here.client() as client:
            await client.messages.create(**asked())

    run(scenario())


def test_it_closes_with_its_block(tmp_path: Path) -> None:
    """A closed planner passes requests on untouched, and counts them."""

    async def scenario() -> None:
        async with inside(tmp_path) as here, here.client() as client:
            async with here.planner:
                await client.messages.create(**asked())
            await client.messages.create(**asked())
            assert here.failures() == {"store": 1}
            assert len(await here.entries()) == 1

    run(scenario())


def test_wrong_arguments_are_said_at_once(tmp_path: Path) -> None:
    """Not with the first request."""
    with pytest.raises(ValueError, match="nonsense"):
        Planner(store=f"sqlite:///{tmp_path / 'l.db'}", settings={"nonsense": "1"})
