"""The reconciliation of one month as a value: every cell, what explains it, and what ought to be changed because of it.

    difference = explained + unexplained, in every row and in the whole

Causes are looked for in the order of `Cause`. Each takes what its own evidence shows and no more, so that an error of
one kind is not taken for another. What is left is unexplained, and added up without its sign: errors do not cancel.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

import msgspec

from planner.core.money import parse_nano
from planner.core.pricing.prices import PriceBook
from planner.core.reconcile.batches import LIFE, MOST_TOLD, Told
from planner.core.reconcile.cells import CODE, SESSION, Cause, Cell, Share
from planner.core.reconcile.container import Container
from planner.core.reconcile.money import Pricing, WrongPrice
from planner.core.reconcile.ours import Ours
from planner.core.reconcile.readings import Reading, word
from planner.core.reconcile.residual import Residual
from planner.core.reconcile.surplus import Surplus
from planner.core.reconcile.theirs import Bill, name_default
from planner.core.reports.wording import several
from planner.core.rulebook.book import Settings

DEFAULT_THRESHOLD: Final = "0.5%"
_THRESHOLD: Final = re.compile(r"(?:\$([0-9]{1,9}(?:\.[0-9]{1,9})?)|([0-9]{1,3}(?:\.[0-9]{1,6})?)%)", re.ASCII)


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One day, workspace and description, in nano-dollars; `explained` by cause, with its `evidence`."""

    day: str
    workspace: str
    description: str
    ours_nano: int
    theirs_nano: int
    difference_nano: int
    explained: dict[str, int] = {}
    unexplained_nano: int = 0
    evidence: dict[str, str] = {}


class PriceProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A price row that the bill contradicts: its rate times `factor` (a fraction) is what is billed."""

    row: str
    model: str
    kind: str
    tier: str
    factor: str
    first_day: str
    last_day: str
    cells: int
    nano: int


class SettingProposal(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that the figures contradict: which value fits better, what that moves, on how many days.

    `misfit_nano` and `better_misfit_nano` are what container time differs by under the two values, without signs.
    `alike` are other settings with a value each (`key: value`) that fit as well: the bill cannot tell which it is.
    """

    key: str
    value: str
    better: str
    nano: int
    days: int
    misfit_nano: int
    better_misfit_nano: int
    alike: tuple[str, ...] = ()


class MeterProposal(msgspec.Struct, frozen=True, kw_only=True):
    """The container meter: what it is off by, and the factor on what it billed; None where it billed nothing."""

    nano: int
    factor: float | None
    cells: int


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """The whole month in nano-dollars.

    `unexplained_nano` is the sum of the rows' without their signs; `within` says that it is no more than the threshold.
    `batches` are those that were made through the planner, the ones with missing results first; `more_batches` is how
    many are not named, and `missing_results` how many of all did not pass, at most.
    """

    month: str
    organization: str | None
    made_at: str
    known_until: str
    requests: int
    ours_nano: int
    theirs_nano: int
    difference_nano: int
    explained: dict[str, int]
    unexplained_nano: int
    threshold: str
    threshold_nano: int
    within: bool
    rows: tuple[Row, ...]
    prices: tuple[PriceProposal, ...] = ()
    settings: tuple[SettingProposal, ...] = ()
    meter: MeterProposal | None = None
    batches: tuple[Told, ...] = ()
    more_batches: int = 0
    missing_results: int = 0
    notes: tuple[str, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """A statement with what corrections are planned by."""

    statement: Statement
    shares: tuple[Share, ...]
    foreign: frozenset[tuple[str, str]]
    hours_ms: int


def threshold_nano(text: str, bill_nano: int) -> int:
    """The unexplained nano-dollars that are tolerated: `0.5%` of the bill, or `$1`.

    Raises:
        ValueError: anything else.
    """
    match = _THRESHOLD.fullmatch(text)
    if match is None:
        raise ValueError(f"a threshold is a share of the bill as 0.5%, or dollars as $1, not {text!r}")
    if match[1]:
        return parse_nano(match[1])
    return abs(bill_nano) * Fraction(match[2]) // 100


def reconcile(  # noqa: PLR0913 - what a statement is made of, named
    ours: Ours,
    bill: Bill,
    prices: PriceBook,
    settings: Settings,
    *,
    owners: Mapping[str, str],
    organization: str | None,
    threshold: str,
    made_at: datetime,
) -> Found:
    """Hold a month of the ledger against the bill.

    `prices` are those that the organization pays; `owners` are principals by the ids of their API keys, for keys that
    are used through the planner alone. The bill's default workspace gets its name. Raises ValueError for a threshold
    that is none.
    """
    batches = ours.batches.told()
    places = {cell.workspace for cell in ours.nano} | {group.workspace for group in ours.tokens}
    default = name_default(bill, places | {batch.workspace for batch in batches})
    residual = Residual(ours, bill)
    surplus = Surplus(ours, bill, owners)
    _fetched(residual, ours, surplus)
    _lag(residual, ours)
    _missing_days(residual, ours, bill)
    pricing = Pricing(ours, bill, surplus, prices)
    pricing.explain(residual)
    _sessions(residual)
    container = Container(ours, prices, settings, owners)
    container.explain(residual, bill, _unseen(bill, surplus, owners), surplus)
    cells = sorted(residual.difference)
    residual.round_off(cells)
    rows = _rows(residual, ours, bill, cells)
    allowed = threshold_nano(threshold, bill.nano)
    unexplained = sum(abs(row.unexplained_nano) for row in rows)
    explained = {cause.value: 0 for cause in Cause}
    for share in residual.shares:
        explained[share.cause.value] += share.nano
    statement = Statement(
        month=ours.month,
        organization=organization,
        made_at=made_at.isoformat(timespec="seconds"),
        known_until=bill.known_until.isoformat(timespec="seconds"),
        requests=ours.requests,
        ours_nano=sum(ours.nano.values()),
        theirs_nano=sum(residual.theirs.values()),
        difference_nano=sum(residual.difference.values()),
        explained=explained,
        unexplained_nano=unexplained,
        threshold=threshold,
        threshold_nano=allowed,
        within=unexplained <= allowed,
        rows=rows,
        prices=tuple(_price(each) for each in pricing.wrong),
        settings=tuple(_setting(each) for each in (*_tier(residual, settings), *container.readings)),
        meter=_meter(residual, ours),
        batches=batches[:MOST_TOLD],
        more_batches=max(len(batches) - MOST_TOLD, 0),
        missing_results=sum(batch.missing for batch in batches),
        notes=(*_notes(ours, bill, default), *_waiting(batches, made_at), *_untold(container.readings)),
    )
    return Found(statement, residual.shares, frozenset(surplus.foreign), container.hours_ms())


def _fetched(residual: Residual, ours: Ours, surplus: Surplus) -> None:
    """Results that the bill has elsewhere, and their container time, whose amount is the ledger's on both days."""
    found = {passage.request_id: (passage, day) for passage, day, _ in surplus.fetched}
    said = {passage.request_id: evidence for passage, _, evidence in surplus.fetched}
    for request_id, cell, nano in ours.redate(found):
        passage, day = found[request_id]
        if passage.here:
            residual.explain(Cause.OTHER_DAY, cell, -nano, said[request_id])
        if cell.kind == CODE and day[:7] == ours.month:
            residual.explain(Cause.OTHER_DAY, cell._replace(day=day), nano, said[request_id])


def _lag(residual: Residual, ours: Ours) -> None:
    """What the ledger has and the reports cannot know yet."""
    for cell, nano in ours.lag.items():
        residual.explain(Cause.LAG, cell, -nano, "arrived after the moment up to which the reports know")


def _missing_days(residual: Residual, ours: Ours, bill: Bill) -> None:
    """Days of which the cost report has nothing and the ledger has something; a day not closed yet is late."""
    edge = (bill.known_until - timedelta(days=1)).date().isoformat()
    for cell in ours.nano:
        rest = -residual.left[cell]
        if cell.day in bill.cost_days or not rest:
            continue
        if cell.day >= edge:
            residual.explain(Cause.LAG, cell, -rest, "the report has not closed this day")
        else:
            residual.explain(Cause.MISSING_DAY, cell, -rest, "the cost report has nothing of this day")


def _sessions(residual: Residual) -> None:
    """Session time of Managed Agents passes no planner."""
    for cell in sorted(residual.difference):
        if cell.kind == SESSION:
            evidence = "session time of Managed Agents, which no planner meters"
            residual.explain(Cause.BYPASS, cell, residual.left[cell], evidence)


def _unseen(bill: Bill, surplus: Surplus, owners: Mapping[str, str]) -> set[tuple[str, str]]:
    """Keys of which the ledger has seen nothing, those among them that used no token."""
    used = {(variant.workspace, variant.key) for variant in bill.usage}
    ran = {(workspace, key) for _, workspace, key in bill.code if key not in owners}
    return surplus.foreign | (ran - used)


def _rows(residual: Residual, ours: Ours, bill: Bill, cells: Iterable[Cell]) -> tuple[Row, ...]:
    explained: dict[Cell, dict[str, int]] = {}
    evidence: dict[Cell, dict[str, str]] = {}
    for share in residual.shares:
        explained.setdefault(share.cell, {})[share.cause.value] = share.nano
        evidence.setdefault(share.cell, {})[share.cause.value] = share.evidence
    return tuple(
        Row(
            day=cell.day,
            workspace=cell.workspace,
            description=bill.described.get(cell, cell.description),
            ours_nano=ours.nano.get(cell, 0),
            theirs_nano=residual.theirs.get(cell, 0),
            difference_nano=residual.difference[cell],
            explained=explained.get(cell, {}),
            unexplained_nano=residual.left[cell],
            evidence=evidence.get(cell, {}),
        )
        for cell in cells
    )


def _price(wrong: WrongPrice) -> PriceProposal:
    fields = {name: getattr(wrong, name) for name in PriceProposal.__struct_fields__}
    return PriceProposal(**{**fields, "factor": str(wrong.factor)})


def _setting(reading: Reading) -> SettingProposal:
    return SettingProposal(
        key=reading.key,
        value=word(reading.value),
        better=word(reading.better),
        nano=reading.nano,
        days=reading.days,
        misfit_nano=reading.before,
        better_misfit_nano=reading.after,
        alike=reading.alike,
    )


def _waiting(batches: Iterable[Told], now: datetime) -> Iterable[str]:
    """Batches whose results may still pass."""
    waiting = [each for each in batches if each.missing and datetime.fromisoformat(each.made_at) + LIFE > now]
    if waiting:
        yield (
            f"Results of {several(len(waiting), 'batch', 'batches')} did not all pass and can still be fetched. "
            "Fetched through the planner, they are explained by the other day."
        )


def _untold(readings: Sequence[Reading]) -> Iterable[str]:
    """Readings that bill every cell alike: a guess would be right by chance."""
    if len(readings) > 1:
        words = " and ".join(f"{each.key}: {word(each.better)}" for each in readings)
        yield f"The bill would be the same with {words}: this month cannot tell which it is. Set none of them yet."


def _tier(residual: Residual, settings: Settings) -> Iterable[Reading]:
    """The other reading of the tier of Haiku 5.5, where it was believed."""
    shares = [share for share in residual.shares if share.cause is Cause.TIER_READING]
    if shares:
        now = settings.haiku55_tier_on
        other = "iteration_prompt" if now == "summed_prompt" else "summed_prompt"
        moved, days = sum(share.nano for share in shares), {share.cell.day for share in shares}
        before = sum(abs(share.nano) for share in shares)
        yield Reading("haiku55_tier_on", now, other, moved, len(days), before, 0)


def _meter(residual: Residual, ours: Ours) -> MeterProposal | None:
    """By what the container meter is off where the bill charges for it."""
    shares = [share for share in residual.shares if share.cause is Cause.CONTAINER_ESTIMATE]
    if not shares:
        return None
    billed = sum(ours.nano.get(share.cell, 0) for share in shares)
    nano = sum(share.nano for share in shares)
    return MeterProposal(
        nano=nano, factor=round((billed + nano) / billed, 6) if billed > 0 else None, cells=len(shares)
    )


def _notes(ours: Ours, bill: Bill, default: str | None) -> Iterable[str]:
    """What the reader of a statement must know beside it."""
    if not ours.requests:
        yield "The ledger has no request of this organization and month, so nothing was compared with the bill."
    if default is not None:
        yield f"{default} is taken for the default workspace, which the bill does not name."
    if not bill.code_known:
        yield "Analytics told nothing of code execution, so that code of other keys cannot be told from estimates."
    silent = sorted({cell.day for cell in bill.costs} - bill.usage_days)
    if silent:
        yield f"The usage report has nothing of {', '.join(silent)}: tokens of these days could not be compared."
    if ours.unpriced:
        models = sorted({key[2] for key in ours.unpriced})
        yield f"The ledger has no price for requests to {', '.join(models)}: their cost is on the bill only."
    code = [cell for cell in bill.costs if cell.kind == CODE]
    if code and not any(bill.costs[cell] for cell in code):
        yield "The bill charges nothing for code execution: all of it was free."
