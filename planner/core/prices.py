"""A price is a row with a source: what a model or a tool costs, from when until when, and who says so.

What has no row, or no published multiplier, is *unpriced with a reason*; it never costs 0.
Source: https://platform.claude.com/docs/en/about-claude/pricing
"""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from fnmatch import translate
from fractions import Fraction
from typing import Literal

import msgspec

from planner.core.money import format_nano, line_nano
from planner.core.usage import Modifiers, TokenClasses

Basis = Literal["measured", "estimated", "notional"]
Mark = Literal["A", "B", "C", "?"]
Component = Literal["web_search", "code_execution"]

_MS_PER_HOUR = 3_600_000
_MODELS_REMEMBERED = 1_024  # ids come from clients, so what is remembered of them is bounded


class Line(msgspec.Struct, frozen=True):
    """One cost line of a ledger entry: `quantity` in `unit`, and what it costs in nano-dollars."""

    kind: str
    quantity: int | str
    unit: str
    nano: int
    basis: Basis


class Unpriced(msgspec.Struct, frozen=True):
    """No cost is known, and why: `unknown-model`, `no-price-for-fast`, …; never a cost of 0."""

    reason: str


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Pico-dollars per token of each disjoint token class (dollars per million tokens, times a million)."""

    input: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int
    output: int


class Tier(msgspec.Struct, frozen=True):
    """Rates of the whole request when its prompt is longer than `prompt_tokens`."""

    prompt_tokens: int
    rates: Rates


class Multipliers(msgspec.Struct, frozen=True, kw_only=True):
    """Published factors on every token class; None where none is published."""

    batch: Fraction | None = None
    fast: Fraction | None = None
    us: Fraction | None = None


class PriceRow(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of the models that match, from `since` (00:00 UTC, inclusive) until `until` (exclusive)."""

    name: str
    models: tuple[str, ...]
    since: date | None = None
    until: date | None = None
    rates: Rates
    over: Tier | None = None
    multipliers: Multipliers = Multipliers()
    source: str
    checked: date
    mark: Mark
    revoked: bool = False

    def in_force(self, day: date) -> bool:
        """Say whether the row holds on a day (UTC)."""
        return not self.revoked and _within(day, self.since, self.until)

    def rates_for(self, prompt_tokens: int) -> Rates:
        """Return the rates of a whole request with such a prompt; the tier begins strictly above its threshold."""
        if self.over is not None and prompt_tokens > self.over.prompt_tokens:
            return self.over.rates
        return self.rates


class ToolRow(msgspec.Struct, frozen=True, kw_only=True):
    """The price of a server tool: per use (`web_search`) or per container hour (`code_execution`), in pico-dollars."""

    component: Component
    pico_per_use: int | None = None
    pico_per_hour: int | None = None
    minimum_ms: int = 0
    since: date | None = None
    until: date | None = None
    source: str
    checked: date
    mark: Mark
    revoked: bool = False

    def in_force(self, day: date) -> bool:
        """Say whether the row holds on a day (UTC)."""
        return not self.revoked and _within(day, self.since, self.until)


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Every price row, looked up by model and time; the first row that matches both wins.

    `digest` is 16 hex digits over the content, comments left out; `checked` is the newest day on which a row was
    compared with its source, None for an empty book.
    """

    rows: tuple[PriceRow, ...] = ()
    tools: tuple[ToolRow, ...] = ()
    digest: str = field(init=False, compare=False)
    checked: date | None = field(init=False, compare=False)
    _matchers: tuple[tuple[Callable[[str], object], PriceRow], ...] = field(init=False, compare=False, repr=False)
    _found: dict[str, tuple[PriceRow, ...]] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        live = [row.checked for row in self.rows if not row.revoked]
        live += [row.checked for row in self.tools if not row.revoked]
        matchers = tuple((_matcher(row.models), row) for row in self.rows if not row.revoked)
        object.__setattr__(self, "digest", digest_of((self.rows, self.tools)))
        object.__setattr__(self, "checked", max(live, default=None))
        object.__setattr__(self, "_matchers", matchers)
        object.__setattr__(self, "_found", {})

    def lookup(self, model: str, at: datetime) -> PriceRow | None:
        """Return the row for a model at an aware time, or None when nobody published a price."""
        found = self._found.get(model)
        if found is None:
            found = tuple(row for matches, row in self._matchers if matches(model))
            if len(self._found) >= _MODELS_REMEMBERED:
                self._found.clear()
            self._found[model] = found
        day = utc_day(at)
        for row in found:
            if row.in_force(day):
                return row
        return None

    def tool(self, component: str, at: datetime) -> ToolRow | None:
        """Return the row of a server tool at an aware time, or None."""
        day = utc_day(at)
        for row in self.tools:
            if row.component == component and row.in_force(day):
                return row
        return None

    def request_lines(
        self, model: str, at: datetime, classes: TokenClasses, modifiers: Modifiers, basis: Basis = "measured"
    ) -> tuple[Line, ...] | Unpriced:
        """Return the token lines of one request to `model`; `unknown-model` when it has no row."""
        row = self.lookup(model, at)
        return Unpriced("unknown-model") if row is None else token_lines(row, classes, modifiers, basis)

    def tool_line(self, component: str, uses: int, at: datetime, basis: Basis = "measured") -> Line | Unpriced | None:
        """Return the line of a tool that is billed per use; None for no use at all."""
        if uses == 0:
            return None
        row = self.tool(component, at)
        if row is None or row.pico_per_use is None:
            return Unpriced(f"no-price-for-{component.replace('_', '-')}")
        return Line(component, uses, "use", line_nano(uses, row.pico_per_use), basis)

    def time_line(
        self, component: str, milliseconds: int, at: datetime, basis: Basis = "estimated"
    ) -> Line | Unpriced | None:
        """Return the list-price line of billed container time, its quantity in seconds; None for no time at all.

        The minimum (`ToolRow.minimum_ms`) belongs to a session, so whoever keeps sessions adds it to `milliseconds`.
        """
        if milliseconds == 0:
            return None
        row = self.tool(component, at)
        if row is None or row.pico_per_hour is None:
            return Unpriced(f"no-price-for-{component.replace('_', '-')}")
        seconds = format_nano(milliseconds * 1_000_000)
        return Line(component, seconds, "second", line_nano(milliseconds, row.pico_per_hour, (1, _MS_PER_HOUR)), basis)


def token_lines(
    row: PriceRow, classes: TokenClasses, modifiers: Modifiers, basis: Basis = "measured"
) -> tuple[Line, ...] | Unpriced:
    """Return one line a token class that was used; a class with 0 tokens has no line.

    The tier is chosen by the whole prompt, multipliers stack, and each line is rounded once. A modifier that is
    unknown or has no published factor makes the request `Unpriced`: a guess would look like a fact in the ledger.
    """
    if modifiers.unknown:
        return Unpriced("unknown-modifier")
    if modifiers.priority:
        return Unpriced("no-price-for-priority")  # bought as a commitment, and absent from the cost report
    factors = []
    for name in ("batch", "fast", "us"):
        if getattr(modifiers, name):
            factor = getattr(row.multipliers, name)
            if factor is None:
                return Unpriced(f"no-price-for-{name}")
            factors.append(factor)
    rates = row.rates_for(classes.prompt)
    used = (
        ("input", classes.input, rates.input),
        ("cache_write_5m", classes.cache_write_5m, rates.cache_write_5m),
        ("cache_write_1h", classes.cache_write_1h, rates.cache_write_1h),
        ("cache_read", classes.cache_read, rates.cache_read),
        ("output", classes.output, rates.output),
    )
    return tuple(Line(kind, n, "token", line_nano(n, pico, *factors), basis) for kind, n, pico in used if n)


def utc_day(at: datetime) -> date:
    """Return the UTC day of an aware time; ValueError for a naive one, which has no day."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone has no price: pass an aware datetime")
    return at.astimezone(UTC).date()


def digest_of(value: object) -> str:
    """Return the first 16 hex digits of SHA-256 over the canonical JSON of a value made of rule rows."""
    canonical = msgspec.json.encode(value, enc_hook=str, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def _within(day: date, since: date | None, until: date | None) -> bool:
    return (since is None or day >= since) and (until is None or day < until)


def _matcher(patterns: Iterable[str]) -> Callable[[str], object]:
    return re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns)).match
