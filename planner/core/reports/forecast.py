"""What a month will have cost when it is over, from the hours and weekdays so far.

    spent at the end = spent so far + tokens and searches to come + container time to come beyond the free hours

What comes is expected as container hours are (`planner.core.season`), with dollars in their place. Container time is
expected in hours first, organization by organization, since only what exceeds the free hours costs anything. The
interval holds in 80 % of cases by that belief; the widths of its parts are added up, as if all ran high or low
together, which they mostly do.
"""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from math import erfc, exp, pi, sqrt
from typing import Final

import msgspec

from planner.core.allowance import ENOUGH, KEPT_DAYS, MS_PER_HOUR
from planner.core.ledger.rollup import NANO, Amounts, Key, cost_nano
from planner.core.money import NANO_PER_USD
from planner.core.pricing.prices import CODE, CREDIT
from planner.core.reports.figures import Money, money
from planner.core.rulebook.book import FreeHoursSettings
from planner.core.rulebook.catalog import TAIL
from planner.core.season import DAY, HOURS, Day, Season, learn, watched

TOO_LITTLE: Final = "Too little is known for a forecast: it takes 3 days of traffic."


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """The cost of a month at its end; `expected`, `low` and `high` are None while too little is known.

    `spent` is the cost so far, `container` how much of what is expected to come is container time.
    """

    month: str
    at: str
    spent: Money
    expected: Money | None = None
    low: Money | None = None
    high: Money | None = None
    container: Money | None = None


class _Rest(msgspec.Struct, frozen=True):
    """Dollars that are still to come."""

    expected: float
    low: float
    high: float


def forecast(requests: Mapping[Key, Amounts], now: datetime, free: FreeHoursSettings) -> Forecast:
    """The cost at the end of the month of `now` (aware), from what was metered in it and in five weeks before."""
    now = now.astimezone(UTC)
    month = f"{now:%Y-%m}"
    spent = sum(cost_nano(amounts) for key, amounts in requests.items() if key.hour[:7] == month)
    begun = min((datetime.fromisoformat(key.hour) for key in requests), default=now)
    told = Forecast(month=month, at=now.isoformat(timespec="seconds"), spent=money(spent))
    if now - begun < ENOUGH:
        return told
    tokens = _tokens(requests, begun, now)
    organizations = sorted({key.organization for key in requests})
    mine = ({key: each for key, each in requests.items() if key.organization == name} for name in organizations)
    containers = [_container(each, begun, now, free) for each in mine]
    every = [tokens, *containers]
    return msgspec.structs.replace(
        told,
        expected=_ahead(spent, (rest.expected for rest in every)),
        low=_ahead(spent, (rest.low for rest in every)),
        high=_ahead(spent, (rest.high for rest in every)),
        container=_ahead(0, (rest.expected for rest in containers)),
    )


def _ahead(spent: int, dollars: Iterable[float]) -> Money:
    return money(spent + round(sum(dollars) * NANO_PER_USD))


def _tokens(requests: Mapping[Key, Amounts], begun: datetime, now: datetime) -> _Rest:
    """All but container time."""

    def dollars(amounts: Amounts) -> float:
        return (cost_nano(amounts) - amounts.get(NANO + CODE, 0) - amounts.get(NANO + CREDIT, 0)) / NANO_PER_USD

    season = _season({key: dollars(amounts) for key, amounts in requests.items()}, begun, now)
    rest = season.between(now, _end(now))
    width = TAIL * sqrt(season.variance(rest))
    return _Rest(rest, max(rest - width, 0.0), rest + width)


def _container(requests: Mapping[Key, Amounts], begun: datetime, now: datetime, free: FreeHoursSettings) -> _Rest:
    """Container time of one organization beyond its free hours, at what an hour has cost before the credit."""
    hours = {key: amounts.get("hours_ms", 0) / MS_PER_HOUR for key, amounts in requests.items()}
    counted = sum(hours.values())
    charged = sum(amounts.get(NANO + CODE, 0) for amounts in requests.values())
    if counted <= 0 or charged <= 0:
        return _Rest(0.0, 0.0, 0.0)
    price = charged / NANO_PER_USD / counted
    used = sum(amount for key, amount in hours.items() if key.hour[:7] == f"{now:%Y-%m}")
    left = max(free.limit - free.used_elsewhere - used, 0.0)
    season = _season(hours, begun, now)
    rest = season.between(now, _end(now))
    deviation = sqrt(season.variance(rest))
    beyond, width = _beyond(rest - left, deviation), TAIL * deviation
    low, high = max(rest - width - left, 0.0), max(rest + width - left, 0.0)
    return _Rest(price * beyond, price * min(low, beyond), price * max(high, beyond))


def _beyond(mean: float, deviation: float) -> float:
    """What is expected of a normal quantity where it is more than 0."""
    if deviation <= 0:
        return max(mean, 0.0)
    z = mean / deviation
    return max(mean * 0.5 * erfc(-z / sqrt(2)) + deviation * exp(-z * z / 2) / sqrt(2 * pi), 0.0)


def _season(values: Mapping[Key, float], begun: datetime, now: datetime) -> Season:
    """The season of values by the hour; corrections may take an hour below 0, which then counts as 0."""
    days: dict[int, Day] = {}
    for key, value in values.items():
        at = datetime.fromisoformat(key.hour)
        if at <= now:
            days.setdefault(at.toordinal(), Day(at.toordinal(), [0.0] * HOURS)).hours[at.hour] += value
    for day in days.values():
        day.hours = [max(hour, 0.0) for hour in day.hours]
    kept, _ = watched(days, begun, now, KEPT_DAYS)
    return learn(kept, now.toordinal())


def _end(now: datetime) -> datetime:
    """The first midnight (UTC) of the next month."""
    return now.replace(day=monthrange(now.year, now.month)[1], hour=0, minute=0, second=0, microsecond=0) + DAY
