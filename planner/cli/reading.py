"""Reads the ledger for commands that look at it: entries as they come, or one sentence where there is none."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from planner.cli.options import UNAVAILABLE, USAGE, fail
from planner.core.ledger.entry import Entry
from planner.settings import SettingsError


def each_entry(
    store: str, since: datetime | None, take: Callable[[Entry], object], *, until: datetime | None = None
) -> None:
    """Hand every entry since a moment over, in order of arrival; a ledger that cannot be read ends the command.

    With `until`, which is not part of it, reading ends there.
    """
    from planner.stores import StoreError  # noqa: PLC0415 - the other commands start faster without it

    try:
        asyncio.run(_read(store, since, until, take))
    except SettingsError as error:
        fail(str(error), USAGE)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)


async def _read(store: str, since: datetime | None, until: datetime | None, take: Callable[[Entry], object]) -> None:
    from planner.opening import read_store  # noqa: PLC0415 - the other commands start faster without it

    ledger = await read_store(store)
    text, end = _text(since) or "", _text(until)
    try:
        async for entry in ledger.entries(text):
            if end is not None and entry.at >= end:
                return
            take(entry)
    finally:
        await ledger.close()


def _text(moment: datetime | None) -> str | None:
    """A moment as entries have it, so that it can be compared with theirs."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")
