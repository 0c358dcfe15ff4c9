"""How the free hours stand: by organization, as the proxy judges them, and when they run out."""

from datetime import UTC, datetime, timedelta

import pytest

from planner.core.allowance import MS_PER_HOUR, Pool
from planner.core.ledger.rollup import Amounts, Key
from planner.core.reports.freehours import free_hours
from planner.core.rulebook.book import FreeHoursSettings

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)


def hours(days: int, each: float, organization: str = "o") -> dict[Key, Amounts]:
    """So many container hours in every hour of some days before noon."""
    ms = round(each * MS_PER_HOUR)
    found = {}
    for hour in range(1, 24 * days + 1):
        at = (NOON - timedelta(hours=hour)).isoformat(timespec="microseconds")
        key = Key(at, organization, "", "", "", "", "", "", "")
        found[key] = {"hours_ms": ms, "untouched_hours_ms": ms, "code_requests": 1}
    return found


def test_each_organization_stands_alone() -> None:
    """And an hour without code says nothing of anyone."""
    quiet = Key(NOON.isoformat(timespec="microseconds"), "idle", "", "", "", "", "", "", "")
    told = free_hours(hours(10, 1.0) | hours(10, 2.0, "other") | {quiet: {"requests": 1}}, NOON, FreeHoursSettings())
    assert [each.organization for each in told] == ["o", "other"]
    assert [each.allowance.used for each in told] == pytest.approx([240, 480])


def test_it_judges_as_the_proxy_does() -> None:
    """The same pool, fed with the same hours."""
    free = FreeHoursSettings(limit=500)
    pool = Pool(free)
    for key, amounts in sorted(hours(10, 1.0).items()):
        pool.add(datetime.fromisoformat(key.hour), amounts["hours_ms"], amounts["untouched_hours_ms"])
    (told,) = free_hours(hours(10, 1.0), NOON, free)
    assert told.allowance == pool.judge(NOON)


def test_when_they_run_out() -> None:
    """An hour an hour: 12 hours are left for 12 hours; 1,000 last to the end of the month."""
    (soon,) = free_hours(hours(10, 1.0), NOON, FreeHoursSettings(limit=252))
    assert soon.runs_out is not None
    assert abs(soon.runs_out - (NOON + timedelta(hours=12))) < timedelta(hours=1)
    (late,) = free_hours(hours(10, 1.0), NOON, FreeHoursSettings(limit=1_000))
    assert late.runs_out is None


def test_what_is_used_up_is_used_up_now() -> None:
    """Also where none were free."""
    for limit in (0, 100):
        (told,) = free_hours(hours(10, 1.0), NOON, FreeHoursSettings(limit=limit))
        assert told.runs_out == NOON


def test_nothing_is_said_of_less_than_three_days() -> None:
    """Neither a forecast nor a date."""
    (told,) = free_hours(hours(2, 1.0), NOON, FreeHoursSettings(limit=60))
    assert not told.allowance.known
    assert told.runs_out is None
