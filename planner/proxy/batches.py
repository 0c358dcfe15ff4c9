"""What results of message batches were counted to, so that fetching them again adds nothing, also after a restart."""

import asyncio
from typing import Final

from planner.core.batch.results import Tally, tally
from planner.core.ledger.entry import Entry, batch_digest
from planner.proxy.memory import Recent
from planner.stores import Store

REMEMBERED: Final = 1_000
"""Batches whose tally is in memory; of the others the store knows."""

RECALL_SECONDS: Final = 1.0
"""What asking the store may take; what it does not tell in time leaves the cost unknown."""


class Batches:
    """Tallies by batch: asked of the store when results are fetched, and kept up to date by what was settled since."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted: Recent[str, Tally] = Recent(REMEMBERED)

    async def recall(self, batch_id: str) -> None:
        """Make sure that what was counted of a batch is known. Raises StoreError, TimeoutError."""
        digest = batch_digest(batch_id)
        if self._counted.find(digest) is None:
            async with asyncio.timeout(RECALL_SECONDS):
                found = tally(await self._store.batch(digest))
            if self._counted.find(digest) is None:  # another request may have settled meanwhile
                self._counted.put(digest, found)

    def counted(self, batch_id: str | None) -> Tally | None:
        """What was counted of a batch; None when that is not known."""
        return None if batch_id is None else self._counted.find(batch_digest(batch_id))

    def settled(self, entry: Entry) -> None:
        """Add what one entry counts; what is not known here is left to the store."""
        before = None if entry.batch is None else self._counted.find(entry.batch.id)
        if entry.batch is not None and before is not None:
            self._counted.put(entry.batch.id, before + tally((entry,)))
