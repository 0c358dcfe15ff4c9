"""What is done for the store beside requests goes on whatever goes wrong."""

import asyncio
import io
from datetime import timedelta
from typing import Any

import pytest

from planner import log as logs
from planner.clock import VirtualClock
from planner.proxy import upkeep
from planner.proxy.hours import Hours
from planner.proxy.inforce import InForce
from planner.proxy.upkeep import count_hours, forget_old, text_of
from planner.stores import StoreError
from tests.doubles.stored import START, MemoryStore
from tests.proxy.test_planning import BOOK


class Asked(MemoryStore):
    """A store that notes what it is asked for, and is broken the first time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.twice = asyncio.Event()

    async def prepare(self, now: str) -> None:
        """Note it."""
        self._note(f"prepare {now}")

    async def forget(self, before: str) -> None:
        """Note it."""
        self._note(f"forget {before}")

    async def hours(self, since: str) -> list[Any]:
        """Note it."""
        self._note(f"hours {since}")
        return []

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if len(self.calls) == 1:
            raise StoreError("the disk is gone")
        self.twice.set()


def test_what_fails_is_done_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And told to the operator."""
    monkeypatch.setattr(upkeep, "DAY_SECONDS", 0)
    monkeypatch.setattr(upkeep, "COUNT_SECONDS", 0)
    clock, said = VirtualClock(START), io.StringIO()
    log = logs.build(said)

    async def scenario() -> None:
        forgetting, counting = Asked(), Asked()
        tasks = [
            asyncio.ensure_future(forget_old(forgetting, InForce(BOOK, clock), clock, log)),  # noqa: TID251 - the test's
            asyncio.ensure_future(count_hours(counting, Hours(), clock, log)),  # noqa: TID251 - likewise
        ]
        await forgetting.twice.wait()
        await counting.twice.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        now, old = text_of(START), text_of(START - timedelta(days=BOOK.settings.conversations.expire_days))
        assert forgetting.calls[:3] == [f"prepare {now}", f"prepare {now}", f"forget {old}"]
        assert counting.calls[0] == counting.calls[1]

    asyncio.run(scenario())
    assert "old conversations stay for another day" in said.getvalue()
    assert "free hours are counted by this process alone" in said.getvalue()
