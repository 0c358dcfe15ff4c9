"""`planner store`: how a store stands, bringing its schema up to date, and what goes out of it."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import msgspec
import rich_click as click

from planner.cli.options import FINDINGS, UNAVAILABLE, USAGE, fail, store_option
from planner.cli.storeforget import forget_command
from planner.cli.storeprune import prune_command
from planner.settings import SettingsError

T = TypeVar("T")


@click.group()
def command() -> None:
    """Look after the store."""


@command.command()
@store_option
def upgrade(*, store: str) -> None:
    """Bring a store's schema up to date; one that is up to date stays as it is.

    Migrations only add: proxies of the version before go on with the new schema.
    """
    from planner import opening  # noqa: PLC0415 - the other commands start faster without it

    applied = _run(opening.upgrade(store))
    for name in applied:
        click.echo(f"applied {name}")
    if not applied:
        click.echo("up to date: nothing to apply")


@command.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
def status(*, form: str, as_json: bool, store: str) -> None:
    """Say what schema a store has, what is to be applied, and how full it is.

    Ends with 1 where its migrations were made by other scripts than this version has.
    """
    from planner import opening  # noqa: PLC0415 - the other commands start faster without it

    found = _run(opening.status(store))
    if as_json or form == "json":
        click.echo(msgspec.json.encode(found))
    else:
        rows = (
            ("store", found.store),
            ("schema", str(found.schema)),
            ("pending", ", ".join(found.pending) or "nothing"),
            ("checksums", f"changed: {', '.join(found.changed)}" if found.changed else "ok"),
            ("entries", _said(found.entries)),
            ("open intents", _said(found.open)),
            ("oldest", found.oldest or "-"),
            ("newest", found.newest or "-"),
            ("size", f"{found.bytes:,} bytes"),
        )
        for name, value in rows:
            click.echo(f"{name:<13} {value}")
    if found.changed:
        raise SystemExit(FINDINGS)


def _said(number: int | None) -> str:
    return "unknown until it is upgraded" if number is None else f"{number:,}"


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run it; what is wrong with the address or the store ends the command."""
    from planner.stores import StoreError  # noqa: PLC0415 - the other commands start faster without it

    try:
        return asyncio.run(work)
    except SettingsError as error:
        fail(str(error), USAGE)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)


command.add_command(prune_command, "prune")
command.add_command(forget_command, "forget")
