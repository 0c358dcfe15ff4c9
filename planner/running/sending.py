"""One request of a plan through the official SDK: sent live or as a batch, and read until the model ends its turn."""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from planner.clock import Clock

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from anthropic.types import Message

PLANNED: Final = {"planner-mode": "off"}
"""A proxy of ours on the way meters what is sent and plans nothing more: the plan is made."""

MOST_PAUSES: Final = 20
"""How often a paused turn is gone on with. Each pause is ten iterations on the server [A]: far from any use."""

POLL: Final = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds between two looks at a batch, the last of them from then on. Ours."""

CODE_CALLS: Final = frozenset({"code_execution", "bash_code_execution", "text_editor_code_execution"})


class RefusedError(Exception):
    """A request came to no answer; the message says why."""


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """What one response said, as far as a run needs it; `usage` is as received, a JSON object."""

    text: str
    usage: bytes
    model: str
    code_runs: int
    container: str | None
    stop_reason: str


async def live(client: "AsyncAnthropic", body: Mapping[str, Any]) -> list[Turn]:
    """Send a request and go on with it while it pauses; one turn a response. Raises RefusedError."""
    import anthropic  # noqa: PLC0415 - slow to load, and only a run needs it

    turns: list[Turn] = []
    sent = dict(body)
    for _ in range(MOST_PAUSES + 1):
        try:
            async with client.messages.stream(**sent, extra_headers=PLANNED) as stream:
                message = await stream.get_final_message()
        except anthropic.APIError as error:
            raise RefusedError(_told(error)) from error
        turns.append(_turn(message))
        if message.stop_reason != "pause_turn":
            return turns
        sent = paused(sent, message)
    raise RefusedError(f"the turn paused more than {MOST_PAUSES} times")


def paused(sent: Mapping[str, Any], message: "Message") -> dict[str, Any]:
    """The request that goes on with a paused turn: the same tools, and what was said so far."""
    said = [block.to_dict() for block in message.content]
    more = {**sent, "messages": [*sent["messages"], {"role": "assistant", "content": said}]}
    if message.container is not None:
        given = sent.get("container")
        skills = given.get("skills") if isinstance(given, dict) else None
        more["container"] = {"id": message.container.id, "skills": skills} if skills else message.container.id
    return more


async def batch(client: "AsyncAnthropic", body: Mapping[str, Any], name: str) -> str:
    """Send a request as a batch of its own; the batch's id. Raises RefusedError."""
    import anthropic  # noqa: PLC0415 - likewise

    params: Any = dict(body)
    try:
        made = await client.messages.batches.create(
            requests=[{"custom_id": name, "params": params}], extra_headers=PLANNED
        )
    except anthropic.APIError as error:
        raise RefusedError(_told(error)) from error
    return made.id


async def batched(client: "AsyncAnthropic", batch_id: str, clock: Clock) -> Turn:
    """Wait for a batch and read its one result. Raises RefusedError."""
    import anthropic  # noqa: PLC0415 - likewise

    looks = 0
    try:
        while (await client.messages.batches.retrieve(batch_id)).processing_status != "ended":
            await clock.sleep(POLL[min(looks, len(POLL) - 1)])
            looks += 1
        async for line in await client.messages.batches.results(batch_id):
            if line.result.type == "succeeded":
                return _turn(line.result.message)
            raise RefusedError(f"the batch ended in {line.result.type}")
    except anthropic.APIError as error:
        raise RefusedError(_told(error)) from error
    raise RefusedError("the batch has no result")


async def upload(client: "AsyncAnthropic", name: str, content: bytes) -> str:
    """Upload a file; its id. Raises RefusedError."""
    import anthropic  # noqa: PLC0415 - likewise

    try:
        return (await client.files.upload(file=(name, content))).id
    except anthropic.APIError as error:
        raise RefusedError(_told(error)) from error


def _turn(message: "Message") -> Turn:
    said = [block.to_dict() for block in message.content]
    return Turn(
        text="".join(str(block["text"]) for block in said if block["type"] == "text"),
        usage=json.dumps(message.usage.to_dict()).encode(),
        model=message.model,
        code_runs=sum(block["type"] == "server_tool_use" and block.get("name") in CODE_CALLS for block in said),
        container=None if message.container is None else message.container.id,
        stop_reason=message.stop_reason or "",
    )


def _told(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"{type(error).__name__}{f' {status}' if status else ''}: {error}"
