"""How reports say amounts and lengths of time to people, and names to spreadsheets."""

from decimal import Context
from typing import Final

from planner.core.money import NANO_PER_USD
from planner.core.reports.figures import divided

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a name in a column must not begin with: spreadsheets would take it for a formula."""
ABOUT: Final = Context(prec=4)


def dollars(nano: int, decimals: int) -> str:
    """Dollars for people: rounded, but what is not nothing never looks like nothing."""
    rounded = divided(nano, NANO_PER_USD // 10**decimals)
    if nano and not rounded:
        return f"{'>-' if nano < 0 else '<'}0.{'1'.rjust(decimals, '0')}"
    whole, rest = divmod(abs(rounded), 10**decimals)
    return f"{'-' if rounded < 0 else ''}{whole:,}.{rest:0{decimals}d}"


def several(number: int, one: str, more: str = "") -> str:
    """A number of things in words."""
    return f"{number:,} {one if number == 1 else more or f'{one}s'}"


def for_spreadsheets(name: str) -> str:
    """A name as a spreadsheet may open it: clients choose tags and models. It does not show the apostrophe."""
    return f"'{name}" if name.startswith(FORMULAS) else name


def rounded(nano: int) -> str:
    """Dollars of an expectation: more than four significant digits would claim what nobody knows."""
    return f"{ABOUT.create_decimal(nano).scaleb(-9).normalize():f}"


def spell(seconds: float) -> str:
    """A length of time in one or two units."""
    whole = round(seconds)
    for size, unit, part, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}{f' {rest} {small}' if rest else ''}"
    return f"{whole} s"
