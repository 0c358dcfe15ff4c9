"""Small drawings that need no script: their coordinates are attributes, which a strict policy lets stand."""

from collections.abc import Sequence
from typing import Final

import msgspec

WIDTH: Final = 120
HEIGHT: Final = 28
INSET: Final = 2


class Spark(msgspec.Struct, frozen=True):
    """A line through some values: the points of a polyline, and of the area below it, in a box of 120 by 28."""

    line: str
    area: str


class Gauge(msgspec.Struct, frozen=True):
    """Shares of a bar, from 0 to 100: what is used, what is expected, and between what it may come to lie."""

    used: float
    expected: float
    low: float
    high: float
    limit: float


def spark(values: Sequence[float]) -> Spark | None:
    """The line through values; None where there are too few to draw one."""
    if len(values) < 2:
        return None
    most, least = max(*values, 0), min(*values, 0)
    span = (most - least) or 1
    step = (WIDTH - 2 * INSET) / (len(values) - 1)
    points = [
        f"{INSET + place * step:.1f},{HEIGHT - INSET - (value - least) / span * (HEIGHT - 2 * INSET):.1f}"
        for place, value in enumerate(values)
    ]
    return Spark(" ".join(points), " ".join([f"{INSET},{HEIGHT}", *points, f"{WIDTH - INSET},{HEIGHT}"]))


def gauge(used: float, limit: float, expected: float | None, low: float, high: float) -> Gauge:
    """A bar that is as long as the largest of them, with its limit as a mark."""
    whole = max(used, limit, high if expected is not None else 0.0) * 1.02 or 1.0

    def share(amount: float) -> float:
        return round(100 * amount / whole, 2)

    told = used if expected is None else expected
    return Gauge(share(used), share(told), share(low if expected is not None else used), share(high), share(limit))
