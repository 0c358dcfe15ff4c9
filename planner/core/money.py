"""Money is an integer: prices are pico-dollars per unit, amounts are nano-dollars, and each line is rounded once.

One pico-dollar per token is one dollar per million million tokens, so a published price with at most six decimals
per million tokens is a whole number of pico-dollars per token, and nothing is lost before a line is multiplied out.
"""

import re
from fractions import Fraction

MAX_DECIMALS = 6  # of a price in a rule file: one pico-dollar per token is its last decimal
NANO_PER_USD = 1_000_000_000
INT64_MAX = 2**63 - 1  # what the ledger's stores can hold

_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.([0-9]+))?", re.ASCII)
_PICO_PER_NANO = 1_000

Factor = Fraction | tuple[int, int]


def parse_millionths(text: str) -> int:
    """Return a decimal string as an integer count of millionths: "0.125" is 125_000.

    Errors: ValueError says what is wrong with `text`; signs, exponents, spaces and a seventh decimal are refused.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise ValueError(f'"{text}" is not a plain decimal number')
    decimals = match[1] or ""
    if len(decimals) > MAX_DECIMALS:
        raise ValueError(f'"{text}" has {len(decimals)} decimals, more than {MAX_DECIMALS}')
    whole = text.split(".", 1)[0]
    return int(whole + decimals.ljust(MAX_DECIMALS, "0"))


def pico_per_token(usd_per_million: str) -> int:
    """Return the pico-dollars per token of a price in dollars per million tokens."""
    return parse_millionths(usd_per_million)


def pico_per_use(usd_per_thousand: str) -> int:
    """Return the pico-dollars per use of a price in dollars per thousand uses."""
    return parse_millionths(usd_per_thousand) * 1_000


def pico_per_hour(usd_per_hour: str) -> int:
    """Return the pico-dollars per hour of a price in dollars per hour."""
    return parse_millionths(usd_per_hour) * 1_000_000


def fraction(text: str) -> Fraction:
    """Return a decimal string, such as a multiplier, as an exact fraction."""
    return Fraction(parse_millionths(text), 10**MAX_DECIMALS)


def line_nano(quantity: int, pico_per_unit: int, *factors: Factor) -> int:
    """Return `quantity` units at `pico_per_unit`, times every factor, in nano-dollars, rounded once, half to even.

    Errors: ValueError for a negative quantity or price, OverflowError for an amount that no store can hold.
    """
    if quantity < 0 or pico_per_unit < 0:
        raise ValueError(f"a line cannot bill {quantity} units at {pico_per_unit} pico-dollars: both must be 0 or more")
    over, under = quantity * pico_per_unit, _PICO_PER_NANO
    for factor in factors:
        numerator, denominator = factor if isinstance(factor, tuple) else (factor.numerator, factor.denominator)
        over *= numerator
        under *= denominator
    return checked(_divide_half_even(over, under))


def checked(nano: int) -> int:
    """Return `nano` unchanged; OverflowError when a 64-bit store could not hold it."""
    if not -INT64_MAX <= nano <= INT64_MAX:
        raise OverflowError(f"{nano} nano-dollars do not fit 64 bits: check the quantities of this line")
    return nano


def format_nano(nano: int) -> str:
    """Return nano-dollars as an exact decimal string of dollars without needless zeros: 4_166_667 is "0.004166667"."""
    whole, rest = divmod(abs(nano), NANO_PER_USD)
    decimals = f"{rest:09d}".rstrip("0")
    return f"{'-' if nano < 0 else ''}{whole}{'.' + decimals if decimals else ''}"


def parse_nano(text: str) -> int:
    """Return a decimal string with at most nine decimals as a count of billionths, as `format_nano` wrote it.

    Errors: ValueError for anything else.
    """
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text)
    whole, _, decimals = digits.partition(".")
    if not (whole + decimals).isascii() or not (whole + decimals).isdigit() or not whole or len(decimals) > 9:
        raise ValueError(f'"{text}" is no decimal number with at most nine decimals')
    return sign * int(whole + decimals.ljust(9, "0"))


def _divide_half_even(over: int, under: int) -> int:
    quotient, rest = divmod(over, under)
    twice = 2 * rest
    if twice > under or (twice == under and quotient % 2):
        quotient += 1
    return quotient
