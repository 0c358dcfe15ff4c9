"""What a conversation is expected to cost: by hand where all is certain, by law where it is not."""

import math
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.learning.expectation import WORLDS, Beliefs, Expectation, Terms, draws, expect, worlds
from planner.core.pricing.prices import Rates
from planner.core.rulebook.catalog import Interval
from tests.doubles.deciding import BOOK, NOW

HOUR = 50_000_000_000
MINIMUM = 300 / 3600 * HOUR / 1000
TOKENS = 5_535


def exactly(value: float) -> Interval:
    """A belief without doubt."""
    return Interval(value, value, value)


def certain(**values: float) -> Beliefs:
    """One short request that runs code once, unless said otherwise."""
    usual: dict[str, float] = {
        "tokens": TOKENS,
        "code_probability": 1,
        "code_seconds": 10,
        "pause_seconds": 60,
        "iterations": 1,
        "growth_tokens": 0,
        "requests": 1,
        "conversations": 1,
    }
    exact: dict[str, Any] = {name: exactly(value) for name, value in (usual | values).items()}
    return Beliefs(**exact)


def rates(model: str) -> Rates:
    """The shipped rates of a model."""
    row = BOOK.prices.lookup(model, NOW)
    assert row is not None
    return row.rates


def terms(model: str = "claude-sonnet-5-5", **changes: Any) -> Terms:
    """Beyond the allowance, a prompt of no length, nothing cached."""
    return msgspec.structs.replace(Terms(rates=rates(model), hour=HOUR, minimum_seconds=300), **changes)


def priced(model: str = "claude-sonnet-5-5", beliefs: Beliefs | None = None, **changes: Any) -> Expectation:
    """Both sides of such a conversation."""
    return expect(certain() if beliefs is None else beliefs, terms(model, **changes))


# ---------------------------------------------------------------- by hand: the arithmetic that decides everything


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("claude-fable-5-1", 417),
        ("claude-fable-5-2", 521),
        ("claude-opus-5", 833),
        ("claude-opus-4-8", 833),
        ("claude-opus-5-5", 1_042),
        ("claude-sonnet-4-6", 1_389),
        ("claude-sonnet-5-5", 2_083),
        ("claude-haiku-4-5", 4_167),
        ("claude-haiku-5-5", 41_667),
    ],
)
def test_uncached_tokens_that_one_minimum_pays_for(model: str, tokens: int) -> None:
    """Just fewer win, just more lose: $0.0041667 over the price of an input token."""
    assert priced(model, certain(tokens=tokens - 1)).probability == 1
    assert priced(model, certain(tokens=tokens + 1)).probability == 0


def test_a_short_uncached_run_wins_on_haiku_alone() -> None:
    """5,535 tokens cost $0.00055 on Haiku 5.5 and $0.011 on Sonnet 5.5, the minimum $0.0042."""
    small = priced("claude-haiku-5-5")
    assert small.untouched == pytest.approx(MINIMUM)
    assert small.planned == pytest.approx(553_500)
    assert small.probability == 1
    large = priced("claude-sonnet-5-5")
    assert large.planned == pytest.approx(11_070_000)
    assert large.probability == 0


@pytest.mark.parametrize(
    ("model", "nano"), [("claude-opus-5", 2_767_500), ("claude-opus-5-5", 1_107_000), ("claude-sonnet-5-5", 553_500)]
)
def test_a_warm_cache_makes_the_bundle_cheap(model: str, nano: int) -> None:
    """Reading 5,535 tokens costs less than the minimum on each of them."""
    warm = priced(model, cached=True, warm_bundled=20_000)
    assert warm.planned == pytest.approx(nano)
    assert warm.untouched > MINIMUM  # it would also have to write the prefix anew
    assert nano < MINIMUM


def test_rewriting_a_warm_prefix_loses_badly() -> None:
    """50,000 tokens on Opus 5.5: $0.24 more than reading them, 58 minimums."""
    warm = priced("claude-opus-5-5", cached=True, prompt_tokens=50_000, warm_plain=50_000)
    tool = TOKENS * 5_000_000 / 1000  # written with the prefix
    assert warm.planned - (warm.untouched - MINIMUM) == pytest.approx(240_000_000 + tool)
    assert 57 < 240_000_000 / MINIMUM < 58


def test_a_rewrite_is_shared_by_the_conversations_of_the_epoch() -> None:
    """Ten of them bear a tenth each."""
    one, ten = (
        priced("claude-opus-5-5", certain(conversations=number), cached=True, prompt_tokens=50_000, warm_plain=50_000)
        for number in (1, 10)
    )
    reads = (50_000 + TOKENS) * 200_000 / 1000
    writes = (50_000 + TOKENS) * (5_000_000 - 200_000) / 1000
    assert one.planned == pytest.approx(reads + writes)
    assert ten.planned == pytest.approx(reads + writes / 10)


def test_a_cold_prefix_is_written_on_both_sides() -> None:
    """Only the tool's own tokens make the difference."""
    cold = priced("claude-opus-5-5", cached=True, prompt_tokens=50_000)
    assert cold.planned - (cold.untouched - MINIMUM) == pytest.approx(TOKENS * 5_000_000 / 1000)


def test_definitions_are_paid_for_in_every_iteration() -> None:
    """Six iterations of a long cached prompt read the tool six times, less the first that writes it."""
    many = priced("claude-opus-5-5", certain(iterations=6), cached=True, prompt_tokens=50_000)
    tool = TOKENS * (5_000_000 + 5 * 200_000) / 1000
    assert many.planned - (many.untouched - MINIMUM) == pytest.approx(tool)


def test_a_pause_beyond_the_cache_writes_again() -> None:
    """Ten minutes outlive five, but not an hour; the hour's write is dearer."""
    beliefs = certain(requests=2, pause_seconds=600, tokens=1_000, code_probability=0)
    assert priced("claude-opus-5-5", beliefs, cached=True).planned == pytest.approx(2 * 1_000 * 5_000)
    hour = priced("claude-opus-5-5", beliefs, cached=True, long_cache=True, cache_seconds=3_600)
    assert hour.planned == pytest.approx(1_000 * (8_000 + 200))


def test_growth_is_part_of_every_later_prompt() -> None:
    """Three iterations of 1,000 tokens that grow by 100 each: 3,300 tokens."""
    beliefs = certain(tokens=0, iterations=3, growth_tokens=100)
    assert priced("claude-sonnet-5-5", beliefs, prompt_tokens=1_000).planned == pytest.approx(3_300 * 2_000)


def test_a_futile_call_costs_output_and_an_iteration() -> None:
    """One request in ten tries the tool in vain."""
    beliefs = msgspec.structs.replace(certain(), futile_probability=0.1, futile_tokens=400.0)
    tried = priced("claude-sonnet-5-5", beliefs).planned - priced("claude-sonnet-5-5").planned
    assert tried == pytest.approx(0.1 * (400 * 10_000 + TOKENS * 2_000))


def test_modifiers_multiply_tokens_only() -> None:
    """The container has its price."""
    usual, us = priced("claude-sonnet-5-5"), priced("claude-sonnet-5-5", factor=1.1)
    assert us.planned == pytest.approx(1.1 * usual.planned)
    assert us.untouched == pytest.approx(usual.untouched)


# ---------------------------------------------------------------- by hand: prompt tiers


def haiku(tokens: float, iterations: float = 1, prompt: float = 90_000, *, summed: bool = True) -> Expectation:
    """A long prompt on Haiku 5.5, whose whole request is dearer beyond 100,000 tokens."""
    row = BOOK.prices.lookup("claude-haiku-5-5", NOW)
    assert row is not None
    beliefs = certain(tokens=tokens, iterations=iterations)
    return priced("claude-haiku-5-5", beliefs, over=row.over, prompt_tokens=prompt, summed=summed)


def test_the_tier_is_of_the_whole_request() -> None:
    """At 100,000 the usual price, one token more and all of it costs five times as much."""
    assert haiku(10_000).planned == pytest.approx(100_000 * 100)
    assert haiku(10_001).planned == pytest.approx(100_001 * 500)
    assert haiku(10_001).probability == 0


def test_iterations_are_summed_or_not() -> None:
    """As the setting says: two prompts of 60,000 are 120,000 or twice 60,000."""
    assert haiku(0, iterations=2, prompt=60_000).planned == pytest.approx(120_000 * 500)
    assert haiku(0, iterations=2, prompt=60_000, summed=False).planned == pytest.approx(120_000 * 100)


def test_a_growing_conversation_enters_the_tier_late() -> None:
    """What lies in its requests beyond the edge is dearer, the rest is not."""
    row = BOOK.prices.lookup("claude-haiku-5-5", NOW)
    assert row is not None
    beliefs = certain(tokens=0, requests=11, growth_tokens=10_000, code_probability=0)
    found = priced("claude-haiku-5-5", beliefs, over=row.over, prompt_tokens=50_000).planned
    total = 11 * 100_000
    share = (150_000**2 - 100_000**2) / (150_000**2 - 50_000**2)
    assert found == pytest.approx(total * (100 + 400 * share))


# ---------------------------------------------------------------- by hand: container time


@pytest.mark.parametrize(
    ("beliefs", "changes", "seconds"),
    [
        pytest.param({}, {}, 300, id="one minimum"),
        pytest.param({"requests": 4}, {}, 300, id="one session for a conversation"),
        pytest.param({"requests": 4}, {"threaded": False}, 1_200, id="a container a request"),
        pytest.param({"requests": 4}, {"per_request": True}, 1_200, id="a minimum a request"),
        pytest.param({"requests": 4, "pause_seconds": 600}, {}, 1_200, id="pauses that end the session"),
        pytest.param({"requests": 4, "code_seconds": 100}, {}, 400, id="beyond the minimum, the time"),
        pytest.param({"requests": 4, "code_seconds": 400}, {"per_request": True}, 1_600, id="long runs, each its time"),
        pytest.param({"code_probability": 0}, {}, 0, id="no code"),
        pytest.param({"code_probability": 0.5}, {}, 150, id="code in every second conversation"),
        pytest.param({"code_probability": 0.5, "requests": 3}, {}, 225, id="code in one of three requests"),
        pytest.param({"code_probability": 0}, {"preloads": "all"}, 300, id="files bill without a run"),
        pytest.param({"code_probability": 0.5}, {"preloads": "all", "threaded": False}, 300, id="once a request"),
        pytest.param(
            {"code_probability": 0, "requests": 3}, {"preloads": "all", "threaded": False}, 900, id="files, each time"
        ),
        pytest.param(
            {"code_probability": 0, "requests": 3},
            {"preloads": "first", "threaded": False},
            300,
            id="files, first time",
        ),
        pytest.param({"requests": 6}, {"idle_bills": True}, 360, id="waiting bills"),
        pytest.param({}, {"covered_seconds": 290.0}, 0, id="an open session covers it"),
        pytest.param({"code_seconds": 400}, {"covered_seconds": 290.0}, 110, id="an open session covers a part"),
    ],
)
def test_billed_container_time(beliefs: dict[str, float], changes: dict[str, Any], seconds: float) -> None:
    """The minimum once a session, and what counts as a session."""
    world = worlds(certain(**beliefs), terms(**changes))[0]
    assert world.billed * world.requests == pytest.approx(seconds)


def test_free_code_that_counts_saves_nothing_while_hours_are_left() -> None:
    """The hours it uses up are missing later."""
    assert priced("claude-haiku-5-5", counts_when_free=True).probability == 0


def test_below_the_allowance_a_tool_can_only_cost() -> None:
    """An hour that costs nothing leaves nothing to save."""
    free = priced("claude-haiku-5-5", hour=0.0)
    assert free.untouched == 0
    assert free.planned > 0
    assert free.probability == 0


# ---------------------------------------------------------------- laws


INTERVAL = st.lists(st.floats(0, 10_000), min_size=3, max_size=3).map(lambda three: Interval(*sorted(three)))
SHARES = st.lists(st.floats(0, 1), min_size=3, max_size=3).map(lambda three: Interval(*sorted(three)))
BELIEFS = st.builds(
    Beliefs,
    tokens=INTERVAL,
    code_probability=SHARES,
    code_seconds=INTERVAL,
    pause_seconds=INTERVAL,
    iterations=INTERVAL,
    growth_tokens=INTERVAL,
    requests=INTERVAL,
    conversations=INTERVAL,
    futile_probability=st.floats(0, 1),
    futile_tokens=st.floats(0, 1_000),
)
TERMS = st.builds(
    terms,
    model=st.sampled_from(["claude-haiku-5-5", "claude-opus-5-5"]),
    hour=st.floats(0, HOUR),
    cached=st.booleans(),
    threaded=st.booleans(),
    per_request=st.booleans(),
    preloads=st.sampled_from(["none", "first", "all"]),
    warm_plain=st.none() | st.integers(0, 100_000),
    warm_bundled=st.none() | st.integers(0, 100_000),
    prompt_tokens=st.floats(0, 200_000),
)


@given(BELIEFS, TERMS)
def test_same_inputs_same_answer(beliefs: Beliefs, circumstances: Terms) -> None:
    """And every number is one, and no cost is negative."""
    found = expect(beliefs, circumstances)
    assert found == expect(beliefs, circumstances)
    assert 0 <= found.probability <= 1
    assert all(math.isfinite(cost) and cost >= 0 for cost in (found.untouched, found.planned))


@given(BELIEFS, TERMS, st.floats(0, 5_000))
def test_more_tokens_never_make_a_bundle_better(beliefs: Beliefs, circumstances: Terms, more: float) -> None:
    """Neither cheaper nor more likely to gain."""
    low, likely, high = msgspec.structs.astuple(beliefs.tokens)
    heavier = msgspec.structs.replace(beliefs, tokens=Interval(low + more, likely + more, high + more))
    light, heavy = expect(beliefs, circumstances), expect(heavier, circumstances)
    assert heavy.planned >= light.planned * (1 - 1e-9)
    assert heavy.probability <= light.probability
    assert heavy.untouched == light.untouched


@given(BELIEFS, TERMS, st.floats(0, 1))
def test_a_dearer_hour_never_makes_a_bundle_worse(beliefs: Beliefs, circumstances: Terms, share: float) -> None:
    """What is free is worth more."""
    cheaper = msgspec.structs.replace(circumstances, hour=circumstances.hour * share)
    assert expect(beliefs, cheaper).probability <= expect(beliefs, circumstances).probability


@given(INTERVAL, st.integers(0, 7))
def test_draws_keep_to_their_interval(interval: Interval, column: int) -> None:
    """The likely world comes first, as many lie below the middle as above it, and none outside."""
    found = draws(interval, column)
    assert len(found) == WORLDS
    assert found[0] == pytest.approx(interval.likely)
    assert all(interval.low * (1 - 1e-12) <= value <= interval.high * (1 + 1e-12) for value in found)
    spread = draws(Interval(0, 1, 2), column)
    assert sum(value < 1 for value in spread) == sum(value > 1 for value in spread) == WORLDS // 2


def test_the_worlds_fill_the_cube_evenly() -> None:
    """Any two and any three beliefs are drawn as if they knew nothing of each other."""
    columns = [[value > 1 for value in draws(Interval(0, 1, 2), column)] for column in range(8)]
    for size in (2, 3):
        for chosen in combinations(columns, size):
            together = sum(all(world) for world in zip(*chosen, strict=True))
            assert abs(together - WORLDS / 2**size) <= 3
