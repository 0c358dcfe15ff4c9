"""What the messages of a request tell about the turn it goes on: read from the end, block by block, never the whole."""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec import UNSET, Raw

from planner.core.wire.blocks import Block, carries_breakpoint, read_blocks
from planner.core.wire.reading import Maybe, shaped, text

SERVER_ISSUED: Final = ("srvtoolu_", "toolu_")
"""How the ids of calls begin, of the server's tools and of the caller's."""


class Upload(msgspec.Struct, frozen=True):
    """A file that is preloaded into the container: the index of its message, and its id when it is a string."""

    message: int
    file_id: str | None


class HistoryMessage(msgspec.Struct):
    """A message of a history, its members not yet read."""

    role: Maybe = UNSET
    content: Maybe = UNSET


_MESSAGE: Final = msgspec.json.Decoder(HistoryMessage)


def last_assistant(messages: Sequence[Raw]) -> tuple[Block, ...]:
    """Read the blocks of the last assistant message; none when there is no such message."""
    for role, content in _from_the_end(messages):
        if role == "assistant":
            return read_blocks(content)
    return ()


def last_turn(messages: Sequence[Raw]) -> tuple[Block, ...]:
    """Read the blocks of all that the assistant said since it was last asked something; results of calls ask nothing.

    Code may go on waiting while the model calls again, so that what waits was called messages ago.
    """
    found: list[tuple[Block, ...]] = []
    for role, content in _from_the_end(messages):
        if role == "assistant":
            found.append(read_blocks(content))
        elif found and not _only_results(content):
            break
    return tuple(block for blocks in reversed(found) for block in blocks)


def has_assistant(messages: Sequence[Raw]) -> bool:
    """Whether an assistant has said anything in these messages."""
    return any(role == "assistant" for role, _ in _from_the_end(messages))


def server_ids(blocks: Sequence[Block]) -> tuple[str, ...]:
    """The server-issued call ids among the blocks, the newest first."""
    return tuple(block.id for block in reversed(blocks) if block.id is not None and block.id.startswith(SERVER_ISSUED))


def seals(blocks: Sequence[Block]) -> tuple[str, ...]:
    """The seals of the thinking among the blocks, the newest first."""
    return tuple(block.seal for block in reversed(blocks) if block.seal is not None)


def elder_assistants(messages: Sequence[Raw]) -> Iterator[tuple[Block, ...]]:
    """Read the blocks of every assistant message before the last, the newest first."""
    said = (content for role, content in _from_the_end(messages) if role == "assistant")
    next(said, None)
    return (read_blocks(content) for content in said)


def answers(messages: Sequence[Raw]) -> tuple[str, ...]:
    """The call ids that `tool_result` blocks behind the last assistant message answer, in order."""
    found: list[tuple[str, ...]] = []
    for role, content in _from_the_end(messages):
        if role == "assistant":
            break
        if role == "user":
            found.append(_answered(read_blocks(content)))
    return tuple(answer for each in reversed(found) for answer in each)


def pending_calls(assistant: Sequence[Block], answered: Sequence[str]) -> tuple[str, ...]:
    """The answered ids whose call among the assistant's blocks was made by code in a container."""
    made_by_code = {block.id for block in assistant if block.type == "tool_use" and block.programmatic}
    return tuple(answer for answer in answered if answer in made_by_code)


def unmatched_server_calls(assistant: Sequence[Block]) -> tuple[str, ...]:
    """The ids of server calls that no block among them answers."""
    answered = {block.tool_use_id for block in assistant}
    return tuple(
        block.id for block in assistant if block.server_call and block.id is not None and block.id not in answered
    )


def uploads(messages: Sequence[Raw]) -> tuple[Upload, ...]:
    """The `container_upload` blocks of all messages, in order."""
    return tuple(
        Upload(index, block.file_id)
        for index, raw in enumerate(messages)
        for block in read_blocks(read_message(raw).content)
        if block.type == "container_upload"
    )


def has_breakpoint(messages: Sequence[Raw]) -> bool:
    """Tell whether any message carries a cache breakpoint; the last messages, where they usually lie, come first."""
    return any(carries_breakpoint(content) for _, content in _from_the_end(messages))


def _answered(blocks: Sequence[Block]) -> tuple[str, ...]:
    return tuple(block.tool_use_id for block in blocks if block.type == "tool_result" and block.tool_use_id is not None)


def _only_results(content: Maybe) -> bool:
    blocks = read_blocks(content)
    return bool(blocks) and all(block.type == "tool_result" for block in blocks)


def _from_the_end(messages: Sequence[Raw]) -> Iterator[tuple[str | None, Maybe]]:
    for raw in reversed(messages):
        message = read_message(raw)
        yield text(message.role), message.content


def read_message(raw: Raw) -> HistoryMessage:
    """Read who says what; one that is no object says nothing."""
    return shaped(_MESSAGE, raw) or HistoryMessage()
