"""Numbers that can hardly be meant: a slip of the decimal point would be billed to every team until someone looked.

Each bound lies well beyond everything that Anthropic has published (rules/prices/anthropic.yaml, checked 2026-11-22).
A row whose numbers are right all the same says why under `unusual`, and is left alone; so is one that was revoked.
"""

from fractions import Fraction
from typing import Final, TypeVar

from planner.core.findings import Code
from planner.core.pricing.prices import PriceRow, Rates, ToolRow
from planner.core.rulefile.read import place
from planner.core.rulefile.timeline import Placed
from planner.core.rulefile.tree import Scalar

BOUNDS: Final = (
    ("output", "input", Fraction(1), Fraction(20)),
    ("cache_write_5m", "input", Fraction(1), Fraction(4)),
    ("cache_write_1h", "cache_write_5m", Fraction(1), Fraction(4)),
    ("cache_read", "input", Fraction(1, 200), Fraction(1)),
)
"""A class, another, and how many times the other's price its own can be; published are 5, 1.25, 1.6, 1/40 to 1/10."""

FACTORS: Final = {
    "batch": (Fraction(1, 10), Fraction(1)),
    "fast": (Fraction(1), Fraction(10)),
    "us": (Fraction(1), Fraction(2)),
}
"""Between what a multiplier lies. Published are 0.5, 2 and 1.1."""

JUMP: Final = 4
"""The most by which a price rises or falls from one row to the next; the largest published is 2."""

REMEDY: Final = "Correct it, or say under unusual why it is right."

J = TypeVar("J", PriceRow, ToolRow)


def check_rates(each: Placed[PriceRow]) -> None:
    """Find classes whose prices do not fit each other, and a tier that is cheaper than what lies below it."""
    if each.row.unusual is not None or each.row.revoked:
        return
    _check_order(each, each.row.rates, ("usd_per_million",))
    if each.row.over is None:
        return
    where = ("over", "usd_per_million")
    _check_order(each, each.row.over.rates, where)
    for name in Rates.__struct_fields__:
        if getattr(each.row.over.rates, name) < getattr(each.row.rates, name):
            _find(each, (*where, name), "implausible-tier", "is less than below the tier")


def check_multipliers(each: Placed[PriceRow]) -> None:
    """Find a batch that is dearer, and a fast or nearby answer that is cheaper, or either by far."""
    if each.row.unusual is not None or each.row.revoked:
        return
    for name, (least, most) in FACTORS.items():
        factor = getattr(each.row.multipliers, name)
        if factor is not None and not least <= factor <= most:
            problem = f"does not lie between {float(least):g} and {float(most):g}"
            _find(each, ("multipliers", name), "implausible-multiplier", problem)


def check_jump(before: Placed[J], after: Placed[J]) -> None:
    """Find prices that rise or fall by far where one row follows another."""
    if after.row.unusual is not None:
        return
    late = dict(_prices(after.row))
    for path, was in _prices(before.row):
        now = late.get(path, was)
        then = f"{_text(before, path)} of the row at {before.where}"
        if now > was * JUMP:
            _find(after, path, "implausible-jump", f"is more than {JUMP} times the {then}")
        elif now * JUMP < was:
            _find(after, path, "implausible-jump", f"is less than 1/{JUMP} of the {then}")


def _prices(row: PriceRow | ToolRow) -> list[tuple[tuple[str, ...], int]]:
    """The prices of a row by their place in it."""
    if isinstance(row, ToolRow):
        found = {"usd_per_thousand": row.pico_per_use, "usd_per_hour": row.pico_per_hour}
        return [((name,), price) for name, price in found.items() if price is not None]
    tiers: list[tuple[tuple[str, ...], Rates]] = [(("usd_per_million",), row.rates)]
    if row.over is not None:
        tiers.append((("over", "usd_per_million"), row.over.rates))
    return [((*where, name), getattr(rates, name)) for where, rates in tiers for name in Rates.__struct_fields__]


def _check_order(each: Placed[PriceRow], rates: Rates, where: tuple[str, ...]) -> None:
    for name, other, least, most in BOUNDS:
        price, base = getattr(rates, name), getattr(rates, other)
        if price < base * least:
            _find(each, (*where, name), "implausible-price", f"is less than {_times(least)}{other}")
        elif price > base * most:
            _find(each, (*where, name), "implausible-price", f"is more than {_times(most)}{other}")
    if rates.input == 0:
        _find(each, (*where, "input"), "implausible-price", "is free of charge")


def _times(factor: Fraction) -> str:
    return "" if factor == 1 else f"{factor} times "


def _find(each: Placed[J], path: tuple[str, ...], code: Code, problem: str) -> None:
    said = f'"{".".join(path)}" ({_text(each, path)}) {problem}'
    each.reader.find(place(each.node, *path), code, each.subject, said, REMEDY)


def _text(each: Placed[J], path: tuple[str, ...]) -> str:
    said = place(each.node, *path)
    return said.text if isinstance(said, Scalar) else "?"
