"""The price of an hour in a closed loop: an organization that bundles while an hour is dear moves the price itself.

Its agents each have a price from which a bundle pays for them; hours that are bundled are not used, and cost that price
instead. A price that swings would end every bundle that it caused: here it must not, through months near, below and
beyond the limit, and the month must cost no more than with the better of the two habits.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from math import erf, pi, sin, sqrt
from typing import Final

import msgspec
import pytest

from planner.core.allowance import MS_PER_HOUR, Pool
from planner.core.rulebook.book import FreeHoursSettings
from planner.core.rulebook.catalog import TAIL

LIMIT: Final = 1_550.0
HOUR_PRICE: Final = 0.05
STEP: Final = timedelta(minutes=15)
START: Final = datetime(2026, 11, 1, tzinfo=UTC)
DAYS: Final = 61
WORTH: Final = LIMIT * HOUR_PRICE
SWINGS: Final = 4
"""From nothing to full or back in a month: one to start with, one at its end, and two between."""

DEAR, CHEAP = 0.8, 0.2

Price = Callable[[Pool, datetime], float]


class Month(msgspec.Struct):
    """What a month came to: dollars, those of them that bundles cost, hours, and how often the price swung."""

    cost: float = 0.0
    bundles: float = 0.0
    used: float = 0.0
    swings: int = 0


@cache
def demand(at: datetime) -> float:
    """Hours an hour, on average about 1: office hours, weekends at a third, days and moments that differ."""
    scatter = 0.6 + 0.8 * (at.toordinal() * 7_919 % 97) / 97
    moment = (0, 0, 1, 1, 3)[int(at.timestamp()) // 900 * 31 % 5]
    weekend = 0.33 if at.weekday() > 4 else 1.0
    office = sin(pi * (at.hour + at.minute / 60 - 7) / 12) * pi if 7 <= at.hour < 19 else 0.0
    return 1.24 * scatter * weekend * moment * office


def live(thresholds: tuple[float, ...], scale: float, price: Price, elsewhere: float = 0) -> list[Month]:
    """Two months of agents with equal shares of `scale` times the limit; the first begins with nothing known.

    An agent looks at the price every hour, not all at the same time; a threshold is a share of the list price.
    """
    pool = Pool(FreeHoursSettings(limit=LIMIT, used_elsewhere=elsewhere))
    months, dear, bundles = [Month()], None, [False] * len(thresholds)
    hourly = scale * LIMIT / 30 / 24 / len(thresholds) * (STEP / timedelta(hours=1))
    for step in range(DAYS * 96):
        at = START + step * STEP
        if step and at.day == 1 and at.hour == at.minute == 0:
            months.append(Month())
        month, now = months[-1], price(pool, at)
        if now >= DEAR or now <= CHEAP:
            month.swings += dear is not None and dear != (now >= DEAR)
            dear = now >= DEAR
        for agent, threshold in enumerate(thresholds):
            if (step + agent) % 4 == 0:
                bundles[agent] = now > threshold
            hours = hourly * demand(at)
            used = 0.0 if bundles[agent] else hours
            month.bundles += HOUR_PRICE * threshold * (hours - used)
            month.used += used
            pool.add(at, round(used * MS_PER_HOUR), round(hours * MS_PER_HOUR))
    for month in months:
        month.cost = month.bundles + HOUR_PRICE * max(month.used + elsewhere - LIMIT, 0)
    return months


def damped(pool: Pool, at: datetime) -> float:
    """The price that the planner decides by."""
    return pool.judge(at).probability


def undamped(pool: Pool, at: datetime) -> float:
    """What the same forecast says at the moment."""
    judged = pool.judge(at)
    deviation = (judged.high - judged.forecast) / TAIL
    if deviation == 0 or not judged.known:
        return float(judged.known and judged.forecast > judged.limit)
    return 0.5 + 0.5 * erf((judged.forecast - judged.limit) / deviation / sqrt(2))


def always(_: Pool, __: datetime) -> float:
    """Who bundles everything."""
    return 9.0


def never(_: Pool, __: datetime) -> float:
    """Who bundles nothing."""
    return -9.0


ORGANIZATIONS: Final = {
    "many thresholds": (0.1, 0.3, 0.5, 0.8),
    "one for all": (0.5,),
    "a cheap one": (0.1,),
    "a dear one": (0.9,),
    "cheap and too dear": (0.2, 1.5),
}


@pytest.mark.parametrize("scale", [0.6, 0.9, 1.0, 1.1, 1.6, 3.0, 8.0])
@pytest.mark.parametrize("thresholds", ORGANIZATIONS.values(), ids=ORGANIZATIONS)
def test_the_price_is_steady_and_the_month_costs_no_more_than_the_better_habit(
    thresholds: tuple[float, ...], scale: float
) -> None:
    """Within 3 %, and 3 % of what the free hours are worth; well beyond the limit it costs less."""
    months, bundled, plain = (live(thresholds, scale, price) for price in (damped, always, never))
    for ours, one, other in zip(months, bundled, plain, strict=True):
        better = min(one.cost, other.cost)
        assert ours.swings <= SWINGS
        assert ours.cost <= 1.03 * better + 0.03 * WORTH
        assert ours.cost < 0.95 * better or scale < 1.6


@pytest.mark.parametrize("scale", [0.3, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("thresholds", ORGANIZATIONS.values(), ids=ORGANIZATIONS)
def test_beside_hours_used_elsewhere_it_is_steady_from_the_first_day(
    thresholds: tuple[float, ...], scale: float
) -> None:
    """Half the free hours are used elsewhere."""
    months, bundled, plain = (live(thresholds, scale, price, LIMIT / 2) for price in (damped, always, never))
    for ours, one, other in zip(months, bundled, plain, strict=True):
        assert ours.swings <= SWINGS
        assert ours.cost <= 1.03 * min(one.cost, other.cost) + 0.03 * WORTH


def test_without_the_lag_it_would_swing() -> None:
    """The same forecast taken at its word, for an organization whose agents all do the same at the same price."""
    assert max(month.swings for month in live((0.5,), 3.0, undamped)) > 4 * SWINGS


def test_below_the_limit_nothing_is_ever_bundled() -> None:
    """Not even by agents for whom a bundle is nearly free, after the first days."""
    second = live((0.02,), 0.6, damped)[1]
    assert (second.cost, second.swings) == (0, 0)
