"""What a conversation is expected to cost once its agent is known: by hand, each thing that is learnt."""

from typing import Any

import msgspec
import pytest

from planner.core.learning.expectation import Beliefs, Expectation, Terms, expect
from planner.core.learning.learnt import Estimate, Learnt
from planner.core.pricing.prices import Rates, Tier
from planner.core.rulebook.catalog import Interval

HOUR = 50_000_000_000
RATES = Rates(
    input=2_000_000, cache_write_5m=2_500_000, cache_write_1h=4_000_000, cache_read=100_000, output=10_000_000
)
LARGE = Rates(
    input=4_000_000, cache_write_5m=5_000_000, cache_write_1h=8_000_000, cache_read=200_000, output=30_000_000
)
TOOL = 4_000
PROMPT = 10_000


def known(value: float) -> Estimate:
    """A quantity of which nothing is left to the prior."""
    return Estimate(value, 0.0, 0.0)


def priced(learnt: dict[str, Any] | None = None, beliefs: dict[str, float] | None = None, **terms: Any) -> Expectation:
    """One request of one iteration without code, at 2,000 nano-dollars a token, unless said otherwise."""
    usual = {
        "tokens": TOOL, "code_probability": 0, "code_seconds": 10, "pause_seconds": 60, "iterations": 1,
        "growth_tokens": 0, "requests": 1, "conversations": 1,
    }  # fmt: skip
    exact: dict[str, Any] = {name: Interval(each, each, each) for name, each in (usual | (beliefs or {})).items()}
    circumstances = Terms(rates=RATES, hour=HOUR, minimum_seconds=300, prompt_tokens=PROMPT)
    return expect(Beliefs(**exact), msgspec.structs.replace(circumstances, **terms), Learnt(**(learnt or {})))


WARM: dict[str, Any] = {"cached": True, "warm_plain": PROMPT, "warm_bundled": PROMPT + TOOL}


# ---------------------------------------------------------------- what lies in front of the breakpoint


def test_what_lies_behind_the_breakpoint_is_input() -> None:
    """Of 10,000 tokens 6,000 are read; the tool stands in front with them."""
    found = priced(cached_tokens=6_000.0, **WARM)
    assert found.untouched == pytest.approx(6_000 * 100 + 4_000 * 2_000)
    assert found.planned == pytest.approx((6_000 + TOOL) * 100 + 4_000 * 2_000)


def test_without_a_count_all_of_it_lies_in_front() -> None:
    """None is the whole prompt."""
    assert priced(**WARM).untouched == pytest.approx(PROMPT * 100)
    assert priced(cached_tokens=float(PROMPT), **WARM).untouched == pytest.approx(PROMPT * 100)


def test_a_prompt_that_only_the_tool_makes_long_enough() -> None:
    """Untouched it is not cached at all."""
    found = priced(plain_too=False, **WARM)
    assert found.untouched == pytest.approx(PROMPT * 2_000)
    assert found.planned == pytest.approx((PROMPT + TOOL) * 100)


# ---------------------------------------------------------------- the epoch


@pytest.mark.parametrize(("begun", "shared"), [(0, 1), (1, 1), (10, 10), (40, 40)])
def test_a_rewrite_is_shared_by_as_many_as_have_begun(begun: int, shared: int) -> None:
    """At least: those that come are believed to be no fewer."""
    found = priced(cached=True, warm_plain=PROMPT, begun=begun)
    reads, again = (PROMPT + TOOL) * 100, (PROMPT + TOOL) * 2_400
    assert found.planned == pytest.approx(reads + again / shared)
    more = priced(beliefs={"conversations": 50}, cached=True, warm_plain=PROMPT, begun=begun)
    assert more.planned == pytest.approx(reads + again / 50)


def test_the_length_of_epochs_is_learnt() -> None:
    """And replaces what is believed of others."""
    found = priced({"conversations": known(20)}, cached=True, warm_plain=PROMPT)
    assert found.planned == pytest.approx((PROMPT + TOOL) * (100 + 2_400 / 20))


# ---------------------------------------------------------------- what an agent's requests have shown


def test_billed_seconds_are_those_that_were_seen() -> None:
    """600 seconds a request, whatever is believed of runs and pauses."""
    found = priced({"billed": known(600)}, {"requests": 3})
    assert found.untouched - 3 * PROMPT * 2_000 == pytest.approx(3 * 600 / 3_600 * HOUR / 1_000)
    assert found.planned == pytest.approx(3 * (PROMPT + TOOL) * 2_000)


def test_turns_and_samples_multiply_prompts() -> None:
    """Four requests of two and a half iterations."""
    found = priced({"turns": known(4), "samples": known(2.5)})
    assert found.planned == pytest.approx(10 * (PROMPT + TOOL) * 2_000)
    assert priced({"turns": known(0.2), "samples": known(0)}).planned == pytest.approx((PROMPT + TOOL) * 2_000)


def test_cold_requests_write_what_others_read() -> None:
    """One in four."""
    found = priced({"cold": known(0.25)}, {"requests": 4}, **WARM)
    assert found.untouched == pytest.approx(PROMPT * (4 * 100 + 2_400))
    assert found.planned == pytest.approx((PROMPT + TOOL) * (4 * 100 + 2_400))


def test_requests_that_find_no_cache_pay_for_input() -> None:
    """Half of those that could."""
    found = priced({"cached": known(0.5)}, **WARM)
    assert found.untouched == pytest.approx(PROMPT * (100 + 2_000) / 2)
    assert priced({"cached": known(7)}, **WARM).untouched == pytest.approx(PROMPT * 100)


def test_a_prior_that_is_left_counts_by_its_rest() -> None:
    """Half of what is believed, and 150 seconds of what was seen."""
    found = priced({"billed": Estimate(150.0, 0.0, 0.5)}, {"code_probability": 1})
    assert found.untouched - PROMPT * 2_000 == pytest.approx((150 + 0.5 * 300) / 3_600 * HOUR / 1_000)


def test_doubt_that_is_left_makes_a_gain_less_certain() -> None:
    """The same mean with a wide error."""
    break_even = TOOL * 2_000 * 1_000 * 3_600 / HOUR
    sure = priced({"billed": known(break_even * 1.1)})
    unsure = priced({"billed": Estimate(break_even * 1.1, break_even, 0.0)})
    assert sure.probability == 1
    assert 0.5 < unsure.probability < 0.6


def test_each_token_is_what_one_more_costs() -> None:
    """The difference of two sizes, at the usual rates."""
    learnt: dict[str, Any] = {"cold": known(0.25), "samples": known(3), "cached": known(0.8)}
    one, other = (
        priced(learnt, {"requests": 4, "tokens": tokens}, cached=True, warm_plain=PROMPT) for tokens in (1_000, 1_001)
    )
    assert other.planned - one.planned == pytest.approx(one.each_token, rel=1e-6)


# ---------------------------------------------------------------- the tier of longer prompts

TIER = Tier(100_000, LARGE)


def test_the_share_of_dear_tokens_is_each_sides_own() -> None:
    """None of the untouched prompts, a quarter of the edited ones at double rates."""
    found = priced(over=TIER, dear_plain=known(0), dear_bundled=known(0.25))
    assert found.untouched == pytest.approx(PROMPT * 2_000)
    assert found.planned == pytest.approx((PROMPT + TOOL) * (0.75 * 2_000 + 0.25 * 4_000))


def test_output_counts_where_the_tier_makes_it_dearer() -> None:
    """500 tokens at 20,000 more each, by the share of dear tokens; otherwise it is the same on both sides."""
    shares: dict[str, Any] = {"over": TIER, "dear_plain": known(0), "dear_bundled": known(0.25)}
    without, found = priced(**shares), priced({"output": known(500)}, **shares)
    assert found.untouched == pytest.approx(without.untouched)
    assert found.planned - without.planned == pytest.approx(0.25 * 500 * 20_000)
    assert priced({"output": known(500)}).planned == priced().planned


def test_a_share_is_at_most_all() -> None:
    """However an estimate came out."""
    assert priced(over=TIER, dear_plain=known(3)).untouched == pytest.approx(PROMPT * 4_000)
