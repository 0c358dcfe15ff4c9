"""The desk: a process of its own that reads the ledger and makes pages, so that no request waits for either.

In a thread it would take the interpreter from the event loop, five milliseconds at a time. It is started when the
first page is asked for, answers one question after the other, and ends when its standard input does: with this process,
however that ends. One that broke is started anew for the next question.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final

import msgspec

from planner.dashboard.asked import LENGTH, Answer, Ask, Begin, packed

LONGEST_SECONDS: Final = 30.0
"""A page that takes longer is given up, and the desk with it: months of a million entries take a second."""
BEGIN: Final = (
    "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from planner.dashboard.work import main; main()"
)


class DeskError(Exception):
    """There is no page; the message says what became of the process that should have made it."""


class Desk:
    """The process, as the proxy sees it; `started` counts how often there was a new one."""

    def __init__(self, store: str, *, longest: float = LONGEST_SECONDS) -> None:
        self._store = store
        self._longest = longest
        self._process: Process | None = None
        self._turn = asyncio.Lock()
        self._closed = False
        self.started = 0

    async def ask(self, ask: Ask) -> Answer:
        """Have one page made. Raises DeskError."""
        async with self._turn:
            if self._closed:
                raise DeskError("the planner is shutting down")
            try:
                process = await self._running()  # in no time limit: a start that it ends leaves what nobody waits for
                async with asyncio.timeout(self._longest):
                    return await self._asked(process, ask)
            except BaseException as error:  # whatever came between a question and its answer: they must not be mixed up
                await self._killed()
                if isinstance(error, TimeoutError):
                    raise DeskError(f"the page took longer than {self._longest:g} seconds") from error
                if isinstance(error, OSError | EOFError | msgspec.DecodeError):
                    raise DeskError("the process that makes pages has ended; the next visit starts it again") from error
                raise

    async def close(self) -> None:
        """End the process, once its last page is made."""
        self._closed = True
        async with self._turn:
            process, self._process = self._process, None
            if process is not None:
                if process.stdin is not None:
                    process.stdin.close()
                await _ended(process)

    async def _running(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await self._start()
        return self._process

    async def _asked(self, process: Process, ask: Ask) -> Answer:
        if process.stdin is None or process.stdout is None:
            raise EOFError
        process.stdin.write(packed(ask))
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(LENGTH), "big")
        return msgspec.msgpack.decode(await process.stdout.readexactly(length), type=Answer)

    async def _start(self) -> Process:
        self.started += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-c",
            BEGIN,
            msgspec.json.encode(sys.path).decode(),
            stdin=PIPE,
            stdout=PIPE,
            start_new_session=True,  # what interrupts this process is not for that one
        )
        if process.stdin is not None:
            process.stdin.write(packed(Begin(self._store)))
        return process

    async def _killed(self) -> None:
        """End the process at once."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ended(process: Process) -> None:
    """Wait for the end of a process, a moment."""
    try:
        async with asyncio.timeout(2.0):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
