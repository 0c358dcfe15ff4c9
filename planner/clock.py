"""The one module that reads the clock and makes ids: everyone else takes them as arguments."""

import asyncio
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

ID_BYTES = 12
IDS_DRAWN = 64


class Clock(Protocol):
    """Where time comes from."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds from some fixed point, never going back."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that many seconds of this clock's time."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Wall time, aware, UTC."""
        return datetime.now(UTC)  # noqa: TID251 - the one place

    def monotonic(self) -> float:
        """Seconds of the machine's monotonic clock."""
        return time.monotonic()  # noqa: TID251 - the one place

    async def sleep(self, seconds: float) -> None:
        """Wait on the event loop."""
        await asyncio.sleep(seconds)


class VirtualClock:
    """A clock that moves only when told to, for tests, the simulator and replay.

    Sleeping on it takes no real time: the sleeper moves the clock on by what it slept.
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an aware time: give it a time zone")
        self._start = start
        self._elapsed = 0.0

    def now(self) -> datetime:
        """The virtual wall time, aware."""
        return self._start + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Virtual seconds since the start."""
        return self._elapsed

    def advance(self, seconds: float) -> None:
        """Move the clock on; seconds must not be negative."""
        if seconds < 0:
            raise ValueError(f"time does not go back: advance({seconds})")
        self._elapsed += seconds

    async def sleep(self, seconds: float) -> None:
        """Let others run once, then be that much later."""
        await asyncio.sleep(0)
        self.advance(max(seconds, 0.0))


class Ids(Protocol):
    """Where unique names come from."""

    def new(self) -> str:
        """A new id of lower-case hex digits."""
        ...


class RandomIds:
    """Ids of 96 random bits, drawn from the system many at a time."""

    def __init__(self) -> None:
        self._drawn = ""

    def new(self) -> str:
        """24 hex digits."""
        if not self._drawn:
            self._drawn = os.urandom(ID_BYTES * IDS_DRAWN).hex()
        taken, self._drawn = self._drawn[: 2 * ID_BYTES], self._drawn[2 * ID_BYTES :]
        return taken


class CountedIds:
    """Ids that count up, for tests and replays that must repeat."""

    def __init__(self) -> None:
        self._numbers: Iterator[int] = count(1)

    def new(self) -> str:
        """24 hex digits, one more than the last."""
        return f"{next(self._numbers):0{2 * ID_BYTES}x}"
