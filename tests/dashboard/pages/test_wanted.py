"""Filters of the list: each finds what has the value and nothing else; together all must hold; nonsense is told."""

from datetime import date
from typing import Any

import msgspec
import pytest

from planner.core.ledger.entry import Digests, Entry, Shadow
from planner.core.ledger.shape import Shape
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.dashboard.pages.requests import PAGE
from planner.dashboard.pages.wanted import NEWEST, cursor_of, cursor_word, wanted_of
from planner.dashboard.view import AddressError, view_of

TODAY = date(2026, 11, 25)
USUAL = Entry(
    request_id="r1",
    at="2026-11-22T12:00:00.000000+00:00",
    principal="bot",
    team="search",
    tags={"feature": "answers"},
    endpoint="messages",
    method="POST",
    model="claude-haiku-5-5",
    served_model="claude-haiku-5-5-20261001",
    mode="plan",
    outcome="error",
    status=429,
    cost_nano=50_000_000,
    container="box",
    shape=Shape(conversation="talk", prefix="x", prompt_tokens=1),
    decisions=(
        Decision(Action.BUNDLE, Outcome.DECLINED, Reason.HOLDOUT, "tests"),
        Decision(Action.VERSION, Outcome.KEPT),
    ),
    shadows=(Shadow(Action.BUNDLE, Outcome.APPLIED, None, "trial"),),
    digests=Digests("r", "p"),
)


def fits(query: str, **fields: Any) -> bool:
    """Whether an entry is asked for."""
    return wanted_of(view_of("requests", query, TODAY, PAGE.takes)).fits(msgspec.structs.replace(USUAL, **fields))


@pytest.mark.parametrize(
    "query",
    [
        "",
        "team=search",
        "team=finance&team=search",
        "team=&model=&min_cost=",
        "model=claude-haiku-5-5",
        "model=claude-haiku-5-5-20261001",
        "principal=bot&outcome=error&endpoint=messages",
        "status=429",
        "status=4xx",
        "project=(none)",
        "tags.feature=answers",
        "tags.other=(none)",
        "min_cost=0.05",
        "min_cost=$0.01",
        "reason=holdout",
        "policy=tests",
        "policy=trial",
        "action=bundle&decision=declined",
        "action=version&decision=kept",
        "conversation=talk&container=box",
        "day=2026-11-22",
        "colour=red",
    ],
)
def test_what_fits(query: str) -> None:
    """The same entry, found in many ways; an empty field asks nothing, a parameter that is no filter neither."""
    assert fits(query)


@pytest.mark.parametrize(
    "query",
    [
        "team=finance",
        "team=(none)",
        "model=claude-haiku",
        "status=5xx",
        "status=(none)",
        "min_cost=0.06",
        "reason=uncertain",
        "action=version&decision=declined",
        "policy=tests&reason=busy",
        "conversation=other",
        "tags.feature=(none)",
        "day=2026-11-23",
    ],
)
def test_what_does_not_fit(query: str) -> None:
    """Of decisions, one alone must have all that is asked for."""
    assert not fits(query)


def test_an_unknown_cost_is_no_cost() -> None:
    """It is in no list of what costs at least so much."""
    assert not fits("min_cost=0", cost_nano=None)
    assert fits("min_cost=0", cost_nano=0)
    assert fits("status=(none)", status=None)
    assert fits("conversation=(none)", shape=None)


@pytest.mark.parametrize(
    "query", ["status=9", "status=abcd", "status=4yx", "min_cost=much", "day=never", "min_cost=1e5"]
)
def test_nonsense_is_told(query: str) -> None:
    """With what to write instead."""
    with pytest.raises(AddressError, match=r"Write (one|it) like"):
        wanted_of(view_of("requests", query, TODAY, PAGE.takes))


@pytest.mark.parametrize(
    ("query", "place"),
    [
        ("", NEWEST),
        ("before=2026-11-22T12:00", ("2026-11-22T12:00:00.000000+00:00", "")),
        ("before=2026-11-22T13:00%2B01:00", ("2026-11-22T12:00:00.000000+00:00", "")),
        ("before=2026-11-22", ("2026-11-22T00:00:00.000000+00:00", "")),
        ("day=2026-11-22&day=2026-11-20", ("2026-11-23T00:00:00.000000+00:00", "")),
        ("day=2026-11-22&before=2026-11-21", ("2026-11-21T00:00:00.000000+00:00", "")),
    ],
)
def test_where_the_list_begins(query: str, place: tuple[str, str]) -> None:
    """At the newest, before a moment, or with the last of some days; a cursor is what it was made of."""
    assert cursor_of(view_of("requests", query, TODAY, PAGE.takes)) == place
    cursor = ("2026-11-22T12:00:00.000000+00:00", "abc")
    assert (
        cursor_of(view_of("requests", f"before={cursor_word(cursor).replace('+', '%2B')}", TODAY, PAGE.takes)) == cursor
    )
    with pytest.raises(AddressError):
        cursor_of(view_of("requests", "before=soon", TODAY, PAGE.takes))
