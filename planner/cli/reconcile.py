"""`planner reconcile`: a month of the ledger against Anthropic's bill, line by line."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import rich_click as click

from planner.bills import BillError, Reports
from planner.cli.options import FINDINGS, UNAVAILABLE, USAGE, fail, read_rules, rules_options, store_option
from planner.cli.statementpage import text
from planner.clock import Clock, SystemClock
from planner.core.ledger.entry import Entry
from planner.core.reconcile.amends import amend, moves
from planner.core.reconcile.ours import Ours
from planner.core.reconcile.statement import DEFAULT_THRESHOLD, Found, Statement, reconcile, threshold_nano
from planner.core.reconcile.theirs import Bill, ReportError
from planner.core.records import EntryRecord
from planner.core.rulebook.book import RuleBook
from planner.pruning import prunings
from planner.settings import DEFAULT_UPSTREAM, Settings, SettingsError, admin_key_from_environment
from planner.stores import StoreError

if TYPE_CHECKING:
    from planner.stores import WholeStore

MONTH: Final = re.compile(r"20[0-9]{2}-(0[1-9]|1[0-2])", re.ASCII)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What the flags say."""

    month: str
    threshold: str
    organization: str | None
    every: float
    refresh: bool
    apply: bool


@click.command()
@click.option("--month", required=True, metavar="YYYY-MM", help="The month (UTC).")
@click.option("--upstream", envvar="PLANNER_UPSTREAM", default=DEFAULT_UPSTREAM, show_default=True, help="The API.")
@click.option("--threshold", default=DEFAULT_THRESHOLD, show_default=True, help="Tolerated without a cause: 0.5%, $1.")
@click.option("--organization", default=None, help="Whose entries.  [default: as the API names the key's own]")
@click.option("--every", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Seconds between calls.")
@click.option("--refresh", is_flag=True, help="Fetch again what was kept of the bill.")
@click.option("--stored", is_flag=True, help="Show the last statement of the month; ask nobody.")
@click.option("--apply", is_flag=True, help="Write correction entries for container time that the bill knows better.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
@rules_options
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    month: str,
    upstream: str,
    threshold: str,
    organization: str | None,
    every: float,
    refresh: bool,
    stored: bool,
    apply: bool,
    form: str,
    as_json: bool,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Hold a month of the ledger against Anthropic's bill: what differs, and which evidence explains how much of it.

    The admin key is read from PLANNER_ADMIN_KEY. The exit code is 0 where no more than the threshold is unexplained.
    """
    if not MONTH.fullmatch(month):
        fail(f"--month takes a month as 2026-11, not {month!r}", USAGE)
    try:
        threshold_nano(threshold, 0)
    except ValueError as error:
        fail(f"--threshold: {error}", USAGE)
    asked = Asked(
        month=month, threshold=threshold, organization=organization, every=every, refresh=refresh, apply=apply
    )
    try:
        if stored:
            statement = asyncio.run(_stored(store, asked))
        else:
            book, key = read_rules(rules, overrides), admin_key_from_environment()
            if key is None:
                fail("set PLANNER_ADMIN_KEY to an admin key of the organization; it is never a flag", USAGE)
            settings = Settings(upstream=upstream, store=store)
            statement = asyncio.run(run(asked, settings, book, key, SystemClock()))
    except SettingsError as error:
        fail(str(error), USAGE)
    except (BillError, ReportError, StoreError) as error:
        fail(str(error), UNAVAILABLE)
    if form == "json" or as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(statement), indent=2).decode())
    else:
        click.echo("\n".join(text(statement)))
    sys.exit(0 if statement.within else FINDINGS)


async def run(asked: Asked, settings: Settings, book: RuleBook, key: str, clock: Clock) -> Statement:
    """Fetch the bill, hold the ledger against it, keep the statement. Raises BillError, ReportError, StoreError."""
    async with _opened(settings.store, writing=True) as store:
        gone = (await prunings(store)).get(asked.month)
        if gone is not None:
            raise StoreError(
                f"the entries of {asked.month} were pruned at {gone.at}; --stored shows its last statement"
            )
        reports = Reports(
            key, settings.upstream, clock=clock, pages=store, tell=_tell, every=asked.every, refresh=asked.refresh
        )
        async with reports:
            bill = await reports.bill(asked.month)
        organization = asked.organization or reports.organization
        found, ours = await _compare(store, asked, book, bill, organization, clock.now())
        if asked.apply:
            made = await _apply(store, asked, book, found, ours, clock.now())
            _tell(f"{made} correction entries written")
            if made:
                found, _ = await _compare(store, asked, book, bill, organization, clock.now())
        statement = found.statement
        text_of = msgspec.json.encode(statement).decode()
        await store.keep_reconciliation(statement.month, organization or "", statement.made_at, text_of)
        return statement


async def _compare(
    store: "WholeStore", asked: Asked, book: RuleBook, bill: Bill, organization: str | None, now: datetime
) -> tuple[Found, Ours]:
    """Read the month of the ledger and hold it against the bill; batches may have been made or fetched in another one.

    One of the day before may be billed on the first.
    """
    prices = book.prices.contracted(organization)
    per_iteration = book.settings.haiku55_tier_on == "iteration_prompt"
    ours = Ours(asked.month, prices, bill.known_until, organization=organization, per_iteration=per_iteration)
    before = date.fromisoformat(f"{asked.month}-01") - timedelta(days=1)
    async for entry in store.entries(before.isoformat()):
        if entry.at[:7] > asked.month:
            break
        ours.add(entry)
    for digest in ours.batches.unsettled:
        for entry in await store.batch(digest):
            ours.batches.add(entry)
    found = reconcile(
        ours,
        bill,
        prices,
        book.settings,
        owners=book.callers.owners,
        organization=organization,
        threshold=asked.threshold,
        made_at=now,
    )
    return found, ours


async def _apply(store: "WholeStore", asked: Asked, book: RuleBook, found: Found, ours: Ours, now: datetime) -> int:
    """Write the corrections of the container meter; return how many there are."""
    prices = book.prices.contracted(found.statement.organization)
    wanted = moves(ours, found.shares, prices)
    corrections: list[Entry] = []
    async for entry in store.entries(f"{asked.month}-01"):
        if not entry.at.startswith(asked.month):
            break
        if entry.request_id in wanted and entry.corrects is None:
            earlier = await store.corrections(entry.request_id)
            made = amend(entry, earlier, wanted[entry.request_id], prices, month=asked.month, made_at=now)
            corrections += [] if made is None else [made]
    await store.apply([EntryRecord(each) for each in corrections])
    return len(corrections)


async def _stored(store: str, asked: Asked) -> Statement:
    """The newest statement of the month that was kept. Raises StoreError where there is none."""
    async with _opened(store, writing=False) as opened:
        for kept in reversed(await opened.reconciliations()):
            statement = msgspec.json.decode(kept, type=Statement)
            if statement.month == asked.month and asked.organization in {None, statement.organization}:
                return statement
    raise StoreError(f"no reconciliation of {asked.month} is kept in {store}. Run the command without --stored.")


@asynccontextmanager
async def _opened(store: str, *, writing: bool) -> "AsyncIterator[WholeStore]":
    """The store for as long as it is needed. Raises SettingsError, StoreError."""
    from planner.opening import amend_store, read_store  # noqa: PLC0415 - the other commands start faster without it

    opened = await (amend_store(store) if writing else read_store(store))
    try:
        yield opened
    finally:
        await opened.close()


def _tell(said: str) -> None:
    """Progress stands on standard error, so that what is printed can be read by programs."""
    click.echo(f"planner: {said}", err=True)
