"""Our prices beside somebody else's: what differs, and what either lacks; pure, so that it is tested without them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

import msgspec

from planner.core.pricing.prices import Multipliers, PriceBook, Rates

Prices = Mapping[str, Decimal]
"""Dollars by component: a token class per million, `web_search` per thousand; behind `batch`, `fast` and a tier."""

NAMES: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "cache_read_mtok": "cache_read",
    "web_searches_kcount": "web_search",
}
"""What the components are called in genai-prices."""

VARIANTS: Final = ({"processing": "batch"}, {"speed": "fast"})


class Difference(msgspec.Struct, frozen=True, order=True):
    """One component of one model; None where a side has no price for it."""

    model: str
    component: str
    ours: Decimal | None
    theirs: Decimal | None

    def text(self) -> str:
        """One line for people."""
        ours, theirs = ("no price" if each is None else f"{each.normalize():f}" for each in (self.ours, self.theirs))
        return f"{self.model}: {self.component}: ours {ours}, theirs {theirs}"


def differences(ours: Mapping[str, Prices], theirs: Mapping[str, Prices]) -> list[Difference]:
    """Return every component that is not equal, of the models that both have, in order."""
    return sorted(
        Difference(model, component, ours[model].get(component), theirs[model].get(component))
        for model in ours.keys() & theirs.keys()
        for component in ours[model].keys() | theirs[model].keys()
        if ours[model].get(component) != theirs[model].get(component)
    )


def our_prices(book: PriceBook, models: Iterable[str], at: datetime) -> dict[str, Prices]:
    """Return the list prices in force, by model; one that has no row is left out."""
    search = book.tool("web_search", at)
    found: dict[str, Prices] = {}
    for model in models:
        row = book.lookup(model, at)
        if row is None:
            continue
        prices = {} if search is None else {"web_search": Decimal(search.pico_per_use or 0) / 10**9}
        tiers = [("", row.rates)]
        if row.over is not None:
            tiers.append((f"over {row.over.prompt_tokens}: ", row.over.rates))
        for tier, rates in tiers:
            for name in Rates.__struct_fields__:
                price = Fraction(getattr(rates, name), 10**6)
                prices[f"{tier}{name}"] = _decimal(price)
                for variant in ("batch", "fast"):
                    if (factor := _factor(row.multipliers, variant)) is not None:
                        prices[f"{variant}: {tier}{name}"] = _decimal(price * factor)
        found[model] = prices
    return found


def their_prices(model: Any, at: datetime) -> Prices:
    """Return the prices of one `genai_prices.types.ModelInfo`, components that we do not know under their own names."""
    found = _components(model.get_prices(at), "")
    for when in VARIANTS:
        (variant,) = when.values()
        if any(each.when == when for each in model.price_variants or ()):
            told = _components(model.get_prices(at, when), f"{variant}: ")
            found |= {name: price for name, price in told.items() if not name.endswith("web_search")}
    return found


def _components(prices: Any, before: str) -> dict[str, Decimal]:
    found: dict[str, Decimal] = {}
    for key, price in vars(prices).items():
        if price is None:
            continue
        name = NAMES.get(key, key)
        found[f"{before}{name}"] = getattr(price, "base", price)
        for tier in getattr(price, "tiers", ()):
            found[f"{before}over {tier.start}: {name}"] = tier.price
    return found


def _factor(multipliers: Multipliers, name: str) -> Fraction | None:
    factor: Fraction | None = getattr(multipliers, name)
    return factor


def _decimal(price: Fraction) -> Decimal:
    return Decimal(price.numerator) / Decimal(price.denominator)
