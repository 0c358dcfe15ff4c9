"""`planner export`: the ledger as it is, as a trace, or as a table: FOCUS for finance, flat for a spreadsheet."""

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import rich_click as click

from planner import __version__
from planner.cli.options import (
    FINDINGS,
    USAGE,
    fail,
    moment,
    read_rules,
    rules_option,
    since_option,
    store_option,
)
from planner.cli.reading import each_entry
from planner.clock import SystemClock
from planner.core.ledger.charges import UnbalancedError
from planner.core.ledger.entry import Entry

if TYPE_CHECKING:
    from planner.cli.tables import Table

FORMS: Final = ("jsonl", "trace", "csv", "focus", "parquet")
TABLES: Final = ("csv", "focus", "parquet")


class Window(msgspec.Struct, frozen=True):
    """Which entries: since a moment, which is part of it, until another, which is not; None for no bound."""

    since: datetime | None
    until: datetime | None

    def read(self, store: str, take: Callable[[Entry], object]) -> None:
        """Hand over its entries in order of arrival."""
        each_entry(store, self.since, take, until=self.until)


@click.command()
@click.option("--format", "form", type=click.Choice(FORMS), default="jsonl", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@since_option
@click.option("--until", default=None, metavar="WHEN", help="Only what arrived before then.")
@click.option("--month", default=None, metavar="YYYY-MM", help="Only what arrived in that month, UTC.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=None,
    help="A file to write instead of standard output; with --by-day a directory.",
)
@click.option("--by-day", is_flag=True, help="One file a day, with a manifest; days that did not change are skipped.")
@click.option("--notional", is_flag=True, help="In FOCUS rows: what a subscription pays for as well, at cost 0.")
@store_option
@rules_option
def command(  # noqa: PLR0913 - one argument a flag
    *,
    form: str,
    as_json: bool,
    since: str | None,
    until: str | None,
    month: str | None,
    out: Path | None,
    by_day: bool,
    notional: bool,
    store: str,
    rules: Path | None,
) -> None:
    """Write the ledger to standard output, or to a file that has its name when it is whole.

    As `jsonl`, every entry; requests whose end nobody saw have the outcome `unknown`. As `trace`, requests for
    `planner replay`. As `csv`, a row an entry. As `focus`, a row a cost line by FOCUS 1.2, in CSV; `parquet` has the
    same rows. What is in no row is counted on standard error.
    """
    form = "jsonl" if as_json else form
    window = _window(since, until, month)
    if form not in TABLES and (by_day or notional):
        fail("--by-day and --notional are for tables: take --format focus, parquet or csv.", USAGE)
    if form not in TABLES:
        _entries(form, window, store, out)
        return
    from planner.cli.tables import need_pyarrow  # noqa: PLC0415 - the other forms start faster without it

    if form == "parquet":
        need_pyarrow(out)
    make, made_with = _maker(form, rules, notional=notional)
    try:
        if by_day:
            _days(form, window, store, out, make, made_with)
        else:
            _table(form, window, store, out, make())
    except UnbalancedError as error:
        fail(str(error), FINDINGS)


def _window(since: str | None, until: str | None, month: str | None) -> Window:
    """The bounds of an export; two ways to say them at once end the command."""
    now = SystemClock().now()
    if month is None:
        return Window(moment(since, now), moment(until, now, "--until"))
    if since is not None or until is not None:
        fail("--month says all: leave --since and --until away.", USAGE)
    try:
        begin = datetime.strptime(month, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        fail(f"--month takes YYYY-MM, as 2026-11, not {month!r}", USAGE)
    return Window(begin, (begin + timedelta(days=31)).replace(day=1))


def _entries(form: str, window: Window, store: str, out: Path | None) -> None:
    """Write entries as JSON Lines, or as a trace."""
    encoder = msgspec.json.Encoder()
    from planner.cli.tables import opened  # noqa: PLC0415 - see above

    with opened(out) as file:
        if form == "jsonl":
            window.read(store, lambda entry: file.write(encoder.encode(entry) + b"\n"))
            return
        from planner.core.replay.recorded import Transcript  # noqa: PLC0415 - the other form starts faster without it

        transcript = Transcript()

        def write(entry: Entry) -> None:
            line = transcript.line(entry)
            if line is not None:
                file.write(encoder.encode(line) + b"\n")

        window.read(store, write)
    for told in transcript.told():
        click.echo(f"planner: left out: {told}", err=True)


def _maker(form: str, rules: Path | None, *, notional: bool) -> tuple[Callable[[], "Table"], dict[str, str]]:
    """What makes a table, and what its bytes depend on besides the ledger."""
    made_with = {"planner": __version__, "notional": str(notional).lower()}
    if form == "csv":
        from planner.core.exports.entrytable import EntryTable  # noqa: PLC0415 - one of two

        if notional:
            fail("--notional is for --format focus and parquet: csv has every entry.", USAGE)
        return EntryTable, made_with
    from planner.core.exports.focus import Focus  # noqa: PLC0415 - the other

    prices = read_rules(rules, ()).prices
    made_with |= {"FocusVersion": "1.2", "prices": prices.digest}
    if form == "parquet":
        import pyarrow as pa  # noqa: PLC0415 - an extra

        made_with["pyarrow"] = pa.__version__
    return lambda: Focus(prices, notional=notional), made_with


def _table(form: str, window: Window, store: str, out: Path | None, table: "Table") -> None:
    """Write a table as one file."""
    from planner.cli.tables import opened, sink_of  # noqa: PLC0415 - see above

    with opened(out) as file:
        sink = sink_of(form, file, table.columns)
        try:
            window.read(store, lambda entry: sink.add(table.rows(entry)))
        except BaseException:
            sink.abort()
            raise
        sink.close()
    _tell(table.left_out.causes)


def _days(
    form: str,
    window: Window,
    store: str,
    out: Path | None,
    make: Callable[[], "Table"],
    made_with: dict[str, str],
) -> None:
    """Write a table as a file a day."""
    from planner.cli.days import Days  # noqa: PLC0415 - see above

    if out is None:
        fail("--by-day writes several files: name their directory with --out.", USAGE)
    bounds = [bound for bound in (window.since, window.until) if bound is not None]
    if any(bound.timetz().replace(tzinfo=None) != time() for bound in bounds):
        fail("--by-day writes whole days: give --since and --until as dates, or --month.", USAGE)
    days = Days(out, form, make, made_with)
    days.export(lambda take, since, until: each_entry(store, since, take, until=until), window.since, window.until)
    summed: Counter[str] = Counter()
    for day in days.days.values():
        summed.update(day.left_out)
    _tell(dict(sorted(summed.items(), key=lambda cause: (-cause[1], cause[0]))))
    click.echo(f"planner: {len(days.written)} days written, {len(days.skipped)} unchanged, in {out}", err=True)


def _tell(causes: dict[str, int]) -> None:
    """Say what is in no row, by cause."""
    for cause, count in causes.items():
        click.echo(f"planner: left out: {count} {cause}", err=True)
