"""Whose money a request spends: what is declared and nothing else, in the period of its arrival."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.rulebook.spending import Budget, For, Key, Per, Period, Spender, claims, period_of

AT = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)


def budget(**changes: object) -> Budget:
    """A budget of the team finance, by the month."""
    usual: dict[str, object] = {"name": "b", "why": "w", "mode": "enforce", "spenders": For(team=("fin*",))}
    return Budget(**(usual | {"per": "month", "nano": 1} | changes))  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("spender", "value"),
    [
        (Spender(principal="p", team="finance"), "finance"),
        (Spender(principal="finance"), None),
        (Spender(principal="p", project="finance"), None),
        (Spender(principal="p", team="search"), None),
        (Spender(), None),
    ],
)
def test_a_budget_counts_its_own_kind_of_spender(spender: Spender, value: str | None) -> None:
    """A team of that name, and neither a project nor a principal that is called alike."""
    found = [each.key for each in claims((budget(each=True),), spender, AT)]
    assert found == ([] if value is None else [Key("b", value, "2026-11")])


def test_an_account_for_all_or_for_each() -> None:
    """Together they share one without a value."""
    spender = Spender(principal="p", team="finance", project="q")
    shared, own = budget(), budget(name="own", spenders=For(project=("*",)), each=True, per="day")
    assert [each.key for each in claims((shared, own), spender, AT)] == [
        Key("b", "", "2026-11"),
        Key("own", "q", "2026-11-30"),
    ]


def test_what_is_off_or_not_in_force_counts_nothing() -> None:
    """From is inclusive, until is exclusive, by the UTC day of arrival."""
    spender = Spender(team="finance")
    day = AT.date()
    rows = [
        budget(name="off", mode="off"),
        budget(name="later", since=day + timedelta(days=1)),
        budget(name="over", until=day),
        budget(name="first", since=day),
        budget(name="last", until=day + timedelta(days=1)),
        budget(name="shadow", mode="shadow"),
    ]
    assert [each.budget.name for each in claims(rows, spender, AT)] == ["first", "last", "shadow"]
    elsewhere = AT.astimezone(timezone(timedelta(hours=3)))
    assert claims(rows, spender, elsewhere) == claims(rows, spender, AT)


def test_only_an_enforced_hard_budget_refuses() -> None:
    """A soft one tells, one in shadow writes down."""
    assert budget(hard=True).refuses
    assert not budget().refuses
    assert not budget(hard=True, mode="shadow").refuses


@pytest.mark.parametrize(
    ("per", "day", "period"),
    [
        ("day", "2026-12-31", ("2026-12-31", "2026-12-31", "2027-01-01")),
        ("month", "2026-12-31", ("2026-12", "2026-12-01", "2027-01-01")),
        ("month", "2028-02-29", ("2028-02", "2028-02-01", "2028-03-01")),
    ],
)
def test_periods(per: Per, day: str, period: tuple[str, str, str]) -> None:
    """A day, or a month, and the midnight at which it ends."""
    name, begins, ends = period
    found = period_of(per, date.fromisoformat(day))
    assert found == Period(name, date.fromisoformat(begins), date.fromisoformat(ends))
    assert found.resets == datetime.fromisoformat(f"{ends}T00:00:00+00:00")


@given(day=st.dates(date(2000, 1, 1), date(2100, 1, 1)), per=st.sampled_from(["day", "month"]))
def test_periods_meet(day: date, per: Per) -> None:
    """Every day lies in one, and the next one begins where it ends."""
    found = period_of(per, day)
    assert found.begins <= day < found.ends
    assert period_of(per, found.ends).begins == found.ends
    assert period_of(per, found.ends - timedelta(days=1)) == found
