"""The planner as an operator runs it: a process of its own, which can be killed."""

import asyncio
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec


class Process:
    """`planner serve` on a free port; `log` is what it said so far, a line each."""

    def __init__(self, running: asyncio.subprocess.Process) -> None:
        self._running = running
        self.address = ""
        self.log: list[bytes] = []

    @property
    def pid(self) -> int:
        """The process id."""
        return self._running.pid

    async def listening(self) -> None:
        """Wait until it says where it listens, or ends."""
        self.address = (await self.event("listening")).get("url", "")

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of that name; nothing where it ends before."""
        while line := await self._line():
            if line.startswith(b"{") and (told := msgspec.json.decode(line)).get("event") == name:
                return dict(told)
        return {}

    async def _line(self) -> bytes:
        assert self._running.stderr is not None
        line = await self._running.stderr.readline()
        self.log.append(line)
        return line

    async def _rest(self) -> int:
        while await self._line():
            pass
        return await self._running.wait()

    async def kill(self) -> None:
        """End it as a power button would, less the disk."""
        self._running.kill()
        await self._rest()

    async def stop(self) -> int:
        """Ask it to end, and return its exit code."""
        if self._running.returncode is None:
            self._running.send_signal(signal.SIGTERM)
        return await self._rest()


@asynccontextmanager
async def serving(
    store: Path | str,
    upstream: str,
    *flags: str,
    rules: Path | None = None,
    largest_file: int | None = None,
) -> AsyncIterator[Process]:
    """A `planner serve` on a file or an address; with `largest_file`, every file it writes ends there, as if full."""

    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))

    running = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "planner", "serve", "--port", "0", "--upstream", upstream),
        *("--store", store if isinstance(store, str) else f"sqlite:///{store}"),
        *flags,
        *(() if rules is None else ("--rules", str(rules))),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 22,
        env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).parents[2])},
        preexec_fn=limit,
    )
    process = Process(running)
    try:
        await process.listening()
        yield process
    finally:
        if running.returncode is None:
            await process.kill()
