"""The laws of what a request costs, on random ones: docs/money.md names them."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.conversations import ToolEdit
from planner.core.metering.usage import Metered, TokenClasses
from planner.core.settlement import Session, Sessions
from tests.doubles.deciding import book
from tests.doubles.settling import (
    ADDED,
    AT,
    DISCOUNTED,
    HAIKU,
    HOUR_MS,
    LIFTED,
    MINIMUM_MS,
    OPUS,
    RAISED,
    RULES,
    amounts,
    settled,
)

COUNTS = st.builds(
    TokenClasses,
    **{name: st.integers(0, 300_000) for name in ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")},
)
SESSION = st.none() | st.builds(
    Session, st.integers(0, 2_000_000), st.integers(-10, 600).map(lambda seconds: AT - timedelta(seconds=seconds))
)
TERMS = st.fixed_dictionaries(
    {
        "model": st.sampled_from([OPUS, HAIKU]),
        "edit": st.sampled_from([ToolEdit(), ADDED, RAISED, LIFTED]),
        "free": st.booleans(),
        "frees": st.booleans(),
        "threaded": st.booleans(),
        "tool_cached": st.booleans(),
        "sessions": st.builds(Sessions, SESSION, SESSION),
        "free_ms": st.integers(0, 2 * HOUR_MS),
        "untouched_free_ms": st.none() | st.integers(0, 2 * HOUR_MS),
        "runs": st.integers(0, 12),
        "resumed": st.booleans(),
        "measured_ms": st.none() | st.integers(0, 900_000),
        "likely_ms": st.none() | st.integers(0, 900_000),
        "preloaded": st.booleans(),
        "elapsed_ms": st.integers(0, 600_000),
    }
)


@given(COUNTS, st.integers(0, 12), TERMS)
def test_nothing_is_negative(classes: TokenClasses, iterations: int, terms: dict[str, Any]) -> None:
    """Neither the cost, nor what it would have been, nor the hours; a credit never exceeds its line."""
    one = settled(used=Metered(classes=classes, iterations=iterations), **terms)
    assert one.cost is not None
    assert one.untouched is not None
    assert min(one.cost, one.untouched, one.hours_ms, one.untouched_hours_ms) >= 0
    assert one.cost == sum(line.nano for line in one.lines)


@given(COUNTS, TERMS)
def test_credits_cancel_contracted_time(classes: TokenClasses, terms: dict[str, Any]) -> None:
    """Enough free hours leave nothing of container time to pay, at either price; contracted is never above list."""
    one = settled(used=Metered(classes=classes), rules=DISCOUNTED, **(terms | {"free_ms": 10 * HOUR_MS}))
    assert sum(line.nano for line in one.lines if line.unit == "second") == 0
    assert sum(line.listed for line in one.lines if line.unit == "second") == 0
    partly = settled(used=Metered(classes=classes), rules=DISCOUNTED, **terms)
    assert partly.cost is not None
    assert partly.listed is not None
    assert 0 <= partly.cost <= partly.listed == sum(line.listed for line in partly.lines)


@given(COUNTS, SESSION, TERMS)
def test_untouched_is_the_cost_when_nothing_was_edited(
    classes: TokenClasses, session: Session | None, terms: dict[str, Any]
) -> None:
    """Neither in this request nor, before it, in its container."""
    unedited = terms | {"edit": ToolEdit(), "threaded": False, "sessions": Sessions(session, session)}
    one = settled(used=Metered(classes=classes), **unedited)
    assert one.untouched == one.cost
    if terms["untouched_free_ms"] is None:
        assert one.sessions.billed == one.sessions.untouched
        assert one.hours_ms == one.untouched_hours_ms


@given(
    st.lists(st.tuples(st.integers(0, 900_000), st.integers(0, 290)), min_size=1, max_size=6),
    st.integers(0, 3_000_000),
    st.booleans(),
)
def test_a_session_costs_the_same_however_it_is_split(
    parts: list[tuple[int, int]],
    left: int,
    files: bool,  # noqa: FBT001 - drawn
) -> None:
    """Its requests' lines, credits and hours add up to those of one request that ran as long, to the nano-dollar."""

    def add(used: list[tuple[int, int]]) -> tuple[int, int, int]:
        sessions, at, line, credit, hours = Sessions(), AT, 0, 0, 0
        for ms, wait in used:
            one = settled(
                runs=0 if files and ms == 0 else 1,
                preloaded=files,
                measured_ms=ms,
                elapsed_ms=900_000 * len(parts),
                at=at,
                sessions=sessions,
                free_ms=left - hours,
            )
            sessions, found = one.sessions, amounts(one)
            assert sessions.billed is not None
            at = sessions.billed.last + timedelta(seconds=wait)
            line, hours = line + found.get("code_execution", 0), hours + one.hours_ms
            credit += found.get("allowance_credit", 0)
        return line, credit, hours

    assert add(parts) == add([(sum(ms for ms, _ in parts), 0)])


@given(st.lists(st.integers(0, 900_000), min_size=1, max_size=6))
def test_each_request_carries_its_minimum_where_the_setting_says_so(parts: list[int]) -> None:
    """Whatever its container has paid before."""
    per_request = msgspec.structs.replace(RULES.settings.code, minimum_per="request")
    rules = book(settings=msgspec.structs.replace(RULES.settings, code=per_request))
    sessions = Sessions()
    for ms in parts:
        one = settled(runs=1, measured_ms=ms, elapsed_ms=900_000, sessions=sessions, rules=rules)
        sessions = one.sessions
        assert one.hours_ms == max(ms, MINIMUM_MS)


@given(COUNTS, st.integers(0, 12), TERMS)
def test_settling_the_same_twice_is_the_same(classes: TokenClasses, iterations: int, terms: dict[str, Any]) -> None:
    """Nothing is remembered between two settlements but what is passed."""
    used = Metered(classes=classes, iterations=iterations)
    assert settled(used=used, **terms) == settled(used=used, **terms)


PLAIN = {"edit": ToolEdit(), "threaded": False, "model": OPUS}


@given(COUNTS, COUNTS, st.integers(0, 50), TERMS)
def test_a_request_costs_the_sum_of_its_parts(
    one: TokenClasses, two: TokenClasses, searches: int, terms: dict[str, Any]
) -> None:
    """Its tokens in two heaps, its searches and its container time, each settled alone, add up to it."""
    idle = {"runs": 0, "resumed": False, "preloaded": False}
    whole = settled(used=Metered(classes=one + two, web_searches=searches), **(terms | PLAIN))
    parts = [
        settled(used=Metered(classes=one), **(terms | PLAIN | idle)),
        settled(used=Metered(classes=two), **(terms | PLAIN | idle)),
        settled(used=Metered(classes=TokenClasses(), web_searches=searches), **(terms | PLAIN | idle)),
        settled(used=Metered(classes=TokenClasses()), **(terms | PLAIN)),
    ]
    assert whole.cost == sum(part.cost or 0 for part in parts)
    assert whole.hours_ms == sum(part.hours_ms for part in parts)


@given(COUNTS, COUNTS, st.tuples(*[st.integers(0, 900_000)] * 2), st.tuples(*[st.integers(0, 20)] * 2), TERMS)
def test_more_of_anything_never_costs_less(
    used: TokenClasses, more: TokenClasses, ms: tuple[int, int], searches: tuple[int, int], terms: dict[str, Any]
) -> None:
    """More tokens of any class, searches and seconds of code, across tiers, at list and at contracted price."""
    costs = []
    for classes, time, found in ((used, min(ms), min(searches)), (used + more, max(ms), max(searches))):
        how = terms | {"measured_ms": time, "elapsed_ms": 900_000}
        one = settled(used=Metered(classes=classes, web_searches=found), rules=DISCOUNTED, **how)
        assert one.cost is not None
        assert one.listed is not None
        costs.append((one.cost, one.listed, one.hours_ms))
    assert all(less <= larger for less, larger in zip(*costs, strict=True))


@given(COUNTS, st.integers(0, 2 * HOUR_MS), TERMS)
def test_more_free_hours_never_cost_more(classes: TokenClasses, more: int, terms: dict[str, Any]) -> None:
    """And change nothing but the credit."""
    few, many = (
        settled(used=Metered(classes=classes), **(terms | {"free_ms": terms["free_ms"] + extra})) for extra in (0, more)
    )
    assert few.cost is not None
    assert many.cost is not None
    assert many.cost <= few.cost
    assert few.hours_ms == many.hours_ms
    assert amounts(few) | {"allowance_credit": 0} == amounts(many) | {"allowance_credit": 0}
