"""Reads the ledger for commands that look at it: entries as they come, or one sentence where there is none."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import rich_click as click

from planner.cli.options import UNAVAILABLE, USAGE, fail
from planner.core.ledger.entry import Entry
from planner.core.reports.pruning import overlaps
from planner.pruning import prunings
from planner.settings import SettingsError

MONTH: Final = len("2026-11")


def each_entry(
    store: str, since: datetime | None, take: Callable[[Entry], object], *, until: datetime | None = None
) -> None:
    """Hand every entry since a moment over, in order of arrival; a ledger that cannot be read ends the command.

    With `until`, which is not part of it, reading ends there. Months whose entries were pruned are told on standard
    error.
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
        gone = await prunings(ledger)
        for month, pruned in gone.items():
            if overlaps(month, text, end):
                click.echo(f"planner: left out: {pruned.entries} entries of {month}, pruned at {pruned.at}", err=True)
        async for entry in ledger.entries(text):
            if end is not None and entry.at >= end:
                return
            if not gone or entry.outcome == "unknown" or entry.at[:MONTH] not in gone:  # pruning may be half done
                take(entry)
    finally:
        await ledger.close()


def _text(moment: datetime | None) -> str | None:
    """A moment as entries have it, so that it can be compared with theirs."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")
