"""Every organization has a pool of its own, and a restart loses nothing of it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from planner.core.allowance import MS_PER_HOUR
from planner.core.rulebook.book import FreeHoursSettings
from planner.proxy.hours import SETTINGS_KEPT, Hours, remembered
from planner.stores import Metered

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
MIDDLE = datetime(2026, 11, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)


def settings(limit: float = 10, used_elsewhere: float = 0) -> FreeHoursSettings:
    """Few free hours."""
    return FreeHoursSettings(limit=limit, used_elsewhere=used_elsewhere)


def test_each_organization_has_its_own() -> None:
    """One that is not known is one as well."""
    found = Hours()
    found.add("one", NOVEMBER, MS_PER_HOUR, 2 * MS_PER_HOUR)
    found.add("", NOVEMBER, 3 * MS_PER_HOUR, 0)
    assert found.pool("one", settings()).left(NOVEMBER) == (9, 8)
    assert found.pool("", settings()).left(NOVEMBER) == (7, 10)
    assert found.pool("two", settings()).left(NOVEMBER) == (10, 10)


def test_everybody_together() -> None:
    """Hours add up, those used elsewhere once; the price is that of the organization where it is dearest."""
    found, given = Hours(), settings(used_elsewhere=6)
    for name, used in (("one", 2), ("two", 8)):
        for day in range(15):
            used_ms = used * MS_PER_HOUR // 15
            found.add(name, NOVEMBER + timedelta(days=day, hours=12), used_ms, used_ms)
    one, two = (found.pool(name, given).judge(MIDDLE) for name in ("one", "two"))
    all_ = found.everybody(MIDDLE, given)
    assert all_.used == pytest.approx(3 + 2 + 8)
    assert all_.forecast == pytest.approx(one.forecast + two.forecast - 6)
    assert one.probability < two.probability == all_.probability
    assert (all_.limit, all_.known) == (10, True)
    assert all_.low < all_.forecast < all_.high
    assert all_.low < all_.untouched < all_.high


def test_nobody() -> None:
    """What is used elsewhere is all there is."""
    found = Hours().everybody(MIDDLE, settings(used_elsewhere=6))
    assert (found.used, found.forecast, found.limit) == (3, 6, 10)
    assert not Hours().everybody(MIDDLE, settings()).known


def test_what_a_restart_reads() -> None:
    """Whole days, and always the whole month."""
    last = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert remembered(last) == datetime(2026, 11, 26, tzinfo=UTC)
    assert remembered(last.astimezone(timezone(timedelta(hours=9)))) == remembered(last)


def test_a_restart() -> None:
    """The ledger's hours bring back what was left, and what was expected; the price begins where its forecast is."""
    before, after, given = Hours(), Hours(), settings(limit=1_000)
    at, rows = MIDDLE - timedelta(days=30), []
    while at < MIDDLE:
        used = round((1 + at.weekday() + at.hour / 24) * MS_PER_HOUR * (0.5 if at.day < 10 else 0.7))
        untouched = round((1 + at.weekday() + at.hour / 24) * MS_PER_HOUR)
        for part in range(4):
            before.add("o", at + part * HOUR / 4, used // 4, untouched // 4)
        rows.append(Metered("o", at.isoformat(), used // 4 * 4, untouched // 4 * 4))
        at += HOUR
    after.restore(rows)
    assert after.pool("o", given).left(MIDDLE) == before.pool("o", given).left(MIDDLE)
    old, new = before.pool("o", given).judge(MIDDLE), after.pool("o", given).judge(MIDDLE)
    for name in ("forecast", "low", "high", "untouched"):
        assert getattr(new, name) == pytest.approx(getattr(old, name), rel=0.002)
    assert 0 < new.probability == pytest.approx(old.probability, abs=0.02)
    assert (new.used, new.known) == (old.used, True)


def test_settings_change_and_the_hours_stay() -> None:
    """A reload judges what was counted before anew; who came before it is still judged by what held then."""
    found, wide, none = Hours(), settings(limit=1_550), settings(limit=0)
    for day in range(10):
        found.add("o", NOVEMBER + timedelta(days=day), MS_PER_HOUR, MS_PER_HOUR)
    at = NOVEMBER + timedelta(days=10)
    before = found.pool("o", wide)
    assert (before.left(at)[0], before.judge(at).probability) == (1_540, 0)
    after = found.pool("o", none)
    assert (after.left(at)[0], after.judge(at).probability) == (0, 1)
    assert (found.pool("o", wide).judge(at), found.pool("o", wide)) == (before.judge(at), before)
    found.pool("o", none).add(at, MS_PER_HOUR, MS_PER_HOUR)
    assert before.left(at)[0] == 1_539
    at += timedelta(minutes=1)
    assert (found.everybody(at, none).used, found.everybody(at, wide).limit) == (11, 1_550)


def test_old_settings_are_forgotten_and_no_hours() -> None:
    """However often rules change, few pools are kept; one that comes back has all its hours."""
    found = Hours()
    first = found.pool("o", settings())
    first.add(NOVEMBER, MS_PER_HOUR, MS_PER_HOUR)
    for limit in range(20, 20 + SETTINGS_KEPT):
        assert found.pool("o", settings(limit=limit)).left(NOVEMBER)[0] == limit - 1
    again = found.pool("o", settings())
    assert again is not first
    assert again.left(NOVEMBER) == first.left(NOVEMBER) == (9, 9)


def test_what_other_processes_used_is_counted_anew() -> None:
    """The ledger that all share takes the place of what was counted here; whoever it lacks used nothing."""
    found, given = Hours(), settings()
    pool = found.pool("one", given)
    for day in range(10):
        found.add("one", NOVEMBER + timedelta(days=day), MS_PER_HOUR // 10, MS_PER_HOUR // 10)
    found.add("gone", NOVEMBER, MS_PER_HOUR, MS_PER_HOUR)
    before = pool.judge(MIDDLE)
    text = NOVEMBER.isoformat(timespec="microseconds")
    for _ in range(2):
        found.renew([Metered("one", text, 4 * MS_PER_HOUR, 5 * MS_PER_HOUR), Metered("new", text, 0, MS_PER_HOUR)])
        assert found.pool("one", given) is pool
        assert pool.left(MIDDLE) == (6, 5)
        assert found.pool("gone", given).left(MIDDLE) == (10, 10)
        assert found.pool("new", given).left(MIDDLE) == (10, 9)
    later = pool.judge(MIDDLE + HOUR)
    assert (later.used, later.known) == (4, True)
    assert later.forecast > before.forecast
