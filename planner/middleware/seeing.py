"""What the SDK is about to send, as the planner reads it, and the same with the planner's bytes in place of its body.

The SDK hands a middleware its options, not the request: the key, and the headers of the client, are the client's. It is
found where the chain is bound to it.
"""

import json
from collections.abc import Callable, Mapping
from copy import copy
from types import FunctionType
from typing import Final, Protocol

import anthropic
import msgspec
from anthropic import APIRequest

from planner.core.endpoints import endpoint
from planner.proxy.arrive import Head, origin_form
from planner.proxy.headers import OURS

LONGEST_CHAIN: Final = 64
"""Middlewares behind this one that are asked for their client: more than anybody has."""
KEYS: Final = frozenset({"x-api-key", "authorization"})
ELSEWHERE: Final = "anthropic.lib."
"""Where the SDK keeps its clients of other clouds, which have prices, tools and ids of their own."""

Client = anthropic.Anthropic | anthropic.AsyncAnthropic


class UnseenError(Exception):
    """A request cannot be read as the SDK will send it; the message says why."""


class Tokens(Protocol):
    """What a client with `credentials` takes its bearer token from with each request; it keeps one that holds."""

    def get_token(self) -> str:
        """The token."""
        ...

    async def async_get_token(self) -> str:
        """The same, for the asynchronous client."""
        ...


class Seen(msgspec.Struct, frozen=True):
    """A request of the SDK: its head, and its body where it is planned.

    `ours` are fields that are for the planner. `tokens` give the key where the head does not have it yet.
    """

    head: Head
    body: bytes | None
    ours: frozenset[str]
    tokens: Tokens | None = None

    def bearing(self, token: str) -> Head:
        """The head with a bearer token."""
        return Head(
            self.head.method, self.head.target, (*self.head.fields, (b"authorization", f"Bearer {token}".encode()))
        )


def client_of(call_next: Callable[..., object]) -> Client:
    """The client whose chain of middlewares goes on here. Raises UnseenError where it cannot be found."""
    link: object = call_next
    for _ in range(LONGEST_CHAIN):
        if not isinstance(link, FunctionType):
            break
        bound = dict(zip(link.__code__.co_freevars, link.__closure__ or (), strict=True))
        found = bound["self"].cell_contents if "self" in bound else None
        if isinstance(found, anthropic.Anthropic | anthropic.AsyncAnthropic):
            return found
        link = bound["call_next"].cell_contents if "call_next" in bound else None
    raise UnseenError("the SDK's client was not found behind its middlewares")


def is_elsewhere(client: Client) -> bool:
    """Whether a client speaks to another cloud than Anthropic's own API."""
    return any(each.__module__.startswith(ELSEWHERE) for each in type(client).__mro__)


def see(request: APIRequest, client: Client) -> Seen:
    """Read a request. Raises UnseenError for one that the planner cannot read as it will be sent."""
    merged: dict[str, tuple[str, str]] = {}
    layers: tuple[Mapping[str, object], ...] = (client.default_headers, request.headers)
    for layer in layers:
        for name, value in layer.items():
            if isinstance(value, str):
                merged[name.lower()] = (name, value)
            else:  # the SDK's way to take a field back
                merged.pop(name.lower(), None)
    fields = tuple((name.encode(), value.encode()) for name, value in merged.values())
    method, url = request.method.upper(), str(request.url)
    target = origin_form(url if "://" in url else f"/{url.lstrip('/')}")
    planned = endpoint(method, target.partition("?")[0]).planned
    ours = frozenset(name for name in merged if name.encode() in OURS)
    tokens = None if merged.keys() & KEYS else getattr(client, "_token_cache", None)
    return Seen(Head(method, target.encode(), fields), _body(request) if planned else None, ours, tokens)


def _body(request: APIRequest) -> bytes:
    """The body as the SDK writes it: compact JSON, letters beyond ASCII as they are."""
    options = request.options
    if isinstance(options.content, bytes):
        return options.content
    if options.content is not None or options.extra_json is not None or options.json_data is None:
        raise UnseenError("its body is no JSON that the SDK writes")
    try:
        text = json.dumps(options.json_data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise UnseenError("its body is no JSON") from error


def onward(request: APIRequest, ours: frozenset[str], body: bytes | None = None) -> APIRequest:
    """The request without the fields that are for the planner, and with a body in place of its own if one is given.

    What the caller holds is not touched; where nothing changes it is the same request.
    """
    if not ours and body is None:
        return request
    changed = copy(request)
    changed.options = copy(request.options)
    if ours:
        kept = {name: value for name, value in request.headers.items() if name.lower() not in ours}
        changed.options.headers = {**kept, **dict.fromkeys(ours, anthropic.omit)}  # a client's own are taken back too
    if body is not None:
        changed.options.content = body
        changed.options.json_data = None
    return changed
