"""What `planner report` says, and how: tables for people, columns for spreadsheets, JSON for programs."""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table as RichTable

from planner.core.money import NANO_PER_USD, format_nano
from planner.core.reports.figures import Figures, Kind, Money
from planner.core.reports.forecast import TOO_LITTLE, Forecast
from planner.core.reports.holdout import FEWEST, Measured
from planner.core.reports.showback import RULE, Share
from planner.core.reports.wording import dollars, for_spreadsheets, several

NARROWEST, WIDEST = 80, 160
MOST_ROWS: Final = 50
"""Rows that the page shows; the other forms have them all."""

ROOMY: Final = 100
DISPENSABLE: Final = frozenset({"list", "untouched"})
"""Columns that a narrower page leaves out where rows have several names; the sentences below tell their sums."""

NONE: Final = "(none)"
"""What the page writes where a dimension has no value; the other forms leave it empty."""

SHARED: Final = ("credit_shared_usd", "credit_shared_nano", "cost_shared_usd", "cost_shared_nano")
"""Columns that are filled in where rows are teams of a month."""

_MS_PER_HOUR = 3_600_000


class Period(msgspec.Struct, frozen=True):
    """From when until when (RFC 3339 UTC, the end is not in it), and the month, where it is one."""

    since: str
    until: str
    month: str | None


class Line(msgspec.Struct, frozen=True):
    """A row: the value of each dimension, and the figures."""

    key: dict[str, str]
    figures: Figures


class Closed(msgspec.Struct, frozen=True):
    """That the month is closed: when, by which version, over how many entries, and their seal."""

    at: str
    version: str
    entries: int
    corrections: int
    open: int
    digest: str


class Since(msgspec.Struct, frozen=True):
    """What came to a closed month since, and is in no other figure: `corrections`, and `requests` settled late.

    What each of the two cost is None where only some tags or decisions are asked for, whose sums do not tell it.
    """

    requests: int
    requests_cost: Money | None
    corrections: int
    corrections_cost: Money | None
    total: Figures
    rows: tuple[Line, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it; what does not belong to the question is empty or None, and `notes` say why."""

    period: Period
    by: tuple[str, ...]
    where: dict[str, tuple[str, ...]]
    closed: Closed | None
    rows: tuple[Line, ...]
    total: Figures
    kinds: tuple[Kind, ...]
    unpriced: dict[str, int]
    notional: Figures
    since_closing: Since | None
    holdouts: tuple[Measured, ...]
    showback: tuple[Share, ...]
    forecast: Forecast | None
    notes: tuple[str, ...]


def as_json(report: Report) -> str:
    """The whole report."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def columns() -> tuple[str, ...]:
    """The columns of figures, by the names that JSON has, `_` for the dots."""
    return tuple(_flat_names(Figures))


def as_csv(report: Report) -> str:
    """The rows, and behind them what came since the month was closed; both together are what is known now."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["record", *report.by, *columns(), *SHARED])
    shares = {(share.organization, share.team): share for share in report.showback}
    for line in report.rows:
        writer.writerow(["row", *_values(report, line), *_flat(line.figures), *_shared(report, line, shares)])
    for line in report.since_closing.rows if report.since_closing is not None else ():
        writer.writerow(["since-closing", *_values(report, line), *_flat(line.figures), *[""] * len(SHARED)])
    return out.getvalue()


def as_text(report: Report, width: int) -> str:
    """The page for a terminal of that width."""
    out = io.StringIO()
    console = Console(file=out, width=min(max(width, NARROWEST), WIDEST), color_system=None, highlight=False)

    def say(text: str = "") -> None:
        console.print(text, markup=False, soft_wrap=False)

    for line in _head(report):
        say(line)
    say()
    console.print(_money_table(report, roomy=console.width >= ROOMY or len(report.by) == 1))
    say()
    console.print(_use_table(report))
    say()
    for line in _behind(report):
        say(line)
    credited = {share.organization for share in report.showback if share.credit.nano or share.credit_shared.nano}
    if credited:
        say(f"\nThe free hours, shared {RULE}")
        console.print(_showback_table(report, credited))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _head(report: Report) -> Iterator[str]:
    period = report.period
    span = period.month or f"{_short(period.since)} until {_short(period.until)}"
    asked = "".join(
        f", {name} {' or '.join(value or NONE for value in values)}" for name, values in report.where.items()
    )
    yield f"Report of {span} (UTC) by {', '.join(report.by)}{asked}"
    if report.closed is not None:
        closed = report.closed
        entries = several(closed.entries, "entry", "entries")
        yield f"Closed on {_short(closed.at)} by version {closed.version}: {entries}, seal {closed.digest[:16]}…"


def _behind(report: Report) -> Iterator[str]:
    """What is to be said of the tables, a sentence a line."""
    total = report.total
    yield (
        f"Exactly: cost {_exact(total.cost.nano)}, of it {_exact(total.estimated.nano)} estimated; "
        f"at list price {_exact(total.listed.nano)}."
    )
    if report.unpriced:
        why = ", ".join(f"{number:,} {reason}" for reason, number in report.unpriced.items())
        yield f"Cost unknown, and in no sum: {several(total.unpriced, 'request')} ({why})."
    if total.untouched_known:
        yield (
            f"Saved, as estimated: {_exact(total.saved.nano)}, by {several(total.untouched_known, 'request')} of "
            f"which it is known what they would have cost untouched: {_exact(total.untouched.nano)}, and they cost "
            f"{_exact(total.compared.nano)}."
        )
    if total.container_reuses or total.container_losses or total.minimums_avoided or total.replays:
        yield _containers(total)
    yield from map(_holdout, report.holdouts)
    if report.notional.requests:
        yield (
            f"Subscriptions, in no sum: {several(report.notional.requests, 'request')} not billed by the token "
            f"(by the price list {_exact(report.notional.cost.nano)})."
        )
    if report.since_closing is not None:
        yield from _since(report.since_closing)
    if report.forecast is not None:
        yield _forecast(report.forecast)
    yield from report.notes


def _containers(total: Figures) -> str:
    """What became of containers; what they spared is an estimate, and part of what was saved."""
    saved = f"{total.start_saved_ms / 1000:,.1f} s of starts"
    return (
        f"Containers: {total.container_starts:,} started, {total.container_reuses:,} gone on in, "
        f"{total.container_losses:,} lost; {several(total.replays, 'request')} sent again. Spared, as estimated: "
        f"{several(total.minimums_avoided, 'minimum')} ({_exact(total.avoided.nano)}) and {saved}."
    )


def _since(since: Since) -> Iterator[str]:
    amended, late = (
        "" if cost is None else f" ({_exact(cost.nano)})" for cost in (since.corrections_cost, since.requests_cost)
    )
    more = since.total.cost.nano
    yield (
        f"Since closing, and in no figure above: {several(since.corrections, 'correction')}{amended}, "
        f"{several(since.requests, 'request')} settled late{late}; by what is known now it cost {_exact(abs(more))} "
        f"{'less' if more < 0 else 'more'} than was closed."
    )


def _forecast(told: Forecast) -> str:
    if told.expected is None or told.low is None or told.high is None:
        return TOO_LITTLE
    low, likely, high = (_signed(dollars(each.nano, 2)) for each in (told.low, told.expected, told.high))
    return (
        f"By the end of {told.month}: {likely} expected, {low} to {high} in 80 % of cases; "
        f"{_exact(told.spent.nano)} so far."
    )


def _holdout(each: Measured) -> str:
    arms = f"{each.treated:,} prefix-days against {each.held_out:,} held out"
    if each.saved_nano is None or each.low is None or each.high is None:
        return f"Hold-out of {each.policy}: not yet measurable, {arms}; {FEWEST} each are needed."
    saved, low, high = (_exact(round(value)) for value in (each.saved_nano, each.low, each.high))
    return f"Hold-out of {each.policy}: {saved} saved a request ({low} to {high} in 80 % of cases), {arms}."


def _money_table(report: Report, *, roomy: bool) -> RichTable:
    decimals = _decimals(report)
    lacking = ("unpriced",) if report.unpriced else ()
    sums: dict[str, Callable[[Figures], Money]] = {
        "list": lambda each: each.listed,
        "credit": lambda each: each.credit,
        "cost": lambda each: each.cost,
        "untouched": lambda each: each.untouched,
        "saved": lambda each: each.saved,
    }
    shown = {name: get for name, get in sums.items() if roomy or name not in DISPENSABLE}
    table = _table(report.by, "requests", *lacking, *shown, "/conv.")

    def add(values: Sequence[str], each: Figures) -> None:
        per = "" if each.per_conversation is None else dollars(each.per_conversation.nano, 4)
        counts = (each.requests, each.unpriced)[: 1 + len(lacking)]
        told = (*(f"{number:,}" for number in counts), *(dollars(get(each).nano, decimals) for get in shown.values()))
        table.add_row(*values, *told, per)

    _fill(table, report, add)
    return table


def _use_table(report: Report) -> RichTable:
    searches = ("searches",) if report.total.web_searches else ()
    table = _table(report.by, "input", "cache wr.", "cache rd.", "output", *searches, "code h", "low-high")

    def add(values: Sequence[str], each: Figures) -> None:
        tokens, time = each.tokens, each.container_ms
        counts = (tokens.input, tokens.cache_write_5m + tokens.cache_write_1h, tokens.cache_read, tokens.output)
        table.add_row(
            *values,
            *(_count(number) for number in counts),
            *(f"{each.web_searches:,}" for _ in searches),
            _hours(time.likely),
            f"{_hours(time.low)}-{_hours(time.high)}",
        )

    _fill(table, report, add)
    return table


def _fill(table: RichTable, report: Report, add: Any) -> None:  # noqa: ANN401 - adds a row of either table
    for line in report.rows[:MOST_ROWS]:
        add([_plain(value) for value in line.key.values()], line.figures)
    more = len(report.rows) - MOST_ROWS
    if more > 0:
        table.add_row(f"… {more:,} more in --format csv")
    table.add_section()
    add(["total", *[""] * (len(report.by) - 1)], report.total)


def _showback_table(report: Report, credited: Collection[str]) -> RichTable:
    decimals = _decimals(report)
    table = _table(("organization", "team"), "billable h", "credit", "shared", "cost", "with shared")
    for share in (share for share in report.showback if share.organization in credited):
        sums = (share.credit, share.credit_shared, share.cost, share.cost_shared)
        names = (_plain(share.organization), _plain(share.team))
        table.add_row(*names, _hours(share.billable_ms), *(dollars(money.nano, decimals) for money in sums))
    return table


def _table(names: Sequence[str], *figures: str) -> RichTable:
    table = RichTable(box=None, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for name in names:
        table.add_column(name, overflow="fold", min_width=6)
    for name in figures:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _decimals(report: Report) -> int:
    largest = max(abs(report.total.cost.nano), abs(report.total.listed.nano))
    return 2 if largest >= 100 * NANO_PER_USD else 4


def _count(number: int) -> str:
    """Tokens for people, in at most seven characters."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if abs(number) >= size:
            return f"{number / (10**3 if unit == 'k' else size):,.1f}{unit}"
    return f"{number:,}"


def _hours(milliseconds: int) -> str:
    hours = milliseconds / _MS_PER_HOUR
    return f"{hours:,.1f}" if abs(hours) >= 100 else f"{hours:.3f}"


def _exact(nano: int) -> str:
    """Dollars with every digit."""
    return _signed(format_nano(nano))


def _signed(dollars: str) -> str:
    return f"-${dollars[1:]}" if dollars.startswith("-") else f"${dollars}"


def _short(at: str) -> str:
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M}"


def _plain(value: str) -> str:
    """A name as a table may show it: rich would take brackets for its own, a terminal what is not printable."""
    return "".join(sign if sign.isprintable() else "?" for sign in value).replace("[", "\\[") or NONE


def _values(report: Report, line: Line) -> list[str]:
    """Names as a spreadsheet may open them: clients choose tags and models, and some would be taken for formulas."""
    values = (line.key[name] for name in report.by)
    return [for_spreadsheets(value) for value in values]


def _shared(report: Report, line: Line, shares: Mapping[tuple[str, str], Share]) -> list[str | int]:
    """The shared credit of rows that are teams, where all of a team's organizations are in the row."""
    mine: list[Share] = []
    if "team" in report.by and set(report.by) <= {"month", "organization", "team"}:
        mine = [
            share
            for (organization, team), share in shares.items()
            if team == line.key["team"] and line.key.get("organization", organization) == organization
        ]
    if not mine:
        return [""] * len(SHARED)
    credit = sum(share.credit_shared.nano for share in mine)
    cost = line.figures.cost.nano - line.figures.credit.nano + credit
    return [format_nano(credit), credit, format_nano(cost), cost]


def _flat_names(struct: type[msgspec.Struct], front: str = "") -> Iterator[str]:
    for field in msgspec.structs.fields(struct):
        inner = _inner(field.type)
        yield from [front + field.name] if inner is None else _flat_names(inner, f"{front}{field.name}_")


def _flat(value: msgspec.Struct) -> Iterator[object]:
    for field in msgspec.structs.fields(type(value)):
        each, inner = getattr(value, field.name), _inner(field.type)
        if inner is None:
            yield each
        elif each is None:
            yield from [""] * len(list(_flat_names(inner)))
        else:
            yield from _flat(each)


def _inner(kind: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 - a type as written in a struct
    kinds = (kind, *getattr(kind, "__args__", ()))
    return next((each for each in kinds if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)
