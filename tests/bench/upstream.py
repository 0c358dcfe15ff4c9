"""The upstream of the benchmark: answers every request at once with bytes made beforehand; run as a process."""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

from tests.bench.workloads import JSON_ANSWER, SSE_ANSWER


class Answering(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._answer = JSON_ANSWER

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way back."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        """A query asks for a stream."""
        self._answer = SSE_ANSWER if url.endswith(b"?stream") else JSON_ANSWER

    def on_message_complete(self) -> None:
        """Answer, whatever was asked."""
        self._transport.write(self._answer)


async def main() -> None:
    """Listen on any free port, say which, and serve until killed."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
