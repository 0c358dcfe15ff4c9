"""How reports say amounts to people, and names to spreadsheets."""

from typing import Final

from planner.core.money import NANO_PER_USD
from planner.core.reports.figures import divided

FORMULAS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a name in a column must not begin with: spreadsheets would take it for a formula."""


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
