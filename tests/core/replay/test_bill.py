"""What the world of a replay charges, by hand and without the world."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.replay.bill import Price, Rebate, Till
from planner.core.replay.calls import Call, Counts, Work
from planner.core.replay.nature import Nature

START = datetime(2026, 11, 1, tzinfo=UTC)
RATES = (2_000_000, 2_500_000, 4_000_000, 200_000, 10_000_000)
"""Pico-dollars a token: 2,000 nano-dollars in, 2,500 and 4,000 for writes, 200 for reads, 10,000 out."""
DOUBLE = (4_000_000, 5_000_000, 8_000_000, 400_000, 20_000_000)
HOUR_MS = 3_600_000
HOUR = 50_000_000
ONE = Counts(input=1, cache_write_5m=1, cache_write_1h=1, cache_read=1, output=1)
CALL = Call(
    at=START,
    organization="o",
    workspace="w",
    principal="p",
    conversation="c",
    turn=1,
    model="claude-x-1",
    system=b"",
    own=(),
    tools=(),
    container=None,
    skills=0,
    fast=False,
    us=False,
    work=Work(prompt_tokens=4),
)


def price(**changes: Any) -> Price:
    """A price that always held."""
    return Price(**({"models": ("claude-x-*",), "since": None, "until": None, "rates": RATES} | changes))


def till(*prices: Price, **facts: Any) -> Till:
    """A till beyond the free hours."""
    return Till(Nature(**({"free_hours_limit": 0} | facts)), prices or (price(),))


def billed(one: Till, counts: Counts = ONE, milliseconds: int = 0, **changes: Any) -> dict[str, int] | None:
    """The bill of a call of one iteration."""
    return one.bill(msgspec.structs.replace(CALL, **changes), counts, counts, 1, milliseconds)


def test_each_class_has_its_rate() -> None:
    """In nano-dollars; a class without a token has no line."""
    assert billed(till()) == {
        "input": 2_000,
        "cache_write_5m": 2_500,
        "cache_write_1h": 4_000,
        "cache_read": 200,
        "output": 10_000,
    }
    assert billed(till(), Counts(output=3)) == {"output": 30_000}


@pytest.mark.parametrize(("pico", "nano"), [(500, 0), (501, 1), (1_500, 2), (2_500, 2), (3_500, 4)])
def test_a_line_is_rounded_once_half_to_even(pico: int, nano: int) -> None:
    """As money is rounded everywhere."""
    assert billed(till(price(rates=(pico,) * 5)), Counts(input=1)) == {"input": nano}


@pytest.mark.parametrize(
    ("model", "day", "nano"),
    [("claude-x-1", 1, 2_000), ("claude-x-1", 2, 4_000), ("claude-x-1", 3, None), ("claude-y-1", 1, None)],
)
def test_a_price_is_found_by_name_and_day(model: str, day: int, nano: int | None) -> None:
    """From its first day, and not on the day that ends it; what has no price is unknown, and never 0."""
    second, third = date(2026, 11, 2), date(2026, 11, 3)
    found = till(price(until=second), price(since=second, until=third, rates=DOUBLE))
    bill = billed(found, Counts(input=1), model=model, at=START + timedelta(days=day - 1))
    assert bill == (None if nano is None else {"input": nano})


def test_factors_are_of_tokens_alone() -> None:
    """Both at once multiply; one that has no published number makes the whole bill unknown."""
    dear = till(price(fast=(6, 1), us=(11, 10)))
    work = Work(prompt_tokens=4, web_searches=2)
    assert billed(dear, Counts(input=1), fast=True, us=True, work=work) == {"input": 13_200, "web_search": 20_000_000}
    assert billed(till(), fast=True) is None
    assert billed(till(), us=True) is None


def test_a_message_batch_is_a_factor_too() -> None:
    """Half of every class, on top of the others; without a published number the bill is unknown."""
    halved = till(price(batch=(1, 2), us=(11, 10)))
    assert billed(halved, Counts(input=1, output=1), batch=True) == {"input": 1_000, "output": 5_000}
    assert billed(halved, Counts(input=1), batch=True, us=True) == {"input": 1_100}
    assert billed(till(), batch=True) is None


@pytest.mark.parametrize(
    ("reading", "nano"), [("summed_prompt", 12 * 4_000), ("iteration_prompt", 12 * 2_000)], ids=["summed", "each"]
)
def test_a_tier_looks_at_one_prompt_or_at_their_sum(reading: str, nano: int) -> None:
    """Two iterations of six tokens are beyond ten together, and below it each."""
    found = till(price(over=(10, DOUBLE)), haiku55_tier_on=reading)
    assert found.bill(CALL, Counts(input=6), Counts(input=12), 2, 0) == {"input": nano}


SECOND = START + timedelta(days=1)
QUARTER = Rebate(
    kinds=frozenset({"input", "code_execution"}),
    models=("claude-x-*",),
    organizations=frozenset({"o"}),
    since=date(2026, 11, 2),
    until=date(2026, 11, 3),
    left=(3, 4),
)


@pytest.mark.parametrize(
    ("changes", "nano"),
    [
        ({"at": SECOND}, 1_500),
        ({}, 2_000),
        ({"at": SECOND + timedelta(days=1)}, 2_000),
        ({"at": SECOND, "organization": "other"}, 2_000),
        ({"at": SECOND, "model": "claude-y-1"}, 2_000),
    ],
    ids=["agreed", "before", "after", "another organization", "another model"],
)
def test_what_was_agreed_is_left_off(changes: dict[str, Any], nano: int) -> None:
    """On its days, for its models and organizations, and of its kinds of lines alone."""
    found = Till(Nature(free_hours_limit=0), (price(models=("*",)),), (QUARTER,))
    assert billed(found, Counts(input=1, output=1), **changes) == {"input": nano, "output": 10_000}


def test_a_rebate_is_in_the_one_rounding_of_its_line() -> None:
    """Three quarters of 2,002 pico-dollars are one and a half nano-dollars and a little, which is two."""
    found = Till(Nature(free_hours_limit=0), (price(rates=(2_002,) * 5),), (QUARTER,))
    assert billed(found, Counts(input=1), at=SECOND) == {"input": 2}
    whole = msgspec.structs.replace(QUARTER, models=())
    assert Till(Nature(free_hours_limit=0), (), (whole,)).hour_cost("o", SECOND, HOUR_MS) == HOUR * 3 // 4


def test_free_hours_are_used_up_in_time_order() -> None:
    """By organization and month of UTC."""
    found = till(free_hours_limit=1)
    half = HOUR_MS // 2
    assert [found.hour_cost("o", START, half) for _ in range(3)] == [0, 0, HOUR // 2]
    assert found.hour_cost("other", START, half) == 0
    assert found.hours("o", START) == 1.5
    december = datetime(2026, 11, 30, 23, tzinfo=UTC) + timedelta(hours=1)
    assert found.hours("o", december) == 0
    assert found.hour_cost("o", december, half) == 0


def test_what_has_no_price_uses_free_hours_too() -> None:
    """What its tokens cost is unknown; its container is one like any other."""
    found = till(free_hours_limit=1)
    assert billed(found, Counts(), HOUR_MS, model="claude-y-1") is None
    assert billed(found, Counts(), HOUR_MS) == {"code_execution": HOUR}


def test_free_use_may_use_up_free_hours() -> None:
    """Without a line, and heard of by the next one."""
    found = till(free_hours_limit=1)
    assert found.use("o", START, HOUR_MS) == 0
    assert billed(found, Counts(), HOUR_MS) == {"code_execution": HOUR}


@given(st.lists(st.integers(0, 2 * HOUR_MS), max_size=8), st.integers(0, 5))
def test_free_hours_are_given_once(parts: list[int], limit: int) -> None:
    """However the time is split, what is charged is what lies beyond them, each part rounded by itself."""
    found = till(free_hours_limit=limit)
    charged = sum(found.hour_cost("o", START, part) for part in parts)
    beyond = max(sum(parts) - limit * HOUR_MS, 0) * HOUR / HOUR_MS
    assert abs(charged - beyond) <= len(parts) / 2 + 1e-6
