"""Reads the ledger for commands that look at it: entries as they come, or one sentence where there is none."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from planner.cli.options import UNAVAILABLE, USAGE, fail
from planner.core.ledger import Entry
from planner.settings import SettingsError


def each_entry(store: str, since: datetime | None, take: Callable[[Entry], object]) -> None:
    """Hand every entry since a moment over, in order of arrival; a ledger that cannot be read ends the command."""
    from planner.stores import StoreError  # noqa: PLC0415 - the other commands start faster without it

    try:
        asyncio.run(_read(store, since, take))
    except SettingsError as error:
        fail(str(error), USAGE)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)


async def _read(store: str, since: datetime | None, take: Callable[[Entry], object]) -> None:
    from planner.opening import read_store  # noqa: PLC0415 - the other commands start faster without it

    ledger = await read_store(store)
    text = "" if since is None else since.astimezone(UTC).isoformat(timespec="microseconds")
    try:
        async for entry in ledger.entries(text):
            take(entry)
    finally:
        await ledger.close()
