"""`planner key`: the fingerprint under which the planner knows an API key."""

import sys
from typing import Final

import rich_click as click

from planner.cli.options import USAGE, fail

TRY: Final = 'Try: printf %s "$ANTHROPIC_API_KEY" | planner key'
HEADERS: Final = (b"bearer ", b"bearer:", b"authorization:", b"x-api-key:")


@click.command()
def command() -> None:
    """Print the fingerprint of the API key on standard input, as `callers.yaml` wants it.

    The key is read from standard input so that it stays out of shell history and process list.
    """
    from planner.proxy.callers import fingerprint  # noqa: PLC0415 - the other commands start faster without it

    key = sys.stdin.buffer.readline().strip()
    if wrong := trouble(key):
        fail(f"{wrong} {TRY}", USAGE)
    click.echo(fingerprint(key))


def trouble(key: bytes) -> str | None:
    """Say what keeps a line from being a key, without repeating it; None for one that can be.

    No request sends such a line, so its fingerprint would be that of nobody.
    """
    if not key:
        return "no key on standard input."
    if key.lower().startswith(HEADERS):
        return "that is a header and not the key alone: leave away what stands before the key."
    if not key.isascii():
        return "that is no key: it holds characters outside ASCII."
    if len(key.split()) > 1 or not key.decode().isprintable():
        return "that is no key: it holds blanks or control characters."
    return None
