"""`planner report`: what was used and what it cost, by any of what the ledger is summed by; months that are closed."""

import shutil
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import rich_click as click
from click.core import ParameterSource

from planner.cli.options import USAGE, fail, moment, pairs, read_rules, rules_options, store_option
from planner.cli.reportclose import close_command
from planner.cli.reportpage import Closed, Line, Period, Report, Since, as_csv, as_json, as_text
from planner.cli.sums import Ledger, after, midnight, month_of, opened, stamp
from planner.clock import SystemClock
from planner.core.allowance import KEPT_DAYS
from planner.core.ledger.entry import CORRECTION
from planner.core.ledger.rollup import Rollup, cost_nano
from planner.core.reasons import Reason
from planner.core.reports.closing import Closing, held_out, since_closing
from planner.core.reports.dimensions import OF_REQUESTS, Table, UncrossableError, between, common, holds, tabulate
from planner.core.reports.figures import figures, kinds, money, notional, total, unpriced
from planner.core.reports.forecast import Forecast, forecast
from planner.core.reports.holdout import HoldOut, Measured
from planner.core.reports.pruning import overlaps
from planner.core.reports.showback import Share, showback
from planner.core.reports.wording import several
from planner.core.rulebook.book import FreeHoursSettings

FORMS: Final = ("text", "csv", "json")
SHARED_BY: Final = frozenset({"organization", "team"})
"""What showback can be narrowed to: it is an organization's, told by team."""


class Asked(msgspec.Struct, frozen=True):
    """What is asked for; `month` where the period is one."""

    since: datetime
    until: datetime
    by: tuple[str, ...] = ("team",)
    where: dict[str, frozenset[str]] = {}
    month: str | None = None


@click.group(invoke_without_command=True)
@click.option("--by", default="team", show_default=True, metavar="DIMENSIONS", help="What to tell it by: team,model.")
@click.option("--month", default=None, metavar="MONTH", help="A month like 2026-11.  [default: this one]")
@click.option("--since", default=None, metavar="WHEN", help="Instead of a month: from 7d, 24h ago, or a date.")
@click.option("--until", default=None, metavar="WHEN", help="Until then, which is not in it.  [default: now]")
@click.option("--where", multiple=True, metavar="DIMENSION=VALUE", help="Only what has it; of several values, any.")
@click.option("--format", "form", type=click.Choice(FORMS), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json_", is_flag=True, help="The same as --format json.")
@store_option
@rules_options
@click.pass_context
def command(  # noqa: PLR0913 - one parameter a flag
    ctx: click.Context,
    *,
    by: str,
    month: str | None,
    since: str | None,
    until: str | None,
    where: tuple[str, ...],
    form: str,
    as_json_: bool,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Requests, tokens, container hours and money of a month, or of any hours, by what you name.

    Dimensions: month, day, organization, workspace, team, project, principal, model, endpoint, outcome; tag, tags.KEY;
    action, decision, reason, policy. A month that was closed is told by its frozen figures, and what came since apart.
    """
    if ctx.invoked_subcommand is not None:
        _refuse_flags(ctx)
        return
    now = SystemClock().now()
    asked = _asked(by, where, *_period(month, since, until, now))
    free = read_rules(rules, overrides).settings.free_hours if asked.month == f"{now:%Y-%m}" else None
    with opened(store) as ledger:
        try:
            report = make(ledger, asked, now, free)
        except UncrossableError as error:
            fail(str(error), USAGE)
    if report.since_closing is not None and report.since_closing.requests:
        click.echo(
            f"planner: settled after {asked.month} was closed: {several(report.since_closing.requests, 'request')}",
            err=True,
        )
    if form == "json" or as_json_:
        click.echo(as_json(report))
    elif form == "csv":
        click.echo(as_csv(report), nl=False)
    else:
        click.echo(as_text(report, shutil.get_terminal_size((100, 24)).columns), nl=False)


def make(ledger: Ledger, asked: Asked, now: datetime, free: FreeHoursSettings | None) -> Report:
    """The report; `free` are the settings of free hours where the month is this one. Raises UncrossableError."""
    tabulate(Rollup(), asked.by, asked.where)  # what cannot be told is said before a ledger is read
    begin, end = stamp(asked.since), stamp(asked.until)
    closing = None if asked.month is None else ledger.closing(asked.month)
    reach = begin if free is None else min(begin, stamp(_hour(now - timedelta(days=KEPT_DAYS))))
    sums = ledger.sums(reach, end)
    known = between(sums, begin, end)
    told = known if closing is None else closing.sums()
    table = tabulate(told, asked.by, asked.where)
    shares, share_note = _shares(told, asked)
    expected, forecast_note = _forecast(sums, asked, now, free)
    measured, pruned_note = (closing.holdouts, None) if closing is not None else _holdouts(ledger, known, begin, end)
    return Report(
        period=Period(begin, end, asked.month),
        by=table.by,
        where={name: tuple(sorted(values)) for name, values in asked.where.items()},
        closed=None if closing is None else _closed(closing),
        rows=_lines(table),
        total=figures(table.whole),
        kinds=kinds(table.whole),
        unpriced=unpriced(table.whole),
        notional=notional(table.whole),
        since_closing=None if closing is None else _since(since_closing(closing, known), asked),
        holdouts=measured,
        showback=shares,
        forecast=expected,
        notes=tuple(note for note in (table.overlaps, share_note, forecast_note, pruned_note) if note),
    )


def _refuse_flags(ctx: click.Context) -> None:
    """Flags in front of `close` would not be seen by it."""
    for parameter in ctx.command.params:
        if parameter.name and ctx.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE:
            fail(f"{parameter.opts[0]} belongs to the report itself: write the flags of close behind it", USAGE)


def _asked(by: str, where: tuple[str, ...], month: str | None, since: datetime, until: datetime) -> Asked:
    names = tuple(name.strip() for name in by.split(",") if name.strip())
    if not names:
        fail("--by takes dimensions, like team,model", USAGE)
    wanted: dict[str, frozenset[str]] = {}
    for word in where:
        for name, value in pairs((word,), "--where").items():
            wanted[name] = wanted.get(name, frozenset()) | {value}
    return Asked(since, until, names, wanted, month)


def _period(
    month: str | None, since: str | None, until: str | None, now: datetime
) -> tuple[str | None, datetime, datetime]:
    """A month, or the whole hours between two moments."""
    if month is not None and (since is not None or until is not None):
        fail("--month and --since or --until exclude each other: the one is a month, the others any hours", USAGE)
    if since is None and until is None:
        first = month_of(f"{now:%Y-%m}" if month is None else month)
        return f"{first:%Y-%m}", midnight(first), midnight(after(first))
    begin, end = moment(since, now), moment(until, now, "--until")
    if begin is None:
        fail("--until needs a --since", USAGE)
    begin, end = _hour(begin), _hour(end) if end is not None else _hour(now) + timedelta(hours=1)
    if begin >= end:
        fail(f"--since {begin:%Y-%m-%dT%H}:00Z is not before --until {end:%Y-%m-%dT%H}:00Z", USAGE)
    return None, begin, end


def _hour(at: datetime) -> datetime:
    """The first moment of its hour: sums are kept by the hour."""
    return at.replace(minute=0, second=0, microsecond=0)


def _lines(table: Table) -> tuple[Line, ...]:
    return tuple(Line(dict(zip(table.by, row.values, strict=True)), figures(row.amounts)) for row in table.rows)


def _closed(closing: Closing) -> Closed:
    return Closed(
        at=closing.closed_at,
        version=closing.version,
        entries=closing.entries,
        corrections=closing.corrections,
        open=closing.open,
        digest=closing.digest,
    )


def _since(later: Rollup, asked: Asked) -> Since | None:
    """What came to a closed month, as far as it is asked for; None for nothing."""
    table = tabulate(later, asked.by, asked.where)
    if not table.whole:
        return None
    amended: int | None = None
    if set(asked.where) <= set(OF_REQUESTS):
        mine = {key: amounts for key, amounts in later.requests.items() if holds(key, asked.where)}
        amended = cost_nano(total(amounts for key, amounts in mine.items() if key.endpoint == CORRECTION))
    whole = figures(table.whole)
    return Since(
        requests=whole.requests + whole.notional_requests,
        requests_cost=None if amended is None else money(whole.cost.nano - amended),
        corrections=whole.corrections,
        corrections_cost=None if amended is None else money(amended),
        total=whole,
        rows=_lines(table),
    )


def _holdouts(ledger: Ledger, sums: Rollup, begin: str, end: str) -> tuple[tuple[Measured, ...], str | None]:
    """What hold-outs show of the whole period, for which entries are read; where nothing was held out, nothing is.

    Or why nothing is told of them: entries of the period were pruned.
    """
    if not any(key.reason == Reason.HOLDOUT for key in sums.decisions):
        return (), None
    gone = [month for month in ledger.prunings() if overlaps(month, begin, end)]
    if gone:
        return (), f"Entries of {', '.join(gone)} were pruned, so hold-outs cannot be told: they are no sum."
    found = HoldOut()
    for entry in ledger.entries(begin, end):
        held_out(found, entry)
    return found.measured(), None


def _shares(sums: Rollup, asked: Asked) -> tuple[tuple[Share, ...], str | None]:
    """The shared allowance of a month, as far as it is asked for; or why it is not told."""
    if asked.month is None:
        return (), "The free hours are shared by the month: ask with --month."
    if not set(asked.where) <= SHARED_BY:
        return (), "The free hours are shared by an organization's teams: --where something else leaves that out."
    wanted = asked.where
    return tuple(
        share
        for share in showback(sums.requests)
        if all(getattr(share, name) in values for name, values in wanted.items())
    ), None


def _forecast(
    sums: Rollup, asked: Asked, now: datetime, free: FreeHoursSettings | None
) -> tuple[Forecast | None, str | None]:
    """What this month will have cost; of organizations as a whole, since they are what has free hours."""
    if free is None:
        return None, None
    if not common(asked.where):
        return None, "The forecast is of whole organizations: --where something else leaves it out."
    mine = {key: amounts for key, amounts in sums.requests.items() if holds(key, asked.where)}
    return forecast(mine, now, free), None


command.add_command(close_command, "close")
