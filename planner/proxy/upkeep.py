"""What a process does for its store while requests run: room for what comes, and the hours that others used."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.proxy.hours import Hours, remembered
from planner.proxy.inforce import InForce
from planner.stores import Store, StoreError

DAY_SECONDS: Final = 86_400
COUNT_SECONDS: Final = 60


async def count_hours(store: Store, hours: Hours, clock: Clock, log: FilteringBoundLogger) -> None:
    """Count every minute what other processes used of the free hours."""
    while True:
        await asyncio.sleep(COUNT_SECONDS)
        try:
            hours.renew(await store.hours(text_of(remembered(clock.now()))))
        except StoreError as error:
            log.warning("free hours are counted by this process alone", error=str(error))


async def forget_old(store: Store, rules: InForce, clock: Clock, log: FilteringBoundLogger) -> None:
    """Make room for what comes and forget the conversations that nobody goes on with, now and every day."""
    while True:
        expire = timedelta(days=rules.book.settings.conversations.expire_days)
        try:
            await store.prepare(text_of(clock.now()))
            await store.forget(text_of(clock.now() - expire))
        except Exception as error:  # noqa: BLE001 - the next day must come, whatever went wrong today
            log.warning("old conversations stay for another day", error=type(error).__name__)
        await asyncio.sleep(DAY_SECONDS)


def text_of(at: datetime) -> str:
    """A moment as the store knows it."""
    return at.isoformat(timespec="microseconds")
