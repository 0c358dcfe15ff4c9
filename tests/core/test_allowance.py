"""The free hours: an hour costs nothing while they last, and nothing is guessed from too little."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.allowance import allowance
from planner.core.rulebook import FreeHoursSettings

MIDDLE = datetime(2026, 11, 16, tzinfo=UTC)
HOURS = st.floats(0, 5_000, allow_nan=False)


def settings(limit: float = 1_550, used_elsewhere: float = 0) -> FreeHoursSettings:
    """The shipped settings with some changed."""
    return FreeHoursSettings(limit=limit, used_elsewhere=used_elsewhere)


def test_no_free_hours_cost_their_price_at_once() -> None:
    """On the first day, with nothing metered."""
    found = allowance(settings(limit=0), 0, datetime(2026, 11, 1, tzinfo=UTC))
    assert (found.known, found.probability) == (True, 1.0)


def test_three_days_say_nothing() -> None:
    """Without a baseline the chance is unknown, and counts as none."""
    for now in (datetime(2026, 11, 3, 23, tzinfo=UTC), MIDDLE):
        since = None if now < MIDDLE else MIDDLE - timedelta(days=2)
        found = allowance(settings(), 1_000, now, since)
        assert (found.known, found.probability) == (False, 0.0)
    assert allowance(settings(), 1_000, MIDDLE).known


def test_hours_used_elsewhere_are_a_baseline() -> None:
    """They are the whole month's, and are not extrapolated again."""
    first = datetime(2026, 11, 2, tzinfo=UTC)
    found = allowance(settings(used_elsewhere=900), 0, first)
    assert found.known
    assert found.used == pytest.approx(30)
    assert found.forecast == pytest.approx(900)
    assert found.probability == 0
    assert allowance(settings(used_elsewhere=3_000), 0, first).probability == 1


def test_a_spent_allowance_is_certain() -> None:
    """However little is known of the pace."""
    found = allowance(settings(), 1_550, datetime(2026, 11, 1, 5, tzinfo=UTC))
    assert (found.known, found.probability, found.left) == (True, 1.0, 0.0)


def test_half_a_month_forecasts_the_other_half() -> None:
    """At the pace so far."""
    assert allowance(settings(), 400, MIDDLE).forecast == pytest.approx(800)
    assert allowance(settings(), 100, MIDDLE, MIDDLE - timedelta(days=5)).forecast == pytest.approx(400)


@pytest.mark.parametrize(("metered", "probability"), [(600, 0.0), (697.5, 0.0), (775, 0.5), (852.5, 1.0), (1_000, 1.0)])
def test_the_probability_rises_around_the_limit(metered: float, probability: float) -> None:
    """From 10 % below to 10 % above it."""
    assert allowance(settings(), metered, MIDDLE).probability == pytest.approx(probability)


@given(HOURS, HOURS, st.integers(0, 30 * 24 * 60 - 1))
def test_more_hours_never_make_an_hour_cheaper(one: float, other: float, minute: int) -> None:
    """And the probability is one."""
    now = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minute)
    fewer, more = (allowance(settings(), hours, now) for hours in sorted((one, other)))
    assert 0 <= fewer.probability <= more.probability <= 1
    assert fewer.forecast >= fewer.used


def test_months_are_those_of_utc() -> None:
    """Wherever the clock's zone is."""
    tokyo = timezone(timedelta(hours=9))
    assert allowance(settings(), 5, datetime(2026, 12, 1, 3, tzinfo=tokyo)).forecast < 6
    assert not allowance(settings(), 5, datetime(2026, 12, 1, 12, tzinfo=tokyo)).known
