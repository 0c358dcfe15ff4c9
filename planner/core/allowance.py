"""What one more container hour costs now: nothing while the free hours last, the list price once they do not.

    price of an hour now = list price x P(the organization's hours exceed the limit by the end of the month)

Source of the allowance: https://platform.claude.com/docs/en/about-claude/pricing, checked 2026-11-22.

The probability is that under the decisions in force, and would swing by itself: a bundle lowers the forecast, which
lowers the price, which ends the bundle. Three things keep it still:

* what comes is forecast from the hours as they would be without our edits, which no decision of ours moves; decisions
  enter as one number, the share of those hours that was used of late;
* the probability follows what it should be with a lag, so that a price is felt before it is judged again;
* it is never more than if nothing were bundled from now on: a price that no decision of ours moves either.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from math import erfc, exp, sqrt
from typing import Final

import msgspec

from planner.core.rulebook.book import FreeHoursSettings
from planner.core.rulebook.catalog import TAIL
from planner.core.season import HOURS, Day, Season, learn, watched

ENOUGH: Final = timedelta(days=3)
"""With less to go by, a forecast says nothing."""

KEPT_DAYS: Final = 35
"""Five weeks: each day of the week is seen often enough, and a month that begins knows the one before."""

MONTHS_KEPT: Final = 2
"""A request may end in the month after the one that it began in, and counts in the one that it began in."""

MINUTE: Final = timedelta(minutes=1)

LAG: Final = timedelta(days=1)
"""The probability comes 63 % nearer to what it should be in this time, or in what was metered so far if that is less.

In the closed loop of tests/core/test_allowance_loop.py, with a quarter of it the price went between nothing and full
eleven times a month, with a day at most four times, at the same cost.
"""

OF_LATE: Final = timedelta(days=1)
"""Hours count 1/e of those of now, for the decisions in force, when they are this old."""

NEGLIGIBLE: Final = 0.001
"""A chance below this is none, and one as near to 1 is certain."""

MS_PER_HOUR: Final = 3_600_000


class Allowance(msgspec.Struct, frozen=True):
    """The free hours of an organization: used so far, expected by the end of the month, and the chance of exceeding.

    In hours. `forecast` is under the decisions in force, `untouched` as it would be had nothing ever been edited; the
    truth lies from `low` to `high` in 80 % of cases. `probability` is damped. `known` is false where too little is
    known to say; then the probability is 0. `at` is when all this was computed.
    """

    used: float
    forecast: float
    limit: float
    probability: float
    known: bool
    low: float = 0.0
    high: float = 0.0
    untouched: float = 0.0
    untouched_low: float = 0.0
    untouched_high: float = 0.0
    at: datetime | None = None

    @property
    def left(self) -> float:
        """Free hours that are left now."""
        return max(self.limit - self.used, 0.0)


class Month(msgspec.Struct):
    """A month (UTC), and the milliseconds metered in it: as they are, and as they would be without our edits."""

    start: datetime
    end: datetime
    used_ms: int = 0
    untouched_ms: int = 0

    def passed(self, at: datetime) -> float:
        """The share of the month that is over."""
        return (at - self.start) / (self.end - self.start)


class Counted:
    """The container hours of one organization as they were metered, which no setting changes.

    Times are aware; months are UTC's. `since` is when metering began, if that was before the first hours.
    """

    def __init__(self, since: datetime | None = None) -> None:
        self.since = since
        self._months: dict[tuple[int, int], Month] = {}
        self._days: dict[int, Day] = {}
        self._recent = (0.0, 0.0, datetime.min.replace(tzinfo=UTC))
        self._season: tuple[int, Season] | None = None

    def add(self, at: datetime, used_ms: int, untouched_ms: int) -> None:
        """Count container time that began then: as it is, and as it would be without our edits."""
        at = at.astimezone(UTC)
        if self.since is None or at < self.since:
            self.since, self._season = at, None
        if not used_ms and not untouched_ms:
            return
        month = self.month(at)
        month.used_ms += used_ms
        month.untouched_ms += untouched_ms
        self._lately(at, used_ms, untouched_ms)
        ordinal = at.toordinal()
        day = self._days.setdefault(ordinal, Day(ordinal, [0.0] * HOURS))
        day.hours[at.hour] += untouched_ms / MS_PER_HOUR
        if self._season is not None and ordinal < self._season[0]:
            self._season = None

    def forget(self) -> None:
        """Forget what was metered, to count it anew; since when it was is not forgotten."""
        self._months.clear()
        self._days.clear()
        self._recent = (0.0, 0.0, datetime.min.replace(tzinfo=UTC))
        self._season = None

    @property
    def share(self) -> float:
        """The share of the untouched hours that the decisions in force let be used; all where nothing is known."""
        used, untouched, _ = self._recent
        return min(used / untouched, 1.0) if untouched >= 1 else 1.0

    def season(self, now: datetime) -> Season:
        """The season of the days before this one; before there is a whole one, today is taken for what it lacks."""
        today = now.toordinal()
        if self._season is not None and self._season[0] == today:
            return self._season[1]
        since = now if self.since is None else min(self.since, now)
        first = max(since.toordinal(), today - KEPT_DAYS)
        for ordinal in [ordinal for ordinal in self._days if ordinal < first]:
            del self._days[ordinal]
        days, whole = watched(self._days, since, now, KEPT_DAYS)
        season = learn(days, today)
        if whole:
            self._season = today, season
        return season

    def month(self, at: datetime) -> Month:
        """The month of a moment, with what was metered in it."""
        key = at.year, at.month
        found = self._months.get(key)
        if found is None:
            start = datetime(at.year, at.month, 1, tzinfo=UTC)
            found = self._months[key] = Month(start, start + timedelta(days=monthrange(at.year, at.month)[1]))
            while len(self._months) > MONTHS_KEPT:
                del self._months[min(self._months)]
        return found

    def _lately(self, at: datetime, used_ms: int, untouched_ms: int) -> None:
        used, untouched, last = self._recent
        fades, counts = (exp((last - at) / OF_LATE), 1.0) if at > last else (1.0, exp((at - last) / OF_LATE))
        self._recent = used * fades + used_ms * counts, untouched * fades + untouched_ms * counts, max(at, last)


class Pool:
    """What is expected of the hours of one organization under the settings of one rule book.

    `settings.used_elsewhere` is the whole month's; it is a baseline, with which even the first moment has a forecast.
    Pools of one organization under different settings share its `counted` hours; each has a probability of its own.
    """

    def __init__(
        self, settings: FreeHoursSettings, since: datetime | None = None, counted: Counted | None = None
    ) -> None:
        self._settings = settings
        self.counted = Counted(since) if counted is None else counted
        self._damped: tuple[datetime, float] | None = None
        self._judged: Allowance | None = None
        self._due = datetime.min.replace(tzinfo=UTC)

    def add(self, at: datetime, used_ms: int, untouched_ms: int) -> None:
        """Count container time that began then: as it is, and as it would be without our edits."""
        self.counted.add(at, used_ms, untouched_ms)

    def left(self, at: datetime) -> tuple[float, float]:
        """Free hours left at a time: as they are, and as they would be without our edits."""
        month = self.counted.month(at.astimezone(UTC))
        rest = self._settings.limit - self._settings.used_elsewhere * month.passed(at)
        return max(rest - month.used_ms / MS_PER_HOUR, 0.0), max(rest - month.untouched_ms / MS_PER_HOUR, 0.0)

    def judge(self, now: datetime) -> Allowance:
        """What is expected of the month, computed anew once a minute; a moment before the last one is that one."""
        if self._judged is not None and now < self._due:
            return self._judged
        now = now.astimezone(UTC)
        month = self.counted.month(now)
        self._due = min(now + MINUTE, month.end)
        self._judged = self._judge(now, month)
        return self._judged

    def runs_out(self, now: datetime) -> datetime | None:
        """When the free hours are expected to be used up under the decisions in force; None for not in this month.

        A moment that is past means that they are.
        """
        now = now.astimezone(UTC)
        month, limit, elsewhere = self.counted.month(now), self._settings.limit, self._settings.used_elsewhere
        left = limit - month.used_ms / MS_PER_HOUR - elsewhere * month.passed(now)
        if left <= 0:
            return now
        share = self.counted.share
        if share <= 0:
            return None
        evenly = elsewhere * (timedelta(hours=1) / (month.end - month.start))
        return self.counted.season(now).reached(now, month.end, left / share, evenly / share)

    def _judge(self, now: datetime, month: Month) -> Allowance:
        limit, elsewhere = self._settings.limit, self._settings.used_elsewhere
        season = self.counted.season(now)
        rest = season.between(now, month.end)
        variance, share = season.variance(rest), self.counted.share
        metered, untouched = month.used_ms / MS_PER_HOUR, month.untouched_ms / MS_PER_HOUR
        sure, sure_untouched = metered + elsewhere, untouched + elsewhere
        used, forecast = metered + elsewhere * month.passed(now), sure + share * rest
        width, untouched_width = TAIL * sqrt(share * variance), TAIL * sqrt(variance)
        known, probability = True, 1.0
        if limit == 0 or used >= limit:
            self._damped = now, 1.0
        elif not elsewhere and (self.counted.since is None or now - self.counted.since < ENOUGH):
            known, probability = False, 0.0
        else:
            ceiling = _chance(sure + rest, variance, limit)
            probability = min(self._damp(now, month, _chance(forecast, share * variance, limit)), ceiling)
        return Allowance(
            used=used,
            forecast=forecast,
            limit=limit,
            probability=_settled(probability),
            known=known,
            low=max(forecast - width, sure),
            high=forecast + width,
            untouched=sure_untouched + rest,
            untouched_low=max(sure_untouched + rest - untouched_width, sure_untouched),
            untouched_high=sure_untouched + rest + untouched_width,
            at=now,
        )

    def _damp(self, now: datetime, month: Month, chance: float) -> float:
        """Follow what the probability should be; a month begins with its first one."""
        if self._damped is not None and self._damped[0] >= month.start:
            at, damped = self._damped
            lag = LAG if self.counted.since is None else min(LAG, max(now - self.counted.since, MINUTE))
            chance = damped + (chance - damped) * (1 - exp((at - now) / lag))
        self._damped = now, chance
        return chance


def _chance(mean: float, variance: float, limit: float) -> float:
    """The chance that more than the limit comes where so much is expected."""
    if variance <= 0:
        return 1.0 if mean > limit else 0.0
    return _settled(0.5 * erfc((limit - mean) / sqrt(2 * variance)))


def _settled(chance: float) -> float:
    return 0.0 if chance < NEGLIGIBLE else 1.0 if chance > 1 - NEGLIGIBLE else chance
