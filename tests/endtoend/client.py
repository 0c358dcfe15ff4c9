"""An agent on the official SDK, as frameworks write them: some send the container back, some forget it."""

import ssl
from collections.abc import AsyncIterator
from typing import Any, Literal, Self

import anthropic
import httpx2
import msgspec

from planner.clock import VirtualClock

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Without the machine's certificates, which take long to read; nothing here speaks TLS."""

MODEL = "claude-opus-5-5"
OLD_CODE = {"type": "code_execution_20250825", "name": "code_execution"}
CODE = {"type": "code_execution_20260120", "name": "code_execution"}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}
WEATHER: dict[str, Any] = {"name": "get_weather", "description": "The weather", "input_schema": {"type": "object"}}
QUERY = WEATHER | {"name": "query_database", "allowed_callers": ["code_execution_20260120"]}

Form = Literal["string", "object", "pending"]
"""How a client sends the container back: as its id, in an object, or as its id and only where a call waits for it."""


class Spoken(msgspec.Struct):
    """One request as the SDK put it on the wire, and what came back, to the byte."""

    path: str
    sent: bytes
    status: int = 0
    headers: dict[str, str] = {}
    received: bytearray = msgspec.field(default_factory=bytearray)

    @property
    def plan(self) -> dict[str, str]:
        """`planner-plan` by action: the outcome, and the reason behind a colon where there is one."""
        found = {}
        for part in self.headers["planner-plan"].split(", "):
            said, *parameters = part.split(";")
            action, outcome = said.split("=")
            reasons = [each.removeprefix("reason=") for each in parameters if each.startswith("reason=")]
            found[action] = ":".join([outcome, *reasons])
        return found


class _Kept(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream, spoken: Spoken) -> None:
        self._stream = stream
        self._spoken = spoken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for piece in self._stream:
            self._spoken.received += piece
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()


class Overheard(httpx2.AsyncBaseTransport):
    """A transport that keeps what passes, below all that the SDK makes of it."""

    def __init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=NO_TLS)
        self.spoken: list[Spoken] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request, and keep it with its answer."""
        spoken = Spoken(request.url.path, await request.aread())
        self.spoken.append(spoken)
        response = await self._inner.handle_async_request(request)
        spoken.status, spoken.headers = response.status_code, dict(response.headers)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        return httpx2.Response(
            response.status_code,
            headers=response.headers,
            stream=_Kept(response.stream, spoken),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


def connect(address: str, key: str) -> tuple[anthropic.AsyncAnthropic, Overheard]:
    """The official SDK at an address, and what passes between the two."""
    ear = Overheard()
    http = httpx2.AsyncClient(transport=ear, timeout=30, verify=NO_TLS)
    return anthropic.AsyncAnthropic(base_url=address, api_key=key, max_retries=0, http_client=http), ear


class Talk:
    """One conversation. `keeps` sends the container back in one form or the other, None never does.

    `merges` puts what follows a pause into the same assistant message, as some frameworks do; `words` keeps of a plain
    answer only its text, trimmed.
    """

    def __init__(
        self,
        address: str,
        key: str,
        clock: VirtualClock,
        *,
        stream: bool = False,
        keeps: Form | None = None,
        merges: bool = False,
        words: bool = False,
        **fields: Any,
    ) -> None:
        self.client, self.ear = connect(address, key)
        self.clock = clock
        self.fields: dict[str, Any] = {"model": MODEL, "max_tokens": 4096} | fields
        self._ways: dict[str, Any] = {"stream": stream, "keeps": keeps, "merges": merges, "words": words}
        self.messages: list[Any] = []
        self.answers: list[anthropic.types.Message] = []
        self._waiting: set[str] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.client.close()

    def moved(self, address: str) -> "Talk":
        """The same conversation at another address; what was sent so far stays with this one."""
        other = Talk(address, self.client.api_key or "", self.clock, **self._ways, **self.fields)
        other.messages, other.answers = self.messages, self.answers
        return other

    def fork(self) -> "Talk":
        """Another conversation with the same past, which goes on by itself."""
        other = self.moved(str(self.client.base_url))
        other.messages, other.answers = list(self.messages), list(self.answers)
        return other

    @property
    def spoken(self) -> list[Spoken]:
        """The messages that were sent, with their answers."""
        return [each for each in self.ear.spoken if each.path == "/v1/messages"]

    @property
    def containers(self) -> list[str | None]:
        """The container that each answer names."""
        return [None if each.container is None else each.container.id for each in self.answers]

    async def say(self, content: Any) -> anthropic.types.Message:
        """Ask something, and go on until the model has ended its turn: answer its calls, resume what it paused."""
        self.messages.append({"role": "user", "content": content})
        self._waiting.clear()
        message = await self.send()
        while message.stop_reason in {"tool_use", "pause_turn"}:
            if message.stop_reason == "tool_use":
                self.messages.append({"role": "user", "content": results(message)})
            message = await self.send(resumes=message.stop_reason == "pause_turn")
        return message

    async def send(self, *, resumes: bool = False) -> anthropic.types.Message:
        """One request with the history as it is, a second after the one before; its answer joins the history."""
        self.clock.advance(1)
        fields: Any = self.fields | {"messages": self.messages}
        if self._ways["keeps"] == "pending" and self._waiting:
            fields["container"] = self.containers[-1]
        if self._ways["stream"]:
            async with self.client.messages.stream(**fields) as stream:
                message: anthropic.types.Message = await stream.get_final_message()
        else:
            message = await self.client.messages.create(**fields)
        self.answers.append(message)
        self._waiting |= {block.id for block in message.content if block.type == "server_tool_use"}
        self._waiting -= {getattr(block, "tool_use_id", "") for block in message.content}
        content: Any = message.content
        if self._ways["words"] and all(block.type == "text" for block in message.content):
            content = "".join(block.text for block in message.content if block.type == "text").strip()
        if resumes and self._ways["merges"]:
            last = self.messages[-1]
            self.messages[-1] = {"role": "assistant", "content": [*last["content"], *message.content]}
        else:
            self.messages.append({"role": "assistant", "content": content})
        if self._ways["keeps"] in {"string", "object"} and message.container is not None:
            self._keep(message.container.id)
        return message

    def _keep(self, container: str) -> None:
        skills = self.fields["container"].get("skills") if isinstance(self.fields.get("container"), dict) else None
        if skills is not None:
            self.fields["container"] = {"id": container, "skills": skills}
        else:
            self.fields["container"] = {"id": container} if self._ways["keeps"] == "object" else container


def results(message: anthropic.types.Message | anthropic.types.beta.BetaMessage) -> list[dict[str, str]]:
    """The results of the client's own tools that a message calls."""
    calls = [block.id for block in message.content if block.type == "tool_use"]
    return [{"type": "tool_result", "tool_use_id": call, "content": "5120"} for call in calls]


def named(body: bytes) -> str | None:
    """The container that a request names."""
    container = msgspec.json.decode(body).get("container")
    name: str | None = container.get("id") if isinstance(container, dict) else container
    return name


def contained(sent: bytes, container: str) -> bytes:
    """A body with a container put in: behind all else, or into the object that asks for skills."""
    asked = msgspec.json.decode(sent).get("container")
    if asked is None:
        return b'%s,"container":"%s"}' % (sent[:-1], container.encode())
    skills = msgspec.json.encode(asked)
    assert sent.count(skills) == 1
    return sent.replace(skills, b'%s,"id":"%s"}' % (skills[:-1], container.encode()))
