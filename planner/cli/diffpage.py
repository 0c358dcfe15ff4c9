"""What `planner rules diff` reports, and its two pages: a table for terminals, and a comment for a pull request."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from planner.core.money import format_nano
from planner.core.preview.bookdiff import Difference
from planner.core.replay.comparison import Change, Decisions, Moves, Ruled, Share, Traffic

MOST_ROWS: Final = 20
"""Rows of one table that a page shows; JSON has them all."""

MOST_NAMES: Final = 3
"""Teams or models that are named behind a change."""

_SIGNS: Final = re.compile(r"[\\`*_\[\]>|~$]")


class Book(msgspec.Struct, frozen=True, kw_only=True):
    """One side: the directory as it was named, and the digests of its rule book and price book."""

    directory: str
    rules: str
    prices: str


class PricePart(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of line costs under both price books, by the model that answered."""

    model: str
    kind: str
    before_nano: int
    after_nano: int


class PriceEffect(msgspec.Struct, frozen=True, kw_only=True):
    """Recorded token classes at both books' prices, whatever is decided; `requests` are those that both can price.

    `unpriced_before` and `unpriced_after` count requests that one side cannot price, by reason and model.
    """

    requests: int
    before_nano: int
    after_nano: int
    moved_nano: int
    parts: tuple[PricePart, ...]
    unpriced_before: dict[str, int]
    unpriced_after: dict[str, int]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. Without recorded traffic `traffic`, `decisions` and `money` are None, and `prices` without a ledger.

    `given` are the words of `--set` and `--since`; `source` is what was played, `left_out` what of it could not be.
    """

    old: Book
    new: Book
    given: dict[str, tuple[str, ...]]
    structure: tuple[Difference, ...]
    source: str | None
    left_out: dict[str, int]
    traffic: Traffic | None = None
    decisions: Decisions | None = None
    money: Moves | None = None
    prices: PriceEffect | None = None


def verdict(report: Report) -> str:
    """The answer in a sentence or two."""
    traffic, decisions, money = report.traffic, report.decisions, report.money
    told = "The rule books are equal." if report.old.rules == report.new.rules else _changed_rows(report.structure)
    if traffic is None or decisions is None or money is None:
        return f"{told} No recorded traffic was played, so nothing is said of decisions and money."
    if not traffic.requests:
        return f"{told} There is no recorded traffic in {report.source}, so nothing is said of decisions and money."
    other = "No request" if not decisions.changed else f"{decisions.changed:,} of {traffic.requests:,} requests"
    moved = money.moved_nano
    cost = "the same" if not moved else f"{_dollars(abs(moved))} {'more' if moved > 0 else 'less'}{_part(money)}"
    are = "is" if decisions.changed <= 1 else "are"
    outcomes = f", {decisions.outcomes:,} of them with another outcome" if decisions.outcomes else ""
    said = f"{told} {other} {are} decided otherwise{outcomes}; the traffic would cost {cost}."
    if report.prices is not None and report.prices.moved_nano:
        effect = report.prices.moved_nano
        said += f" New prices alone make it {_dollars(abs(effect))} {'dearer' if effect > 0 else 'cheaper'}."
    if money.unweighed_web:
        bounded = _several(money.unweighed_web, "request")
        said += f" Not weighed: other web bounds of {bounded}, but for searches that a lower max_uses takes away."
    return said


def text(report: Report) -> Iterator[str]:
    """The page for a terminal."""
    yield f"{report.old.directory} (rule book {report.old.rules}, price book {report.old.prices})"
    yield f"  → {report.new.directory} (rule book {report.new.rules}, price book {report.new.prices})"
    yield from (f"with --{flag} {' '.join(words)}" for flag, words in report.given.items() if words)
    yield ""
    yield verdict(report)
    if report.structure:
        yield "\nRules"
        yield from (f"  {row}" for row in _shown(list(_rows(report.structure))))
    traffic, decisions, money = report.traffic, report.decisions, report.money
    if traffic is None or decisions is None or money is None or not traffic.requests:
        return
    yield f"\n{_span(report, traffic)}"
    if decisions.changes:
        yield "\nDecisions"
        yield from _shown([f"  {row}" for row in map(_change, decisions.changes)])
    for title, shares in _tables(money):
        yield f"\n{title:<34}{'requests':>10}{'before':>16}{'after':>16}{'moved':>16}"
        rows = [
            f"  {each.name:<32}{each.requests:>10,}{_dollars(each.before_nano):>16}{_dollars(each.after_nano):>16}"
            f"{_signed(each.moved_nano):>16}"
            for each in shares
        ]
        yield from _shown(rows)
    if money.unpriced:
        yield f"\nRequests without a price, which are in no sum: {money.unpriced:,}"
    yield from _price_lines(report)


def markdown(report: Report) -> Iterator[str]:
    """The page as a comment: the answer first, every table folded."""
    yield f"**Rules diff.** {_safe(verdict(report))}\n"
    yield f"`{_code(report.old.directory)}` → `{_code(report.new.directory)}`" + "".join(
        f", `--{flag} {_code(word)}`" for flag, words in report.given.items() for word in words
    )
    if report.structure:
        rows = [f"- {_safe(row)}" for row in _rows(report.structure)]
        yield from _folded(f"Rules: {_several(len(rows), 'row')}", rows)
    traffic, decisions, money = report.traffic, report.decisions, report.money
    if traffic is None or decisions is None or money is None or not traffic.requests:
        return
    if decisions.changes:
        head = ["| action | before | after | requests | moved | teams | models |", "|---|---|---|--:|--:|---|---|"]
        rows = [
            f"| {each.action} | {_safe(_ruled(each.before))} | {_safe(_ruled(each.after))} | {each.requests:,} |"
            f" {_safe(_signed(each.moved_nano))} | {_safe(_names(each.teams))} | {_safe(_names(each.models))} |"
            for each in decisions.changes
        ]
        yield from _folded(f"Decisions: {decisions.changed:,} of {traffic.requests:,} requests", rows, head)
    for title, shares in _tables(money):
        head = [f"| {title.lower().removeprefix('by ')} | requests | before | after | moved |", "|---|--:|--:|--:|--:|"]
        rows = [
            f"| {_safe(each.name)} | {each.requests:,} | {_safe(_dollars(each.before_nano))} |"
            f" {_safe(_dollars(each.after_nano))} | {_safe(_signed(each.moved_nano))} |"
            for each in shares
        ]
        yield from _folded(f"Money {title.lower()}", rows, head)
    lines = [f"- {_safe(line.strip())}" for line in _price_lines(report)]
    if lines:
        yield from _folded("Prices on recorded usage", lines)
    unpriced = f" Without a price, and in no sum: {money.unpriced:,}." if money.unpriced else ""
    yield f"\n{_safe(_span(report, traffic))}{unpriced}"


def _folded(title: str, rows: Sequence[str], head: Sequence[str] = ()) -> Iterator[str]:
    yield f"\n<details><summary>{_safe(title)}</summary>\n"
    yield from head
    shown = list(rows[:MOST_ROWS])
    yield from shown
    if len(rows) > len(shown):
        yield f"\n… and {len(rows) - len(shown):,} more: `--format json` has them all."
    yield "\n</details>"


def _shown(rows: Sequence[str]) -> Iterator[str]:
    yield from rows[:MOST_ROWS]
    if len(rows) > MOST_ROWS:
        yield f"  … and {len(rows) - MOST_ROWS:,} more: --format json has them all"


def _rows(structure: Sequence[Difference]) -> Iterator[str]:
    for each in structure:
        members = "; ".join(
            f"{member.member} {member.before or 'nothing'} → {member.after or 'nothing'}".strip()
            for member in each.members
        )
        yield f"{each.kind} {each.name} {each.change}{f': {members}' if members else ''}"


def _changed_rows(structure: Sequence[Difference]) -> str:
    kinds = list(dict.fromkeys(each.kind for each in structure))
    named = [_several(sum(each.kind == kind for each in structure), kind) for kind in kinds]
    if not named:
        return "The rules say the same in other words."
    last = f" and {named[-1]}" if len(named) > 1 else ""
    return f"{', '.join(named[:-1]) or named[0]}{last} {'differs' if len(structure) == 1 else 'differ'}."


def _several(number: int, kind: str) -> str:
    plural = {"policy": "policies"}.get(kind, f"{kind}s")
    return f"{number:,} {kind if number == 1 else plural}"


def _change(each: Change) -> str:
    who = f"{_names(each.teams)}; {_names(each.models)}"
    return (
        f"{each.requests:>7,}  {each.action}: {_ruled(each.before)} → {_ruled(each.after)}"
        f"  {_signed(each.moved_nano)}  ({who})"
    )


def _ruled(each: Ruled) -> str:
    reason = f";{each.reason}" if each.reason else ""
    return f"{each.outcome or 'nothing'}{reason}{f' by {each.policy}' if each.policy else ''}"


def _names(counted: dict[str, int]) -> str:
    named = [f"{name} {number:,}" for name, number in list(counted.items())[:MOST_NAMES]]
    more = len(counted) - len(named)
    return ", ".join(named) + (f", {more} more" if more else "")


def _tables(money: Moves) -> Iterator[tuple[str, Sequence[Share]]]:
    for title, shares in (("By team", money.by_team), ("By policy", money.by_policy), ("By kind", money.by_kind)):
        moved = [each for each in shares if each.moved_nano]
        if moved:
            yield title, moved


def _price_lines(report: Report) -> Iterator[str]:
    effect = report.prices
    if effect is None:
        return
    yield f"\nPrices, on what {effect.requests:,} requests used: {_signed(effect.moved_nano)}, whatever is decided"
    parts = [part for part in effect.parts if part.before_nano != part.after_nano]
    for part in parts[:MOST_ROWS]:
        yield f"  {part.model} {part.kind}: {_dollars(part.before_nano)} → {_dollars(part.after_nano)}"
    for side, lacks in (("before", effect.unpriced_before), ("after", effect.unpriced_after)):
        for why, number in lacks.items():
            yield f"  {side}, without a price: {number:,} ({why})"


def _span(report: Report, traffic: Traffic) -> str:
    left = sum(report.left_out.values())
    return (
        f"Played: {traffic.requests:,} requests in {traffic.conversations:,} conversations of"
        f" {traffic.principals:,} principals, {traffic.first} to {traffic.last}, from {report.source}"
        f"{f'; {traffic.warm_up:,} before them to warm up' if traffic.warm_up else ''}"
        f"{f'; {left:,} left out' if left else ''}."
    )


def _part(money: Moves) -> str:
    return f" ({100 * money.moved_nano / money.before_nano:+.1f} %)" if money.before_nano else ""


def _dollars(nano: int) -> str:
    return f"-${format_nano(-nano)}" if nano < 0 else f"${format_nano(nano)}"


def _signed(nano: int) -> str:
    return f"+{_dollars(nano)}" if nano > 0 else _dollars(nano)


def _safe(said: str) -> str:
    """Text that Markdown takes as it stands: names come from rule files, and a table cell ends at a bar."""
    return " ".join(_SIGNS.sub(r"\\\g<0>", said.replace("<", "&lt;")).split())


def _code(said: str) -> str:
    return said.replace("`", "'")
