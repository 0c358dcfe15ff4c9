"""The season: what is expected of a day and of an hour follows what was seen, drawn to the mean where little was."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.season import HOURS, WEEK, Day, learn, of_day, watched

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)


def even(total: float) -> list[float]:
    """A day whose hours are all alike."""
    return [total / HOURS] * HOURS


def days(totals: list[float], first: datetime = MONDAY) -> list[Day]:
    """Even days, one after the other."""
    return [Day(first.toordinal() + index, even(total)) for index, total in enumerate(totals)]


def test_even_days_go_on() -> None:
    """Ten hours a day are ten hours a day, by the hour and by the minute."""
    season = learn(days([10.0] * 14), MONDAY.toordinal() + 14)
    assert season.week == pytest.approx((10,) * WEEK)
    assert season.between(datetime(2026, 11, 16, tzinfo=UTC), DECEMBER) == pytest.approx(150)
    assert season.between(datetime(2026, 11, 30, 18, 30, tzinfo=UTC), DECEMBER) == pytest.approx(10 * 5.5 / 24)
    assert season.between(DECEMBER - timedelta(seconds=1), DECEMBER) == pytest.approx(0, abs=0.001)


def test_times_are_those_of_utc() -> None:
    """Wherever the clock's zone is."""
    season = learn(days([10.0, 20.0, 30.0]), MONDAY.toordinal() + 3)
    now = datetime(2026, 11, 6, 1, 30, tzinfo=UTC)
    assert season.between(now.astimezone(timezone(timedelta(hours=9))), DECEMBER) == season.between(now, DECEMBER)


def test_weekends_are_told_from_working_days() -> None:
    """After one week they are drawn halfway to the mean, after four they stand for themselves."""
    week = [100.0] * 5 + [0.0] * 2
    one, four = (learn(days(week * weeks), MONDAY.toordinal() + WEEK * weeks) for weeks in (1, 4))
    assert one.week[5] < 30
    assert one.week[0] > 85
    assert four.week[5] < 10
    assert four.week[0] > 95


def test_a_weekend_that_nobody_saw_is_a_day_as_any() -> None:
    """Three working days say nothing of a Saturday."""
    season = learn(days([10.0] * 3), MONDAY.toordinal() + 3)
    assert season.week == pytest.approx((10,) * WEEK)


def test_one_day_of_the_week_may_differ() -> None:
    """Every Monday is busy."""
    season = learn(days([50.0, 10.0, 10.0, 10.0, 10.0, 5.0, 5.0] * 5), MONDAY.toordinal() + 35)
    assert season.week[0] > 1.8 * season.week[1]


def test_yesterday_counts_for_more_than_last_month() -> None:
    """An organization that has doubled is expected near its new level."""
    season = learn(days([10.0] * 18 + [20.0] * 17), MONDAY.toordinal() + 35)
    assert 17 < season.week[2] < 20


def test_office_hours() -> None:
    """In the evening a working day is over."""
    office = [1.0 if 8 <= hour < 18 else 0.0 for hour in range(HOURS)]
    season = learn([Day(day.ordinal, office) for day in days([10.0] * 10)], MONDAY.toordinal() + 10)
    evening = datetime(2026, 11, 30, 19, tzinfo=UTC)
    assert season.between(evening, DECEMBER) < 0.3
    assert season.between(evening.replace(hour=13), DECEMBER) == pytest.approx(5, abs=0.2)


def test_a_day_that_was_metered_in_part() -> None:
    """Half a day with five hours is a day of ten."""
    half = Day(MONDAY.toordinal(), [0.0] * 12 + [5 / 12] * 12, 0.5)
    season = learn([half, *days([10.0], MONDAY + timedelta(days=1))], MONDAY.toordinal() + 2)
    assert season.week == pytest.approx((10,) * WEEK)


def test_nothing_seen_is_nothing_expected() -> None:
    """And nothing is uncertain about it."""
    for seen in ([], days([0.0] * 5)):
        season = learn(seen, MONDAY.toordinal() + 5)
        assert season.between(MONDAY, DECEMBER) == 0
        assert season.variance(0) == season.variance(10) == 0


def test_days_that_differ_scatter_more() -> None:
    """And what is far is less sure than what is near."""
    today = MONDAY.toordinal() + 28
    calm, wild = learn(days([10.0] * 28), today), learn(days([2.0, 18.0] * 14), today)
    assert wild.variance(100) > 3 * calm.variance(100) > 0
    assert calm.variance(200) > 2 * calm.variance(100)


@given(st.lists(st.just(0.0) | st.floats(1e-6, 1_000), min_size=1, max_size=35), st.floats(0.01, 100))
def test_twice_the_hours_are_twice_the_season(totals: list[float], factor: float) -> None:
    """Expectations scale, standard deviations with them; shares of a day stay and end at 1."""
    today = MONDAY.toordinal() + len(totals)
    one, other = learn(days(totals), today), learn(days([factor * each for each in totals]), today)
    assert other.week == pytest.approx([factor * each for each in one.week])
    assert other.variance(factor * 100) == pytest.approx(factor**2 * one.variance(100), rel=1e-6, abs=1e-12)
    assert list(one.passed) == sorted(one.passed)
    assert (one.passed[0], one.passed[-1]) == (0, 1)
    assert all(each >= 0 for each in one.week)


def test_days_that_were_watched() -> None:
    """Those before this one, the first from when metering began; of a day nothing is known nothing was used."""
    begun, now = MONDAY + timedelta(hours=18), MONDAY + timedelta(days=3, hours=6)
    known = {MONDAY.toordinal(): Day(MONDAY.toordinal(), even(4.0))}
    found, whole = watched(known, begun, now, 35)
    assert whole
    assert [(day.ordinal - MONDAY.toordinal(), day.total, day.watched) for day in found] == [
        (0, pytest.approx(4.0), 0.25),
        (1, 0.0, 1.0),
        (2, 0.0, 1.0),
    ]
    assert [day.ordinal for day in watched(known, begun, now, 2)[0]] == [found[1].ordinal, found[2].ordinal]


def test_before_there_is_a_whole_day_today_stands_for_the_rest() -> None:
    """A quarter of yesterday was watched, so today counts three quarters."""
    begun, now = MONDAY + timedelta(hours=18), MONDAY + timedelta(days=1, hours=6)
    found, whole = watched({}, begun, now, 35)
    assert not whole
    assert [day.watched for day in found] == [0.25, 0.75]
    assert watched({}, now + timedelta(days=1), now, 35)[0][0].ordinal == now.toordinal()
    assert of_day(begun) == 0.75


def test_when_so_many_hours_have_come() -> None:
    """Ten a day: five in half a day, none at once, and what does not come this month never."""
    season = learn(days([10.0] * 14), MONDAY.toordinal() + 14)
    now = datetime(2026, 11, 16, tzinfo=UTC)
    reached = season.reached(now, DECEMBER, 5.0)
    assert reached is not None
    assert abs(reached - (now + timedelta(hours=12))) < timedelta(minutes=1)
    assert season.reached(now, DECEMBER, 0.0) == now
    assert season.reached(now, DECEMBER, 151.0) is None
    assert season.reached(DECEMBER, DECEMBER, 1.0) is None


def test_what_comes_evenly_on_top_is_counted() -> None:
    """Nothing is expected of the season, and an hour an hour from elsewhere."""
    season = learn(days([0.0] * 14), MONDAY.toordinal() + 14)
    now = datetime(2026, 11, 16, 0, 30, tzinfo=UTC)
    assert season.reached(now, DECEMBER, 6.0) is None
    assert season.reached(now, DECEMBER, 6.0, 1.0) == now + timedelta(hours=6)


@given(st.lists(st.floats(0, 50), min_size=7, max_size=21), st.integers(0, 14 * 24), st.floats(0.1, 400))
def test_reaching_is_the_inverse_of_expecting(totals: list[float], hour: int, amount: float) -> None:
    """At the midnight after, at least so much is expected; at the one before, at most."""
    season = learn(days(totals), MONDAY.toordinal() + len(totals))
    now = datetime(2026, 11, 16, tzinfo=UTC) + timedelta(hours=hour)
    reached = season.reached(now, DECEMBER, amount)
    if reached is None:
        assert season.between(now, DECEMBER) <= amount + 1e-6
        return
    before = reached.replace(hour=0, minute=0, second=0, microsecond=0)
    assert season.between(now, before + timedelta(days=1)) >= amount - 1e-6
    if before > now:
        assert season.between(now, before) <= amount + 1e-6
