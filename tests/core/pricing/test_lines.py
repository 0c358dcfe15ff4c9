"""Which prompt a tier looks at, and the laws of what a response costs."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.usage import Extra, Metered, Modifiers, TokenClasses
from planner.core.pricing.lines import iterations_of, lightened, usage_lines
from planner.core.pricing.prices import Line, PriceBook, Unpriced
from planner.rulesource import load_rules

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
BOOK = load_rules(None).required().prices
HAIKU, OPUS, OLD = "claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-6"
TIER = 100_000
KINDS = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
counts = st.integers(0, 10**6)
classes = st.builds(TokenClasses, **dict.fromkeys(KINDS, counts))


def priced(metered: Metered, model: str = HAIKU, **how: Any) -> tuple[Line, ...]:
    """The lines of something that has a price; each iteration has its own tier unless `how` says otherwise."""
    lines = usage_lines(metered, model, AT, BOOK, **({"per_iteration": True} | how))
    assert not isinstance(lines, Unpriced)
    return lines


def cost(metered: Metered, model: str = HAIKU, **how: Any) -> int:
    """Their sum."""
    return sum(line.nano for line in priced(metered, model, **how))


def listed(*iterations: TokenClasses) -> Metered:
    """A response whose usage lists these iterations."""
    return Metered(classes=sum(iterations, TokenClasses()), iterations=len(iterations), each=iterations)


@pytest.mark.parametrize(("tokens", "nano"), [(TIER - 1, 100), (TIER, 100), (TIER + 1, 500)])
def test_each_iteration_has_its_own_tier(tokens: int, nano: int) -> None:
    """One below, at, and one above the threshold beside a short one; as a sum, both are above it."""
    both = listed(TokenClasses(input=tokens), TokenClasses(input=10_000))
    assert cost(both) == tokens * nano + 10_000 * 100
    assert cost(both, per_iteration=False) == (tokens + 10_000) * 500
    assert {line.basis for line in priced(both)} == {"measured"}


def test_iterations_of_one_tier_are_one_line() -> None:
    """They are added up before they are rounded."""
    lines = priced(listed(*[TokenClasses(cache_write_5m=1)] * 3, TokenClasses(input=TIER + 1, output=1)))
    assert lines == (
        Line("cache_write_5m", 3, "token", 375, "measured"),
        Line("input", TIER + 1, "token", (TIER + 1) * 500, "measured"),
        Line("output", 1, "token", 2_500, "measured"),
    )
    nearby = msgspec.structs.replace(listed(*[TokenClasses(cache_write_5m=1)] * 3), modifiers=Modifiers(us=True))
    assert cost(nearby) == 412  # 412.5, rounded once to even; three times 137.5 were 414


@pytest.mark.parametrize(("prompt", "nano"), [(2 * TIER - 1, 100), (2 * TIER, 100), (2 * TIER + 1, 500)])
def test_iterations_that_are_not_listed(prompt: int, nano: int) -> None:
    """One code run is taken for two iterations of the same prompt, and that is said to be an estimate."""
    used = Metered(classes=TokenClasses(input=prompt))
    assert cost(used, runs=1) == prompt * nano
    assert {line.basis for line in priced(used, runs=1)} == {"estimated"}


def test_an_estimate_is_said_only_where_it_matters() -> None:
    """Below the tier, with a single iteration, and of models without a tier, nothing was guessed."""
    for used, how in (
        (Metered(classes=TokenClasses(input=TIER)), {"runs": 5}),
        (Metered(classes=TokenClasses(input=TIER + 1)), {}),
        (Metered(classes=TokenClasses(input=TIER + 1), web_searches=1, iterations=1), {}),
        (Metered(classes=TokenClasses(input=TIER + 1)), {"runs": 5, "per_iteration": False}),
        (Metered(classes=TokenClasses(input=9 * TIER)), {"runs": 5, "model": OPUS}),
    ):
        assert {line.basis for line in priced(used, **how)} - {"measured"} == set()
    searched = priced(Metered(classes=TokenClasses(input=TIER + 1), web_searches=1))
    assert [line.basis for line in searched] == ["estimated", "measured"]
    many = Metered(classes=TokenClasses(input=3 * TIER), iterations=3)  # listed, but not adding up
    assert [(line.nano, line.basis) for line in priced(many)] == [(3 * TIER * 100, "estimated")]


def test_the_setting_speaks_of_one_model() -> None:
    """A tier of old is that of the summed prompt, as it was published; other calls have tiers of their own."""
    before = datetime(2026, 3, 1, tzinfo=UTC)
    both = listed(*[TokenClasses(input=150_000)] * 2)
    lines = usage_lines(both, OLD, before, BOOK, per_iteration=True)
    assert not isinstance(lines, Unpriced)
    assert [line.nano for line in lines] == [300_000 * 6_000]
    apart = Metered(classes=TokenClasses(), extras=(Extra("message", HAIKU, both.classes, both.each),))
    assert cost(apart, OPUS) == 300_000 * 500
    halves = listed(*[TokenClasses(input=75_000)] * 2)
    alone = Metered(classes=TokenClasses(), extras=(Extra("message", HAIKU, halves.classes, halves.each),))
    assert (cost(alone, OPUS), cost(alone, OPUS, per_iteration=False)) == (150_000 * 100, 150_000 * 500)


def test_one_thing_without_a_price_is_no_price() -> None:
    """Whether model, extra or search."""
    used = Metered(classes=TokenClasses(input=1), web_searches=1)
    assert usage_lines(used, "gpt-9", AT, BOOK) == Unpriced("unknown-model")
    assert usage_lines(used, OPUS, AT, PriceBook(BOOK.rows)) == Unpriced("no-price-for-web-search")
    advised = msgspec.structs.replace(used, extras=(Extra("advisor_message", "gpt-9", TokenClasses(input=1)),))
    assert usage_lines(advised, OPUS, AT, BOOK) == Unpriced("unknown-model")


@given(st.lists(classes, min_size=1, max_size=6), st.booleans(), st.sampled_from([HAIKU, OPUS]))
def test_every_token_is_billed_once(iterations: list[TokenClasses], alone: bool, model: str) -> None:  # noqa: FBT001 - drawn
    """The quantities of the lines are the tokens, class by class, however spread over tiers; no line is negative."""
    used = listed(*iterations)
    lines = priced(used, model, per_iteration=alone)
    for kind in KINDS:
        assert sum(int(line.quantity) for line in lines if line.kind == kind) == getattr(used.classes, kind)
    assert all(line.nano >= 0 for line in lines)


@given(classes, st.sampled_from(KINDS), st.integers(1, 10**6), st.sampled_from([HAIKU, OPUS, OLD]))
def test_cost_grows_with_every_class(used: TokenClasses, kind: str, more: int, model: str) -> None:
    """More tokens never cost less, at a fixed tier and, since a longer prompt has no cheaper one, across tiers too."""
    larger = msgspec.structs.replace(used, **{kind: getattr(used, kind) + more})
    assert cost(Metered(classes=larger), model) >= cost(Metered(classes=used), model)


@given(classes, classes, st.integers(0, 50))
def test_cost_is_additive_where_no_tier_is(one: TokenClasses, two: TokenClasses, searches: int) -> None:
    """Two requests cost what one with the tokens of both does: a token of Opus costs whole nano-dollars."""
    together = cost(Metered(classes=one + two, web_searches=searches), OPUS)
    assert together == cost(Metered(classes=one), OPUS) + cost(Metered(classes=two, web_searches=searches), OPUS)


@given(st.lists(classes, min_size=2, max_size=6), st.data())
def test_lightened_iterations_add_up(iterations: list[TokenClasses], data: st.DataObject) -> None:
    """To what is left, and none has more than it had."""
    used = listed(*iterations)
    left = TokenClasses(**{kind: data.draw(st.integers(0, getattr(used.classes, kind))) for kind in KINDS})
    lighter = lightened(used, left)
    assert lighter.classes == left == sum(lighter.each, TokenClasses())
    pairs = zip(lighter.each, iterations, strict=True)
    assert all(getattr(less, kind) <= getattr(more, kind) for less, more in pairs for kind in KINDS[3:])


def test_nothing_can_be_lightened_into_more() -> None:
    """What is left was there before; without a list there is nothing to spread."""
    assert lightened(Metered(classes=TokenClasses(input=5)), TokenClasses(input=2)) == Metered(
        classes=TokenClasses(input=2)
    )
    with pytest.raises(ValueError, match="1 input tokens more"):
        lightened(Metered(classes=TokenClasses(input=1)), TokenClasses(input=2))


def test_listed_iterations_are_parts_of_the_totals() -> None:
    """Their cache writes are split as the totals are, the long ones first; what does not add up is not used."""
    parts = (TokenClasses(cache_write_5m=30, output=2), TokenClasses(cache_write_5m=5, cache_read=30))
    whole = TokenClasses(cache_write_1h=32, cache_write_5m=3, cache_read=30, output=2)
    assert iterations_of(whole, parts) == (
        TokenClasses(cache_write_1h=30, output=2),
        TokenClasses(cache_write_1h=2, cache_write_5m=3, cache_read=30),
    )
    assert iterations_of(TokenClasses(input=1), parts) == ()
    assert iterations_of(TokenClasses(), ()) == ()
