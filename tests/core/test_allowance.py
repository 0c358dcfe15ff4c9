"""The free hours: an hour costs nothing while they last, and nothing is guessed from too little."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.allowance import KEPT_DAYS, MS_PER_HOUR, Allowance, Pool
from planner.core.rulebook.book import FreeHoursSettings

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
MIDDLE = datetime(2026, 11, 16, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
TOKYO = timezone(timedelta(hours=9))

A_DAY = st.tuples(st.floats(0, 300), st.floats(0, 1))
"""Untouched hours, and the share of them that is used."""


def settings(limit: float = 1_550, used_elsewhere: float = 0) -> FreeHoursSettings:
    """The shipped settings with some changed."""
    return FreeHoursSettings(limit=limit, used_elsewhere=used_elsewhere)


def pool(
    daily: float,
    until: datetime = MIDDLE,
    *,
    start: datetime = NOVEMBER,
    share: float = 1.0,
    rules: FreeHoursSettings | None = None,
) -> Pool:
    """An organization with so many untouched hours a day, hour by hour alike, of which a share is used."""
    found = Pool(rules or settings())
    at = start
    while at < until:
        add(found, at, daily / 24, share)
        at += HOUR
    return found


def add(found: Pool, at: datetime, hours: float, share: float = 1.0) -> None:
    """Count untouched hours, of which a share is used."""
    found.add(at, round(hours * share * MS_PER_HOUR), round(hours * MS_PER_HOUR))


# ---------------------------------------------------------------- what is known


def test_no_free_hours_cost_their_price_at_once() -> None:
    """In the first moment, with nothing metered."""
    found = Pool(settings(limit=0)).judge(NOVEMBER)
    assert (found.known, found.probability, found.left) == (True, 1.0, 0.0)


def test_three_days_say_nothing() -> None:
    """Without a baseline the chance is unknown, and counts as none; a minute later it is known."""
    begun = datetime(2026, 11, 10, 7, 30, tzinfo=UTC)
    found = pool(240, begun + timedelta(days=4), start=begun, rules=settings(limit=5_000))
    before, after = (found.judge(begun + timedelta(days=3) + step) for step in (-MINUTE, MINUTE))
    assert (before.known, before.probability) == (False, 0.0)
    assert after.known
    assert before.forecast == pytest.approx(after.forecast, rel=0.02)


def test_metering_may_have_begun_before_the_first_hours() -> None:
    """Days without a container hour are known all the same; a pool that nobody told anything knows nothing."""
    assert Pool(settings(), since=NOVEMBER).judge(MIDDLE).known
    assert not Pool(settings()).judge(MIDDLE).known
    quiet = Pool(settings())
    quiet.add(NOVEMBER, 0, 0)
    assert quiet.judge(MIDDLE) == Pool(settings(), since=NOVEMBER).judge(MIDDLE)


def test_hours_used_elsewhere_are_a_baseline() -> None:
    """They are the whole month's, spread evenly, and are not extrapolated again."""
    first = datetime(2026, 11, 2, tzinfo=UTC)
    found = Pool(settings(used_elsewhere=900)).judge(first)
    assert found.known
    assert found.used == pytest.approx(30)
    assert (found.low, found.forecast, found.high) == pytest.approx((900, 900, 900))
    assert found.probability == 0
    assert Pool(settings(used_elsewhere=3_000)).judge(first).probability == 1


def test_the_first_hours_beside_a_baseline() -> None:
    """Less than a day is taken for one, until there is one."""
    found = Pool(settings(used_elsewhere=300))
    add(found, NOVEMBER, 10)
    assert found.judge(NOVEMBER + MINUTE).forecast == pytest.approx(310 + 10 * 30, abs=5)
    add(found, NOVEMBER + 12 * HOUR, 10)
    assert found.judge(NOVEMBER + 12 * HOUR).forecast == pytest.approx(320 + 20 * 29.5, abs=5)
    assert found.judge(NOVEMBER + 24 * HOUR).forecast == pytest.approx(320 + 20 * 29)


def test_a_spent_allowance_is_certain() -> None:
    """However little is known of the pace."""
    found = Pool(settings())
    add(found, datetime(2026, 11, 1, 4, tzinfo=UTC), 1_550)
    judged = found.judge(datetime(2026, 11, 1, 5, tzinfo=UTC))
    assert (judged.known, judged.probability, judged.left) == (True, 1.0, 0.0)


# ---------------------------------------------------------------- what is expected


def test_half_a_month_forecasts_the_other_half() -> None:
    """At the pace so far, wherever in the month metering began."""
    assert pool(20).judge(MIDDLE).forecast == pytest.approx(600)
    assert pool(20, start=MIDDLE - timedelta(days=5)).judge(MIDDLE).forecast == pytest.approx(400)


@pytest.mark.parametrize(
    ("daily", "least", "most"), [(30, 0, 0), (46, 0, 0.2), (51.7, 0.4, 0.6), (60, 0.9, 1), (90, 1, 1)]
)
def test_the_probability_rises_around_the_limit(daily: float, least: float, most: float) -> None:
    """51.7 hours a day are 1,550 a month."""
    assert least <= pool(daily).judge(MIDDLE).probability <= most


def test_weekends_are_not_working_days() -> None:
    """A month that ends in one is not forecast by its Fridays."""
    found, at = Pool(settings()), datetime(2026, 9, 28, tzinfo=UTC)
    while at < datetime(2026, 10, 31, tzinfo=UTC):
        add(found, at + 12 * HOUR, 70 if at.weekday() < 5 else 0)
        at += timedelta(days=1)
    judged = found.judge(at)
    assert judged.forecast - judged.used < 10


def test_decisions_in_force_enter_as_a_share() -> None:
    """What is used of late of the hours as they would be; the untouched forecast does not know of it."""
    found = pool(60)
    at = MIDDLE
    while at < MIDDLE + timedelta(days=5):
        add(found, at, 60 / 24, 0.5)
        at += HOUR
    judged = found.judge(at)
    assert judged.untouched == pytest.approx(1_800)
    assert judged.forecast == pytest.approx(15 * 60 + 5 * 30 + 10 * 30, rel=0.01)


def test_bundling_everything_ends_what_comes() -> None:
    """The forecast is then what is used already."""
    found = pool(100, MIDDLE - timedelta(days=6))
    for hour in range(6 * 24):
        add(found, MIDDLE - timedelta(days=6) + hour * HOUR, 100 / 24, 0)
    judged = found.judge(MIDDLE)
    assert judged.forecast == pytest.approx(judged.used, rel=0.01)
    assert judged.probability == 0
    assert judged.untouched == pytest.approx(3_000)


def test_the_interval_narrows() -> None:
    """Toward the month's end there is less to come."""
    early, late = (pool(40, until).judge(until) for until in (datetime(2026, 11, 6, tzinfo=UTC), DECEMBER - HOUR))
    assert early.high - early.low > 100
    assert 0 < late.high - late.low < 10


def test_a_month_knows_the_one_before() -> None:
    """From its first moment; of hours it begins with none, and what was decided in the old one is no burden."""
    found = pool(60, NOVEMBER, start=datetime(2026, 10, 1, tzinfo=UTC), rules=settings(limit=1_000))
    assert found.judge(NOVEMBER - MINUTE).probability == 1
    first = found.judge(NOVEMBER)
    assert (first.used, first.known) == (0, True)
    assert first.forecast == pytest.approx(1_800)
    spent = pool(10, NOVEMBER, start=datetime(2026, 10, 1, tzinfo=UTC), rules=settings(limit=305))
    assert spent.judge(NOVEMBER - MINUTE).probability == 1
    assert spent.judge(NOVEMBER).probability < 0.5


def test_old_days_are_forgotten() -> None:
    """After five weeks an hour is not believed in any more."""
    found = Pool(settings())
    add(found, NOVEMBER, 100)
    assert found.judge(NOVEMBER + timedelta(days=KEPT_DAYS)).forecast > 0
    assert found.judge(NOVEMBER + timedelta(days=KEPT_DAYS + 1)).forecast == 0


# ---------------------------------------------------------------- when it is computed


def test_once_a_minute() -> None:
    """Within one, the same value is told, whatever came in; a moment before is the last one."""
    found = pool(50)
    first = found.judge(MIDDLE)
    add(found, MIDDLE, 10)
    assert found.judge(MIDDLE + timedelta(seconds=59)) is first
    assert found.judge(MIDDLE - timedelta(seconds=5)) is first
    second = found.judge(MIDDLE + MINUTE)
    assert second.at == MIDDLE + MINUTE
    assert second.used == pytest.approx(first.used + 10)


def test_a_month_that_turns_does_not_wait_for_the_minute() -> None:
    """The first request of a month meets its own hours."""
    found = pool(60, DECEMBER)
    assert found.judge(DECEMBER - timedelta(seconds=10)).used > 1_700
    assert found.judge(DECEMBER).used == 0


def test_the_price_follows_with_a_lag() -> None:
    """A busy morning is felt over a day, not at once."""
    found = pool(50)
    before = found.judge(MIDDLE).probability
    add(found, MIDDLE, 200)
    soon, later, last = (found.judge(MIDDLE + wait).probability for wait in (MINUTE, 6 * HOUR, 72 * HOUR))
    assert before < 0.5
    assert soon == pytest.approx(before, abs=0.01)
    assert before + 0.05 < later < last


def test_the_first_day_is_not_held_back_by_its_first_minute() -> None:
    """Beside a baseline an hour has a price before anything was metered; what comes then counts sooner."""
    found = Pool(settings(used_elsewhere=1_400))
    assert found.judge(NOVEMBER).probability == 0
    for minute in range(120):
        add(found, NOVEMBER + minute * MINUTE, 0.1)
        last = found.judge(NOVEMBER + minute * MINUTE)
    assert last.probability > 0.5


def test_a_price_that_cannot_come_is_none_at_once() -> None:
    """As soon as even hours without any bundle would stay within the limit."""
    found = pool(100, datetime(2026, 11, 8, tzinfo=UTC), rules=settings(limit=1_000))
    assert found.judge(datetime(2026, 11, 8, tzinfo=UTC)).probability == 1
    assert found.judge(datetime(2026, 11, 29, tzinfo=UTC)).probability == 0


# ---------------------------------------------------------------- hours left


def test_hours_left_are_exact_at_any_time() -> None:
    """As they are and as they would be; no minute is waited for."""
    found = Pool(settings(limit=10))
    add(found, NOVEMBER, 4, 0.5)
    assert found.left(NOVEMBER) == (8, 6)
    found.judge(NOVEMBER)
    add(found, NOVEMBER, 8)
    assert found.left(NOVEMBER) == (0, 0)
    assert found.left(DECEMBER) == (10, 10)
    elsewhere = Pool(settings(limit=10, used_elsewhere=10))
    assert elsewhere.left(MIDDLE) == (5, 5)


def test_each_month_has_its_own() -> None:
    """At midnight UTC, wherever the clock's zone is; a request counts in the one that it began in."""
    found = Pool(settings(limit=10))
    last = NOVEMBER - timedelta(seconds=1)
    add(found, NOVEMBER, 1)
    add(found, last, 2)
    assert (found.left(NOVEMBER)[0], found.left(last)[0]) == (9, 8)
    assert found.left(last.astimezone(TOKYO))[0] == 8
    assert found.left(NOVEMBER.astimezone(timezone(timedelta(hours=-8))))[0] == 9


def test_old_months_are_let_go() -> None:
    """What is kept does not grow with the age of the process."""
    found = Pool(settings(limit=10))
    for month in range(1, 13):
        add(found, datetime(2026, month, 1, tzinfo=UTC), 1)
    assert [found.left(datetime(2026, month, 5, tzinfo=UTC))[0] for month in (12, 11)] == [9, 9]
    assert found.left(datetime(2026, 2, 5, tzinfo=UTC))[0] == 10


# ---------------------------------------------------------------- laws


def told(days: list[tuple[float, float]], limit: float, now: datetime, extra: float = 0) -> Allowance:
    """What is judged of days of November, judged every noon; `extra` hours are used on top just before now."""
    found = Pool(settings(limit=limit))
    for index, (hours, share) in enumerate(days):
        add(found, NOVEMBER + timedelta(days=index, hours=9), hours, share)
        if NOVEMBER + timedelta(days=index, hours=12) < now - HOUR:
            found.judge(NOVEMBER + timedelta(days=index, hours=12))
    add(found, now - MINUTE, extra)
    return found.judge(now)


MONTHS = st.integers(1, 28).flatmap(
    lambda length: st.tuples(
        st.lists(A_DAY, min_size=length, max_size=length),
        st.floats(1, 24 * 60 - 1).map(lambda minute: NOVEMBER + timedelta(days=length, minutes=minute)),
    )
)


@given(MONTHS, st.floats(0, 3_000))
def test_a_chance_is_one_and_an_interval_is_in_order(
    month: tuple[list[tuple[float, float]], datetime], limit: float
) -> None:
    """Whatever was metered; and the same again says the same."""
    found = told(*month[:1], limit, month[1])
    assert 0 <= found.probability <= 1
    assert found.used <= found.low + 1e-9 <= found.forecast + 2e-9 <= found.high + 3e-9
    assert found.untouched_low <= found.untouched <= found.untouched_high
    assert found.forecast <= found.untouched + 1e-6
    assert found == told(*month[:1], limit, month[1])


@given(MONTHS, st.floats(0, 3_000), st.floats(0, 500))
def test_more_hours_never_make_an_hour_cheaper(
    month: tuple[list[tuple[float, float]], datetime], limit: float, extra: float
) -> None:
    """Those that come on top today."""
    days, now = month
    assert told(days, limit, now).probability <= told(days, limit, now, extra).probability + 1e-9


@given(MONTHS, st.floats(0, 3_000), st.floats(0, 3_000))
def test_a_higher_limit_never_makes_an_hour_dearer(
    month: tuple[list[tuple[float, float]], datetime], one: float, other: float
) -> None:
    """Nor an unknown one known."""
    days, now = month
    low, high = (told(days, limit, now) for limit in sorted((one, other)))
    assert high.probability <= low.probability + 1e-9
    assert high.forecast == low.forecast


@given(st.lists(st.tuples(st.integers(0, 20 * 24 * 60), st.floats(0, 20), st.floats(0, 1)), max_size=30))
def test_hours_may_come_in_any_order(adds: list[tuple[int, float, float]]) -> None:
    """Requests end in another order than they began."""
    one, other = Pool(settings()), Pool(settings())
    for minute, hours, share in adds:
        add(one, NOVEMBER + minute * MINUTE, hours, share)
    for minute, hours, share in reversed(adds):
        add(other, NOVEMBER + minute * MINUTE, hours, share)
    now = NOVEMBER + timedelta(days=21)
    assert one.left(now) == other.left(now)
    for field in ("used", "low", "forecast", "high", "untouched", "probability"):
        assert getattr(one.judge(now), field) == pytest.approx(getattr(other.judge(now), field), rel=1e-6, abs=1e-6)
