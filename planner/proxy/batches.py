"""What batches were made of, and what their results were counted to: fetching these again adds nothing.

What is not in memory the store knows, also after a restart.
"""

import asyncio
from datetime import datetime
from typing import Final

from planner.core.batch.results import Tally, tally
from planner.core.ledger.batched import Known
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
        self._known: Recent[str, Known] = Recent(REMEMBERED)

    async def recall(self, batch_id: str) -> None:
        """Make sure that what was counted of a batch is known, and its making. Raises StoreError, TimeoutError."""
        digest = batch_digest(batch_id)
        if self._counted.find(digest) is None:
            async with asyncio.timeout(RECALL_SECONDS):
                entries = await self._store.batch(digest)
            found = tally(entries)
            for entry in entries:
                self._remember(entry)
            if self._counted.find(digest) is None:  # another request may have settled meanwhile
                self._counted.put(digest, found)

    def counted(self, batch_id: str | None) -> Tally | None:
        """What was counted of a batch; None when that is not known."""
        return None if batch_id is None else self._counted.find(batch_digest(batch_id))

    def known(self, batch_id: str | None) -> Known | None:
        """What is known of the making of a batch; None of one that was made elsewhere."""
        return None if batch_id is None else self._known.find(batch_digest(batch_id))

    def _remember(self, entry: Entry) -> None:
        if entry.batch is not None and entry.batch.made is not None and entry.batch.id:
            self._known.put(entry.batch.id, Known(entry.batch.made, datetime.fromisoformat(entry.at)))

    def settled(self, entry: Entry) -> None:
        """Add what one entry counts, or what it says of a batch that it made; the rest is left to the store."""
        self._remember(entry)
        before = None if entry.batch is None else self._counted.find(entry.batch.id)
        if entry.batch is not None and before is not None:
            self._counted.put(entry.batch.id, before + tally((entry,)))
