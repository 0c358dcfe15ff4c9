"""An agent as the planner sees one: it keeps its own history, sends it whole each turn and knows of no bundles."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from planner.core.rulebook.book import RuleBook
from tests.doubles.proxy import run
from tests.doubles.simulated import Heard, Simulated, rules, simulated

MODEL = "claude-opus-5-5"
CODE = {"type": "code_execution_20260521", "name": "code_execution"}
OLD_CODE = {"type": "code_execution_20250825", "name": "code_execution"}
WEATHER = {"name": "get_weather", "description": "The weather", "input_schema": {"type": "object", "properties": {}}}
CODE_WEATHER = {**WEATHER, "allowed_callers": ["code_execution_20260120"]}
SYSTEM = [{"type": "text", "text": "You analyse numbers. " * 400, "cache_control": {"type": "ephemeral"}}]
INERT = (
    b'{"type":"web_fetch_20260318","name":"web_fetch","max_uses":1,"url_sources":{"user_input":{"type":"none"},'
    b'"client_tool_results":{"type":"none"},"server_tool_results":{"type":"none"}}}'
)
NO_FREE_HOURS = {"free_hours.limit": "0", "tool_tokens.web_fetch_20260318": "40"}
"""Every hour costs at once and the added tool is small, so that a bundle is plainly worth it."""


class Answer(msgspec.Struct, frozen=True):
    """What came back for one turn, and the body that was sent for it."""

    status: int
    headers: Mapping[str, str]
    message: Any
    sent: bytes

    @property
    def plan(self) -> dict[str, str]:
        """`planner-plan` by action: the outcome, and the reason behind a colon where there is one."""
        found = re.findall(r'(\w+)=([\w-]+)(?:;reason=([\w-]+))?(?:;policy="[^"]*")?', self.headers["planner-plan"])
        return {action: f"{outcome}:{reason}" if reason else outcome for action, outcome, reason in found}

    @property
    def edited(self) -> bool:
        """Whether the planner says that it changed the body."""
        return {"edited": True, "unchanged": False}[self.headers["planner-body"]]

    @property
    def container(self) -> str | None:
        """The id of the container that the turn ran in."""
        container = self.message.get("container")
        return None if container is None else str(container["id"])


class Agent:
    """One conversation; `headers` go with each request, `fields` into each body before the messages."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        address: str,
        key: str = "sk-ant-one",
        *,
        tick: Callable[[float], None],
        **fields: Any,
    ) -> None:
        self._http = http
        self._tick = tick
        self.address = address
        self.headers = {"x-api-key": key, "anthropic-version": "2023-06-01"}
        self.fields: dict[str, Any] = {
            "model": MODEL,
            "max_tokens": 4096,
            "tools": [CODE],
            "system": SYSTEM,
        } | fields
        self.messages: list[Any] = []

    def fork(self) -> "Agent":
        """Another conversation with the same past."""
        other = Agent(self._http, self.address, tick=self._tick, **self.fields)
        other.headers = dict(self.headers)
        other.messages = list(self.messages)
        return other

    async def say(self, content: Any, **extra: Any) -> Answer:
        """One turn: send the history with a new user message, and keep what was answered. `extra` goes in last."""
        self.messages.append({"role": "user", "content": content})
        answer = await self.send(self.fields | {"messages": self.messages} | extra)
        if answer.status == 200:
            self.messages.append({"role": "assistant", "content": answer.message["content"]})
        return answer

    async def send(self, body: Mapping[str, Any]) -> Answer:
        """Send a body as it is, a second after the one before."""
        self._tick(1)
        sent = msgspec.json.encode(body)
        headers = self.headers | {"content-type": "application/json"}
        async with self._http.post(f"{self.address}/v1/messages", data=sent, headers=headers) as got:
            return Answer(got.status, got.headers, msgspec.json.decode(await got.read()), sent)


class World(msgspec.Struct):
    """A planner with its simulator, and agents that talk through it."""

    planner: Simulated
    http: aiohttp.ClientSession

    def agent(self, key: str = "sk-ant-one", **fields: Any) -> Agent:
        """A new conversation."""
        return Agent(self.http, self.planner.address, key, tick=self.planner.advance, **fields)

    def resumed(self, agent: Agent) -> Agent:
        """A conversation that began elsewhere goes on through this planner; both keep one history."""
        other = Agent(self.http, self.planner.address, tick=self.planner.advance, **agent.fields)
        other.headers, other.messages = agent.headers, agent.messages
        return other

    async def introduce(self, *keys: str) -> None:
        """Let keys be answered once: that tells where they belong."""
        for key in keys or ("sk-ant-one",):
            async with self.http.get(f"{self.planner.address}/v1/models", headers={"x-api-key": key}) as got:
                assert got.status == 200

    @property
    def last(self) -> Heard:
        """What the simulator was sent last."""
        return self.planner.heard[-1]


@asynccontextmanager
async def world(planner: Simulated) -> AsyncIterator[World]:
    """Agents for a planner."""
    async with aiohttp.ClientSession() as http:
        yield World(planner, http)


def deciding(files: Mapping[str, str] | None = None, **settings: str) -> RuleBook:
    """The shipped rules where code costs from the first second on."""
    return rules(files, NO_FREE_HOURS | settings)


def within(directory: Path, work: Callable[[World], Awaitable[None]], *, book: RuleBook | None = None) -> None:
    """Run work in a world of its own, in which every container hour costs on both sides."""

    async def main() -> None:
        async with (
            simulated(directory, book=book or deciding(), simulator={"settings": {"free_hours.limit": 0}}) as planner,
            world(planner) as found,
        ):
            await work(found)

    run(main())


def bundled(sent: bytes, container: str | None = None) -> bytes:
    """What a body that declares only `CODE` becomes: our tool behind the caller's, and the container at the end."""
    declared = msgspec.json.encode(CODE)
    assert b'"tools":[%s]' % declared in sent
    return contained(sent.replace(b"[%s]" % declared, b"[%s,%s]" % (declared, INERT), 1), container)


def contained(sent: bytes, container: str | None) -> bytes:
    """A body with a container at its end."""
    return sent if container is None else b'%s,"container":"%s"}' % (sent[:-1], container.encode())


def results(answer: Answer) -> list[dict[str, str]]:
    """Tool results for every client tool that a message calls."""
    calls = [block for block in answer.message["content"] if block["type"] == "tool_use"]
    return [{"type": "tool_result", "tool_use_id": call["id"], "content": "mild"} for call in calls]
