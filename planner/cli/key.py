"""`planner key`: the fingerprint under which the planner knows an API key."""

import sys

import rich_click as click

from planner.cli.options import USAGE, fail


@click.command()
def command() -> None:
    """Print the fingerprint of the API key on standard input, as `callers.yaml` wants it.

    The key is read from standard input so that it stays out of shell history and process list.
    """
    from planner.proxy.callers import fingerprint  # noqa: PLC0415 - the other commands start faster without it

    key = sys.stdin.buffer.readline().strip()
    if not key:
        fail('no key on standard input. Try: printf %s "$ANTHROPIC_API_KEY" | planner key', USAGE)
    click.echo(fingerprint(key))
