"""`planner demo`: the planner at work, with nothing to configure and no key."""

import sys
from importlib import import_module

import rich_click as click

from planner.cli.options import FINDINGS, UNAVAILABLE, USAGE, code_of, fail, pairs, show


@click.command()
@click.option("--once", envvar="PLANNER_ONCE", is_flag=True, help="End when the page is written.")
@click.option(
    "--port",
    envvar="PLANNER_PORT",
    type=int,
    default=None,
    help="Port of the proxy; 0 is any.  [default: 8484, with --once any]",
)
@click.option("--seed", envvar="PLANNER_SEED", default="planner", show_default=True, help="Another seed, other ids.")
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    envvar="PLANNER_SET",
    help="Override a setting of the rules.  [default: free_hours.limit=0]",
)
def command(*, once: bool, port: int | None, seed: str, overrides: tuple[str, ...]) -> None:
    """Run example agents through the proxy against a simulator, and show what was saved and why.

    The same agents run without the planner too, so that the bills can be compared. Nothing leaves this machine.
    """
    from rich.console import Console  # noqa: PLC0415 - the other commands start faster without it

    from planner.core.findings import RulesError  # noqa: PLC0415 - likewise
    from planner.listening import AddressError  # noqa: PLC0415 - likewise
    from planner.settings import SettingsError  # noqa: PLC0415 - likewise
    from planner.stores import StoreError  # noqa: PLC0415 - likewise

    demo = import_module("planner.demo.show")  # by name: the demo stands above the command line
    try:
        well = demo.run(Console(), once=once, port=port, seed=seed, settings=pairs(overrides))
    except RulesError as error:
        show(error.findings)
        sys.exit(code_of(error.findings))
    except SettingsError as error:
        fail(str(error), USAGE)
    except (AddressError, StoreError) as error:
        fail(str(error), UNAVAILABLE)
    if not well:
        sys.exit(FINDINGS)
