"""`planner report close`: the figures of a month are frozen, once, with a seal over its entries; or held against it."""

from collections.abc import Iterator
from typing import Final

import msgspec
import rich_click as click

from planner import __version__
from planner.cli.options import FINDINGS, USAGE, fail, store_option
from planner.cli.sums import after, midnight, month_of, opened, stamp
from planner.clock import Clock, SystemClock
from planner.core.ledger.rollup import rollup
from planner.core.reports.closing import Closing, Seal, Verified, close, verify
from planner.core.reports.figures import Money
from planner.core.reports.pruning import verify_pruned
from planner.core.reports.wording import several

MOST_NAMED: Final = 5
"""Open requests that are named."""


class ClosedMonth(msgspec.Struct, frozen=True, kw_only=True):
    """What a month was closed with, as `--format json` writes it."""

    month: str
    closed_at: str
    version: str
    entries: int
    corrections: int
    open: int
    digest: str
    cost: Money
    listed: Money


@click.command()
@click.argument("month")
@click.option("--force", is_flag=True, help="Close although requests of the month are open; they come later.")
@click.option("--verify", "verifying", is_flag=True, help="Close nothing: hold a closed month against its entries.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
def close_command(*, month: str, force: bool, verifying: bool, form: str, as_json: bool, store: str) -> None:
    """Freeze the figures of MONTH, like 2026-10, which must be over. It is done once; what comes later is apart."""
    form = "json" if as_json else form
    if verifying:
        _verify(store, month, form)
    else:
        _close(store, month, form, SystemClock(), force=force)


def _close(store: str, month: str, form: str, clock: Clock, *, force: bool) -> None:
    first = month_of(month)
    now, begin, end = clock.now(), midnight(first), midnight(after(first))
    if now < end:
        fail(f"{month} is not over before {end:%Y-%m-%d} 00:00 UTC, so it cannot be closed yet", USAGE)
    with opened(store, write=True) as ledger:
        _refuse_closed(ledger.closing(month))
        if month in (gone := ledger.prunings()):
            fail(f"the entries of {month} were pruned at {gone[month].at}: nothing is left to close it with", USAGE)
        seal = Seal()
        sums = rollup(seal.over(ledger.entries(stamp(begin), stamp(end))))
        if seal.open and not force:
            fail(_open(month, seal.open), FINDINGS)
        closing = close(month, sums, seal, closed_at=now, version=__version__)
        if not ledger.close(closing):
            _refuse_closed(ledger.closing(month))
    if form == "json":
        click.echo(_json(msgspec.convert(closing, ClosedMonth, from_attributes=True)))
    else:
        click.echo("\n".join(_said(closing)))


def _verify(store: str, month: str, form: str) -> None:
    first = month_of(month)
    with opened(store) as ledger:
        closing = ledger.closing(month)
        if closing is None:
            fail(f"{month} is not closed: planner report close {month}", USAGE)
        begin, end = stamp(midnight(first)), stamp(midnight(after(first)))
        pruned = ledger.prunings().get(month)
        if pruned is None:
            found = verify(closing, ledger.entries(begin, end))
        else:
            found = verify_pruned(closing, pruned, ledger.sums(begin, end))
    click.echo(_json(found) if form == "json" else "\n".join(_verdict(found)))
    if not found.same:
        raise SystemExit(FINDINGS)


def _refuse_closed(closing: Closing | None) -> None:
    if closing is not None:
        fail(
            f"{closing.month} was closed at {closing.closed_at} and is not closed again: what comes later is a "
            f"correction. Check it with planner report close {closing.month} --verify",
            USAGE,
        )


def _open(month: str, ids: list[str]) -> str:
    named = ", ".join(ids[:MOST_NAMED]) + (", …" if len(ids) > MOST_NAMED else "")
    return (
        f"{month} has {several(len(ids), 'open request')}, whose cost is not known yet: {named}. A running planner "
        "settles what it still can; what is left of one that was killed stays open. Close all the same with --force"
    )


def _said(closing: Closing) -> Iterator[str]:
    yield (
        f"{closing.month} is closed: {several(closing.entries, 'entry', 'entries')}, "
        f"of them {several(closing.corrections, 'correction')}."
    )
    yield f"Cost ${closing.cost.usd}, at list price ${closing.listed.usd}."
    yield f"Seal {closing.digest}"
    if closing.open:
        yield f"{several(closing.open, 'open request')}: what they turn out to cost will be told as come since."


def _verdict(found: Verified) -> Iterator[str]:
    if found.same and found.pruned_at is not None:
        yield f"The entries of {found.month} were pruned at {found.pruned_at}, and were as they were closed."
        yield f"What was closed at {found.closed_at} agrees with the hourly sums, which stay: ${found.cost.usd}."
    elif found.same:
        entries = several(found.entries, "entry", "entries")
        yield f"{found.month} is as it was closed at {found.closed_at}: {entries}, ${found.cost.usd}."
    else:
        yield f"{found.month} is NOT as it was closed at {found.closed_at} by version {found.version}."
        pruned = "" if found.pruned_at is None else f", pruned at {found.pruned_at}"
        yield f"  entries  {found.entries:,} closed, {found.missing:,} of them gone{pruned}"
        yield f"  cost     ${found.cost.usd} closed, ${found.found_cost.usd} found"
        yield f"  seal     {found.digest} closed"
        yield f"           {found.found} found"
    if found.nameless:
        yield f"{several(found.nameless, 'entry', 'entries')} lost a name since, and no amount."
    if found.later:
        yield f"{several(found.later, 'entry', 'entries')} came since, and in no closed figure."


def _json(told: msgspec.Struct) -> str:
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()
