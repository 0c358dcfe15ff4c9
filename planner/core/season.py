"""How an organization's container hours come: by day of the week and hour of the day, and how much they scatter.

    expected of a Monday = the mean of its Mondays, drawn to that of its working days, and this to that of all days
    variance of what comes = scatter x what is expected x (1 + what is expected / what was seen)

The second law is that of counts that scatter more than chance alone: variance grows with the mean, so that a quiet
weekend is surer than a Monday; the bracket is what is not known of the level itself. It is a belief of ours.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import exp
from typing import Final

import msgspec

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
HOURS: Final = 24
WEEK: Final = 7
WORKING_DAYS: Final = 5

MEMORY_DAYS: Final = 14.0
"""A day counts 1/e of yesterday when it is two weeks older: an organization that grows is not judged by its past."""

DRAWN: Final = 1.0
"""Means of few days are drawn to the mean above them as if that were one day more."""

SCATTERS: Final = 0.3
"""The standard deviation of a day, as a share of its mean, that is believed before days are seen ..."""

BELIEVED_DAYS: Final = 3.0
"""... and the days that it takes to believe something else as much."""


class Day(msgspec.Struct):
    """Container hours of one day (UTC) by hour of the day; `watched` is the share of it that was metered."""

    ordinal: int
    hours: list[float]
    watched: float = 1.0

    @property
    def total(self) -> float:
        """Hours of the whole day."""
        return sum(self.hours)


class Season(msgspec.Struct, frozen=True):
    """What is expected.

    `week` has the hours of a Monday, a Tuesday and so on; `passed` the share of a day's hours that is used up when each
    hour of the day begins, from 0 to 1 at its end; `scatter` is the variance for each expected hour, `seen` the hours
    that all this was learnt from.
    """

    week: tuple[float, ...]
    passed: tuple[float, ...]
    scatter: float
    seen: float

    def between(self, now: datetime, end: datetime) -> float:
        """Hours expected from now until a midnight (UTC)."""
        now = now.astimezone(UTC)
        seconds = now.hour * 3600 + now.minute * 60 + now.second
        hour, part = divmod(seconds / 3600, 1)
        before, after = self.passed[int(hour)], self.passed[int(hour) + 1]
        weekday = now.weekday()
        days = end.astimezone(UTC).toordinal() - now.toordinal()
        rest = self.week[weekday] * (1 - before - (after - before) * part)
        return rest + sum(self.week[(weekday + day) % WEEK] for day in range(1, days))

    def reached(self, now: datetime, end: datetime, amount: float, besides: float = 0.0) -> datetime | None:
        """When so many hours have come from now on; None where that is not expected before a midnight (UTC).

        `besides` are hours an hour that come evenly on top.
        """
        at, left = now.astimezone(UTC), amount
        while at < end:
            before, after = self.passed[at.hour], self.passed[at.hour + 1]
            rate = self.week[at.weekday()] * (after - before) + besides
            following = (at + HOUR).replace(minute=0, second=0, microsecond=0)
            part = (following - at) / HOUR
            if left <= rate * part:
                return at + (HOUR * (left / rate) if rate else timedelta(0))
            left, at = left - rate * part, following
        return None

    def variance(self, expected: float) -> float:
        """How far what comes may lie from what is expected: hours squared."""
        return self.scatter * expected * (1 + expected / self.seen) if self.seen else 0.0


def watched(known: Mapping[int, Day], since: datetime, now: datetime, most: int) -> tuple[list[Day], bool]:
    """At most so many days before this one, by what is known of them; whether they make a whole day.

    Until they do, today is taken for what they lack of it. `since` is when metering began.
    """
    today, since = now.toordinal(), min(since, now)
    first = max(since.toordinal(), today - most)
    days = [known.get(ordinal) or Day(ordinal, [0.0] * HOURS) for ordinal in range(first, today)]
    if days and first == since.toordinal():
        days[0].watched = 1 - of_day(since)
    lacking = 1 - sum(day.watched for day in days)
    if lacking <= 0:
        return days, True
    begun = known.get(today) or Day(today, [0.0] * HOURS)
    return [*days, Day(today, begun.hours, lacking)], False


def of_day(at: datetime) -> float:
    """The share of its day (UTC) that is over."""
    at = at.astimezone(UTC)
    return (at - at.replace(hour=0, minute=0, second=0, microsecond=0)) / DAY


def learn(days: Sequence[Day], today: int) -> Season:
    """The season of what was metered up to a day (its ordinal)."""
    weights = [exp((day.ordinal - today) / MEMORY_DAYS) for day in days]
    totals = [weight * day.total for weight, day in zip(weights, days, strict=True)]
    watched = [weight * day.watched for weight, day in zip(weights, days, strict=True)]
    seen = sum(totals)
    mean = seen / sum(watched) if seen else 0.0
    weekdays = [_weekday(day.ordinal) for day in days]

    def drawn(mean: float, members: range) -> float:
        which = [index for index, weekday in enumerate(weekdays) if weekday in members]
        return (sum(totals[i] for i in which) + DRAWN * mean) / (sum(watched[i] for i in which) + DRAWN)

    kinds = (range(WORKING_DAYS), range(WORKING_DAYS, WEEK))
    week = tuple(drawn(drawn(mean, kind), range(weekday, weekday + 1)) for kind in kinds for weekday in kind)
    squares = sum(
        weight * (day.total - day.watched * week[weekday]) ** 2
        for weight, day, weekday in zip(weights, days, weekdays, strict=True)
    )
    expected = sum(share * week[weekday] for share, weekday in zip(watched, weekdays, strict=True))
    believed = BELIEVED_DAYS * mean
    scatter = (squares + BELIEVED_DAYS * (SCATTERS * mean) ** 2) / (expected + believed) if believed else 0.0
    return Season(week, _passed(days, weights, mean), scatter, seen)


def _passed(days: Sequence[Day], weights: Sequence[float], mean: float) -> tuple[float, ...]:
    """The share of a day that has passed at each hour, drawn to an even day as if that were one day more."""
    even = DRAWN * mean / HOURS if mean else 1.0
    sums = [
        even + sum(weight * day.hours[hour] for weight, day in zip(weights, days, strict=True)) for hour in range(HOURS)
    ]
    total, passed = sum(sums), [0.0]
    for each in sums:
        passed.append(passed[-1] + each / total)
    return (*passed[:-1], 1.0)


def _weekday(ordinal: int) -> int:
    """0 for a Monday: the first day of the calendar was one."""
    return (ordinal - 1) % WEEK
