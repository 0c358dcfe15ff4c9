"""`planner demo`: the planner at work, with nothing to configure and no key."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import rich_click as click

from planner.cli.options import FINDINGS, UNAVAILABLE, USAGE, code_of, fail, pairs, show

ENTRIES: Final = 300_000
"""A month of a company of some size."""


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
@click.option("--month", is_flag=True, help="Write and check a month of a company's traffic instead.")
@click.option("--entries", type=int, default=ENTRIES, show_default=True, help="With --month: requests in the ledger.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="With --month: leave ledger, bill, trace and rules in this directory.",
)
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    once: bool,
    port: int | None,
    seed: str,
    overrides: tuple[str, ...],
    month: bool,
    entries: int,
    keep: Path | None,
) -> None:
    """Run example agents through the proxy against a simulator, and show what was saved and why.

    The same agents run without the planner too, so that the bills can be compared. Nothing leaves this machine.
    With --month nothing is sent at all: a month of eight teams' traffic is written into a ledger, billed by code of its
    own, and both are held against each other.
    """
    if not month and (keep is not None or entries != ENTRIES):
        fail("--entries and --keep belong to --month.", USAGE)
    if month and (once or port is not None):
        fail("--once and --port do not belong to --month.", USAGE)
    from rich.console import Console  # noqa: PLC0415 - the other commands start faster without it

    from planner.core.findings import RulesError  # noqa: PLC0415 - likewise
    from planner.listening import AddressError  # noqa: PLC0415 - likewise
    from planner.settings import SettingsError  # noqa: PLC0415 - likewise
    from planner.stores import StoreError  # noqa: PLC0415 - likewise

    demo = import_module("planner.demo.month" if month else "planner.demo.show")  # it stands above the command line
    chosen = {"entries": entries, "keep": keep} if month else {"once": once, "port": port}
    try:
        well = demo.run(Console(), seed=seed, settings=pairs(overrides), **chosen)
    except RulesError as error:
        show(error.findings)
        sys.exit(code_of(error.findings))
    except SettingsError as error:
        fail(str(error), USAGE)
    except (AddressError, StoreError) as error:
        fail(str(error), UNAVAILABLE)
    if not well:
        sys.exit(FINDINGS)
