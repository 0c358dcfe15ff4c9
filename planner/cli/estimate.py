"""`planner estimate`: would the planner save anything here? From what was paid for code in the last months."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import rich_click as click

from planner.cli.options import USAGE, fail, read_rules, rules_options, store_option
from planner.cli.sums import midnight, opened, stamp
from planner.clock import SystemClock
from planner.core.reports.dimensions import grain
from planner.core.reports.worthwhile import Spent, spent, verdict
from planner.core.rulebook.book import FreeHoursSettings
from planner.settings import DEFAULT_UPSTREAM, SettingsError, admin_key_from_environment

MONTHS: Final = 2
"""Months that are looked at, besides the one that is not over yet."""

_MS_PER_HOUR = 3_600_000


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """The answer, and what it rests on: a row for each organization and month."""

    answer: str
    months: tuple[Spent, ...]


@click.command()
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--upstream", envvar="PLANNER_UPSTREAM", default=DEFAULT_UPSTREAM, show_default=True, help="The API.")
@click.option(
    "--write",
    type=click.Path(path_type=Path),
    default=None,
    help="Put free_hours.used_elsewhere into this settings file; needs PLANNER_ADMIN_KEY.",
)
@store_option
@rules_options
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    form: str,
    as_json: bool,
    upstream: str,
    write: Path | None,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """What was paid for code execution in the last two months and in this one, and so the most that could be saved.

    With an admin key in PLANNER_ADMIN_KEY the bill says it, of the last two whole months; without one the ledger does.
    """
    clock = SystemClock()
    now, book = clock.now(), read_rules(rules, overrides)
    try:
        key = admin_key_from_environment()
    except SettingsError as error:
        fail(str(error), USAGE)
    if key is not None:
        from planner.cli.billestimate import show_bill  # noqa: PLC0415 - the ledger's half needs no SDK

        show_bill(key, upstream, book, store, clock=clock, write=write, as_json=form == "json" or as_json)
        return
    if write is not None:
        fail("--write needs the bill: set PLANNER_ADMIN_KEY to an admin key of the organization", USAGE)
    free = book.settings.free_hours
    rows = from_ledger(store, now, free)
    told = Estimate(answer=verdict(rows), months=rows)
    if form == "json" or as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        click.echo("\n".join(text(told)))


def from_ledger(store: str, now: datetime, free: FreeHoursSettings) -> tuple[Spent, ...]:
    """What the ledger says of the last months. Another source of the same rows is the bill."""
    first = first_month(now)
    with opened(store) as ledger:
        sums = ledger.sums(stamp(midnight(first)), stamp(now + timedelta(hours=1)), grain((), {}))
    months = {key.hour[:7] for key in sums.requests}
    return spent(sums.requests, months, f"{now:%Y-%m}", free)


def first_month(now: datetime) -> date:
    """The first day of the months that are looked at."""
    first = now.date().replace(day=1)
    for _ in range(MONTHS):
        first = (first - timedelta(days=1)).replace(day=1)
    return first


def text(told: Estimate) -> Iterator[str]:
    """The answer for people, and its figures."""
    yield told.answer
    for row in told.months:
        hours = row.free_hours_ms / _MS_PER_HOUR
        so_far = "" if row.complete else " so far"
        yield (
            f"\n{row.month}{so_far}, organization {row.organization or '(unknown)'}: container time "
            f"${row.code_execution.usd}, free hours gave back ${row.credit.usd.removeprefix('-')}, paid ${row.paid.usd}"
        )
        yield f"  {hours:,.3f} hours counted toward {row.limit_hours:,.0f} free ones (by the {row.source})"
        if row.saved is not None and row.saved.nano:
            yield f"  edits have saved ${row.saved.usd} already, as estimated"
        if row.unpriced:
            yield f"  {row.unpriced:,} requests have no price and are in no sum"
        for team in row.teams:
            share = f"{team.container_ms / _MS_PER_HOUR:,.3f} hours charged, at most ${team.paid.usd} to save"
            yield f"  {team.team or '(no team)'}: {share}"
