"""What was last reconciled with the bill, as metrics: read from the store at the start and every hour."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.core.money import NANO_PER_USD
from planner.core.reconcile.statement import Statement
from planner.metrics import Labels, Metrics
from planner.stores import Statements, StoreError

EVERY_SECONDS: Final = 3_600
MONTHS: Final = 13
"""Months that are exported, the newest ones: a label of each."""


Told = Callable[[Statement], dict[Labels, int]]


class Reconciled:
    """The newest statement of each month and organization, added up by month."""

    def __init__(self, store: Statements, metrics: Metrics, clock: Clock, log: FilteringBoundLogger) -> None:
        self._store = store
        self._clock = clock
        self._log = log
        self._statements: tuple[Statement, ...] = ()
        metrics.gauge("planner_reconciled_usd", "A reconciled month by side.", self._sides, ("month", "side"))
        metrics.gauge(
            "planner_reconcile_unexplained_usd",
            "What nothing explains of a month, added up without signs.",
            lambda: self._sums(lambda each: {(each.month,): each.unexplained_nano}),
            ("month",),
        )
        metrics.gauge(
            "planner_reconcile_explained_usd",
            "By how much a bill is more than the ledger, by cause.",
            lambda: self._sums(
                lambda each: {(each.month, cause): nano for cause, nano in each.explained.items() if nano}
            ),
            ("month", "cause"),
        )
        metrics.gauge("planner_reconcile_age_seconds", "Since the newest statement was made.", self._age)

    async def run(self) -> None:
        """Look now and every hour."""
        while True:
            await self.look()
            await asyncio.sleep(EVERY_SECONDS)

    async def look(self) -> None:
        """Read what is kept; what cannot be read leaves what was known."""
        try:
            found = [msgspec.json.decode(text, type=Statement) for text in await self._store.reconciliations()]
        except (StoreError, msgspec.DecodeError) as error:
            self._log.warning("reconciliations cannot be read", error=type(error).__name__)
            return
        months = sorted({each.month for each in found})[-MONTHS:]
        self._statements = tuple(each for each in found if each.month in months)

    def _sides(self) -> list[tuple[Labels, float]]:
        return self._sums(lambda each: {(each.month, "bill"): each.theirs_nano, (each.month, "ledger"): each.ours_nano})

    def _sums(self, told: Told) -> list[tuple[Labels, float]]:
        sums: dict[Labels, int] = {}
        for statement in self._statements:
            for labels, nano in told(statement).items():
                sums[labels] = sums.get(labels, 0) + nano
        return [(labels, nano / NANO_PER_USD) for labels, nano in sorted(sums.items())]

    def _age(self) -> list[tuple[Labels, float]]:
        if not self._statements:
            return []
        newest = max(datetime.fromisoformat(each.made_at) for each in self._statements)
        return [((), (self._clock.now() - newest).total_seconds())]
