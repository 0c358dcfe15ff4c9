"""What edited prompts have too much, and what is believed after seeing it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.learning.excess import HALF_LIFE, Excess, Sample, blend, excess
from planner.core.learning.scale import Predicted
from planner.core.rulebook.catalog import Interval

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
PRIOR = Interval(1_500, 4_000, 7_000)


def seen(
    tokens: int, *, estimate: float = 10_000, noise: float = 100, bias: float = 10, group: str = "g", days: float = 0
) -> tuple[Sample, Predicted]:
    """A prompt of so many tokens where its estimate was expected, with the errors of that."""
    at = AT - timedelta(days=days)
    return Sample(at, estimate, tokens, group), Predicted(estimate, noise, bias, 20.0)


def test_the_mean_is_weighed_by_precision() -> None:
    """A long prompt whose estimate is far off in tokens says little beside a short one."""
    one = excess([seen(12_000, noise=100), seen(16_000, noise=1_000)])
    assert one.tokens == pytest.approx(2_000 + 4_000 / 101, abs=60)
    assert one.deviation < 150


def test_a_shared_error_does_not_shrink_with_more_of_the_same() -> None:
    """A hundred prompts of one group share what its scale is wrong by; two groups do not."""
    alone = excess([seen(12_000, noise=10, bias=200)] * 30)
    apart = excess([seen(12_000, noise=10, bias=200, group=f"g{each}") for each in range(30)])
    assert alone.deviation > 195
    assert apart.deviation < 60


def test_more_scatter_than_expected_makes_it_less_sure() -> None:
    """The samples themselves tell how far off single prompts are."""
    calm = excess([seen(12_000 + each) for each in (-50, 0, 50) * 5])
    wild = excess([seen(12_000 + each) for each in (-900, 0, 900) * 5])
    assert wild.deviation > 3 * calm.deviation


def test_one_odd_prompt_moves_it_little() -> None:
    """A prompt far from all others counts less."""
    assert excess([*[seen(12_000 + each) for each in range(9)], seen(900_000)]).tokens < 2_100


def test_old_samples_fade() -> None:
    """What was seen a half-life ago weighs half."""
    old, new = seen(11_000, noise=1_000, days=HALF_LIFE.days), seen(14_000, noise=1_000)
    assert excess([old, new]).tokens == pytest.approx((1_000 / 2 + 4_000) / 1.5)


def test_an_unsure_observation_leaves_the_belief() -> None:
    """Nothing that was seen is worth much where its error is wider than the belief."""
    after = blend(PRIOR, Excess(9_000, 1e6, 0.0))
    assert (after.low, after.likely, after.high) == pytest.approx((1_500, 4_000, 7_000), rel=0.01)


def test_a_sure_observation_replaces_the_belief() -> None:
    """However far it lies from what was believed."""
    after = blend(PRIOR, Excess(9_000, 20, 30.0))
    assert after.likely == pytest.approx(9_000, rel=0.001)
    assert after.high - after.low == pytest.approx(2 * 1.32 * 20, rel=0.02)


@given(
    st.tuples(*[st.floats(0, 1e5)] * 3).map(sorted),
    st.floats(-1e5, 1e5),
    st.floats(1, 1e6),
    st.floats(0, 60),
)
def test_a_blend_is_ordered_and_never_negative(
    numbers: list[float], tokens: float, deviation: float, freedom: float
) -> None:
    """No tool takes tokens away, whatever was seen."""
    after = blend(Interval(*numbers), Excess(tokens, deviation, freedom))
    assert 0 <= after.low <= after.likely <= after.high
    assert after.likely <= max(numbers[1], tokens, 0.0) + 1e-6
