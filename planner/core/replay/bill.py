"""What the world of a replay charges: tokens, searches and container time beyond an organization's free hours.

Counted in whole numbers by code of its own, with one rounding a line, so that it tells a wrong price from a right one.
Source: https://platform.claude.com/docs/en/about-claude/pricing, checked 2026-11-22.
"""

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from fnmatch import translate
from typing import Final

import msgspec

from planner.core.replay.calls import Call, Counts
from planner.core.replay.nature import Nature

PICO_PER_NANO: Final = 1_000
MS_PER_HOUR: Final = 3_600_000

Rates = tuple[int, int, int, int, int]
"""Pico-dollars a token: input, 5-minute write, 1-hour write, read, output."""

MODELS: Final = 10_000
LONGEST: Final = 256
"""How many models are remembered, and characters of one: ids come from a trace, and so from clients."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs in a span of days; factors are (numerator, denominator)."""

    models: tuple[str, ...]
    since: date | None
    until: date | None
    rates: Rates
    over: tuple[int, Rates] | None = None
    fast: tuple[int, int] | None = None
    us: tuple[int, int] | None = None
    batch: tuple[int, int] | None = None


class Rebate(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to pay of some kinds of lines in a span of days; no models and no organizations are all of them."""

    kinds: frozenset[str]
    models: tuple[str, ...]
    organizations: frozenset[str]
    since: date | None
    until: date | None
    left: tuple[int, int]


class Till:
    """Prices calls in time order, and counts the container time that organizations use."""

    def __init__(self, nature: Nature, prices: tuple[Price, ...], rebates: tuple[Rebate, ...] = ()) -> None:
        self._nature = nature
        self._rebates = tuple((matcher(rebate.models or ("*",)), rebate) for rebate in rebates)
        self._prices = tuple((matcher(price.models), price) for price in prices)
        self._found: dict[tuple[str, date], Price | None] = {}
        self._hours: dict[tuple[str, int, int], int] = {}

    def bill(self, call: Call, first: Counts, whole: Counts, iterations: int, billed_ms: int) -> dict[str, int] | None:
        """What a call costs in nano-dollars by kind; None where its model has no price on its day."""
        price = self._price(call.model, call.at)
        factors = self._factors(call, price)
        if price is None or factors is None:
            self.use(call.organization, call.at, billed_ms)
            return None
        rates = price.rates
        if price.over is not None:
            summed = self._nature.haiku55_tier_on == "summed_prompt"
            longest = whole.prompt if summed else first.prompt + (iterations - 1) * call.work.growth_tokens
            rates = price.over[1] if longest > price.over[0] else rates
        over, under = factors
        bill = {}
        for kind, pico in zip(Counts.__struct_fields__, rates, strict=True):
            tokens = getattr(whole, kind)
            if tokens:
                share, of = self._left(kind, call.model, call.organization, call.at)
                bill[kind] = _round(tokens * pico * over * share, PICO_PER_NANO * under * of)
        if call.searches:
            share, of = self._left("web_search", "", call.organization, call.at)
            bill["web_search"] = _round(call.searches * self._nature.search_pico * share, PICO_PER_NANO * of)
        if billed_ms:
            bill["code_execution"] = self.hour_cost(call.organization, call.at, billed_ms)
        return bill

    def hour_cost(self, organization: str, at: datetime, billed_ms: int) -> int:
        """Use container time, and tell what it costs beyond the free hours that are left, in nano-dollars."""
        at, used = at.astimezone(UTC), self.use(organization, at, billed_ms)
        start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        passed = (at - start) / timedelta(days=monthrange(at.year, at.month)[1])
        elsewhere = self._nature.free_hours_used_elsewhere * passed
        left = max(round((self._nature.free_hours_limit - elsewhere) * MS_PER_HOUR) - used, 0)
        charged = max(billed_ms - left, 0)
        share, of = self._left("code_execution", "", organization, at)
        return _round(charged * self._nature.hour_pico * share, MS_PER_HOUR * PICO_PER_NANO * of)

    def use(self, organization: str, at: datetime, milliseconds: int) -> int:
        """Count container time toward the organization's month; return what it had used before."""
        at = at.astimezone(UTC)
        key = (organization, at.year, at.month)
        used = self._hours.get(key, 0)
        self._hours[key] = used + milliseconds
        return used

    def hours(self, organization: str, at: datetime) -> float:
        """Container hours that an organization has used in a month, free beside a web tool left out."""
        day = at.astimezone(UTC)
        return self._hours.get((organization, day.year, day.month), 0) / MS_PER_HOUR

    def _price(self, model: str, at: datetime) -> Price | None:
        key = (model, at.astimezone(UTC).date())
        if key in self._found:
            return self._found[key]
        found = next((price for is_it, price in self._prices if is_it(model) and _holds(price, key[1])), None)
        if len(model) <= LONGEST:
            if len(self._found) > MODELS:
                self._found.clear()
            self._found[key] = found
        return found

    def _left(self, kind: str, model: str, organization: str, at: datetime) -> tuple[int, int]:
        """The share of a line that an organization pays."""
        if not self._rebates:
            return 1, 1
        day = at.astimezone(UTC).date()
        for is_it, rebate in self._rebates:
            theirs = not rebate.organizations or organization in rebate.organizations
            if kind in rebate.kinds and theirs and is_it(model) and _holds(rebate, day):
                return rebate.left
        return 1, 1

    def _factors(self, call: Call, price: Price | None) -> tuple[int, int] | None:
        over, under = 1, 1
        if price is None:
            return None
        for asked, factor in ((call.fast, price.fast), (call.us, price.us), (call.batch, price.batch)):
            if asked:
                if factor is None:
                    return None
                numerator, denominator = factor
                over, under = over * numerator, under * denominator
        return over, under


def _holds(price: Price | Rebate, day: date) -> bool:
    return (price.since is None or day >= price.since) and (price.until is None or day < price.until)


def matcher(patterns: tuple[str, ...]) -> Callable[[str], object]:
    """A test of a word against globs, of which one must match."""
    return re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns)).match


def _round(over: int, under: int) -> int:
    """A quotient to the nearest whole number, half to even."""
    whole, rest = divmod(over, under)
    if 2 * rest > under or (2 * rest == under and whole % 2):
        whole += 1
    return whole
