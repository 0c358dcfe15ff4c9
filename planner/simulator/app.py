"""The ASGI application: route, authenticate, read, answer; every refusal in one shape."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import parse_qs

from planner.simulator.bill import Bill
from planner.simulator.config import Config, Key
from planner.simulator.encoding import Encoder, decoded, encoder
from planner.simulator.errors import ApiError, not_found
from planner.simulator.http import Answer, Events, Reply, Request, Route
from planner.simulator.routes import batches, files, messages, models, own, reports, skills
from planner.simulator.state import State
from planner.tasks import Tasks

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

ROUTES: tuple[Route, ...] = (
    *messages.ROUTES,
    *batches.ROUTES,
    *files.ROUTES,
    *models.ROUTES,
    *skills.ROUTES,
    *reports.ROUTES,
    *own.ROUTES,
)
RATE_LIMITS = {"requests": 4_000, "input-tokens": 2_000_000, "output-tokens": 400_000, "tokens": 2_400_000}
LIMITS: Headers = [
    (f"anthropic-ratelimit-{name}-{part}".encode(), str(value).encode())
    for name, limit in RATE_LIMITS.items()
    for part, value in (("limit", limit), ("remaining", limit - 1))
]
RESETS = [f"anthropic-ratelimit-{name}-reset".encode() for name in RATE_LIMITS]
TOO_LARGE = "Request exceeds the maximum size"


class Simulator:
    """The API in a box, as an ASGI application; `state` and `bill` are for those in the same process.

    `failures` says what went wrong inside it; a test should find it empty.
    """

    def __init__(self, config: Config) -> None:
        self.state = State(config)
        self.failures: list[str] = []
        self._tasks = Tasks(lambda name, error: self.failures.append(f"{name}: {error}"))
        self._exact = {(route.method, route.pattern): route for route in ROUTES if "{" not in route.pattern}
        self._patterns = [(route, route.pattern.split("/")) for route in ROUTES if "{" in route.pattern]

    @property
    def bill(self) -> Bill:
        """What the API would charge."""
        return self.state.bill

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI connection."""
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http":
            try:
                await self._http(scope, receive, send)
            except Exception as error:
                self.failures.append(f"{scope['method']} {scope['path']}: {error!r}")
                raise

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        ids = self.state.ids.request()
        request_id = ids.new("req")
        headers: dict[str, str] = {}
        for raw, text in scope["headers"]:
            name, value = raw.decode("latin-1").lower(), text.decode("latin-1")
            headers[name] = f"{headers[name]},{value}" if name in headers else value
        common: Headers = [(b"request-id", request_id.encode())]
        try:
            route, params = self._route(scope["method"], scope["path"])
            key = self._authenticate(route, headers)
            organization = self.state.organization(key)
            common += self._account_headers(key, organization)
            body = await self._body(route, headers, receive)
            request = Request(
                method=scope["method"],
                path=scope["path"],
                query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
                headers=headers,
                body=body,
                key=key,
                id=request_id,
                ids=ids,
                organization=organization,
                base_url=self.state.base_url or f"{scope.get('scheme', 'http')}://{headers.get('host', 'localhost')}",
                params=params,
            )
            batches.process_due(self.state)
            answer = await route.handler(self.state, request)
        except ApiError as error:
            common += [(name.encode(), value.encode()) for name, value in error.headers.items()]
            answer = Reply(body=error.body(request_id), status=error.status)
        await self._send(answer, common, headers, receive, send)

    def _route(self, method: str, path: str) -> tuple[Route, dict[str, str]]:
        route = self._exact.get((method, path))
        if route is not None:
            return route, {}
        parts = path.split("/")
        for candidate, pattern in self._patterns:
            if candidate.method == method and len(pattern) == len(parts):
                params = _match(pattern, parts)
                if params is not None:
                    return candidate, params
        raise not_found("Not Found")

    def _authenticate(self, route: Route, headers: dict[str, str]) -> Key:
        if route.access == "open":
            return Key(key="")
        scheme, _, token = headers.get("authorization", "").partition(" ")
        secret = headers.get("x-api-key") or (token.strip() if scheme.lower() == "bearer" else "")
        if not secret:
            raise ApiError(401, "x-api-key header is required")
        key = self.state.key(secret)
        if key is None or (route.access == "admin" and not key.admin):
            raise ApiError(401, "invalid x-api-key")
        wanted = headers.get("anthropic-workspace-id")
        if wanted is not None and wanted != key.workspace and not key.admin:
            raise ApiError(403, f"anthropic-workspace-id: this key does not belong to workspace {wanted}")
        return key

    def _account_headers(self, key: Key, organization: str) -> Headers:
        if not key.key:
            return []
        reset = _reset(self.state.clock.now())
        resets = [(name, reset) for name in RESETS]
        account = [
            (b"anthropic-organization-id", organization.encode()),
            (b"anthropic-workspace-id", key.workspace.encode()),
        ]
        return [*account, *LIMITS, *resets]

    async def _body(self, route: Route, headers: dict[str, str], receive: Receive) -> bytes:
        limit: int = getattr(self.state.config, route.limit)
        declared = headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            raise ApiError(413, TOO_LARGE)
        chunks: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                break
            chunks.append(event.get("body", b""))
            size += len(chunks[-1])
            if size > limit:
                raise ApiError(413, TOO_LARGE)
            if not event.get("more_body"):
                break
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        return decoded(body, headers.get("content-encoding"), limit)

    async def _send(self, answer: Answer, common: Headers, asked: dict[str, str], receive: Receive, send: Send) -> None:
        encode = encoder(self.state.config.encoding, asked.get("accept-encoding", ""))
        if encode.name:
            common = [*common, (b"content-encoding", encode.name.encode()), (b"vary", b"accept-encoding")]
        if isinstance(answer, Reply):
            await _send_reply(answer, common, encode, send)
        else:
            await self._send_events(answer, common, encode, receive=receive, send=send)

    async def _send_events(
        self, answer: Events, common: Headers, encode: Encoder, *, receive: Receive, send: Send
    ) -> None:
        headers = [
            *common,
            (b"content-type", b"text/event-stream; charset=utf-8"),
            (b"cache-control", b"no-cache"),
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        gone = asyncio.Event()
        watch = self._tasks.start("disconnect", _watch(receive, gone)) if answer.paced else None
        size = "event" if answer.paced else self.state.config.sse_chunk
        held = bytearray()
        try:
            async for chunk in answer.chunks:
                if gone.is_set():
                    return
                held += encode.feed(chunk)
                for piece in _pieces(held, size):
                    await send({"type": "http.response.body", "body": piece, "more_body": True})
        finally:
            await answer.chunks.aclose()
            if watch is not None:
                watch.cancel()
        if answer.cut:
            await send({"type": "http.response.body", "body": bytes(held), "more_body": True})
        else:
            await send({"type": "http.response.body", "body": bytes(held) + encode.end()})


def _pieces(held: bytearray, size: Literal["event", "whole"] | int) -> Iterator[bytes]:
    """Take off what can be sent: all of it after each event, pieces of a fixed size, or nothing until the end."""
    if size == "whole":
        return
    step = len(held) if isinstance(size, str) else size
    while held and len(held) >= step:
        yield bytes(held[:step])
        del held[:step]


async def _send_reply(answer: Reply, common: Headers, encode: Encoder, send: Send) -> None:
    body = encode.feed(answer.body) + encode.end() if encode.name and answer.body else answer.body
    headers = [
        *common,
        (b"content-type", answer.content_type.encode()),
        (b"content-length", str(len(body)).encode()),
        *((name.encode(), value.encode()) for name, value in answer.headers.items()),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.cut:
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
    else:
        await send({"type": "http.response.body", "body": body})


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": event["type"] + ".complete"})
        if event["type"] == "lifespan.shutdown":
            return


async def _watch(receive: Receive, gone: asyncio.Event) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    gone.set()


def _match(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    params = {}
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith("{"):
            if not part:
                return None
            params[expected[1:-1]] = part
        elif expected != part:
            return None
    return params


def _reset(now: datetime) -> bytes:
    return (now + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:00Z").encode()


def routes() -> Iterator[tuple[str, str]]:
    """Method and path of every endpoint."""
    for route in ROUTES:
        yield route.method, route.pattern
