"""A virtual clock on which sleepers wait until they are let go, so that what is under way can be looked at."""

import asyncio
from datetime import datetime

from planner.clock import VirtualClock


class Halting(VirtualClock):
    """Whoever sleeps waits for `go`, and then moves the clock on by what it slept; `go` is set at first."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self.go = asyncio.Event()
        self.go.set()
        self._asleep = 0
        self._more = asyncio.Condition()

    async def sleep(self, seconds: float) -> None:
        """Wait to be let go."""
        async with self._more:
            self._asleep += 1
            self._more.notify_all()
        try:
            await self.go.wait()
        finally:
            self._asleep -= 1
        await super().sleep(seconds)

    async def halted(self, count: int) -> None:
        """Return once so many sleep."""
        async with self._more:
            await self._more.wait_for(lambda: self._asleep >= count)
