"""Tokens of a prompt from its estimate, learnt from untouched requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.learning.scale import CONSTANT, OUTLIER, Scale

estimates = st.floats(min_value=100, max_value=200_000)


def learnt(*pairs: tuple[float, int]) -> Scale:
    """A scale that saw these estimates and prompts."""
    scale = Scale()
    for estimate, tokens in pairs:
        scale.learn(estimate, tokens)
    return scale


def test_one_request_teaches_a_ratio() -> None:
    """Nothing is known of a constant, so it is taken for none, and prompts of other lengths are less sure."""
    scale = learnt((10_000, 13_000))
    same, longer = scale.predict(10_000), scale.predict(20_000)
    assert same.tokens == pytest.approx(13_000)
    assert longer.tokens == pytest.approx(26_000)
    assert longer.bias > 2 * same.bias
    assert longer.bias < 2 * same.bias + CONSTANT
    assert same.freedom == 0


def test_two_lengths_show_the_constant() -> None:
    """A system prompt of the API's own stands in every request, however short."""
    scale = learnt(*[(each, 400 + round(1.25 * each)) for each in (2_000, 8_000, 30_000) * 4])
    assert scale.predict(16_000).tokens == pytest.approx(400 + 1.25 * 16_000, rel=0.001)
    assert scale.predict(16_000).bias < 30


def test_what_is_no_prompt_teaches_nothing() -> None:
    """An empty estimate or an empty prompt has no ratio."""
    scale = learnt((0, 100), (100, 0), (-1, 5))
    assert scale == Scale()
    with pytest.raises(ValueError, match="ask only after one request"):
        scale.predict(100)


def test_an_odd_prompt_moves_it_little() -> None:
    """A body full of something else is taken for one at the edge of what is usual."""
    usual = [(10_000.0, 10_000 + each % 7 * 100) for each in range(50)]
    calm, odd = learnt(*usual), learnt(*usual, (10_000.0, 500_000))
    noise = calm.predict(10_000).noise
    assert odd.predict(10_000).tokens - calm.predict(10_000).tokens < OUTLIER * noise / 20


def test_it_forgets() -> None:
    """What a group was like long ago matters no more."""
    scale = learnt(*[(10_000.0, 10_000)] * 100, *[(10_000.0, 13_000)] * 400)
    assert scale.predict(10_000).tokens == pytest.approx(13_000, rel=0.01)


@given(st.lists(st.tuples(estimates, st.integers(1, 10**6)), min_size=1, max_size=60), estimates)
def test_a_prediction_is_a_number_with_two_errors(pairs: list[tuple[float, int]], estimate: float) -> None:
    """Whatever was seen, no error is negative, and none is a number that is none."""
    predicted = learnt(*pairs).predict(estimate)
    assert abs(predicted.tokens) < 10**12
    assert 0 < predicted.noise < 10**12
    assert 0 < predicted.bias < 10**12
    assert 0 <= predicted.freedom <= 50


@given(st.floats(0.5, 2.0), st.lists(estimates, min_size=3, max_size=30))
def test_exact_estimates_are_found_out_at_once(factor: float, seen: list[float]) -> None:
    """Where tokens are a multiple of the estimate, a handful tells the multiple to half a percent.

    Tokens are whole, so that of short prompts each is off by up to half a token, and a longer one is told by them.
    """
    scale = learnt(*[(each, round(factor * each)) for each in seen])
    longest = max(seen)
    assert scale.predict(longest).tokens == pytest.approx(factor * longest, rel=0.005 + 1.5 / min(seen), abs=2)
