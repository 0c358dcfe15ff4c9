"""`planner serve`: the proxy."""

import sys
from pathlib import Path
from typing import NoReturn

import rich_click as click

from planner.cli.options import (
    UNAVAILABLE,
    USAGE,
    code_of,
    fail,
    pairs,
    rules_directory,
    rules_options,
    show,
    store_option,
)
from planner.core.rulebook.book import RuleBook
from planner.lastgood import LastGood, LastGoodError
from planner.rulesource import Looked, Rules, Source, Watched
from planner.settings import (
    DEFAULT_PORT,
    DEFAULT_UPSTREAM,
    Settings,
    SettingsError,
    calibration_key_from_environment,
    secrets_from_environment,
)


@click.command()
@click.option("--host", envvar="PLANNER_HOST", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", envvar="PLANNER_PORT", type=int, default=DEFAULT_PORT, show_default=True, help="0 is any.")
@click.option("--upstream", envvar="PLANNER_UPSTREAM", default=DEFAULT_UPSTREAM, show_default=True, help="The API.")
@click.option("--public-url", envvar="PLANNER_PUBLIC_URL", default=None, help="The planner's own address, to callers.")
@click.option("--observe", envvar="PLANNER_OBSERVE", is_flag=True, help="Decide nothing new; meter everything.")
@click.option("--drain", envvar="PLANNER_DRAIN", is_flag=True, help="Start no new edits; keep those begun.")
@store_option
@click.option(
    "--journal",
    envvar="PLANNER_JOURNAL",
    type=click.Path(path_type=Path),
    default=None,
    help="Directory of what the store lacks yet.  [default: beside the store's file, else planner.intents]",
)
@rules_options
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    host: str,
    port: int,
    upstream: str,
    public_url: str | None,
    observe: bool,
    drain: bool,
    store: str,
    journal: Path | None,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the proxy in front of the Claude API.

    Point an agent at it with ANTHROPIC_BASE_URL=http://127.0.0.1:8484 and change nothing else.
    """
    import uvloop  # noqa: PLC0415 - the other commands start faster without it

    from planner.app import App, Server  # noqa: PLC0415 - the other commands start faster without it
    from planner.listening import AddressError  # noqa: PLC0415 - likewise
    from planner.opening import beside  # noqa: PLC0415 - likewise
    from planner.stores import StoreError  # noqa: PLC0415 - likewise

    try:
        token, open_metrics = secrets_from_environment()
        settings = Settings(
            host=host,
            port=port,
            upstream=upstream,
            public_url=public_url,
            store=store,
            journal=journal,
            rules=rules,
            overrides=overrides,
            observe=observe,
            drain=drain,
            admin_token=token,
            calibration_key=calibration_key_from_environment(),
            open_metrics=open_metrics,
        )
        book, watched = begin(Source(rules_directory(rules), pairs(overrides)), LastGood(beside(store, journal)))
        uvloop.run(Server(App(settings, book, watched=watched), settings).serve())
    except SettingsError as error:
        fail(str(error), USAGE)
    except (StoreError, AddressError) as error:
        fail(str(error), UNAVAILABLE)


def begin(source: Source, last_good: LastGood) -> tuple[RuleBook, Watched]:
    """The rule book to begin with: what the source says, or else what was in force last, if it still can be.

    What is wrong with the source is printed; where nothing was kept for it, that ends the command.
    """
    looked = source.look()
    found = source.compile(looked.files) if looked.trouble is None else None
    if found is not None:
        show(found.findings)
        if found.book is not None:
            return found.book, Watched(source=source, files=looked.files, seen=looked.digest, own=looked.own)
        if code_of(found.findings) == USAGE:
            sys.exit(USAGE)
    try:
        files = last_good.files(source.directory)
    except LastGoodError as error:
        click.echo(f"planner: {error}", err=True)
        files = None
    kept = None if files is None else source.compile(files)
    if kept is None or kept.book is None:
        _refuse(looked, found, kept)
    click.echo(f"planner: starting with the rules that were in force last, of {last_good.path}", err=True)
    refused = (looked.trouble or "",) if found is None else tuple(finding.text() for finding in found.findings)
    watched = Watched(source=source, files=kept.files, seen=looked.digest, own=looked.own, refused=refused)
    return kept.book, watched


def _refuse(looked: Looked, found: Rules | None, kept: Rules | None) -> NoReturn:
    """End the command for rules that cannot be read or are wrong."""
    if kept is not None:
        click.echo("planner: the rules that were in force last do not hold any more either:", err=True)
        show(kept.findings)
    if found is None:
        fail(looked.trouble or "", USAGE)
    sys.exit(code_of(found.findings if kept is None else kept.findings))
