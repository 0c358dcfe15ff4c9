"""`planner export`: the ledger as JSON Lines, entry by entry in order of arrival."""

import asyncio
import sys

import msgspec
import rich_click as click

from planner.cli.options import UNAVAILABLE, USAGE, fail, store_option
from planner.settings import SettingsError, sqlite_path


@click.command()
@click.option("--format", "form", type=click.Choice(["jsonl"]), default="jsonl", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@store_option
def command(*, form: str, as_json: bool, store: str) -> None:
    """Write every ledger entry to standard output.

    Requests that went upstream and whose end nobody saw have the outcome `unknown`.
    """
    del form, as_json  # there is one form yet
    from planner.stores import StoreError  # noqa: PLC0415 - the other commands start faster without it

    try:
        asyncio.run(_export(store))
    except SettingsError as error:
        fail(str(error), USAGE)
    except StoreError as error:
        fail(str(error), UNAVAILABLE)


async def _export(store: str) -> None:
    from planner.stores.sqlite import SqliteStore  # noqa: PLC0415 - the other commands start faster without it

    path = sqlite_path(store)
    if not path.is_file():
        fail(f"{path} cannot be read: there is no such file. Name a ledger with --store.", UNAVAILABLE)
    ledger = await SqliteStore.read(path)
    out = sys.stdout.buffer
    encoder = msgspec.json.Encoder()
    try:
        async for entry in ledger.entries():
            out.write(encoder.encode(entry) + b"\n")
    finally:
        await ledger.close()
