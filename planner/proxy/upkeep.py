"""What a process learns from its store while requests run: the hours that others used."""

import asyncio
from datetime import datetime
from typing import Final

from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.proxy.hours import Hours, remembered
from planner.stores import Store, StoreError

COUNT_SECONDS: Final = 60


async def count_hours(store: Store, hours: Hours, clock: Clock, log: FilteringBoundLogger) -> None:
    """Count every minute what other processes used of the free hours."""
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        try:
            hours.renew(await store.hours(text_of(remembered(clock.now()))))
        except StoreError as error:
            log.warning("free hours are counted by this process alone", error=str(error))


def text_of(at: datetime) -> str:
    """A moment as the store knows it."""
    return at.isoformat(timespec="microseconds")
