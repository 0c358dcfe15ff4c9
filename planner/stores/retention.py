"""What takes entries out of a ledger after their time, or a name out of it, beside whoever writes to it.

It has connections of its own, and every step is a transaction that is over in milliseconds: nobody who writes waits for
longer, and a process that is killed between two steps leaves nothing that the next one does not finish.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from planner.stores import StoreError
from planner.stores.reading import STATEMENTS as SHARED
from planner.stores.statements import statements

Fetch = Callable[..., Awaitable[Sequence[Sequence[Any]]]]
"""Runs a statement by its name, with its arguments, inside a transaction; returns its rows."""

STATEMENTS: Final = SHARED | statements("retention")


class BusyError(StoreError):
    """The entries of a month changed, or could not be had for oneself; another time they can."""


class Retention(ABC):
    """Takes out, of one store. Every method raises StoreError."""

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[Fetch]:
        """A transaction, in which statements are run by their names."""

    @abstractmethod
    async def fetch(self, name: str, *arguments: str | int) -> Sequence[Sequence[Any]]:
        """Run a statement that only reads; nobody waits for it, however long it takes."""

    @abstractmethod
    def alone(self) -> AbstractAsyncContextManager[bool]:
        """Whether no other process takes something out of this store, for as long as this is held."""

    @abstractmethod
    def prune(self, month: str, at: str, pruning: str, entries: int) -> AsyncIterator[int]:
        """Take the entries of a month (`2026-11`) out, step by step; each step tells how many went.

        What is kept of them (JSON) is written down first; where that was done before, it goes on. Nothing goes where
        there are not as many `entries` by then as were looked at. Raises BusyError for that.
        """

    @abstractmethod
    async def vacuum(self) -> bool:
        """Overwrite what was taken out, and give the room back; False where another process keeps it from that."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of the store."""

    async def months(self, before: str) -> dict[str, int]:
        """Months with entries before a moment (RFC 3339 UTC), the oldest first, and how many they are."""
        return {month: int(count) for month, count in await self.fetch("months_before", before)}

    async def is_pruned(self, month: str) -> bool:
        """Whether the entries of a month went, or began to."""
        ((count,),) = await self.fetch("is_pruned", month)
        return bool(count)


def span(month: str) -> tuple[str, str]:
    """What the moments of a month (`2026-11`) are not before, and what they are before, in text order."""
    year, number = int(month[:4]), int(month[5:])
    return month, f"{year + number // 12:04d}-{number % 12 + 1:02d}"


async def begin_pruning(fetch: Fetch, month: str, at: str, pruning: str, entries: int) -> None:
    """Write down what is kept of a month, inside a transaction. Raises BusyError where it has other entries by now."""
    ((begun,),) = await fetch("is_pruned", month)
    if begun:
        return
    ((count,),) = await fetch("count_between", *span(month))
    if count != entries:
        raise BusyError(f"{month} had {entries:,} entries when they were looked at and has {count:,} now: try again")
    await fetch("put_pruning", month, at, pruning)
