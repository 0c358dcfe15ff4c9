"""What batches were made of, and what their results were counted to: fetching these again adds nothing.

What is not in memory the store knows, also after a restart; where other processes write to it as well, it is asked
each time.
"""

import asyncio
from datetime import datetime
from typing import Final

import msgspec

from planner.core.batch.results import Tally, tally
from planner.core.ledger.batched import Kind, Known
from planner.core.ledger.entry import Entry, batch_digest
from planner.proxy.memory import Recent
from planner.stores import Store

REMEMBERED: Final = 1_000
"""Batches whose tally is in memory; of the others the store knows."""

RECALL_SECONDS: Final = 1.0
"""What asking the store may take; what it does not tell in time leaves the cost unknown."""


class Remembered(msgspec.Struct):
    """What is known of a batch; `counted` None: the store was not asked yet.

    `refused` are the kinds of which it was told already that the API refused an edit of ours.
    """

    counted: Tally | None = None
    known: Known | None = None
    refused: frozenset[int] = frozenset()


class Batches:
    """Batches by digest: asked of the store when results are fetched, kept up to date by what was settled since."""

    def __init__(self, store: Store, *, shared: bool = False) -> None:
        self._store = store
        self._shared = shared
        self._all: Recent[str, Remembered] = Recent(REMEMBERED)

    async def recall(self, batch_id: str) -> None:
        """Make sure that what was counted of a batch is known, and its making. Raises StoreError, TimeoutError."""
        digest = batch_digest(batch_id)
        if self._shared or self.counted(batch_id) is None:
            async with asyncio.timeout(RECALL_SECONDS):
                entries = await self._store.batch(digest)
            here = self._all.find(digest) or Remembered()
            made = next((found for each in entries if (found := _made(each)) is not None), here.known)
            if self._shared or here.counted is None:  # another request may have asked meanwhile
                counted = tally(entries) | (here.counted or tally(()))  # of either side the later can only be more
                self._all.put(digest, Remembered(counted, made, here.refused))

    def counted(self, batch_id: str | None) -> Tally | None:
        """What was counted of a batch; None when that is not known."""
        here = None if batch_id is None else self._all.find(batch_digest(batch_id))
        return None if here is None else here.counted

    def known(self, batch_id: str | None) -> Known | None:
        """What is known of the making of a batch; None of one that was made elsewhere."""
        here = None if batch_id is None else self._all.find(batch_digest(batch_id))
        return None if here is None else here.known

    def refused(self, batch_id: str | None, kinds: frozenset[int]) -> tuple[Kind, ...]:
        """The kinds of a batch of which the API refused an edit of ours, without those that were told before."""
        here = None if batch_id is None else self._all.find(batch_digest(batch_id))
        if here is None or here.known is None:
            return ()
        news, here.refused = kinds - here.refused, here.refused | kinds
        return tuple(here.known.made.kinds[place] for place in sorted(news))

    def settled(self, entry: Entry) -> None:
        """Add what one entry counts, or what it says of a batch that it made; the rest is left to the store."""
        if entry.batch is None or not entry.batch.id:
            return
        here, made = self._all.find(entry.batch.id), _made(entry)
        if made is not None:
            here = here or Remembered()
            self._all.put(entry.batch.id, Remembered(here.counted, made, here.refused))
        elif here is not None and here.counted is not None:
            here.counted += tally((entry,))


def _made(entry: Entry) -> Known | None:
    """What an entry says of the making of its batch."""
    if entry.batch is None or entry.batch.made is None:
        return None
    return Known(entry.batch.made, datetime.fromisoformat(entry.at), entry.decisions)
