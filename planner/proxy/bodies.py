"""The caller's side of a request: its body, whole where it is planned, and whether the caller is still there."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from planner.proxy.headers import Field, value

if TYPE_CHECKING:  # who carries bytes without HTTP of its own loads no web framework
    from litestar.types import Receive


class ClientGoneError(Exception):
    """The caller hung up before its request was whole."""


class TooLargeError(Exception):
    """The body is larger than what may be planned."""


def has_body(fields: Sequence[Field]) -> bool:
    """Whether a body follows these fields."""
    return value(fields, b"transfer-encoding") is not None or (value(fields, b"content-length") or b"0") != b"0"


def announced_length(fields: Sequence[Field]) -> int | None:
    """The number of bytes that `content-length` announces; None when it announces none."""
    announced = value(fields, b"content-length")
    return int(announced) if announced is not None and announced.isdigit() else None


class Incoming:
    """One request as it comes in. Its body is read once; hanging up is noticed before, during and after.

    `gone` says that the caller has closed its connection.
    """

    def __init__(self, receive: "Receive", fields: Sequence[Field]) -> None:
        self._receive = receive
        self._fields = fields
        self._read = asyncio.Event()
        self.gone = False
        if not has_body(fields):
            self._read.set()

    async def whole(self, limit: int) -> bytes:
        """The whole body. Raises TooLargeError without keeping more than `limit` bytes, ClientGoneError."""
        if (announced_length(self._fields) or 0) > limit:
            raise TooLargeError
        parts: list[bytes] = []
        size = 0
        async for part in self.pieces():
            size += len(part)
            if size > limit:
                raise TooLargeError
            parts.append(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. Raises ClientGoneError."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                self.gone = True
                self._read.set()
                raise ClientGoneError
            more = message["more_body"]
            if message["body"]:
                yield message["body"]
        self._read.set()

    async def hung_up(self) -> None:
        """Return when the caller has closed its connection."""
        await self._read.wait()
        while not self.gone:
            self.gone = (await self._receive())["type"] == "http.disconnect"
