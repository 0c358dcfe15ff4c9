"""A client that writes raw bytes and reads raw bytes: nothing between the test and the wire."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import msgspec

from tests.doubles.upstream import Field, split_fields


class Answer(msgspec.Struct):
    """One response; `whole` is false when the connection ended before it did."""

    status: int
    fields: list[Field]
    body: bytes = b""
    whole: bool = True

    def value(self, name: bytes) -> bytes | None:
        """The first value of a field by its lower-case name."""
        return next((value for key, value in self.fields if key.lower() == name), None)


class RawClient:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Put raw bytes on the wire."""
        self._writer.write(data)
        await self._writer.drain()

    async def ask(self, data: bytes, *, head_only: bool = False) -> Answer:
        """Send a request and read its whole response."""
        await self.send(data)
        return await self.answer(head_only=head_only)

    async def head(self) -> Answer:
        """The head of the next final response; informational ones are skipped."""
        while True:
            head = await self._reader.readuntil(b"\r\n\r\n")
            status = int(head.split(b" ", 2)[1])
            if status >= 200:
                return Answer(status, split_fields(head))

    async def informational(self) -> int:
        """The status of the next response head, which is informational."""
        return int((await self._reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1])

    async def piece(self, answer: Answer) -> bytes:
        """The next chunk of a chunked body, or what has come of another; empty at the end."""
        if answer.value(b"transfer-encoding") != b"chunked":
            return await self._reader.read(65536)
        size = int(await self._reader.readuntil(b"\r\n"), 16)
        data = await self._reader.readexactly(size)
        await self._reader.readexactly(2)
        return data

    async def answer(self, *, head_only: bool = False) -> Answer:
        """The next final response, to its end or the connection's."""
        got = await self.head()
        if head_only or got.status in {204, 304}:
            return got
        try:
            await self._read(got)
        except (asyncio.IncompleteReadError, ConnectionError):
            got.whole = False
        return got

    async def _read(self, got: Answer) -> None:
        length = got.value(b"content-length")
        if got.value(b"transfer-encoding") == b"chunked":
            while data := await self.piece(got):
                got.body += data
        elif length is not None:
            while len(got.body) < int(length):
                data = await self._reader.read(65536)
                if not data:
                    raise asyncio.IncompleteReadError(got.body, int(length))
                got.body += data
        else:
            got.body = await self._reader.read()

    async def end(self) -> bytes:
        """What still comes until the other side closes."""
        try:
            return await self._reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        """Close in order."""
        self._writer.close()

    def cut(self) -> None:
        """Close with a reset."""
        self._writer.transport.abort()


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[RawClient]:
    """One connection to a base address."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    client = RawClient(reader, writer)
    try:
        yield client
    finally:
        client.close()


def request(
    method: str = "POST",
    target: str = "/v1/messages",
    *fields: Field,
    body: bytes | None = b"{}",
    host: bytes = b"127.0.0.1",
) -> bytes:
    """A request; a body comes with its `content-length`."""
    head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    if body is not None:
        head += b"content-length: %d\r\n" % len(body)
    return b"%s %s HTTP/1.1\r\nHost: %s\r\n%s\r\n%s" % (method.encode(), target.encode(), host, head, body or b"")
