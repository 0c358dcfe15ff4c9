"""`planner serve`: the proxy."""

from pathlib import Path

import rich_click as click

from planner.cli.options import UNAVAILABLE, USAGE, fail, read_rules, rules_options, store_option
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
@click.option("--observe", envvar="PLANNER_OBSERVE", is_flag=True, help="Decide nothing new; meter everything.")
@click.option("--drain", envvar="PLANNER_DRAIN", is_flag=True, help="Start no new edits; keep those begun.")
@store_option
@rules_options
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    host: str,
    port: int,
    upstream: str,
    observe: bool,
    drain: bool,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the proxy in front of the Claude API.

    Point an agent at it with ANTHROPIC_BASE_URL=http://127.0.0.1:8484 and change nothing else.
    """
    import uvloop  # noqa: PLC0415 - the other commands start faster without it

    from planner.app import App, Server  # noqa: PLC0415 - the other commands start faster without it
    from planner.listening import AddressError  # noqa: PLC0415 - likewise
    from planner.stores import StoreError  # noqa: PLC0415 - likewise

    try:
        token, open_metrics = secrets_from_environment()
        settings = Settings(
            host=host,
            port=port,
            upstream=upstream,
            store=store,
            rules=rules,
            overrides=overrides,
            observe=observe,
            drain=drain,
            admin_token=token,
            calibration_key=calibration_key_from_environment(),
            open_metrics=open_metrics,
        )
        book = read_rules(rules, overrides)
        uvloop.run(Server(App(settings, book), settings).serve())
    except SettingsError as error:
        fail(str(error), USAGE)
    except (StoreError, AddressError) as error:
        fail(str(error), UNAVAILABLE)
