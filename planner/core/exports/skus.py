"""Which price of the price book explains a cost line: its SKU, its unit prices, and the unit that the price list uses.

The ledger holds amounts, not prices. A price is named only where it gives the line's amounts to the nano-dollar, list
and contracted; where none does (another book priced it, a model that the ledger does not name), unit prices are what
the amounts come to. What a line costs is never taken from here.
"""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from typing import Final

import msgspec

from planner.core.ledger.charges import quantity_of
from planner.core.ledger.entry import RESULTS, Entry
from planner.core.money import NANO_PER_USD, Factor, line_nano
from planner.core.pricing.prices import CODE, CREDIT, Line, PriceBook, PriceRow

SEARCH: Final = "web_search"
_PICO_PER_USD: Final = 10**12

METERS: Final = {
    "input": "Input Tokens",
    "cache_write_5m": "Cache Write Tokens (5 Minutes)",
    "cache_write_1h": "Cache Write Tokens (1 Hour)",
    "cache_read": "Cache Read Tokens",
    "output": "Output Tokens",
    SEARCH: "Web Searches",
    CODE: "Container Time",
    CREDIT: "Free Container Time",
}
"""What is measured, by kind of line."""


class Unit(msgspec.Struct, frozen=True):
    """How one kind of line is counted and priced: `per` consumed units are one pricing unit."""

    consumed: str
    pricing: str
    per: int


TOKENS: Final = Unit("Tokens", "1000000 Tokens", 1_000_000)
SEARCHES: Final = Unit("Searches", "1000 Searches", 1_000)
HOURS: Final = Unit("Seconds", "Hours", 3_600)


class Sku(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU and one of its prices, in dollars per pricing unit; `details` are what sets the price apart.

    `listed` and `contracted` are None where amounts of both signs leave no price to tell.
    """

    id: str
    price_id: str
    details: dict[str, str] = {}
    listed: Fraction | None = None
    contracted: Fraction | None = None


class _Served(msgspec.Struct):
    """What of `usage` changes prices, read leniently: an older ledger may hold what nobody expects."""

    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    iterations: list[dict[str, msgspec.Raw]] | None = None


_SERVED: Final = msgspec.json.Decoder(_Served)
_WORD: Final = msgspec.json.Decoder(str)


def unit_of(line: Line) -> Unit:
    """The units of a line."""
    return {"token": TOKENS, "use": SEARCHES}.get(line.unit, HOURS)


def sku_of(line: Line, entry: Entry, at: datetime, prices: PriceBook) -> Sku:
    """Find the price that explains a line of an entry that arrived at an aware time."""
    book = prices.contracted(entry.organization)
    if line.kind in (CODE, CREDIT):
        return _tool(line, at, book, Sku(id=CODE, price_id=CODE))
    if line.kind == SEARCH:
        return _tool(line, at, book, Sku(id=SEARCH, price_id=SEARCH))
    for row, model in _rows(entry, at, book):
        found = _priced(line, entry, row, book.factor(line.kind, model, at))
        if found is not None:
            return found
    model = entry.served_model or entry.model or "unknown"
    return _derived(line, Sku(id=f"{model}/{line.kind}", price_id=f"{model}/{line.kind}/as-billed"))


def _tool(line: Line, at: datetime, book: PriceBook, sku: Sku) -> Sku:
    """A price per use or hour; a credit is no price, and a correction is a difference of rounded amounts."""
    row, agreed = book.tool(sku.id, at), book.factor(sku.id, None, at)
    if row is not None and row.pico_per_use is not None and isinstance(line.quantity, int):
        if _gives(line.quantity, row.pico_per_use, line.listed):
            contracted = _gives(line.quantity, row.pico_per_use, line.nano, agreed)
            return _with_price(sku, line, Fraction(row.pico_per_use * SEARCHES.per, _PICO_PER_USD), contracted, agreed)
    elif row is not None and row.pico_per_hour is not None:
        price = Fraction(row.pico_per_hour, _PICO_PER_USD)
        if _spans(line, price, line.listed):
            return _with_price(sku, line, price, _spans(line, price * agreed, line.nano), agreed)
    return _derived(line, sku)


def _rows(entry: Entry, at: datetime, book: PriceBook) -> Iterator[tuple[PriceRow, str]]:
    """Price rows of the models that may have given a line, the one that answered first."""
    names = [entry.served_model, entry.model]
    for each in _served(entry).iterations or ():
        try:
            names.append(_WORD.decode(each.get("model", msgspec.Raw(b"null"))))
        except msgspec.ValidationError:
            continue
    for name in dict.fromkeys(names):
        row = None if name is None else book.lookup(name, at)
        if row is not None and name is not None:
            yield row, name


def _served(entry: Entry) -> _Served:
    try:
        return _SERVED.decode(entry.usage)
    except msgspec.DecodeError:  # usage is kept as received: what cannot be read names no modifier
        return _Served()


def _priced(line: Line, entry: Entry, row: PriceRow, agreed: Fraction) -> Sku | None:
    """The price of a row under the tier and modifiers that a request was served with, if it explains a line."""
    served = _served(entry)
    words = {
        "batch": served.service_tier == "batch" or entry.endpoint == RESULTS,
        "fast": served.speed == "fast",
        "us": served.inference_geo == "us",
    }
    factors: dict[str, Fraction] = {}
    for name in (name for name, told in words.items() if told):
        factor: Fraction | None = getattr(row.multipliers, name)
        if factor is None:
            return None
        factors[name] = factor
    tiers = [("", row.rates)]
    if row.over is not None:
        beyond = (f"over-{row.over.prompt_tokens}", row.over.rates)
        prompt = 0 if entry.tokens is None else entry.tokens.prompt
        tiers.insert(0 if prompt > row.over.prompt_tokens else 1, beyond)
    for tier, rates in tiers:
        pico, count = getattr(rates, line.kind, None), line.quantity
        parts = (*factors.values(),)
        if pico is None or not isinstance(count, int) or not _gives(count, pico, line.listed, *parts):
            continue
        details = {"x_Tier": tier} if tier else {}
        details |= {f"x_{name.capitalize()}": "true" for name in factors}
        sku_id = f"{row.name}/{line.kind}"
        sku = Sku(id=sku_id, price_id="/".join((sku_id, *filter(None, (tier, *factors)))), details=details)
        price = Fraction(pico * TOKENS.per, _PICO_PER_USD)
        for factor in factors.values():
            price *= factor
        return _with_price(sku, line, price, _gives(count, pico, line.nano, *parts, agreed), agreed)
    return None


def _gives(count: int, pico: int, nano: int, *factors: Factor) -> bool:
    """Whether a price gives an amount, rounded once as it was."""
    try:
        return count >= 0 and line_nano(count, pico, *factors) == nano
    except OverflowError:
        return False


def _spans(line: Line, price: Fraction, nano: int) -> bool:
    """Whether a price per hour gives an amount of container time.

    These are differences of what a session costs up to then, rounded at both ends, and so less than 1 nano-dollar off.
    """
    exact = quantity_of(line) / HOURS.per * price * NANO_PER_USD
    return exact > 0 and abs(exact - nano) < 1


def _with_price(sku: Sku, line: Line, price: Fraction, contracted: bool, agreed: Fraction) -> Sku:  # noqa: FBT001 - said
    """A SKU at a list price; the contracted one is what amounts come to where no discount of the book explains them."""
    paid = price * agreed if contracted else _derived(line, sku).contracted
    return msgspec.structs.replace(sku, listed=price, contracted=paid)


def _derived(line: Line, sku: Sku) -> Sku:
    """What the amounts come to; no price where quantity and amount do not have one sign."""
    quantity = quantity_of(line) / unit_of(line).per
    if not quantity:
        return sku
    listed, contracted = (Fraction(nano, NANO_PER_USD) / quantity for nano in (line.listed, line.nano))
    if listed < 0 or contracted < 0:
        return sku
    return msgspec.structs.replace(sku, listed=listed, contracted=contracted)
