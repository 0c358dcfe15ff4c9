"""Edits that are tried to learn what they weigh: one a model at a time, and few a day."""

from datetime import timedelta

from planner.core.learning.experience import MOST_TRIALS, TRIAL_LASTS, TRIALS_COUNT, Experience
from planner.core.learning.sizes import Sizes
from tests.doubles.deciding import BOOK, NOW
from tests.doubles.experienced import MODEL, answer, edited

TIERED = "claude-haiku-5-5"


def test_one_trial_a_model_at_a_time() -> None:
    """Until its answer is there."""
    experience = Experience(Sizes())
    trial = edited(trial=True)
    assert not experience.trying(MODEL, NOW)
    experience.sent(trial)
    assert experience.trying(MODEL, NOW)
    assert not experience.trying(TIERED, NOW)
    experience.answered(trial, answer(), BOOK)
    assert not experience.trying(MODEL, NOW)


def test_a_trial_without_an_answer_is_forgotten() -> None:
    """Longer than the API holds a connection open."""
    experience = Experience(Sizes())
    experience.sent(edited(trial=True))
    assert experience.trying(MODEL, NOW + TRIAL_LASTS - timedelta(seconds=1))
    assert not experience.trying(MODEL, NOW + TRIAL_LASTS)


def test_trials_of_a_model_are_few_a_day() -> None:
    """What so many did not tell, more do not either."""
    experience = Experience(Sizes())
    for number in range(MOST_TRIALS):
        trial = edited(60 * number, trial=True)
        assert not experience.trying(MODEL, trial.at)
        experience.sent(trial)
        experience.answered(trial, answer(), BOOK)
    assert experience.trying(MODEL, NOW + TRIALS_COUNT - timedelta(seconds=1))
    assert not experience.trying(MODEL, NOW + TRIALS_COUNT)


def test_a_trial_decides_nothing_for_those_that_follow() -> None:
    """Its side is warm, and the prefix stays as it was."""
    experience = Experience(Sizes())
    experience.sent(edited(trial=True))
    experience.answered(edited(trial=True), answer(), BOOK)
    found = experience.epochs.find("p", NOW)
    assert found is not None
    assert found.bundled is not None
    assert (found.edited, found.conversations) == (False, 1)
