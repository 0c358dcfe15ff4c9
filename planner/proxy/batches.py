"""What batches were made of, and what their results were counted to: fetching these again adds nothing.

What is not in memory the store knows, also after a restart.
"""

import asyncio
from datetime import datetime
from typing import Final

import msgspec

from planner.core.batch.results import Tally, tally
from planner.core.ledger.batched import Known
from planner.core.ledger.entry import Entry, batch_digest
from planner.proxy.memory import Recent
from planner.stores import Store

REMEMBERED: Final = 1_000
"""Batches whose tally is in memory; of the others the store knows."""

RECALL_SECONDS: Final = 1.0
"""What asking the store may take; what it does not tell in time leaves the cost unknown."""


class Remembered(msgspec.Struct):
    """What is known of a batch; `counted` None: the store was not asked yet."""

    counted: Tally | None = None
    known: Known | None = None


class Batches:
    """Batches by digest: asked of the store when results are fetched, kept up to date by what was settled since."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._all: Recent[str, Remembered] = Recent(REMEMBERED)

    async def recall(self, batch_id: str) -> None:
        """Make sure that what was counted of a batch is known, and its making. Raises StoreError, TimeoutError."""
        digest = batch_digest(batch_id)
        if self.counted(batch_id) is None:
            async with asyncio.timeout(RECALL_SECONDS):
                entries = await self._store.batch(digest)
            here = self._all.find(digest) or Remembered()
            made = next((found for each in entries if (found := _made(each)) is not None), here.known)
            if here.counted is None:  # another request may have asked meanwhile
                self._all.put(digest, Remembered(tally(entries), made))

    def counted(self, batch_id: str | None) -> Tally | None:
        """What was counted of a batch; None when that is not known."""
        here = None if batch_id is None else self._all.find(batch_digest(batch_id))
        return None if here is None else here.counted

    def known(self, batch_id: str | None) -> Known | None:
        """What is known of the making of a batch; None of one that was made elsewhere."""
        here = None if batch_id is None else self._all.find(batch_digest(batch_id))
        return None if here is None else here.known

    def settled(self, entry: Entry) -> None:
        """Add what one entry counts, or what it says of a batch that it made; the rest is left to the store."""
        if entry.batch is None or not entry.batch.id:
            return
        here, made = self._all.find(entry.batch.id), _made(entry)
        if made is not None:
            self._all.put(entry.batch.id, Remembered(None if here is None else here.counted, made))
        elif here is not None and here.counted is not None:
            here.counted += tally((entry,))


def _made(entry: Entry) -> Known | None:
    """What an entry says of the making of its batch."""
    if entry.batch is None or entry.batch.made is None:
        return None
    return Known(entry.batch.made, datetime.fromisoformat(entry.at), entry.decisions)
