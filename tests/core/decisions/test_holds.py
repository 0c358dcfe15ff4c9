"""What is held for a request: its worst case, and less of it once it is known what such requests cost."""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.decisions.holds import BOUND, ENOUGH, FACTOR, Habits, worst_nano
from planner.core.wire import MessagesRequest
from tests.doubles.deciding import BOOK, CODE, NEW_SEARCH, NOW, USER, ask, body, cached

OPUS = "claude-opus-5-5"
INPUT, OUTPUT, WRITE_5M, WRITE_1H = 4_000, 20_000, 5_000, 8_000
"""Nano-dollars a token of Opus 5.5: $4, $20, $5 and $8 per million."""
SEARCH, MINIMUM = 10_000_000, 4_166_667
AGENT = ("key-1", OPUS)


def worst(request: MessagesRequest, at: datetime = NOW, *, free: bool = False, size: int | None = None) -> int | None:
    """The worst case at list price."""
    return worst_nano(request, len(request.body) if size is None else size, BOOK, BOOK.prices, at, free=free)


def plain(**members: Any) -> MessagesRequest:
    """A request to Opus without tools."""
    return ask(**({"model": OPUS, "tools": None, "max_tokens": 100} | members))


def test_bytes_and_max_tokens_bound_a_request_without_tools() -> None:
    """Two and a half bytes a token, at the price of plain input, and all that the model may write."""
    assert worst(plain(), size=2_500) == 1_000 * INPUT + 100 * OUTPUT
    assert worst(plain(max_tokens=None), size=2_501) == 1_001 * INPUT


def test_a_breakpoint_makes_input_dearer() -> None:
    """All of it may be written to the cache, for as long as the body says."""
    assert worst(plain(system=cached("You.")), size=2_500) == 1_000 * WRITE_5M + 100 * OUTPUT
    long = [{"type": "text", "text": "You.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    assert worst(plain(system=long), size=2_500) == 1_000 * WRITE_1H + 100 * OUTPUT


def test_server_tools_sample_again() -> None:
    """As often as the catalog's priors have it at most; searches bill as often as they may, code its minimum."""
    rounds, grown = 6, 4_000 * 6 * 5 // 2
    tokens = BOOK.tool_tokens(CODE["type"])
    assert tokens is not None
    code = plain(tools=[CODE])
    read = (1_000 + int(tokens.high)) * rounds + grown
    assert worst(code, size=2_500) == read * INPUT + 100 * rounds * OUTPUT + MINIMUM
    assert worst(code, size=2_500, free=True) == read * INPUT + 100 * rounds * OUTPUT
    counts = [worst(plain(tools=[NEW_SEARCH | extra]), size=2_500) for extra in ({}, {"max_uses": 2}, {"max_uses": 0})]
    assert counts[0] is not None
    assert counts[1] == counts[0] - (rounds - 2) * SEARCH
    assert counts[2] == counts[0]


def test_modifiers_multiply() -> None:
    """What is asked for may be served: data residency costs a tenth more."""
    usual, us = worst(plain(), size=2_500), worst(plain(inference_geo="us"), size=2_500)
    assert usual is not None
    assert us == usual * 11 // 10


def test_a_batch_discounts_tokens_alone() -> None:
    """Searches and container time cost in a batch what they cost anywhere."""
    for tools, more in (([], 0), ([CODE], MINIMUM), ([NEW_SEARCH | {"max_uses": 2}], 2 * SEARCH)):
        request = plain(tools=tools) if tools else plain()
        usual = worst_nano(request, 2_500, BOOK, BOOK.prices, NOW, free=False)
        half = worst_nano(request, 2_500, BOOK, BOOK.prices, NOW, free=False, batched=True)
        assert usual is not None
        assert half == (usual - more) // 2 + more


def test_what_has_no_price_has_no_worst_case() -> None:
    """Nothing is made up for it."""
    assert worst(plain(model="claude-nobody-9")) is None
    assert worst(plain(speed="fast", model="claude-haiku-5-5")) is None
    assert worst(plain(max_tokens=2**62)) is None
    assert worst_nano(None, 10, BOOK, BOOK.prices, NOW, free=False) is None


def test_a_few_costs_make_a_hold() -> None:
    """Before that it is the worst case; then twice the mean, and never more than the worst case."""
    habits = Habits()
    for number in range(ENOUGH):
        assert habits.hold(AGENT, 1_000) == 1_000, number
        habits.learn(AGENT, 1_000, 100)
    assert habits.hold(AGENT, 1_000) == pytest.approx(1_000 * 0.1 * FACTOR, abs=1)
    assert habits.hold(("key-2", OPUS), 1_000) == 1_000
    for _ in range(50):
        habits.learn(AGENT, 1_000, 1_500)
    assert habits.hold(AGENT, 1_000) == 1_000
    habits.learn(AGENT, 0, 5)
    assert habits.hold(AGENT, 0) == 0


def test_habits_are_bounded() -> None:
    """Who was asked for last stays."""
    habits = Habits(bound=2)
    for name in ("a", "b", "c"):
        for _ in range(ENOUGH):
            habits.learn((name, OPUS), 1_000, 10)
    first, *others = (habits.hold((name, OPUS), 1_000) for name in ("a", "b", "c"))
    assert first == 1_000
    assert others == pytest.approx([20, 20], abs=1)
    assert BOUND > 2


@given(costs=st.lists(st.integers(0, 10**12), max_size=60), worst_case=st.integers(1, 10**12))
def test_a_hold_lies_between_nothing_and_the_worst_case(costs: list[int], worst_case: int) -> None:
    """Whatever was learnt."""
    habits = Habits()
    for cost in costs:
        habits.learn(AGENT, worst_case, cost)
    assert 0 <= habits.hold(AGENT, worst_case) <= worst_case


@given(size=st.integers(0, 10**7), more=st.integers(0, 10**6))
def test_a_longer_body_costs_no_less(size: int, more: int) -> None:
    """Over the edge of a dearer tier too."""
    request = MessagesRequest.parse(body(model="claude-haiku-5-5", tools=None, messages=[USER]))
    shorter, longer = worst(request, size=size), worst(request, size=size + more)
    assert shorter is not None
    assert longer is not None
    assert shorter <= longer
