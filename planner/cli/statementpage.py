"""A reconciled month for people: the sums, what explains the difference, what is left, and what is proposed."""

from collections.abc import Iterator, Sequence
from typing import Final

from planner.core.money import NANO_PER_USD
from planner.core.reconcile.cells import MEANS, Cause
from planner.core.reconcile.statement import Row, Statement
from planner.core.reports.wording import several

MOST_ROWS: Final = 20
"""Rows that are shown; JSON has them all."""


def text(statement: Statement) -> Iterator[str]:
    """The page, line by line."""
    whose = f", organization {statement.organization}" if statement.organization else ""
    yield f"{statement.month}{whose}: {statement.requests:,} requests, bill known until {statement.known_until}"
    yield ""
    yield _line("Anthropic's bill", statement.theirs_nano)
    yield _line("ledger", statement.ours_nano)
    yield _line("difference", statement.difference_nano)
    for cause in Cause:
        if nano := statement.explained.get(cause.value, 0):
            yield _line(f"  {MEANS[cause]}", nano)
    left = sum(row.unexplained_nano for row in statement.rows)
    yield _line("  unexplained", left)
    yield ""
    verdict = "within" if statement.within else "MORE THAN"
    yield (
        f"Unexplained without signs: {usd(statement.unexplained_nano)}, {verdict} the threshold of "
        f"{statement.threshold} ({usd(statement.threshold_nano)})."
    )
    yield from _rows(statement.rows)
    yield from _batches(statement)
    yield from _proposals(statement)
    for note in statement.notes:
        yield f"Note: {note}"


def usd(nano: int) -> str:
    """Dollars with six decimals, rounded to the nearest, with a sign where they are negative."""
    micro, rest = divmod(abs(nano), 1_000)
    micro += rest >= 500
    whole, part = divmod(micro, NANO_PER_USD // 1_000)
    return f"{'-' if nano < 0 and micro else ''}${whole:,}.{part:06d}"


def _line(name: str, nano: int) -> str:
    return f"{name:<52}{usd(nano):>20}"


def _rows(rows: Sequence[Row]) -> Iterator[str]:
    """The rows that nobody explains, the largest first."""
    left = sorted((row for row in rows if row.unexplained_nano), key=lambda row: -abs(row.unexplained_nano))
    if not left:
        return
    yield ""
    yield "Unexplained rows:"
    for row in left[:MOST_ROWS]:
        place = f"{row.day}  {row.workspace or 'default workspace'}  {row.description}"
        yield (
            f"  {place}: bill {usd(row.theirs_nano)}, ledger {usd(row.ours_nano)}, "
            f"unexplained {usd(row.unexplained_nano)}"
        )
    if len(left) > MOST_ROWS:
        yield f"  and {len(left) - MOST_ROWS} more; --format json has them all"


def _batches(statement: Statement) -> Iterator[str]:
    """Batches that were made through the planner, those with missing results first."""
    if not statement.batches:
        return
    yield ""
    yield f"Batches made through the planner; {several(statement.missing_results, 'result')} did not pass:"
    for each in statement.batches:
        passed = (
            "all results passed" if not each.missing else f"{each.passed:,} results passed, {each.missing:,} did not"
        )
        place = each.workspace or "default workspace"
        made = each.made_at[:16].replace("T", " ")
        yield f"  {each.id}  {made}  {place}: {several(each.requests, 'request')}, {passed}"
    if statement.more_batches:
        yield f"  and {statement.more_batches:,} more"


def _proposals(statement: Statement) -> Iterator[str]:
    """What ought to be changed, if a person agrees."""
    if not (statement.prices or statement.settings or statement.meter):
        return
    yield ""
    yield "Proposed:"
    for price in statement.prices:
        yield (
            f"  price row {price.row}: {price.kind} ({price.tier}) is billed at {price.factor} times its rate, "
            f"{price.first_day} to {price.last_day}, {price.cells} rows, {usd(price.nano)}"
        )
    for each in statement.settings:
        yield (
            f"  {each.key}: {each.better} fits better than {each.value}, {usd(each.nano)} on {each.days} days; "
            f"it leaves {usd(each.better_misfit_nano)} of {usd(each.misfit_nano)}"
            f"{''.join(f'; as does {other}' for other in each.alike)}"
        )
    if statement.meter is not None:
        factor = "" if statement.meter.factor is None else f", {statement.meter.factor} times what it billed"
        yield (
            f"  container meter: {usd(statement.meter.nano)} in {statement.meter.cells} rows{factor}; "
            "--apply writes the correction entries"
        )
