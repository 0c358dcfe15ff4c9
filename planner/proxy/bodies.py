"""The caller's side of a request: its body, whole where it is planned, and whether the caller is still there."""

from collections.abc import AsyncIterator, Callable, Sequence
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


class Line:
    """The caller's end of a connection: whether it is still there, and who is to hear of it when it is not.

    `resume` has what the caller sends read on, or nobody would notice its end.
    """

    def __init__(self, resume: Callable[[], None]) -> None:
        self._resume = resume
        self._hear: Callable[[], None] | None = None
        self.lost = False

    def listen(self, hear: Callable[[], None] | None) -> None:
        """Tell somebody, and nobody else, when the connection is lost; None for nobody."""
        self._hear = hear
        if hear is not None:
            self._resume()

    def cut(self) -> None:
        """The connection is lost."""
        self.lost = True
        if self._hear is not None:
            self._hear()


class Incoming:
    """One request as it comes in. Its body is read once; hanging up is noticed before, during and after.

    `gone` says that the caller has closed its connection.
    """

    def __init__(self, receive: "Receive", fields: Sequence[Field], line: Line) -> None:
        self._receive = receive
        self._fields = fields
        self._line = line
        self._read = not has_body(fields)
        self._act: Callable[[], None] | None = None
        self.gone = False

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
                self.gone = self._read = True
                raise ClientGoneError
            more = message["more_body"]
            if message["body"]:
                yield message["body"]
        self._read = True
        if self._act is not None:
            self.watch(self._act)

    def watch(self, act: Callable[[], None]) -> None:
        """Do something once the caller has closed its connection, now if it has; a callback, since a task costs more.

        Not while the body still comes: whoever reads it hears of it there.
        """
        self._act = act
        self._line.listen(self._hung_up)
        self._hung_up()

    def unwatch(self) -> None:
        """What the caller does from here on is nobody's."""
        self._act = None
        self._line.listen(None)

    def _hung_up(self) -> None:
        if self._line.lost and self._read and self._act is not None:
            self.gone = True
            self._act()
