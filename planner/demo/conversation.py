"""A conversation as agents on the official SDK hold it: the whole history goes up with every request."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from planner.clock import Clock

if TYPE_CHECKING:  # importing the SDK takes a second, and `planner --help` does without
    from anthropic import AsyncAnthropic
    from anthropic.types import Message

Tool = dict[str, Any]
"""A tool as the API takes it."""


class Desk:
    """Where one agent works: its client, and the time that passes while its user reads and thinks."""

    def __init__(self, client: "AsyncAnthropic", clock: Clock) -> None:
        self.client = client
        self._clock = clock

    async def ponder(self, seconds: float) -> None:
        """Let the user think."""
        await self._clock.sleep(seconds)


class Conversation:
    """One conversation. `fields` go up with each request; `keeps_container` clients send the container's id back.

    `answer` is the caller's own tool: it gets the input of a call and returns its result.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        stream: bool = False,
        keeps_container: bool = False,
        answer: Callable[[Any], str] | None = None,
        **fields: Any,  # noqa: ANN401 - the parameters of the SDK, as they are
    ) -> None:
        self._client = desk.client
        self._stream = stream
        self._keeps_container = keeps_container
        self._answer = answer
        self._fields = {"max_tokens": 4096, **fields}
        self._messages: list[Any] = []

    async def say(self, content: str | list[dict[str, Any]]) -> "Message":
        """Send a user message and return the answer, once the tools that it calls are answered.

        Raises:
            anthropic.APIError: the API refuses a request, or cannot be reached.
        """
        message = await self._send(content)
        while message.stop_reason == "tool_use" and self._answer is not None:
            results = [
                {"type": "tool_result", "tool_use_id": block.id, "content": self._answer(block.input)}
                for block in message.content
                if block.type == "tool_use"
            ]
            message = await self._send(results)
        return message

    async def _send(self, content: str | list[dict[str, Any]]) -> "Message":
        self._messages.append({"role": "user", "content": content})
        message = await self._request()
        self._messages.append({"role": "assistant", "content": message.content})
        if self._keeps_container and message.container is not None:
            self._fields["container"] = message.container.id
        return message

    async def _request(self) -> "Message":
        fields: Any = {**self._fields, "messages": self._messages}
        if not self._stream:
            whole: Message = await self._client.messages.create(**fields)
            return whole
        async with self._client.messages.stream(**fields) as stream:
            return await stream.get_final_message()


def files_of(message: "Message") -> list[str]:
    """The ids of the files that code left in an answer."""
    return [
        output.file_id
        for block in message.content
        if block.type == "bash_code_execution_tool_result" and block.content.type == "bash_code_execution_result"
        for output in block.content.content
    ]
