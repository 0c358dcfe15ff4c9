"""Calls a simulator as ASGI, without a socket, and names what the tests keep saying."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import msgspec

from planner.clock import VirtualClock
from planner.simulator import Config, Simulator

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
MODEL = "claude-opus-5-5"
OLD_MODEL = "claude-opus-4-6"
CODE = {"type": "code_execution_20250825", "name": "code_execution"}
NEW_CODE = {"type": "code_execution_20260521", "name": "code_execution"}
SEARCH = {"type": "web_search_20260318", "name": "web_search"}
BASIC_SEARCH = {"type": "web_search_20250305", "name": "web_search"}
FETCH = {"type": "web_fetch_20260318", "name": "web_fetch"}
WEATHER: dict[str, Any] = {"name": "get_weather", "description": "The weather", "input_schema": {"type": "object"}}
CODE_WEATHER = {**WEATHER, "allowed_callers": ["code_execution_20260120"]}
KEY = {"x-api-key": "sk-ant-test", "anthropic-version": "2023-06-01"}
ADMIN = {"x-api-key": "sk-ant-admin01-test", "anthropic-version": "2023-06-01"}

PRICES = """
prices:
  - name: opus-5.5
    models: [claude-opus-5-5]
    usd_per_million: {input: "4", output: "20", cache_write_5m: "5", cache_write_1h: "8", cache_read: "0.20"}
    multipliers: {batch: "0.5", fast: "2", us: "1.1"}
  - name: sonnet-old
    models: ["claude-sonnet-5-5*"]
    until: 2026-10-06
    usd_per_million: {input: "2", output: "10", cache_write_5m: "2.50", cache_write_1h: "4", cache_read: "0.20"}
  - name: sonnet
    models: ["claude-sonnet-5-5*"]
    from: 2026-10-06
    usd_per_million: {input: "2", output: "10", cache_write_5m: "2.50", cache_write_1h: "4", cache_read: "0.10"}
    multipliers: {batch: "0.5"}
  - name: haiku-5.5
    models: [claude-haiku-5-5]
    usd_per_million: {input: "0.1", output: "0.5", cache_write_5m: "0.125", cache_write_1h: "0.2", cache_read: "0.01"}
    over:
      prompt_tokens: 100000
      usd_per_million: {input: "0.50", output: "2.50", cache_write_5m: "0.625", cache_write_1h: "1", cache_read: "0.05"}
    multipliers: {batch: "0.5", us: "1.1"}
  - name: gone
    models: ["*"]
    revoked: true
    usd_per_million: {input: "9", output: "9", cache_write_5m: "9", cache_write_1h: "9", cache_read: "9"}
tools:
  - component: web_search
    usd_per_thousand: "10"
  - component: code_execution
    usd_per_hour: "0.05"
    minimum_minutes: "5"
"""


class Response(msgspec.Struct):
    """What came back."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes]
    complete: bool

    @property
    def body(self) -> bytes:
        """All chunks."""
        return b"".join(self.chunks)

    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The error message."""
        return str(self.json()["error"]["message"])

    def events(self) -> list[tuple[str, Any]]:
        """Name and data of each server-sent event."""
        found = []
        for part in self.body.decode().split("\n\n"):
            if part:
                name, data = part.split("\n", 1)
                found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
        return found


class Api:
    """A simulator on a virtual clock, called directly."""

    def __init__(self, **changes: Any) -> None:
        self.clock = VirtualClock(START)
        settings = {"prices": (PRICES,), "clock": self.clock, **changes}
        self.simulator = Simulator(Config.default(**settings))
        self.bill = self.simulator.bill

    def call(
        self,
        method: str,
        path: str,
        body: bytes | dict[str, Any] | None = None,
        *,
        headers: dict[str, str] | None = None,
        query: list[tuple[str, str]] | None = None,
    ) -> Response:
        """One request."""
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        sent = KEY if headers is None else headers
        lines = [(name.encode(), value.encode()) for name, value in sent.items()]
        return asyncio.run(self._call(method, path, raw, lines, urlencode(query or [])))

    def call_raw(self, method: str, path: str, body: dict[str, Any], headers: list[tuple[bytes, bytes]]) -> Response:
        """One request with header lines as they are."""
        return asyncio.run(self._call(method, path, json.dumps(body).encode(), headers, ""))

    async def _call(
        self, method: str, path: str, raw: bytes, headers: list[tuple[bytes, bytes]], query: str
    ) -> Response:
        response = Response(0, {}, [], complete=False)

        waiting = [{"type": "http.request", "body": raw}]

        async def receive() -> dict[str, Any]:
            if not waiting:
                await asyncio.Event().wait()
            return waiting.pop()

        async def send(event: Any) -> None:
            if event["type"] == "http.response.start":
                response.status = event["status"]
                response.headers = {name.decode(): value.decode() for name, value in event["headers"]}
            else:
                response.chunks.append(event.get("body", b""))
                response.complete = not event.get("more_body", False)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
            "scheme": "http",
        }
        await self.simulator(scope, receive, send)
        return response

    def ask(self, text: Any = "hi", *, headers: dict[str, str] | None = None, **fields: Any) -> Response:
        """A Messages request with one user message, any field changed."""
        return self.call("POST", "/v1/messages", request(text, **fields), headers=headers)

    def get(self, path: str, query: list[tuple[str, str]] | None = None, headers: Any = None) -> Any:
        """A GET that succeeds, as JSON."""
        response = self.call("GET", path, query=query, headers=headers)
        assert response.status == 200, response.body
        return response.json()


def request(text: Any = "hi", **fields: Any) -> dict[str, Any]:
    """A Messages body; a field given as None is left out."""
    body = {"model": MODEL, "max_tokens": 4096, "messages": [{"role": "user", "content": text}], **fields}
    return {name: value for name, value in body.items() if value is not None}


def say(message: Any, *answers: Any) -> list[dict[str, Any]]:
    """The messages after an assistant message: it, then user messages."""
    turns: list[dict[str, Any]] = [{"role": "assistant", "content": message["content"]}]
    return [*turns, *({"role": "user", "content": answer} for answer in answers)]


def results(message: Any, content: str = "mild") -> list[dict[str, Any]]:
    """Tool results for every client tool call of a message."""
    calls = [block for block in message["content"] if block["type"] == "tool_use"]
    return [{"type": "tool_result", "tool_use_id": call["id"], "content": content} for call in calls]
