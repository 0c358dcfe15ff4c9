"""Once a day a process forgets what is old: conversations that nobody goes on with, and entries that were kept so long.

How long is said by the settings in force on that day. Of several replicas one prunes at a time, and a month that was
begun is gone on with by whichever comes next.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final

from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.metrics import Metrics
from planner.proxy.inforce import InForce
from planner.pruning import prune
from planner.stores import Store, StoreError
from planner.stores.retention import BusyError, Retention

DAY_SECONDS: Final = 86_400
PAUSE_SECONDS: Final = 0.005
"""Between two short pieces of work: requests come first. Ours."""


class Expiry:
    """The daily work of one process; `opening` opens what takes entries out of its store, `every` is in seconds."""

    def __init__(  # noqa: PLR0913 - what it works on, and who hears of it
        self,
        store: Store,
        opening: Callable[[], Awaitable[Retention]],
        rules: InForce,
        clock: Clock,
        metrics: Metrics,
        log: FilteringBoundLogger,
        *,
        every: float = DAY_SECONDS,
    ) -> None:
        self._store, self._opening, self._rules = store, opening, rules
        self._clock, self._log, self._every = clock, log, every
        self._overdue: int | None = None
        metrics.gauge(
            "planner_retention_overdue_months",
            "Months whose entries are kept longer than they ought to be.",
            lambda: [] if self._overdue is None else [((), float(self._overdue))],
        )

    async def run(self) -> None:
        """Work now and every day, whatever goes wrong on one of them."""
        while True:
            try:
                await self._forget()
            except Exception as error:  # noqa: BLE001 - the next day must come, whatever went wrong today
                self._log.warning("old conversations stay for another day", error=type(error).__name__)
            try:
                await self._prune()
            except BusyError:
                self._log.info("another process prunes the ledger today")
            except Exception as error:  # noqa: BLE001 - likewise
                self._log.warning("old entries stay for another day", error=_said(error))
            await asyncio.sleep(self._every)

    async def _forget(self) -> None:
        """Make room for what comes, and forget conversations, scopes and habits."""
        expire = timedelta(days=self._rules.book.settings.conversations.expire_days)
        await self._store.prepare(_text(self._clock.now()))
        await self._store.forget(_text(self._clock.now() - expire))

    async def _prune(self) -> None:
        """Take out the entries of months that are past what the settings say."""
        days = self._rules.book.settings.retention.entries_days
        if days is None:
            self._overdue = None
            return
        now, overdue = self._clock.now(), 0
        retention = await self._opening()
        try:
            work = prune(
                self._store,
                retention,
                before=now - timedelta(days=days),
                now=now,
                pause=lambda: asyncio.sleep(PAUSE_SECONDS),
            )
            async with aclosing(work) as months:
                async for month in months:
                    overdue += month.kept is not None
                    if month.kept is None:
                        self._log.info("entries pruned", month=month.month, entries=month.entries)
                    else:
                        self._log.warning("old entries stay", month=month.month, because=month.kept)
        finally:
            await retention.close()
        self._overdue = overdue


async def _pause() -> None:
    await asyncio.sleep(PAUSE_SECONDS)


def _said(error: Exception) -> str:
    """What may be said of an error: only ours are sure to hold nothing that a caller said."""
    return str(error) if isinstance(error, StoreError) else type(error).__name__


def _text(at: datetime) -> str:
    """A moment as the store knows it."""
    return at.isoformat(timespec="microseconds")
