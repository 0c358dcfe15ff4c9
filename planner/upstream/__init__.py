"""What the proxy asks of the way to Anthropic: send these bytes, hand back those, change nothing, retry nothing."""

from collections.abc import AsyncIterator, Sequence
from enum import Enum
from typing import Protocol

import msgspec

Headers = Sequence[tuple[bytes, bytes]]
"""Header fields in wire order, names in the case they were sent in."""


class UpstreamFault(Enum):
    """What went wrong on the way, named as the `type` label of `planner_upstream_errors_total`."""

    CONNECT = "connect"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"


class UpstreamError(Exception):
    """The upstream gave no usable answer, or stopped in the middle of one."""

    def __init__(self, fault: UpstreamFault, detail: str) -> None:
        super().__init__(detail)
        self.fault = fault


class UpstreamRequest(msgspec.Struct, frozen=True):
    """One request as it goes out: the raw target, end-to-end headers, and the body (whole, streamed, or none).

    `length` is the number of bytes of a streamed body where the caller announced it; without one it goes out in chunks.
    """

    method: str
    target: str
    headers: Headers
    body: bytes | AsyncIterator[bytes] | None
    length: int | None = None


class UpstreamResponse(Protocol):
    """One answer: its head is there, its body still comes."""

    @property
    def status(self) -> int:
        """The HTTP status."""
        ...

    @property
    def headers(self) -> Headers:
        """All header fields as received."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, content encoding untouched. Raises UpstreamError when it is cut."""
        ...

    def release(self) -> None:
        """Give the connection back if the body was read to its end, else close it."""
        ...


class Upstream(Protocol):
    """The way to one base address."""

    async def send(self, request: UpstreamRequest) -> UpstreamResponse:
        """Send once and return when the head of the answer is there. Raises UpstreamError; retries nothing."""
        ...

    async def close(self) -> None:
        """Close idle and open connections."""
        ...
