"""What processes share of containers: how each stands, one row a container, which is swapped whole or not at all.

What becomes of it is said by `planner.core.lending`. Only a shared store has leases: a file has one process, which
knows its own.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from planner.core.lending import Answer, Ask, End, Ended, Standing
from planner.stores import StoreError

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Standing)


class LeaseStore(Protocol):
    """Where leases of containers are shared."""

    async def take(self, ask: Ask, now: datetime) -> Answer:
        """Give a request a lease of its container, or say why not. Raises StoreError.

        Who is lent it waits for nobody: a container that somebody else changes at that moment is busy.
        """
        ...

    async def give_back(self, ask: Ask, end: End, now: datetime, *, claimed: bool) -> Ended:
        """End the lease of a request. Raises StoreError."""
        ...

    async def renew(self, asks: Sequence[Ask], until: datetime, now: datetime) -> frozenset[str]:
        """Let leases go on until then; say whose there still are, by holder. Raises StoreError."""
        ...

    async def forget(self, before: datetime) -> None:
        """Forget containers of which nothing was heard since. Raises StoreError."""
        ...

    async def close(self) -> None:
        """Let go of the store."""
        ...


def encode(standing: Standing) -> str:
    """A standing as stores hold it."""
    return _encoder.encode(standing).decode()


def decode(text: str) -> Standing:
    """A standing as it was held. Raises StoreError for one that another version wrote in another way."""
    try:
        return _decoder.decode(text)
    except msgspec.DecodeError as error:
        raise StoreError(f"the standing of a container is not understood: {error}") from error


def moment(at: datetime) -> str:
    """A moment as stores hold it: RFC 3339, UTC."""
    return at.isoformat(timespec="microseconds")
