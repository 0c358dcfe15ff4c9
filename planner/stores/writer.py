"""One task moves records from the journal to the store, a batch a transaction, and never gives up.

When the store is down memory stays flat: what waits, waits on disk.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec

from planner.clock import Clock
from planner.core.records import Record, decode, written_at
from planner.stores import Store, StoreError
from planner.stores.journal import Batch, Journal, JournalError

BATCH = 500
GATHER_SECONDS = 0.05
RETRY_SECONDS = 1.0


class Writer:
    """Feeds a store from a journal.

    `on_write` hears the seconds each transaction took, `on_trouble` a sentence for whatever went wrong.
    """

    def __init__(
        self,
        journal: Journal,
        store: Store,
        clock: Clock,
        *,
        on_write: Callable[[float], None],
        on_trouble: Callable[[str], None],
    ) -> None:
        self._journal = journal
        self._store = store
        self._clock = clock
        self._on_write = on_write
        self._on_trouble = on_trouble
        self._wake = asyncio.Event()
        self._oldest: datetime | None = None
        self._stopping = False

    @property
    def pending(self) -> int:
        """Records that the store does not have yet."""
        return self._journal.pending

    def oldest_pending_seconds(self) -> float:
        """How long the oldest record that the store lacks has waited; 0 when nothing waits."""
        return 0.0 if self._oldest is None else max((self._clock.now() - self._oldest).total_seconds(), 0.0)

    def wake(self) -> None:
        """Say that the journal has something new."""
        self._wake.set()

    async def run(self) -> None:
        """Write until told to stop."""
        while not self._stopping:
            if not await self.write_once():
                self._wake.clear()
                await self._wake.wait()
                await asyncio.sleep(GATHER_SECONDS)  # a group of requests costs one transaction

    def stop(self) -> None:
        """End `run` once the transaction at hand is through: cancelling it could leave one open."""
        self._stopping = True
        self._wake.set()

    async def write_once(self) -> bool:
        """Move one batch; say whether there was one. A store or a disk that fails is tried again after a pause."""
        try:
            batch = self._journal.read(BATCH)
        except JournalError as error:
            self._on_trouble(f"the journal cannot be read and is tried again: {error}")
            await self._clock.sleep(RETRY_SECONDS)
            return True
        if batch is None:
            return False
        records = self._records(batch)
        self._oldest = datetime.fromisoformat(written_at(records[0])) if records else None
        started = self._clock.monotonic()
        try:
            await self._store.apply(records)
        except StoreError as error:
            self._on_trouble(f"the store did not take {len(records)} records and is tried again: {error}")
            await self._clock.sleep(RETRY_SECONDS)
            return True
        self._on_write(self._clock.monotonic() - started)
        self._journal.stored(batch)
        self._oldest = None
        return True

    async def drain(self) -> None:
        """Move all there is, once; what the store does not take stays in the journal for the next start."""
        try:
            while batch := self._journal.read(BATCH):
                await self._store.apply(self._records(batch))
                self._journal.stored(batch)
        except (StoreError, JournalError) as error:
            self._on_trouble(f"{self.pending} records stay in the journal until the next start: {error}")

    def _records(self, batch: Batch) -> list[Record]:
        records = []
        for line in batch.lines:
            try:
                records.append(decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._on_trouble(f"a journal line is not a record and is skipped: {type(error).__name__}")
        return records
