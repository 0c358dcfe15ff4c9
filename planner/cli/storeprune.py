"""`planner store prune`: entries go after their time, a month as a whole; what they came to stays."""

import asyncio
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import rich_click as click

from planner.cli.options import FINDINGS, UNAVAILABLE, USAGE, fail, read_rules, rules_options, store_option
from planner.clock import SystemClock
from planner.core.money import format_nano
from planner.core.reports.wording import several
from planner.pruning import Month, prune
from planner.settings import SettingsError
from planner.stores import StoreError

DAY: Final = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}", re.ASCII)


class Pruning(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, as `--format json` writes it; `room` says whether the file gave back what was in it."""

    before: str
    dry_run: bool
    months: tuple[Month, ...]
    room: bool | None = None


@click.command()
@click.option(
    "--before", default=None, metavar="DATE", help="Months that ended by then.  [default: by retention.entries_days]"
)
@click.option("--dry-run", is_flag=True, help="Look at the months and say what would go; take nothing out.")
@click.option("--force", is_flag=True, help="Take out months that are not closed, too: nobody can close them then.")
@click.option("--vacuum", is_flag=True, help="Give the room back: writes a file anew, with no proxy running.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
@rules_options
def prune_command(  # noqa: PLR0913 - one parameter a flag
    *,
    before: str | None,
    dry_run: bool,
    force: bool,
    vacuum: bool,
    form: str,
    as_json: bool,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Take out the entries of months that ended so long ago as retention.entries_days says, or before a date.

    A month goes as a whole, when it is closed and its entries are as they were closed. Hourly sums and closed figures
    stay. It runs beside proxies, and can be stopped and run again. Ends with 1 where a month stays that ought to go.
    """
    now = SystemClock().now()
    until = _day(before) if before is not None else _by_settings(rules, overrides, now)
    try:
        found = asyncio.run(_prune(store, until, now, force=force, dry_run=dry_run, vacuum=vacuum))
    except SettingsError as error:
        fail(str(error), USAGE)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)
    if as_json or form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        click.echo("\n".join(_said(found)))
    if any(month.kept is not None for month in found.months):
        raise SystemExit(FINDINGS)


def _day(word: str) -> datetime:
    try:
        day = date.fromisoformat(word) if DAY.fullmatch(word) else None
    except ValueError:
        day = None
    if day is None:
        fail(f"--before takes a date like 2026-11-01, not {word!r}", USAGE)
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _by_settings(rules: Path | None, overrides: tuple[str, ...], now: datetime) -> datetime:
    days = read_rules(rules, overrides).settings.retention.entries_days
    if days is None:
        fail("entries are kept for ever: set retention.entries_days in settings.yaml, or name --before", USAGE)
    return now - timedelta(days=days)


async def _prune(store: str, before: datetime, now: datetime, *, force: bool, dry_run: bool, vacuum: bool) -> Pruning:
    from planner.opening import open_retention, read_store  # noqa: PLC0415 - the other commands start faster without it

    ledger = await read_store(store)
    try:
        retention = await open_retention(store)
        try:
            work = prune(ledger, retention, before=before, now=now, pause=_go_on, force=force, dry_run=dry_run)
            months = tuple([month async for month in work])
            room = await retention.vacuum() if vacuum and not dry_run else None
        finally:
            await retention.close()
    finally:
        await ledger.close()
    return Pruning(before=f"{before:%Y-%m-%d}", dry_run=dry_run, months=months, room=room)


async def _go_on() -> None:
    """Nobody else waits for this process."""


def _said(found: Pruning) -> Iterator[str]:
    if not found.months:
        yield f"No entries of months that ended by {found.before}: nothing to take out."
    for month in found.months:
        count = several(month.entries, "entry", "entries")
        cost = "" if month.cost_nano is None else f", ${format_nano(month.cost_nano)}"
        if month.kept is not None:
            yield f"{month.month}  {count}{cost}  STAY: {month.kept}"
        else:
            verb = "would go" if found.dry_run else "gone"
            closed = "; not closed, and never will be" if month.closed is False else ""
            yield f"{month.month}  {count}{cost}  {verb}{closed}{'; begun earlier' if month.resumed else ''}"
    if found.room is False:
        yield "The file stays as large as it is, since a proxy has it; what comes fills the room. Stop it for --vacuum."
