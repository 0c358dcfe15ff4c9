"""A price is a row with a source: what a model or a tool costs, from when until when, and who says so.

What has no row, or no published multiplier, is *unpriced with a reason*; it never costs 0. Each line is rounded once at
contracted price and, where an organization has a discount on it, once more at list price: neither is made of the other.
Source: https://platform.claude.com/docs/en/about-claude/pricing
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from fractions import Fraction
from typing import Final, Literal

import msgspec

from planner.core.metering.usage import Modifiers, TokenClasses
from planner.core.money import Factor, format_nano, line_nano, parse_nano
from planner.core.pricing.dated import Dated, one_of, utc_day
from planner.core.pricing.discounts import FULL, TOKENS, Contract, Discount

Basis = Literal["measured", "estimated", "notional"]
Component = Literal["web_search", "code_execution"]
CODE: Final = "code_execution"
CREDIT: Final = "allowance_credit"
"""Kinds of lines of container time: at full price, and what free hours take back of it."""
NANO_PER_MS: Final = 1_000_000
"""Billionths of a second in a millisecond: `format_nano` writes seconds as it writes dollars."""

_MS_PER_HOUR = 3_600_000
_REMEMBERED = 1_024  # model ids come from clients, organizations from answers: what is remembered of them is bounded
_LONGEST = 256  # characters: a longer id is none that has a price, and is looked at anew
_NOTHING_AGREED: Mapping[str, Fraction] = {}


class Line(msgspec.Struct, frozen=True, omit_defaults=True):
    """One cost line of a ledger entry: `quantity` in `unit`, and what it costs in nano-dollars at contracted price.

    `list_nano` is what it costs at list price, None where that is the same.
    """

    kind: str
    quantity: int | str
    unit: str
    nano: int
    basis: Basis
    list_nano: int | None = None

    @property
    def listed(self) -> int:
        """Nano-dollars at list price."""
        return self.nano if self.list_nano is None else self.list_nano

    @property
    def milliseconds(self) -> int:
        """The quantity of a line of container time, whose unit is a second, as whole milliseconds."""
        return parse_nano(str(self.quantity)) // NANO_PER_MS


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


class PriceRow(Dated, frozen=True, kw_only=True):
    """Prices of the models that match."""

    name: str
    models: tuple[str, ...]
    rates: Rates
    over: Tier | None = None
    multipliers: Multipliers = Multipliers()

    def rates_for(self, prompt_tokens: int) -> Rates:
        """Return the rates of a whole request with such a prompt; the tier begins strictly above its threshold."""
        if self.over is not None and prompt_tokens > self.over.prompt_tokens:
            return self.over.rates
        return self.rates


class ToolRow(Dated, frozen=True, kw_only=True):
    """The price of a server tool: per use (`web_search`) or per container hour (`code_execution`), in pico-dollars."""

    component: Component
    pico_per_use: int | None = None
    pico_per_hour: int | None = None
    minimum_ms: int = 0


@dataclass(frozen=True, slots=True)
class PriceBook:
    """Every price row, looked up by model and time; the first row that matches both wins.

    Amounts are those of one `organization`, which `contracted` picks; None has the discounts that everyone has.
    `digest` is 16 hex digits over the content, comments left out; `checked` is the newest day on which a row was
    compared with its source, None for an empty book.
    """

    rows: tuple[PriceRow, ...] = ()
    tools: tuple[ToolRow, ...] = ()
    discounts: tuple[Discount, ...] = ()
    organization: str | None = None
    digest: str = field(init=False, compare=False)
    checked: date | None = field(init=False, compare=False)
    _matchers: tuple[tuple[Callable[[str], object], PriceRow], ...] = field(init=False, compare=False, repr=False)
    _found: dict[str, tuple[PriceRow, ...]] = field(init=False, compare=False, repr=False)
    _contract: Contract = field(init=False, compare=False, repr=False)
    _contracted: dict[str, "PriceBook"] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        live: list[date] = [row.checked for row in (*self.rows, *self.tools) if not row.revoked]
        matchers = tuple((one_of(row.models), row) for row in self.rows if not row.revoked)
        object.__setattr__(self, "digest", digest_of((self.rows, self.tools, self.discounts)))
        object.__setattr__(self, "checked", max(live, default=None))
        object.__setattr__(self, "_matchers", matchers)
        object.__setattr__(self, "_found", {})
        object.__setattr__(self, "_contract", Contract(self.discounts, self.organization))
        object.__setattr__(self, "_contracted", {})

    def contracted(self, organization: str | None) -> "PriceBook":
        """Return the same book with the amounts that an organization pays; None for one that is not known."""
        if organization == self.organization or not any(each.organizations for each in self.discounts):
            return self
        if organization is None:
            return replace(self, organization=None)
        found = self._contracted.get(organization)
        if found is None:
            if len(self._contracted) >= _REMEMBERED:
                self._contracted.clear()
            found = self._contracted[organization] = replace(self, organization=organization)
        return found

    def factor(self, component: str, model: str | None, at: datetime) -> Fraction:
        """Return what the list price of a component (a token class of a model, or a tool) is multiplied with."""
        return FULL if self._contract.empty else self._contract.factor(component, model, utc_day(at))

    def lookup(self, model: str, at: datetime) -> PriceRow | None:
        """Return the row for a model at an aware time, or None when nobody published a price."""
        found = self._found.get(model)
        if found is None:
            found = tuple(row for matches, row in self._matchers if matches(model))
            if len(model) <= _LONGEST:
                if len(self._found) >= _REMEMBERED:
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
        return self.tier_lines(model, at, ((classes, classes.prompt),), modifiers, basis)

    def tier_lines(
        self,
        model: str,
        at: datetime,
        parts: Iterable[tuple[TokenClasses, int]],
        modifiers: Modifiers,
        basis: Basis = "measured",
    ) -> tuple[Line, ...] | Unpriced:
        """Return the token lines of tokens to `model`, each part with the prompt that chooses its tier.

        Parts of one tier are added up before they are rounded, so a request has at most one line a class and tier.
        """
        row = self.lookup(model, at)
        if row is None:
            return Unpriced("unknown-model")
        tiers: dict[bool, tuple[TokenClasses, int]] = {}
        for classes, prompt in parts:
            over = row.over is not None and prompt > row.over.prompt_tokens
            before = tiers.get(over)
            tiers[over] = (classes, prompt) if before is None else (before[0] + classes, prompt)
        agreed: dict[str, Fraction] = (
            {} if self._contract.empty else {kind: self.factor(kind, model, at) for kind in TOKENS}
        )
        lines: list[Line] = []
        for classes, prompt in tiers.values():
            priced = token_lines(row, classes, modifiers, basis, prompt=prompt, agreed=agreed)
            if isinstance(priced, Unpriced):
                return priced
            lines += priced
        return tuple(lines)

    def tool_line(self, component: str, uses: int, at: datetime, basis: Basis = "measured") -> Line | Unpriced | None:
        """Return the line of a tool that is billed per use; None for no use at all."""
        if uses == 0:
            return None
        row = self.tool(component, at)
        if row is None or row.pico_per_use is None:
            return Unpriced(f"no-price-for-{component.replace('_', '-')}")
        nano, listed = _amounts(self.factor(component, None, at), uses, row.pico_per_use)
        return Line(component, uses, "use", nano, basis, listed)

    def time_line(
        self, component: str, milliseconds: int, at: datetime, basis: Basis = "estimated"
    ) -> Line | Unpriced | None:
        """Return the line of billed container time, its quantity in seconds; None for no time at all.

        The minimum (`ToolRow.minimum_ms`) belongs to a session, so whoever keeps sessions adds it to `milliseconds`.
        """
        if milliseconds == 0:
            return None
        row = self.tool(component, at)
        if row is None or row.pico_per_hour is None:
            return Unpriced(f"no-price-for-{component.replace('_', '-')}")
        seconds = format_nano(milliseconds * 1_000_000)
        agreed = self.factor(component, None, at)
        nano, listed = _amounts(agreed, milliseconds, row.pico_per_hour, (1, _MS_PER_HOUR))
        return Line(component, seconds, "second", nano, basis, listed)


def token_lines(
    row: PriceRow,
    classes: TokenClasses,
    modifiers: Modifiers,
    basis: Basis = "measured",
    *,
    prompt: int | None = None,
    agreed: Mapping[str, Fraction] = _NOTHING_AGREED,
) -> tuple[Line, ...] | Unpriced:
    """Return one line a token class that was used; a class with 0 tokens has no line.

    The tier is chosen by the whole prompt (that of the classes, unless another is told), multipliers and the `agreed`
    factor of a class stack, and each amount is rounded once. A modifier that is unknown or has no published factor
    makes the request `Unpriced`: a guess would look like a fact in the ledger.
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
    rates = row.rates_for(classes.prompt if prompt is None else prompt)
    lines = []
    for kind in ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output"):
        if tokens := getattr(classes, kind):
            nano, listed = _amounts(agreed.get(kind, FULL), tokens, getattr(rates, kind), *factors)
            lines.append(Line(kind, tokens, "token", nano, basis, listed))
    return tuple(lines)


def digest_of(value: object) -> str:
    """Return the first 16 hex digits of SHA-256 over the canonical JSON of a value made of rule rows."""
    canonical = msgspec.json.encode(value, enc_hook=str, order="deterministic")
    return hashlib.sha256(canonical).hexdigest()[:16]


def _amounts(agreed: Fraction, quantity: int, pico: int, *factors: Factor) -> tuple[int, int | None]:
    """Nano-dollars at contracted price, and at list price where that differs; each is rounded once, from the start."""
    listed = line_nano(quantity, pico, *factors)
    nano = listed if agreed == FULL else line_nano(quantity, pico, *factors, agreed)
    return nano, None if nano == listed else listed
