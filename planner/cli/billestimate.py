"""The half of `planner estimate` that asks the bill: what the last two months of code execution cost, and by whom."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec
import rich_click as click

from planner.bills import EVERY, BillError, Pages, Reports, midnight
from planner.cli.options import UNAVAILABLE, USAGE, fail
from planner.clock import Clock
from planner.core.money import format_nano
from planner.core.reconcile.paid import Elsewhere, Paid, elsewhere, paid, verdict
from planner.core.reconcile.theirs import ReportError
from planner.core.rulebook.book import RuleBook
from planner.core.rulefile.rewrite import RewriteError, with_setting
from planner.opening import amend_store, is_there
from planner.settings import Settings, SettingsError
from planner.stores import StoreError

MONTHS: Final = 2
LOOKED_AT: Final = 100
"""Days of which the ledger's hours are read: more than two months and the one that is not over."""

MOST_KEYS: Final = 10
"""Keys of a month that are shown; JSON has them all."""

USED_ELSEWHERE: Final = "free_hours.used_elsewhere"


class BillEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """What the bill says: the answer, the months, and the hours that pass no planner in the last of them."""

    answer: str
    organization: str | None
    months: tuple[Paid, ...]
    used_elsewhere: Elsewhere | None = None


async def from_bill(reports: Reports, book: RuleBook, now: datetime, metered_ms: Callable[[str], int]) -> BillEstimate:
    """Ask for the last two whole months. `metered_ms` is the container time of a month in the ledger.

    `reports` is open. Raises BillError; also where analytics is not open to the key.
    """
    rows = []
    first = end = midnight(now).replace(day=1)
    for _ in range(MONTHS):
        first = (first - timedelta(days=1)).replace(day=1)
        found, _known = await reports.code(first, end)
        if found is None:
            raise BillError("the analytics API is not open to this key, and no other tells code execution by key.")
        rows += found
        end = first
    teams = {key: row.team or row.name for row in book.callers.rows for key in row.api_keys}
    months = paid(rows, teams)
    last = f"{midnight(now).replace(day=1) - timedelta(days=1):%Y-%m}"
    here = next((each for each in months if each.month == last), None)
    hours = None
    if here is not None:
        prices = book.prices.contracted(reports.organization)
        at = datetime.fromisoformat(f"{last}-15T12:00:00+00:00")
        limit = float(book.settings.free_hours.limit)
        hours = elsewhere(here, prices, at, limit=limit, metered_ms=metered_ms(last), known=set(teams))
    return BillEstimate(answer=verdict(months), organization=reports.organization, months=months, used_elsewhere=hours)


async def ask(  # noqa: PLR0913 - what asking depends on, named
    key: str,
    upstream: str,
    book: RuleBook,
    *,
    pages: Pages,
    clock: Clock,
    metered_ms: Callable[[str], int],
    tell: Callable[[str], None],
    every: float = EVERY,
) -> BillEstimate:
    """Ask the API at `upstream` with an admin key; what it answers is kept in `pages`. Raises BillError."""
    async with Reports(key, upstream, clock=clock, pages=pages, tell=tell, every=every) as reports:
        return await from_bill(reports, book, clock.now(), metered_ms)


class Memory:
    """Pages for as long as one question is asked, where there is no ledger to keep them in."""

    def __init__(self) -> None:
        self._pages: dict[str, tuple[str, str]] = {}

    async def bill_page(self, name: str) -> tuple[str, str] | None:
        """A kept page: when it was fetched, and its text."""
        return self._pages.get(name)

    async def keep_bill_page(self, name: str, at: str, page: str) -> None:
        """Keep a page."""
        self._pages[name] = (at, page)

    async def last_bill_page(self) -> str | None:
        """When the last page was fetched."""
        return max((at for at, _ in self._pages.values()), default=None)


async def estimate(  # noqa: PLR0913 - what asking depends on, named
    key: str,
    upstream: str,
    book: RuleBook,
    store: str,
    *,
    clock: Clock,
    tell: Callable[[str], None],
    every: float = EVERY,
) -> BillEstimate:
    """Ask the bill, with the pages and the metered hours of a ledger where there is one.

    Raises BillError, StoreError, SettingsError.
    """
    if not is_there(store):
        return await ask(
            key, upstream, book, pages=Memory(), clock=clock, metered_ms=lambda _: 0, tell=tell, every=every
        )
    ledger = await amend_store(store)
    try:
        hours: dict[str, int] = {}
        for row in await ledger.hours((clock.now() - timedelta(days=LOOKED_AT)).isoformat(timespec="microseconds")):
            hours[row.at[:7]] = hours.get(row.at[:7], 0) + row.used_ms
        return await ask(
            key,
            upstream,
            book,
            pages=ledger,
            clock=clock,
            metered_ms=lambda month: hours.get(month, 0),
            tell=tell,
            every=every,
        )
    finally:
        await ledger.close()


def write_used_elsewhere(path: Path, found: Elsewhere, now: datetime) -> str:
    """Put the hours into a settings file and return the row as it stands there.

    Raises RewriteError for a file that is no settings file, OSError.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    how = "the bill less the ledger" if found.exact else "at most, by spans of other keys"
    new, row = with_setting(
        text, USED_ELSEWHERE, found.hours, checked=now.date(), source=f"planner estimate: {found.month}, {how}"
    )
    path.write_text(new, encoding="utf-8")
    return row


def text(told: BillEstimate) -> Iterator[str]:
    """The answer for people, and its figures."""
    yield told.answer
    for month in told.months:
        yield f"{month.month}: ${format_nano(month.nano)} for {month.spans:,} spans of code execution"
        for key in month.keys[:MOST_KEYS]:
            name = key.team or key.api_key or "(no key)"
            place = key.workspace or "default workspace"
            yield f"  {name} in {place}: ${format_nano(key.nano)}, {key.spans:,} spans"
    if told.used_elsewhere is not None:
        most = "" if told.used_elsewhere.exact else "at most "
        yield f"{told.used_elsewhere.month}: {most}{told.used_elsewhere.hours:,.2f} container hours passed no planner"


def show_bill(  # noqa: PLR0913 - what asking and showing depend on, named
    key: str, upstream: str, book: RuleBook, store: str, *, clock: Clock, write: Path | None, as_json: bool
) -> None:
    """Ask, print, and write where that was asked for; what cannot be had or written ends the command."""
    try:
        Settings(upstream=upstream)
        told = asyncio.run(
            estimate(
                key, upstream, book, store, clock=clock, tell=lambda said: click.echo(f"planner: {said}", err=True)
            )
        )
        row = None
        if write is not None and told.used_elsewhere is not None:
            row = write_used_elsewhere(write, told.used_elsewhere, clock.now())
    except (SettingsError, RewriteError) as error:
        fail(str(error), USAGE)
    except OSError as error:
        fail(f"{write} cannot be written: {error.strerror}", USAGE)
    except (BillError, ReportError, StoreError) as error:
        fail(str(error), UNAVAILABLE)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        click.echo("\n".join(text(told)))
    if row is not None:
        click.echo(f"planner: written to {write}:\n{row}", err=True)


def _say(said: str) -> None:
    """Progress stands on standard error."""
    click.echo(f"planner: {said}", err=True)
