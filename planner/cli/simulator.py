"""`planner simulator`: the Claude API in a box, alone."""

import asyncio
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import rich_click as click

from planner.cli.options import UNAVAILABLE, USAGE, fail, pairs

DEFAULT_PORT = 8485
LOOPBACK = "127.0.0.1"


@click.command()
@click.option(
    "--host", envvar="PLANNER_SIMULATOR_HOST", default=LOOPBACK, show_default=True, help="Address to listen on."
)
@click.option(
    "--port", envvar="PLANNER_SIMULATOR_PORT", type=int, default=DEFAULT_PORT, show_default=True, help="0 is any."
)
@click.option(
    "--seed", envvar="PLANNER_SEED", default="planner", show_default=True, help="The same seed, the same ids."
)
@click.option(
    "--scenarios",
    envvar="PLANNER_SCENARIOS",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="FILE",
    help="Scenarios that are tried before the shipped ones.",
)
@click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    envvar="PLANNER_SET",
    help="Set a fact that nobody has published, by its name in rules/settings.yaml.",
)
@click.option(
    "--bill",
    envvar="PLANNER_BILL",
    type=click.Path(path_type=Path),
    default=None,
    metavar="FILE",
    help="Begin with this bill, so that the cost and usage reports have something to tell.",
)
def command(
    *, host: str, port: int, seed: str, scenarios: tuple[Path, ...], overrides: tuple[str, ...], bill: Path | None
) -> None:
    """Run the Claude API simulator alone: no key, no model, and a bill of its own."""
    import uvloop  # noqa: PLC0415 - the other commands start faster without it

    from planner.listening import AddressError  # noqa: PLC0415 - likewise

    if not 0 <= port <= 65535:
        fail(f"port {port} is not between 0 and 65535.", USAGE)
    simulator = import_module("planner.simulator")  # by name: neither face of the planner knows the other
    config = _config(simulator, seed, scenarios, pairs(overrides), bill)
    try:
        uvloop.run(_serve(simulator.serve(config, host, port)))
    except AddressError as error:
        fail(str(error), UNAVAILABLE)


def _config(
    simulator: Any,  # noqa: ANN401 - loaded by name
    seed: str,
    scenarios: tuple[Path, ...],
    settings: dict[str, str],
    bill: Path | None,
) -> Any:  # noqa: ANN401 - likewise
    import msgspec  # noqa: PLC0415 - the other commands start faster without it

    texts: list[str] = []
    wrong: list[str] = []
    for path in scenarios:
        texts.append(_content(path).decode())
        wrong += simulator.check_scenarios(str(path), texts[-1])
    wrong += simulator.check_settings(settings)
    items = () if bill is None else tuple(_content(bill).splitlines())
    wrong += simulator.check_bill(str(bill), items)
    if wrong:
        for line in wrong:
            click.echo(line, err=True)
        sys.exit(USAGE)
    switches = simulator.Switches().with_texts(settings)
    default = simulator.Config.default(seed=seed, switches=switches, bill=items)
    return msgspec.structs.replace(default, scenarios=(*texts, *default.scenarios))


def _content(path: Path) -> bytes:
    """What is in a file, UTF-8; one that cannot be read ends the command."""
    try:
        content = path.read_bytes()
        content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.", USAGE)
    return content


async def _serve(serving: Any) -> None:  # noqa: ANN401 - loaded by name
    """Say where it is, and stay until a signal says stop."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with serving as url:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, told.set)
        click.echo(f"The simulator listens on {url}. Point a client at it:\n")
        click.echo(f"  export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=anything\n")
        click.echo(f"Its bill: {url}/simulator/bill. Stop with Ctrl-C.")
        await told.wait()
