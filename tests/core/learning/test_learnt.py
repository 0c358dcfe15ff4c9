"""What is believed of an agent: a part of its own, the rest of the prior, and what a tier makes dear."""

import pytest

from planner.core.learning.learnt import UNKNOWN, UNLEARNT, Estimate, dear_share


def test_what_is_unknown_is_the_prior() -> None:
    """Nothing of its own."""
    assert UNLEARNT.code.at(0.3) == UNKNOWN.at(0.3, z=2) == 0.3


def test_the_nearer_observation_weighs_by_its_share() -> None:
    """A quarter of 8 upon three quarters of what was believed before; its doubt likewise."""
    first = UNKNOWN.under(4, 1, 0.5)
    assert first == Estimate(own=2, spread=0.5, rest=0.5)
    assert first.under(8, 2, 0.25) == Estimate(own=3.5, spread=0.875, rest=0.375)


# ---------------------------------------------------------------- the tier of longer prompts


def test_the_share_of_tokens_beyond_a_tier_is_that_of_its_requests() -> None:
    """One of two requests lies beyond 100: two thirds of the tokens, with the weight of two requests."""
    found = dear_share(((120.0, 1.0), (60.0, 1.0)), 100, 0, summed=True)
    assert found.at(0) == pytest.approx(2 / 3 * 2 / 22)
    assert dear_share(((120.0, 1.0), (60.0, 1.0)), 100, 41, summed=True).at(0) == pytest.approx(2 / 22)


def test_iterations_are_summed_or_not() -> None:
    """Two iterations of 60 are one prompt of 120, or two below 100; what an edit adds counts in each."""
    prompts = ((120.0, 2.0),) * 20
    assert dear_share(prompts, 100, 0, summed=True).at(0) == 0.5
    assert dear_share(prompts, 100, 0, summed=False).at(0) == 0
    assert dear_share(prompts, 100, 41, summed=False).at(0) == 0.5


def test_the_edge_itself_is_not_beyond() -> None:
    """The tier begins strictly above its threshold, and without prompts nothing is known."""
    assert dear_share(((100.0, 1.0),), 100, 0, summed=True).at(0) == 0
    assert dear_share((), 100, 0, summed=True) is UNKNOWN
