"""One task moves records from the journal to the store, a batch a transaction, and never gives up.

When the store is down memory stays flat: what waits, waits on disk.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime

import msgspec

from planner.clock import Clock
from planner.core.records import Record, decode, written_at
from planner.stores import RefusedError, Store, StoreError
from planner.stores.journal import ASIDE, Batch, Journal, JournalError

BATCH = 100  # decoding these holds the event loop for a few milliseconds
TRIES = 3
GATHER_SECONDS = 0.05
RETRY_SECONDS = 1.0
TIDY_SECONDS = 60.0
"""How long what the store has stays in the journal at most, where something else does not come all the time. Ours."""
DELIVERY_SECONDS = 0.1
"""How long the first edited request of a conversation waits at most for its edit to be in a shared store. Ours."""


class Writer:
    """Feeds a store from a journal.

    `on_write` hears the seconds each transaction took, `on_trouble` a sentence for whatever went wrong; `on_refused` is
    called for each record that the store refuses for good, `on_stored` with what the store took, once. `shared` says
    that other processes read what this one writes, so that what they may look for at once is not held back to make a
    larger transaction. What the store has is out of the journal `tidy_seconds` later, unless more comes all the time.
    """

    def __init__(  # noqa: PLR0913 - the ends of a writer, and who listens
        self,
        journal: Journal,
        store: Store,
        clock: Clock,
        *,
        on_write: Callable[[float], None],
        on_trouble: Callable[[str], None],
        on_refused: Callable[[], None],
        on_stored: Callable[[Sequence[Record]], None] = lambda _: None,
        shared: bool = False,
        tidy_seconds: float = TIDY_SECONDS,
    ) -> None:
        self._journal = journal
        self._store = store
        self._clock = clock
        self._on_write = on_write
        self._on_trouble = on_trouble
        self._on_refused = on_refused
        self._on_stored = on_stored
        self._failures = 0
        self._shared = shared
        self._tidy_seconds, self._tidied = tidy_seconds, clock.monotonic()
        self._wake = asyncio.Event()
        self._hurry = asyncio.Event()
        self._oldest: datetime | None = None
        self._stopping = False
        self._moved = 0
        self._progress = asyncio.Event()

    @property
    def pending(self) -> int:
        """Records that the store does not have yet."""
        return self._journal.pending

    def oldest_pending_seconds(self) -> float:
        """How long the oldest record that the store lacks has waited; 0 when nothing waits."""
        return 0.0 if self._oldest is None else max((self._clock.now() - self._oldest).total_seconds(), 0.0)

    def wake(self, *, awaited: bool = False) -> None:
        """Say that the journal has something new; `awaited` if another process may look for it in the next moment."""
        self._wake.set()
        if awaited and self._shared:
            self._hurry.set()

    async def run(self) -> None:
        """Write until told to stop."""
        while not self._stopping:
            if not await self.write_once():
                self._wake.clear()
                await self._rest()
                await self._gather()

    async def _rest(self) -> None:
        """Wait for something new; what is old in the journal goes meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._tidy_seconds):
                await self._wake.wait()
        if self._clock.monotonic() - self._tidied >= self._tidy_seconds:
            self._journal.tidy()
            self._tidied = self._clock.monotonic()

    async def delivered(self) -> None:
        """Wait until the store has what was written down so far, where other processes look for it there.

        For a moment at most: a store that is slow or down holds up no request.
        """
        if not self._shared:
            return
        awaited = self._moved + self._journal.pending
        self.wake(awaited=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(DELIVERY_SECONDS):
                while self._moved < awaited:
                    await self._progress.wait()

    async def _gather(self) -> None:
        """Wait a moment, since a group of requests costs one transaction; not for long where somebody waits."""
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                await self._hurry.wait()
        self._hurry.clear()

    def stop(self) -> None:
        """End `run` once the transaction at hand is through: cancelling it could leave one open."""
        self._stopping = True
        self._wake.set()
        self._hurry.set()

    async def write_once(self) -> bool:
        """Move one batch; say whether there was one. Whatever fails is said, and tried again after a pause."""
        try:
            batch = self._journal.read(BATCH)
            if batch is not None:
                await self._move(batch)
        except Exception as error:  # noqa: BLE001 - nothing ends the writer but `stop`
            self._on_trouble(f"{self.pending} records wait in the journal and are tried again: {_said(error)}")
            await self._clock.sleep(RETRY_SECONDS)
            return True
        return batch is not None

    async def drain(self) -> None:
        """Move all there is, once; what the store does not take stays in the journal. Raises nothing."""
        try:
            while batch := self._journal.read(BATCH):
                await self._move(batch)
        except Exception as error:  # noqa: BLE001 - a process must start and end all the same
            self._on_trouble(f"{self.pending} records stay in the journal until later: {_said(error)}")

    async def _move(self, batch: Batch) -> None:
        """Store a batch and let go of it. Raises StoreError, JournalError, and whatever a bug of ours raises."""
        lines = self._records(batch)
        taken = records = [record for _, record in lines]
        self._oldest = datetime.fromisoformat(written_at(records[0])) if records else None
        started = self._clock.monotonic()
        try:
            await self._store.apply(records)
        except Exception as error:
            self._failures += 1
            down = isinstance(error, StoreError) and not isinstance(error, RefusedError)
            if down or (not isinstance(error, RefusedError) and self._failures < TRIES):
                raise
            taken = await self._move_one_by_one(lines)
        self._failures = 0
        self._on_write(self._clock.monotonic() - started)
        self._journal.stored(batch)
        self._oldest = None
        self._moved += len(batch.lines)
        self._progress.set()
        self._progress = asyncio.Event()
        self._on_stored(taken)

    async def _move_one_by_one(self, lines: list[tuple[bytes, Record]]) -> list[Record]:
        """Store what the store takes, return it, lay the rest aside. Raises what the store raised where it took none.

        A record that fails for a reason that the store did not give is laid aside only if another one is taken: else
        it may be the store.
        """
        refused: list[tuple[bytes, Exception]] = []
        taken: list[Record] = []
        unclear = None
        for line, record in lines:
            try:
                await self._store.apply([record])
                taken.append(record)
            except RefusedError as error:
                refused.append((line, error))
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - raised again below, or said with the line
                unclear = error
                refused.append((line, error))
        if unclear is not None and not taken:
            raise unclear
        for line, reason in refused:
            self._journal.lay_aside(line)
            self._on_trouble(f"a record that the store refuses is in {ASIDE} of the journal: {_said(reason)}")
            self._on_refused()
        return taken

    def _records(self, batch: Batch) -> list[tuple[bytes, Record]]:
        """Each record with its line."""
        records = []
        for line in batch.lines:
            try:
                records.append((line, decode(line)))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                self._on_trouble(f"a journal line is not a record and is skipped: {type(error).__name__}")
        return records


def _said(error: Exception) -> str:
    """What may be said of an error: only ours are sure to hold nothing that a caller said."""
    return str(error) if isinstance(error, StoreError | JournalError) else type(error).__name__
