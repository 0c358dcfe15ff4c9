"""What is learnt from the store beside requests goes on whatever goes wrong."""

import asyncio
import io
from typing import Any

import pytest

from planner import log as logs
from planner.clock import VirtualClock
from planner.proxy import upkeep
from planner.proxy.hours import Hours
from planner.proxy.upkeep import count_hours
from planner.stores import StoreError
from tests.doubles.stored import START, MemoryStore


class Asked(MemoryStore):
    """A store that notes since when it is asked for hours, and is broken the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.twice = asyncio.Event()

    async def hours(self, since: str) -> list[Any]:
        """Note it."""
        self.calls.append(since)
        if len(self.calls) == 1:
            raise StoreError("the disk is gone")
        self.twice.set()
        return []


def test_what_fails_is_done_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And told to the operator."""
    monkeypatch.setattr(upkeep, "COUNT_SECONDS", 0)
    clock, said = VirtualClock(START), io.StringIO()
    log = logs.build(said)

    async def scenario() -> None:
        store = Asked()
        task = asyncio.ensure_future(count_hours(store, Hours(), clock, log))  # noqa: TID251 - the test's
        await store.twice.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert store.calls[0] == store.calls[1]

    asyncio.run(scenario())
    assert "free hours are counted by this process alone" in said.getvalue()
