"""Serves an ASGI application on a socket of its own, inside this process, for as long as a `with` block lasts."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from planner.tasks import Tasks

BACKLOG = 2048


class AddressError(OSError):
    """The address cannot be listened on; the message says which and why."""


class Listener(uvicorn.Server):
    """uvicorn's server that tells when it listens, and leaves signals to the program around it.

    uvicorn raises a signal again once it has stopped, before the program could close what it holds open.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()
        self.stopped = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals alone."""
        yield

    async def main_loop(self) -> None:
        """Wait for the end: uvicorn's own loop wakes ten times a second to see whether it has come."""
        await self.stopped.wait()

    def stop(self) -> None:
        """End gracefully; asked a second time, at once."""
        self.force_exit = self.should_exit
        self.should_exit = True
        self.stopped.set()


@asynccontextmanager
async def listening(config: uvicorn.Config, host: str, port: int) -> AsyncIterator[tuple[Listener, str]]:
    """Listen on an address (port 0 is any free one) and yield the server and its base URL.

    Raises:
        AddressError: the address cannot be had.
    """
    with _bound(host, port) as bound:
        server = Listener(config)
        failures: list[BaseException] = []
        tasks = Tasks(lambda _name, error: failures.append(error))
        running = tasks.start("server", server.serve(sockets=[bound]))
        running.add_done_callback(lambda _: server.listening.set())  # a server that never starts is not waited for
        shown = f"[{host}]" if ":" in host else host
        try:
            await server.listening.wait()
            if not running.done():
                yield server, f"http://{shown}:{bound.getsockname()[1]}"
            elif not failures:
                raise RuntimeError("the server ended before it listened")
        finally:
            if not server.should_exit:  # a second stop would cut off who is still being answered
                server.stop()
            await asyncio.wait((running,))  # cancelled in the midst of its start it would leave a listener behind
    if failures:
        raise failures[0]


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError as error:
        bound.close()
        raise AddressError(f"cannot listen on {host}:{port}: {error.strerror}. Choose another with --port.") from error
    return bound
