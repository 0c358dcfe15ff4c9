"""Addresses: every period has a name, every link keeps what it does not change, and nonsense gets a sentence."""

from datetime import date, timedelta
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.dashboard.pages.cost import PAGE
from planner.dashboard.parameters import BEFORE, WHERE
from planner.dashboard.view import AddressError, months_before, period_of, view_of

TODAY = date(2026, 11, 25)


@pytest.mark.parametrize(
    ("name", "since", "until", "words"),
    [
        ("this-month", "2026-11-01", "2026-12-01", "November 2026"),
        ("last-month", "2026-10-01", "2026-11-01", "October 2026"),
        ("2026-02", "2026-02-01", "2026-03-01", "February 2026"),
        ("today", "2026-11-25", "2026-11-26", "25 November 2026"),
        ("7d", "2026-11-19", "2026-11-26", "19 Nov 2026 to 25 Nov 2026"),
    ],
)
def test_periods(name: str, since: str, until: str, words: str) -> None:
    """From a day on and before another, in words."""
    period = period_of(name, TODAY)
    assert (period.since.isoformat(), period.until.isoformat(), period.words) == (since, until, words)


def test_a_month_that_runs_is_compared_with_as_many_days() -> None:
    """Else every month would look cheap until its last day."""
    running, over = period_of("2026-11", TODAY), period_of("2026-10", TODAY)
    before = running.before(TODAY)
    assert (before.since, before.until, before.month) == (date(2026, 10, 1), date(2026, 10, 26), None)
    assert over.before(TODAY).month == "2026-09"
    assert period_of("7d", TODAY).before(TODAY).until == date(2026, 11, 19)
    march = period_of("2026-03", date(2026, 3, 31)).before(date(2026, 3, 31))
    assert (march.since, march.until) == (date(2026, 2, 1), date(2026, 3, 1))


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.sampled_from(["this-month", "last-month", "7d", "30d", "90d"]))
def test_what_is_compared_is_never_longer(today: date, name: str) -> None:
    """And ends where the period begins, or before."""
    period = period_of(name, today)
    before = period.before(today)
    assert before.until <= period.since
    assert before.days <= max(period.elapsed(today), before.days if before.month else 0)


def test_two_days_make_a_period() -> None:
    """Both are in it; one alone is a day."""
    assert view_of("cost", "from=2026-11-01&to=2026-11-03", TODAY, PAGE.takes).period.days == 3
    assert view_of("cost", "from=2026-11-01&to=", TODAY, PAGE.takes).period.days == 1
    assert view_of("cost", "", TODAY, PAGE.takes).period.month == "2026-11"


@pytest.mark.parametrize(
    "query",
    [
        "period=yesterday",
        "from=2026-11-03&to=2026-11-01",
        "from=x",
        "from=2020-01-01&to=2026-01-01",
        "a=%ff",
        "from=0001-01-01",
        "to=9999-12-31",
        "period=0001-01",
        "period=9999-12",
        "a=1&" * 300,
    ],
)
def test_nonsense_gets_a_sentence(query: str) -> None:
    """It says what to write instead."""
    with pytest.raises(AddressError, match=r"\. [A-Z]"):
        view_of("cost", query, TODAY, PAGE.takes).period  # noqa: B018 - it raises


@given(st.lists(st.tuples(st.sampled_from(["team", "model", "tags.a b"]), st.text(max_size=5)), max_size=5))
def test_links_keep_what_they_do_not_change(words: list[tuple[str, str]]) -> None:
    """Whatever names hold: what is read back is what was put in."""
    view = view_of("cost", "", TODAY, PAGE.takes)
    for name, value in words:
        view = view_of("cost", view.link(**{name: value}).partition("?")[2], TODAY, PAGE.takes)
    last = dict(words)
    assert dict(view.words) == last
    assert dict(parse_qsl(view.data("rows", "csv").partition("?")[2], keep_blank_values=True)) == last
    for name, value in last.items():
        assert name not in dict(parse_qsl(view.without(name, value).partition("?")[2], keep_blank_values=True))


def test_what_a_page_does_not_say_that_it_takes_cannot_be_read() -> None:
    """So that nothing is understood that is not described."""
    view = view_of("cost", "by=day&team=a&before=2026&tags.x=1&tags.=2&team=b", TODAY, PAGE.takes)
    assert (view.one("by"), view.every("team"), view.one("tags.x")) == ("day", ("a", "b"), "1")
    assert view.asked(WHERE) == (("team", "a"), ("tags.x", "1"), ("team", "b"))
    for read in (
        lambda: view.one("before"),
        lambda: view.every("colour"),
        lambda: view.one("tags."),
        lambda: view.asked((*WHERE, BEFORE)),
    ):
        with pytest.raises(LookupError, match="the page cost does not say that it takes"):
            read()


def test_months_go_back() -> None:
    """Over the new year."""
    assert months_before(date(2026, 2, 3), 3) == ("2026-02", "2026-01", "2025-12")
    assert len(set(months_before(TODAY, 13))) == 13
    assert period_of(months_before(TODAY, 1)[0], TODAY).since + timedelta(days=24) == TODAY
