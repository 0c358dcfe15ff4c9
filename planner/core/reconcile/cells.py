"""Where amounts stand when ledger and bill are compared: a day, a workspace, and what was charged for.

    bill - ledger = what each cause explains + what nobody explains, to the nano-dollar, in every cell

Amounts are nano-dollars. The bill tells them as decimal strings of cents, which are parsed exactly and never as floats.
Source: https://platform.claude.com/docs/en/build-with-claude/usage-cost-api, checked 2026-11-22.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction
from typing import Final, NamedTuple

import msgspec

from planner.core.metering.usage import TokenClasses

NANO_PER_CENT: Final = 10_000_000
TOKENS: Final = tuple(TokenClasses.__struct_fields__)
SEARCH, CODE, SESSION = "web_search", "code_execution", "session_usage"
"""What is charged for besides tokens; a planner does not meter the session time of Managed Agents."""

_CENTS: Final = re.compile(r"-?[0-9]{1,18}(?:\.([0-9]{1,30}))?", re.ASCII)

Counts = tuple[int, int, int, int, int, int]
"""Tokens in the order of `TOKENS`, then web searches."""

NOTHING: Final[Counts] = (0, 0, 0, 0, 0, 0)


class Cell(NamedTuple):
    """A day (UTC, ISO 8601), a workspace, and a description: a kind of charge, of tokens with their model.

    An empty workspace is the organization's default one, or one that is not known; `batch` is half price.
    """

    day: str
    workspace: str
    kind: str
    model: str = ""
    batch: bool = False

    @property
    def description(self) -> str:
        """The description in the planner's words: `claude-opus-5 input`, `web_search`."""
        return f"{self.model} {self.kind}{' (batch)' if self.batch else ''}" if self.model else self.kind


class Cause(StrEnum):
    """Why bill and ledger may differ, in the order in which they are looked for."""

    LAG = "lag"
    MISSING_DAY = "missing_day"
    PRIORITY_TIER = "priority_tier"
    UNPRICED = "unpriced"
    OTHER_DAY = "other_day"
    BATCHES_PAST = "batches_past"
    BYPASS = "bypass"
    LOST_ENTRIES = "lost_entries"
    CUT_STREAMS = "cut_streams"
    TIER_READING = "tier_reading"
    PRICE_ROW = "price_row"
    LATE_CORRECTIONS = "late_corrections"
    MINIMUM_READING = "minimum_reading"
    ALLOWANCE = "allowance"
    OTHER_READING = "other_reading"
    CONTAINER_ESTIMATE = "container_estimate"
    ROUNDING = "rounding"


MEANS: Final[dict[Cause, str]] = {
    Cause.LAG: "not in the reports yet",
    Cause.MISSING_DAY: "days that the cost report lacks",
    Cause.PRIORITY_TIER: "priority tier, which the cost report leaves out",
    Cause.UNPRICED: "requests that the ledger has no price for",
    Cause.OTHER_DAY: "in other rows of the bill",
    Cause.BATCHES_PAST: "results of batches that did not pass the planner",
    Cause.BYPASS: "used past the planner",
    Cause.LOST_ENTRIES: "requests whose cost the ledger lost",
    Cause.CUT_STREAMS: "estimated tokens of cut streams",
    Cause.TIER_READING: "the other reading of the tier of Haiku 5.5",
    Cause.PRICE_ROW: "price rows that the bill contradicts",
    Cause.LATE_CORRECTIONS: "corrections that the bill does not have",
    Cause.MINIMUM_READING: "the other reading of the five-minute minimum",
    Cause.ALLOWANCE: "free hours given otherwise",
    Cause.OTHER_READING: "another setting that the bill contradicts",
    Cause.CONTAINER_ESTIMATE: "container time, which is estimated",
    Cause.ROUNDING: "rounding",
}
"""Each in words for people."""


class Share(msgspec.Struct, frozen=True):
    """What one cause explains of one cell, and by which evidence."""

    cause: Cause
    cell: Cell
    nano: int
    evidence: str


class Cents(NamedTuple):
    """An amount as the bill wrote it: exact nano-dollars, and how many decimals its cents had."""

    nano: Fraction
    decimals: int


def parse_cents(text: str) -> Cents:
    """Return a decimal string of cents: "123.45" is $1.2345.

    Raises:
        ValueError: anything else, such as an exponent, a float's `nan` or an empty string.
    """
    match = _CENTS.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is no decimal number of cents')
    return Cents(Fraction(text) * NANO_PER_CENT, len(match[1] or ""))


def rounded(amount: Fraction) -> int:
    """Whole nano-dollars, half to even."""
    return round(amount)


def plus(one: Counts, other: Counts) -> Counts:
    """The sum of two counts, part by part."""
    return tuple(a + b for a, b in zip(one, other, strict=True))  # type: ignore[return-value]  # as many as there were


def minus(one: Counts, other: Counts) -> Counts:
    """The difference of two counts, part by part."""
    return tuple(a - b for a, b in zip(one, other, strict=True))  # type: ignore[return-value]  # as many as there were


def negative(counts: Counts) -> Counts:
    """What is below 0, the rest left at 0."""
    return tuple(min(each, 0) for each in counts)  # type: ignore[return-value]  # as many as there were


def shared(one: Counts, other: Counts) -> Counts:
    """What both have, part by part, and nothing below 0."""
    return tuple(max(min(a, b), 0) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]  # as many as there were


def searched(counts: Counts) -> Counts:
    """The searches alone."""
    return (0, 0, 0, 0, 0, counts[5])


def clipped(counts: Counts, most: int) -> Counts:
    """As much of the counts as so many tokens are, class by class; searches as they are, or none where that is none."""
    found = []
    for each in counts[:5]:
        found.append(min(each, most))
        most -= found[-1]
    return (*found, counts[5] if any(found) else 0)  # type: ignore[return-value]  # as many as there were


def covers(one: Counts, other: Counts) -> bool:
    """Whether one count has at least what the other has, part by part."""
    return all(a >= b for a, b in zip(one, other, strict=True))


def total(counts: Iterable[Counts]) -> Counts:
    """The sum of many counts."""
    found = NOTHING
    for each in counts:
        found = plus(found, each)
    return found


def counts_of(classes: TokenClasses, searches: int = 0) -> Counts:
    """Token classes and searches as counts."""
    return (*(getattr(classes, name) for name in TOKENS), searches)
