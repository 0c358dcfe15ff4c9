"""What the official Python SDK is used for, as talks: each returns all that the caller got, as plain JSON values.

A talk knows nothing of what it talks to, so the same one held with the API itself and through the planner must return
the same. The judge is the SDK's own parsing.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import anthropic

MODEL = "claude-opus-5-5"
CODE: Any = {"type": "code_execution_20250825", "name": "code_execution"}
NEW_CODE: Any = {"type": "code_execution_20260521", "name": "code_execution"}
SEARCH: Any = {"type": "web_search_20260318", "name": "web_search"}
WEATHER: Any = {"name": "get_weather", "description": "The weather", "input_schema": {"type": "object"}}
CODE_WEATHER: Any = {**WEATHER, "allowed_callers": ["code_execution_20260120"]}
SKILL = ("ours/SKILL.md", b"---\ndescription: ok\n---")

Advance = Callable[[float], None]
Talk = Callable[[anthropic.AsyncAnthropic, Advance], Awaitable[Any]]


def user(content: Any) -> Any:
    """A user message."""
    return {"role": "user", "content": content}


def plain(value: Any) -> Any:
    """What the SDK parsed, as JSON."""
    return value.model_dump(mode="json")


async def whole(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """JSON answers: code, searches, thinking, a refusal, a cached prompt."""
    cases: list[tuple[str, Any]] = [
        ("[csv]", {"tools": [CODE]}),
        ("[config]", {"tools": [NEW_CODE]}),
        ("[research]", {"tools": [SEARCH]}),
        ("[search-error]", {"tools": [SEARCH]}),
        ("[think]", {}),
        ("[refuse]", {}),
        ("[advisor]", {}),
        ("hi", {"system": [{"type": "text", "text": "word " * 4000, "cache_control": {"type": "ephemeral"}}]}),
        ("hi", {"system": [{"type": "text", "text": "word " * 4000, "cache_control": {"type": "ephemeral"}}]}),
        ("hi", {"inference_geo": "us", "extra_body": {"unknown_field": {"nested": [1, None]}}}),
    ]
    asked: Any = {"model": MODEL, "max_tokens": 4096}
    return [plain(await client.messages.create(**asked, messages=[user(text)], **more)) for text, more in cases]


async def streamed(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """Streams by the helper: its events, its text, its final message; and the raw iterator."""
    got: list[Any] = []
    for text, tools in (("[csv]", [CODE]), ("[research]", [SEARCH]), ("[think]", []), ("hi", [])):
        async with client.messages.stream(model=MODEL, max_tokens=4096, messages=[user(text)], tools=tools) as stream:
            got.append([event.type async for event in stream])
            got.append(plain(await stream.get_final_message()))
    async with client.messages.stream(model=MODEL, max_tokens=99, messages=[user("hi")]) as stream:
        got.append([text async for text in stream.text_stream])
    events = await client.messages.create(model=MODEL, max_tokens=99, messages=[user("hi")], stream=True)
    got.append([plain(event) async for event in events])
    return got


async def files(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """Upload, list, describe, preload into a container, download what code wrote, delete."""
    sent = await client.files.upload(file=("sales.csv", b"a,b\n1,2\n" * 40_000, "text/csv"))
    got: list[Any] = [plain(sent), [item.id async for item in client.files.list()]]
    got.append(plain(await client.files.retrieve_metadata(sent.id)))
    content = [{"type": "text", "text": "[csv]"}, {"type": "container_upload", "file_id": sent.id}]
    message = await client.messages.create(model=MODEL, max_tokens=4096, messages=[user(content)], tools=[CODE])
    outputs = [
        output.file_id
        for block in message.content
        if block.type == "bash_code_execution_tool_result" and block.content.type == "bash_code_execution_result"
        for output in block.content.content
    ]
    assert outputs
    downloaded = await client.files.download(outputs[0])
    got += [plain(message), (await downloaded.read()).decode(), plain(await client.files.delete(sent.id))]
    return got


async def batches(client: anthropic.AsyncAnthropic, advance: Advance) -> Any:
    """Create, wait, retrieve, read the results from the address that the batch names, list, delete."""
    good: Any = {"model": MODEL, "max_tokens": 99, "messages": [user("hi")]}
    bad: Any = good | {"model": "nope"}
    batch = await client.messages.batches.create(
        requests=[{"custom_id": "good", "params": good}, {"custom_id": "bad", "params": bad}]
    )
    advance(61)
    done = await client.messages.batches.retrieve(batch.id)
    results = [plain(item) async for item in await client.messages.batches.results(batch.id)]
    ids = [item.id async for item in client.messages.batches.list()]
    return [plain(batch), plain(done), results, ids, plain(await client.messages.batches.delete(batch.id))]


async def counting(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """Token counts and the Models API, page by page."""
    counted = await client.messages.count_tokens(model=MODEL, messages=[user("hi")], tools=[SEARCH])
    models = [plain(model) async for model in client.models.list(limit=4)]
    return [plain(counted), models, plain(await client.models.retrieve("claude-haiku-4-5"))]


async def runner(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """The tool runner of the newest generation, which starts a message thread and continues it; streamed too."""

    @anthropic.beta_async_tool
    async def get_weather() -> str:
        """The weather."""
        return "mild"

    asked: Any = {"model": MODEL, "max_tokens": 999, "messages": [user("[think-tool]")], "tools": [get_weather]}
    got = [plain(message) async for message in client.beta.messages.tool_runner(**asked)]
    async for stream in client.beta.messages.tool_runner(**asked, stream=True):
        got.append([event.type async for event in stream])
        got.append(plain(await stream.get_final_message()))
    return got


async def threads(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """The thread helper: the server remembers what was said."""
    thread = client.beta.messages.thread(model=MODEL, max_tokens=99, system="Be brief.")
    return [plain(await thread.send(user(text))) for text in ("hello", "and again", "once more")]


async def programmatic(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """A programmatic call, answered in the container that it waits in."""
    tools = [NEW_CODE, CODE_WEATHER]
    first = await client.messages.create(model=MODEL, max_tokens=999, messages=[user("[pending]")], tools=tools)
    assert first.container is not None
    answers = [
        {"type": "tool_result", "tool_use_id": block.id, "content": "mild"}
        for block in first.content
        if block.type == "tool_use"
    ]
    history: Any = [user("[pending]"), {"role": "assistant", "content": first.content}, user(answers)]
    second = await client.messages.create(
        model=MODEL, max_tokens=999, messages=history, tools=tools, container=first.container.id
    )
    return [plain(first), plain(second)]


async def skills(client: anthropic.AsyncAnthropic, _advance: Advance) -> Any:
    """List, create, list versions, use in a container, delete."""
    shipped = [plain(skill) async for skill in client.skills.list(source="anthropic")]
    skill = await client.skills.create(display_name="Ours", files=[SKILL])
    versions = [plain(version) async for version in client.skills.versions.list(skill.id)]
    message = await client.messages.create(
        model=MODEL,
        max_tokens=4096,
        messages=[user("[office]")],
        tools=[CODE],
        container={"skills": [{"type": "custom", "skill_id": skill.id, "version": "latest"}]},
    )
    await client.skills.versions.delete(skill.latest_version_id or "", skill_id=skill.id)
    return [shipped, plain(skill), versions, plain(message), plain(await client.skills.delete(skill.id))]


TALKS: tuple[Talk, ...] = (whole, streamed, files, batches, counting, runner, threads, programmatic, skills)
