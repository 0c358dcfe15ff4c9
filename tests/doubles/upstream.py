"""An upstream that keeps the exact bytes of every request and plays back raw bytes that a script writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec

Field = tuple[bytes, bytes]


class Recorded(msgspec.Struct):
    """One request as it stood on the wire; `body` is what transfer decoding left, `whole` whether all of it came."""

    head: bytes
    body: bytes = b""
    whole: bool = False

    @property
    def line(self) -> list[bytes]:
        """Method, target, version."""
        return self.head.split(b"\r\n", 1)[0].split(b" ")

    @property
    def method(self) -> bytes:
        """The method."""
        return self.line[0]

    @property
    def target(self) -> bytes:
        """The raw request target."""
        return self.line[1]

    @property
    def fields(self) -> list[Field]:
        """Every header field, in order, in the case it was sent in."""
        return split_fields(self.head)

    def values(self, name: bytes) -> list[bytes]:
        """The values of one field, by its lower-case name."""
        return [value for key, value in self.fields if key.lower() == name]


def split_fields(head: bytes) -> list[Field]:
    """The header fields of a message head."""
    lines = head.split(b"\r\n")[1:]
    return [(name, value.strip(b" \t")) for name, _, value in (line.partition(b":") for line in lines) if name]


class Turn:
    """One request under a script's hands: read as much of it as wanted, write what is wanted, close or cut."""

    def __init__(self, request: Recorded, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer
        self._pieces = read_body(reader, request.fields)

    async def piece(self) -> bytes:
        """The next bytes of the body; empty at its end."""
        async for data in self._pieces:
            self.request.body += data
            return data
        self.request.whole = True
        return b""

    async def body(self) -> bytes:
        """The whole body."""
        while await self.piece():
            pass
        return self.request.body

    async def write(self, data: bytes) -> None:
        """Put raw bytes on the wire."""
        self._writer.write(data)
        await self._writer.drain()

    def close(self) -> None:
        """Close in order."""
        self._writer.close()

    def cut(self) -> None:
        """Close with a reset."""
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Return when the other side has closed."""
        try:
            while await self._reader.read(65536):
                pass
        except ConnectionError:
            return


Script = Callable[[Turn], Awaitable[None]]


class RawUpstream:
    """Listens on a loopback port; each request goes into `requests` and then through the script."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Recorded] = []
        self.connections = 0
        self.failures: list[BaseException] = []
        self.address = ""
        self._running: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["RawUpstream"]:
        """Listen; a script that failed fails whoever listens."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()
            for task in tuple(self._running):
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        if self.failures:
            raise self.failures[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._running.add(task)
        self.connections += 1
        try:
            while not writer.is_closing() and await self._turn(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except Exception as error:  # noqa: BLE001 - whatever a script raises is the test's failure, kept until the end
            self.failures.append(error)
        finally:
            self._running.discard(task)
            writer.close()

    async def _turn(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        request = Recorded(head)
        self.requests.append(request)
        turn = Turn(request, reader, writer)
        await self.script(turn)
        return request.whole


async def read_body(reader: asyncio.StreamReader, fields: list[Field]) -> AsyncIterator[bytes]:
    """A message body as it comes, without its transfer coding."""
    lower = {name.lower(): value for name, value in fields}
    if b"chunked" in lower.get(b"transfer-encoding", b"").lower():
        while size := int((await reader.readline()).split(b";")[0], 16):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        while (await reader.readline()).strip():
            pass
        return
    left = int(lower.get(b"content-length", b"0"))
    while left:
        data = await reader.read(min(left, 65536))
        if not data:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(data)
        yield data


def answer(body: bytes, *fields: Field, status: int = 200) -> bytes:
    """A whole response with a `content-length`."""
    head = b"".join(name + b": " + value + b"\r\n" for name, value in fields)
    return b"HTTP/1.1 %d Some Reason\r\n%scontent-length: %d\r\n\r\n%s" % (status, head, len(body), body)


def always(data: bytes) -> Script:
    """A script that reads the whole request and writes these bytes."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(data)

    return script


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(data), data)
