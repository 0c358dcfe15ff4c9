"""What a month will have cost: nothing is said of too little, steady spending goes on, free hours end once."""

from datetime import UTC, datetime, timedelta
from random import Random
from statistics import median

import pytest
from hypothesis import given, settings

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Amounts, Key, rollup
from planner.core.money import NANO_PER_USD
from planner.core.reports.forecast import forecast
from planner.core.rulebook.book import FreeHoursSettings
from tests.doubles.reported import amended

NOON = datetime(2025, 10, 16, tzinfo=UTC)
MS_PER_HOUR = 3_600_000
FREE = FreeHoursSettings(limit=1_550)


def cell(at: datetime, **amounts: int) -> tuple[Key, Amounts]:
    """An hour of an organization."""
    hour = at.isoformat(timespec="microseconds")
    named = {name.replace("__", "."): amount for name, amount in amounts.items()}
    return Key(hour, "o", "", "", "", "p", "m", "messages", "ok"), named


def steady(days: int, **each: int) -> dict[Key, Amounts]:
    """The same in every hour of the days before `NOON`."""
    return dict(cell(NOON - timedelta(hours=hour), **each) for hour in range(1, 24 * days + 1))


def dollars(nano: int) -> float:
    """As a float, to compare."""
    return nano / NANO_PER_USD


def test_nothing_is_said_of_less_than_three_days() -> None:
    """What was spent is, all the same."""
    told = forecast(steady(2, nano__input=NANO_PER_USD), NOON, FREE)
    assert told.spent.nano == 48 * NANO_PER_USD
    assert (told.expected, told.low, told.high) == (None, None, None)
    assert forecast({}, NOON, FREE).spent.nano == 0


def test_steady_spending_goes_on() -> None:
    """A dollar an hour for 15 days of October, and for 16 more."""
    told = forecast(steady(15, nano__input=NANO_PER_USD), NOON, FREE)
    assert told.month == "2025-10"
    assert told.expected is not None
    assert told.low is not None
    assert told.high is not None
    assert dollars(told.expected.nano) == pytest.approx(31 * 24, rel=0.01)
    assert told.low.nano < told.expected.nano < told.high.nano
    assert dollars(told.low.nano) > 15 * 24


def test_the_month_before_is_known_and_not_counted() -> None:
    """Five weeks of history; only October is spent."""
    told = forecast(steady(30, nano__input=NANO_PER_USD), NOON, FREE)
    assert told.spent.nano == 15 * 24 * NANO_PER_USD
    assert told.expected is not None
    assert dollars(told.expected.nano) == pytest.approx(31 * 24, rel=0.01)


@pytest.mark.parametrize(
    ("limit", "container"), [(2_000, 0.0), (0, 16 * 24 * 0.1), (15 * 48 + 100, (16 * 48 - 100) * 0.05)]
)
def test_container_time_costs_only_what_exceeds_the_free_hours(limit: int, container: float) -> None:
    """Two hours an hour, free so far: what comes is free, too, or charged, or free until the hours are used up."""
    nano = 2 * NANO_PER_USD // 20
    each = {"nano__code_execution": nano, "nano__allowance_credit": -nano, "hours_ms": 2 * MS_PER_HOUR}
    told = forecast(steady(15, **each), NOON, FreeHoursSettings(limit=limit))
    assert told.spent.nano == 0
    assert told.expected is not None
    assert told.container is not None
    assert dollars(told.container.nano) == pytest.approx(container, rel=0.02, abs=0.01)
    assert told.expected == told.container


def test_each_organization_has_its_own_free_hours() -> None:
    """Two that each stay within them pay nothing, though both together would exceed one's."""
    nano = NANO_PER_USD // 20
    each = {"nano__code_execution": nano, "nano__allowance_credit": -nano, "hours_ms": MS_PER_HOUR}
    both = {key._replace(organization=name): amounts for name in "ab" for key, amounts in steady(15, **each).items()}
    apart, one = (forecast(sums, NOON, FreeHoursSettings(limit=1_000)) for sums in (both, together(both)))
    assert apart.expected is not None
    assert one.expected is not None
    assert dollars(apart.expected.nano) == pytest.approx(0, abs=0.01)
    assert dollars(one.expected.nano) == pytest.approx((2 * 31 * 24 - 1_000) * 0.05, rel=0.02)


def together(cells: dict[Key, Amounts]) -> dict[Key, Amounts]:
    """The same as if one organization had done it all."""
    return {key._replace(organization="o", team=key.organization): amounts for key, amounts in cells.items()}


def test_the_interval_holds_about_as_often_as_it_says() -> None:
    """Busy days, quiet weekends, a third of scatter: 60 Octobers, told on the 10th at noon."""
    now, held, errors = NOON.replace(day=10, hour=12), 0, []
    for seed in range(60):
        chance = Random(seed)  # noqa: S311 - traffic, not secrets
        seen, true = {}, 0
        for day in (datetime(2025, 9, 20, tzinfo=UTC) + timedelta(days=number) for number in range(42)):
            level = (100 if day.weekday() < 5 else 25) * chance.lognormvariate(0, 0.3) * NANO_PER_USD / 24
            for hour in range(24):
                key, amounts = cell(
                    day + timedelta(hours=hour), nano__input=round(level * (2 if 8 <= hour < 18 else 0.3))
                )
                true += amounts["nano.input"] if day.month == 10 else 0
                if day + timedelta(hours=hour) < now:
                    seen[key] = amounts
        told = forecast(seen, now, FREE)
        assert told.expected is not None
        assert told.low is not None
        assert told.high is not None
        held += told.low.nano <= true <= told.high.nano
        errors.append(abs(told.expected.nano / true - 1))
    assert 0.65 < held / 60 < 0.95
    assert median(errors) < 0.08


@settings(max_examples=50)
@given(amended())
def test_whatever_was_corrected_the_interval_holds_what_is_expected(ledger: list[Entry]) -> None:
    """Negative hours, credits without time, hours without cost: nothing fails, and low to high is in order."""
    told = forecast(rollup(ledger).requests, datetime(2026, 11, 30, 23, 30, tzinfo=UTC), FREE)
    if told.expected is not None and told.low is not None and told.high is not None:
        assert told.low.nano <= told.expected.nano <= told.high.nano
