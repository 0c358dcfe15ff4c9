"""The load: connections that ask again as soon as they are answered, or requests at a fixed rate."""

import asyncio
from collections.abc import Callable
from typing import cast

import httptools
import msgspec

from planner.clock import SystemClock

CLOCK = SystemClock()
MOST_AT_ONCE = 64
NO_ANSWER = 0
"""In place of a status, where the connection was lost."""


class Asking(asyncio.Protocol):
    """One connection with one request in flight; `done` is called with the status of each answer."""

    def __init__(self, done: Callable[["Asking", int], None]) -> None:
        self._done = done
        self._parser = httptools.HttpResponseParser(self)
        self.edited = False
        self.lost = False
        self.due = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """A proxy that closes on us is noticed."""
        del exc
        self.lost = True
        self._done(self, NO_ANSWER)

    def ask(self, request: bytes) -> None:
        """Send a request."""
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Notice what the planner says of the body."""
        if name == b"planner-body":
            self.edited = value == b"edited"

    def on_message_complete(self) -> None:
        """The answer is whole."""
        self._done(self, self._parser.get_status_code())

    def close(self) -> None:
        """Hang up; what is still on its way is nobody's."""
        self._done = lambda _connection, _status: None
        self._transport.close()


class Throughput(msgspec.Struct):
    """How many requests were answered within how many seconds, and how many of them wrongly."""

    answered: int = 0
    wrong: int = 0
    edited: int = 0
    seconds: float = 0.0


async def connect(port: int, count: int, done: Callable[[Asking, int], None]) -> list[Asking]:
    """Open connections to a loopback port."""
    loop = asyncio.get_running_loop()
    made = [await loop.create_connection(lambda: Asking(done), "127.0.0.1", port) for _ in range(count)]
    return [protocol for _, protocol in made]


async def closed_loop(port: int, request: bytes, *, connections: int, seconds: float) -> Throughput:
    """Keep every connection busy for some seconds, and on until there are as many answers as connections."""
    got = Throughput()
    running, enough = True, asyncio.Event()

    def done(connection: Asking, status: int) -> None:
        got.answered += 1
        got.wrong += status != 200
        got.edited += connection.edited
        if got.answered >= connections:
            enough.set()
        if running and not connection.lost:
            connection.ask(request)

    asking = await connect(port, connections, done)
    started = CLOCK.monotonic()
    for connection in asking:
        connection.ask(request)
    await asyncio.sleep(seconds)
    await enough.wait()
    running = False
    got.seconds = CLOCK.monotonic() - started
    for connection in asking:
        connection.close()
    return got


async def open_loop(port: int, request: bytes, *, per_second: int, seconds: float) -> list[float]:
    """Ask at a fixed rate; the latencies in seconds, each from the time at which its request was *due*, sorted."""
    took: list[float] = []
    idle: asyncio.Queue[Asking] = asyncio.Queue()

    def done(connection: Asking, status: int) -> None:
        if status == NO_ANSWER:
            return
        took.append(CLOCK.monotonic() - connection.due)
        idle.put_nowait(connection)

    every = await connect(port, MOST_AT_ONCE, done)
    for connection in every:
        idle.put_nowait(connection)
    due = CLOCK.monotonic()
    for _ in range(round(per_second * seconds)):
        due += 1 / per_second
        await asyncio.sleep(max(due - CLOCK.monotonic(), 0))
        connection = await idle.get()
        connection.due = due
        connection.ask(request)
    for _ in every:
        (await idle.get()).close()
    return sorted(took)
