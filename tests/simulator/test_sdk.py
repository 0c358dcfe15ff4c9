"""The official SDK is the judge: sync and async, streamed and not, it must take everything the simulator serves."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anthropic
import pytest

from planner.clock import VirtualClock
from planner.simulator import Config, Simulator, build, serve
from tests.simulator.asgi import CODE, CODE_WEATHER, MODEL, NEW_CODE, PRICES, SEARCH, START, WEATHER

DAY = datetime(2026, 11, 22, tzinfo=UTC)
Work = Callable[[anthropic.AsyncAnthropic, Simulator], Awaitable[None]]


def served(work: Work, *, admin: bool = False, **settings: Any) -> None:
    """Run work against a served simulator with an async client."""

    async def main() -> None:
        simulator = build(Config.default(clock=VirtualClock(START), prices=(PRICES,), **settings))
        key = "sk-ant-admin01-x" if admin else "sk-ant-x"
        async with (
            serve(simulator) as url,
            anthropic.AsyncAnthropic(base_url=url, api_key=key, max_retries=0) as client,
        ):
            await work(client, simulator)
        assert simulator.failures == []

    asyncio.run(main())


def user(text: Any) -> Any:
    """A user message."""
    return {"role": "user", "content": text}


async def create(client: anthropic.AsyncAnthropic, messages: list[Any], **fields: Any) -> anthropic.types.Message:
    """A JSON response."""
    made: anthropic.types.Message = await client.messages.create(
        **{"model": MODEL, "max_tokens": 4096, "messages": messages, **fields}
    )
    return made


@pytest.mark.parametrize(
    ("text", "tools"),
    [("[csv]", [CODE]), ("[config]", [NEW_CODE]), ("[research]", [SEARCH]), ("[think]", []), ("[refuse]", [])],
)
def test_streamed_and_whole_messages_agree(text: str, tools: list[Any]) -> None:
    """The SDK's accumulated stream has the blocks, container and totals of the JSON response."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        whole = await create(client, [user(text)], tools=tools)
        async with client.messages.stream(model=MODEL, max_tokens=4096, messages=[user(text)], tools=tools) as stream:
            final = await stream.get_final_message()
        assert [block.type for block in final.content] == [block.type for block in whole.content]
        assert final.stop_reason == whole.stop_reason
        assert (final.container is None) == (whole.container is None)
        assert final.usage.input_tokens == whole.usage.input_tokens
        assert final.usage.output_tokens == whole.usage.output_tokens

    served(work)


def test_every_block_is_a_type_the_sdk_knows() -> None:
    """Strict validation against the SDK's models: no block falls back to a loose type."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        cases: list[tuple[str, list[Any]]] = [
            ("[csv]", [CODE]),
            ("[config]", [NEW_CODE]),
            ("[research]", [SEARCH]),
            ("[search-error]", [SEARCH]),
            ("[fetch] https://example.com/page", [{"type": "web_fetch_20260318", "name": "web_fetch"}]),
            ("[orchestrate]", [NEW_CODE, {**CODE_WEATHER, "name": "query_database"}]),
            ("[code-timeout]", [CODE]),
            ("[legacy]", [{"type": "code_execution_20250522", "name": "code_execution"}]),
            ("[think]", []),
        ]
        for text, tools in cases:
            message = await create(client, [user(text)], tools=tools)
            anthropic.types.Message.model_validate(message.model_dump(mode="json"), strict=False)

    served(work)


def test_the_sync_client_works() -> None:
    """The sync SDK in a thread, streamed and not."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        def talk() -> None:
            with anthropic.Anthropic(base_url=str(client.base_url), api_key="k", max_retries=0) as sync:
                assert sync.messages.create(model=MODEL, max_tokens=99, messages=[user("hi")]).stop_reason == "end_turn"
                with sync.messages.stream(model=MODEL, max_tokens=99, messages=[user("hi")]) as stream:
                    assert "".join(stream.text_stream).startswith("Here is")

        await asyncio.to_thread(talk)

    served(work)


def test_the_tool_runner_finishes_over_a_message_thread() -> None:
    """The runner of the newest SDK starts a thread and continues it with the new messages only."""

    async def work(client: anthropic.AsyncAnthropic, simulator: Simulator) -> None:
        @anthropic.beta_async_tool
        async def get_weather() -> str:
            """The weather."""
            return "mild"

        runner = client.beta.messages.tool_runner(
            model=MODEL, max_tokens=999, messages=[user("[think-tool]")], tools=[get_weather]
        )
        stops = [message.stop_reason async for message in runner]
        assert stops == ["tool_use", "end_turn"]
        assert simulator.bill.requests == 2

    served(work)


def test_a_thread_helper_keeps_a_conversation() -> None:
    """`beta.messages.thread` sends what is new, the server remembers the rest."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        thread = client.beta.messages.thread(model=MODEL, max_tokens=99, system="Be brief.")
        first = await thread.send(user("hello"))
        second = await thread.send(user("and again"))
        assert second.usage.input_tokens > first.usage.input_tokens

    served(work)


def test_programmatic_calls_go_on_in_their_container() -> None:
    """The SDK can answer a programmatic call with the container it was given."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        tools = [NEW_CODE, CODE_WEATHER]
        first = await create(client, [user("[pending]")], tools=tools)
        assert first.container is not None
        answers = [
            {"type": "tool_result", "tool_use_id": block.id, "content": "mild"}
            for block in first.content
            if block.type == "tool_use"
        ]
        history = [user("[pending]"), {"role": "assistant", "content": first.content}, user(answers)]
        with pytest.raises(
            anthropic.BadRequestError, match="container_id is required when there are pending tool uses"
        ):
            await create(client, history, tools=tools)
        second = await create(client, history, tools=tools, container=first.container.id)
        assert [block.type for block in second.content] == ["code_execution_tool_result", "text"]

    served(work)


def test_errors_become_the_sdks_exceptions() -> None:
    """Statuses, bodies and retry-after reach the client as its own error classes."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        with pytest.raises(anthropic.RateLimitError) as limited:
            await create(client, [user("[rate-limit]")])
        assert limited.value.response.headers["retry-after"] == "1"
        assert (await create(client, [user("[rate-limit]")])).stop_reason == "end_turn"
        with pytest.raises(anthropic.InternalServerError):
            await create(client, [user("[500]")])
        with pytest.raises(anthropic.APIStatusError) as broken:
            async with client.messages.stream(
                model=MODEL, max_tokens=9, messages=[user("[midstream-error]")]
            ) as stream:
                await stream.get_final_message()
        assert "overloaded_error" in str(broken.value)
        with pytest.raises(anthropic.APIConnectionError):
            await create(client, [user("[cut]")])

    served(work)


def test_files_round_trip() -> None:
    """Upload, list, use in a container, download what code wrote, delete."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        sent = await client.files.upload(file=("sales.csv", b"a,b\n1,2\n", "text/csv"))
        assert (sent.filename, sent.size_bytes, sent.mime_type) == ("sales.csv", 8, "text/csv")
        assert [item.id async for item in client.files.list()] == [sent.id]
        with pytest.raises(anthropic.BadRequestError, match="not downloadable"):
            await client.files.download(sent.id)
        content = [{"type": "text", "text": "[csv]"}, {"type": "container_upload", "file_id": sent.id}]
        message = await create(client, [user(content)], tools=[CODE])
        outputs = [
            output.file_id
            for block in message.content
            if block.type == "bash_code_execution_tool_result" and block.content.type == "bash_code_execution_result"
            for output in block.content.content
        ]
        downloaded = await client.files.download(outputs[0])
        assert (await downloaded.read()).startswith(b"region,total")
        assert (await client.files.delete(sent.id)).type == "file_deleted"
        with pytest.raises(anthropic.NotFoundError):
            await client.files.retrieve_metadata(sent.id)

    served(work)


def test_skills_round_trip() -> None:
    """List, create, versions, use in a container, delete."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        shipped = [skill.id async for skill in client.skills.list(source="anthropic")]
        assert set(shipped) == {"pptx", "xlsx", "docx", "pdf"}
        skill = await client.skills.create(display_name="Ours", files=[("ours/SKILL.md", b"---\ndescription: ok\n---")])
        assert skill.source.type == "custom"
        versions = [version async for version in client.skills.versions.list(skill.id)]
        assert [version.description for version in versions] == ["ok"]
        message = await create(
            client,
            [user("[office]")],
            tools=[CODE],
            container={"skills": [{"type": "custom", "skill_id": skill.id, "version": "latest"}]},
        )
        assert message.container is not None
        assert message.container.skills is not None
        assert message.container.skills[0].version == skill.latest_version_id
        await client.skills.versions.delete(skill.latest_version_id, skill_id=skill.id)
        assert (await client.skills.delete(skill.id)).type == "skill_deleted"

    served(work)


def test_batches_round_trip() -> None:
    """Create, wait on the clock, read results over the absolute `results_url`, delete."""

    async def work(client: anthropic.AsyncAnthropic, simulator: Simulator) -> None:
        good: Any = {"model": MODEL, "max_tokens": 99, "messages": [user("hi")]}
        requests: Any = [
            {"custom_id": "good", "params": good},
            {"custom_id": "bad", "params": {**good, "model": "nope"}},
        ]
        batch = await client.messages.batches.create(requests=requests)
        assert batch.processing_status == "in_progress"
        clock = simulator.state.clock
        assert isinstance(clock, VirtualClock)
        clock.advance(61)
        batch = await client.messages.batches.retrieve(batch.id)
        assert (batch.request_counts.succeeded, batch.request_counts.errored) == (1, 1)
        found = {item.custom_id: item.result.type async for item in await client.messages.batches.results(batch.id)}
        assert found == {"good": "succeeded", "bad": "errored"}
        assert [item.id async for item in client.messages.batches.list()] == [batch.id]
        assert (await client.messages.batches.delete(batch.id)).type == "message_batch_deleted"

    served(work)


def test_models_and_counting() -> None:
    """The Models API pages through all models; counting takes tools."""

    async def work(client: anthropic.AsyncAnthropic, _simulator: Simulator) -> None:
        every = [model async for model in client.models.list(limit=4)]
        assert len(every) == 19
        haiku = await client.models.retrieve("claude-haiku-4-5")
        assert haiku.capabilities is not None
        assert haiku.capabilities.code_execution.supported is False
        assert haiku.capabilities.server_tools.code_execution.supported is True
        tools: Any = [SEARCH]
        counted = await client.messages.count_tokens(model=MODEL, messages=[user("hi")], tools=tools)
        assert counted.input_tokens > 5_500

    served(work)


def test_analytics_round_trip() -> None:
    """The organization's analytics endpoints parse and add up to the bill."""

    async def work(client: anthropic.AsyncAnthropic, simulator: Simulator) -> None:
        await create(client, [user("[csv]")], tools=[CODE, WEATHER])
        clock = simulator.state.clock
        assert isinstance(clock, VirtualClock)
        clock.advance(600)
        analytics = client.beta.organization.analytics
        span: Any = {"starting_at": DAY, "ending_at": DAY + timedelta(days=1)}
        costs = [item async for item in analytics.cost.list(**span, group_by=["cost_type", "workspace_id"])]
        assert {item.group.cost_type for item in costs} == {"tokens", "code_execution"}
        assert {item.cost.requests for item in costs} == {None}
        counted = [item async for item in analytics.cost.list(**span, group_by=["product", "workspace_id"])]
        assert [item.cost.requests for item in counted if item.group.product is None] == [2]
        usage = [item async for item in analytics.usage.list(**span, group_by=["model"])]
        assert [item.group.model for item in usage] == [MODEL]
        assert usage[0].usage.requests == 1

    served(work, admin=True)
