"""Every organization has a pool of its own, and a restart loses nothing of it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from planner.core.allowance import MS_PER_HOUR
from planner.core.rulebook import FreeHoursSettings
from planner.proxy.hours import Hours, remembered
from planner.stores import Metered

NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
MIDDLE = datetime(2026, 11, 16, tzinfo=UTC)
HOUR = timedelta(hours=1)


def hours(limit: float = 10, used_elsewhere: float = 0) -> Hours:
    """Nobody was met yet."""
    return Hours(FreeHoursSettings(limit=limit, used_elsewhere=used_elsewhere))


def test_each_organization_has_its_own() -> None:
    """One that is not known is one as well."""
    found = hours()
    found["one"].add(NOVEMBER, MS_PER_HOUR, 2 * MS_PER_HOUR)
    found[""].add(NOVEMBER, 3 * MS_PER_HOUR, 0)
    assert found["one"].left(NOVEMBER) == (9, 8)
    assert found[""].left(NOVEMBER) == (7, 10)
    assert found["two"].left(NOVEMBER) == (10, 10)


def test_everybody_together() -> None:
    """Hours add up, those used elsewhere once; the price is that of the organization where it is dearest."""
    found = hours(used_elsewhere=6)
    for name, used in (("one", 2), ("two", 8)):
        for day in range(15):
            found[name].add(
                NOVEMBER + timedelta(days=day, hours=12), used * MS_PER_HOUR // 15, used * MS_PER_HOUR // 15
            )
    one, two, all_ = found["one"].judge(MIDDLE), found["two"].judge(MIDDLE), found.everybody(MIDDLE)
    assert all_.used == pytest.approx(3 + 2 + 8)
    assert all_.forecast == pytest.approx(one.forecast + two.forecast - 6)
    assert one.probability < two.probability == all_.probability
    assert (all_.limit, all_.known) == (10, True)
    assert all_.low < all_.forecast < all_.high
    assert all_.low < all_.untouched < all_.high


def test_nobody() -> None:
    """What is used elsewhere is all there is."""
    found = hours(used_elsewhere=6).everybody(MIDDLE)
    assert (found.used, found.forecast, found.limit) == (3, 6, 10)
    assert not hours().everybody(MIDDLE).known


def test_what_a_restart_reads() -> None:
    """Whole days, and always the whole month."""
    last = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    assert remembered(last) == datetime(2026, 11, 26, tzinfo=UTC)
    assert remembered(last.astimezone(timezone(timedelta(hours=9)))) == remembered(last)


def test_a_restart() -> None:
    """The ledger's hours bring back what was left, and what was expected; the price begins where its forecast is."""
    before, after = hours(limit=1_000), hours(limit=1_000)
    at, rows = MIDDLE - timedelta(days=30), []
    while at < MIDDLE:
        used = round((1 + at.weekday() + at.hour / 24) * MS_PER_HOUR * (0.5 if at.day < 10 else 0.7))
        untouched = round((1 + at.weekday() + at.hour / 24) * MS_PER_HOUR)
        for part in range(4):
            before["o"].add(at + part * HOUR / 4, used // 4, untouched // 4)
        rows.append(Metered("o", at.isoformat(), used // 4 * 4, untouched // 4 * 4))
        at += HOUR
    after.restore(rows)
    assert after["o"].left(MIDDLE) == before["o"].left(MIDDLE)
    old, new = before["o"].judge(MIDDLE), after["o"].judge(MIDDLE)
    for name in ("forecast", "low", "high", "untouched"):
        assert getattr(new, name) == pytest.approx(getattr(old, name), rel=0.002)
    assert 0 < new.probability == pytest.approx(old.probability, abs=0.02)
    assert (new.used, new.known) == (old.used, True)
