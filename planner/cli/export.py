"""`planner export`: the ledger as JSON Lines, entry by entry in order of arrival, or as a trace."""

import sys
from typing import Final

import msgspec
import rich_click as click

from planner.cli.options import moment, since_option, store_option
from planner.cli.reading import each_entry
from planner.clock import SystemClock
from planner.core.ledger import Entry

FORMS: Final = ("jsonl", "trace")


@click.command()
@click.option("--format", "form", type=click.Choice(FORMS), default="jsonl", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@since_option
@store_option
def command(*, form: str, as_json: bool, since: str | None, store: str) -> None:
    """Write every ledger entry to standard output.

    Requests that went upstream and whose end nobody saw have the outcome `unknown`. As a trace, requests are written
    for `planner replay`; how many cannot be is said on standard error.
    """
    begin = moment(since, SystemClock().now())
    encoder, out = msgspec.json.Encoder(), sys.stdout.buffer
    if form == "jsonl" or as_json:
        each_entry(store, begin, lambda entry: out.write(encoder.encode(entry) + b"\n"))
        return
    from planner.core.replay.recorded import Transcript  # noqa: PLC0415 - the other form starts faster without it

    transcript = Transcript()

    def write(entry: Entry) -> None:
        line = transcript.line(entry)
        if line is not None:
            out.write(encoder.encode(line) + b"\n")

    each_entry(store, begin, write)
    for told in transcript.told():
        click.echo(f"planner: left out: {told}", err=True)
