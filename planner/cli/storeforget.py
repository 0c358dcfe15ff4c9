"""`planner store forget`: a principal's names go out of a store; what was spent stays, by nobody."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
import rich_click as click

from planner.cli.options import UNAVAILABLE, USAGE, fail, read_rules, rules_options, store_option
from planner.clock import SystemClock
from planner.core.ledger.nameless import FORGOTTEN, Names
from planner.forgetting import forget_in_journal, forget_in_store, names_of
from planner.settings import SettingsError
from planner.stores import InUseError, StoreError


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """What was found, as `--format json` writes it.

    `found` are rows by what they are; `journal` lines of the journal, None where a process has it open. `done` says
    that the names were taken out, `room` that the file was written anew, so that no old byte of it is left; None where
    that was not tried.
    """

    names: tuple[str, ...]
    found: dict[str, int]
    journal: int | None
    done: bool
    room: bool | None = None


@click.command()
@click.argument("principal")
@click.option("--yes", is_flag=True, help="Do it; otherwise it is only said what would be done.")
@click.option(
    "--journal",
    envvar="PLANNER_JOURNAL",
    type=click.Path(path_type=Path),
    default=None,
    help="Directory of the journal.  [default: beside the store]",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
@rules_options
def forget_command(  # noqa: PLR0913 - one parameter a flag
    *,
    principal: str,
    yes: bool,
    journal: Path | None,
    form: str,
    as_json: bool,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Take the names of PRINCIPAL out of entries, sums, closed months and all that is remembered.

    PRINCIPAL is a name of callers.yaml, which stands for its keys as well, or a key's fingerprint. No amount changes;
    it cannot be undone. It runs beside proxies, and can be stopped and run again.
    """
    names = names_of(principal, read_rules(rules, overrides).callers)
    if principal in {"", FORGOTTEN} or "\0" in principal:
        fail(f"{principal!r} is nobody who could be forgotten", USAGE)
    try:
        found = asyncio.run(_forget(store, journal, names, SystemClock().now(), write=yes))
    except SettingsError as error:
        fail(str(error), USAGE)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)
    if as_json or form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())
    else:
        click.echo("\n".join(_said(found)))


async def _forget(store: str, told: Path | None, names: Names, now: datetime, *, write: bool) -> Forgotten:
    from planner.opening import (  # noqa: PLC0415 - the other commands start faster without it
        hold_store,
        journal_path,
        open_retention,
        read_store,
    )

    found: Counter[str] = Counter()
    ledger = await read_store(store)
    try:
        retention = await open_retention(store)
        try:
            async for step in forget_in_store(ledger, retention, names, now=now, write=write):
                found[step.kind] += step.rows
            lines: int | None = None
            try:
                with hold_store(store, told):
                    lines = forget_in_journal(journal_path(store, told), names, write=write)
            except InUseError:
                pass  # it is said, and what the process has there goes within a minute
            room = await retention.vacuum() if write else None
        finally:
            await retention.close()
    finally:
        await ledger.close()
    return Forgotten(names=tuple(sorted(names)), found=dict(found), journal=lines, done=write, room=room)


def _said(found: Forgotten) -> Iterator[str]:
    called = ", ".join(found.names)
    there = {kind: rows for kind, rows in found.found.items() if rows}
    if not there and not found.journal:
        yield f"Nothing is known of {called}."
    else:
        yield f"{called}: {'forgotten' if found.done else 'would be forgotten'}"
        for kind, rows in there.items():
            yield f"  {rows:>9,}  {kind}"
        if found.journal:
            yield f"  {found.journal:>9,}  lines of the journal"
    if there and not found.done:
        yield "No amount changes, and it cannot be undone. Do it with --yes."
    if found.journal is None:
        yield "A planner is running: its journal holds what it wrote within the last minute. Run this again after that."
    if found.room is False:
        yield "Unused places of the file may hold old bytes: stop the planner and run this again, which writes it anew."
