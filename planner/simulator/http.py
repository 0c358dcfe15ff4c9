"""What the simulator's handlers take and give: a request with its key, and a reply or a stream."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from planner.simulator.canonical import Json
from planner.simulator.config import Key
from planner.simulator.errors import invalid
from planner.simulator.ids import RequestIds

if TYPE_CHECKING:
    from planner.simulator.state import State


class Request(msgspec.Struct, kw_only=True):
    """A request that was routed and authenticated."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    key: Key
    id: str
    ids: RequestIds
    organization: str
    base_url: str
    params: Mapping[str, str]

    @property
    def workspace(self) -> str:
        """The workspace of the key."""
        return self.key.workspace

    @property
    def betas(self) -> frozenset[str]:
        """The values of `anthropic-beta`."""
        return frozenset(value.strip() for value in self.headers.get("anthropic-beta", "").split(",") if value.strip())

    @property
    def version(self) -> str | None:
        """The value of `anthropic-version`."""
        return self.headers.get("anthropic-version")

    def json(self) -> Json:
        """The body as a JSON object.

        Raises:
            ApiError: 400.
        """
        try:
            value: Any = msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise invalid(f"The request body is not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise invalid("Input should be a valid dictionary or object to extract fields from")
        return value

    def first(self, name: str) -> str | None:
        """The first value of a query parameter."""
        values = self.query.get(name)
        return values[0] if values else None

    def several(self, name: str) -> list[str]:
        """All values of a list parameter, spelled `name` or `name[]`."""
        return [*self.query.get(name, ()), *self.query.get(name + "[]", ())]

    def limit(self, default: int, most: int) -> int:
        """The `limit` of a list.

        Raises:
            ApiError: 400 when it is no number or out of range.
        """
        text = self.first("limit")
        if text is None:
            return default
        if not text.isdecimal() or not 1 <= int(text) <= most:
            raise invalid(f"limit: Input should be between 1 and {most}")
        return int(text)


class Reply(msgspec.Struct, kw_only=True):
    """A whole response."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = {}
    cut: bool = False
    """Break the connection in the middle of the body."""


class Events(msgspec.Struct, kw_only=True):
    """A stream of server-sent events; `paced` when it pauses on the way."""

    chunks: AsyncGenerator[bytes, None]
    paced: bool
    cut: bool = False


Answer = Reply | Events
Handler = Callable[["State", Request], Awaitable[Answer]]


class Route(msgspec.Struct, frozen=True):
    """A method and a path pattern such as `/v1/files/{file_id}`, what it needs, and who answers."""

    method: str
    pattern: str
    handler: Handler
    access: str = "key"
    """`key`, `admin` or `open`."""
    limit: str = "messages_limit"
    """The name of the configured size limit of its body."""


def json_reply(value: object, status: int = 200) -> Reply:
    """A JSON response."""
    return Reply(body=msgspec.json.encode(value), status=status)
