"""What is learnt of an agent: what holds whatever was seen."""

from datetime import datetime, timedelta
from math import isfinite
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import astuple

from planner.core.agents import ProfileKey
from planner.core.learning.learnt import UNLEARNT, Estimate, Learnt
from planner.core.learning.profile import LearntParent, LearntProfile, Observation, Profiles
from tests.doubles.deciding import NOW

KEY = ProfileKey("own", "parent")
SIBLING = ProfileKey("sibling", "parent")
STRANGER = ProfileKey("stranger", "another parent")
PRIOR = 0.5
SEEN = Observation(
    opens=True, ran=True, seconds=10, billed=300, samples=2, prompt=1_000, cached=0.9, marked=True,
    cold=False,
)  # fmt: skip
OBSERVATIONS = st.builds(
    Observation,
    opens=st.booleans(),
    ran=st.booleans(),
    seconds=st.floats(0, 600),
    billed=st.floats(0, 600),
    samples=st.integers(1, 10).map(float),
    prompt=st.floats(0, 200_000),
    scale=st.none() | st.floats(0.1, 10),
    cached=st.floats(0, 1),
    marked=st.booleans(),
    cold=st.booleans(),
    futile=st.none() | st.integers(0, 2),
    output=st.floats(0, 10_000),
    read=st.none() | st.floats(0, 200_000),
)
KEYS = st.sampled_from([KEY, SIBLING, STRANGER, ProfileKey("another stranger", "another parent")])
HISTORY = st.lists(st.tuples(KEYS, OBSERVATIONS, st.floats(0, 40)), max_size=30)
History = list[tuple[ProfileKey, Observation, float]]
ESTIMATES = tuple(field for field in Learnt.__struct_fields__ if isinstance(getattr(UNLEARNT, field), Estimate))


def through_json(profiles: Profiles) -> Profiles:
    """Profiles that were kept, and taken up again from JSON."""
    restored = Profiles()
    kinds = LearntProfile | LearntParent
    for each in profiles.changes(10**6):
        restored.restore(msgspec.json.decode(msgspec.json.encode(each), type=kinds))
    return restored


def told(history: History) -> Profiles:
    """Profiles that saw this, each so many days behind the one before."""
    profiles, at = Profiles(), NOW
    for key, observation, days in history:
        at += timedelta(days=days)
        profiles.observe(key, observation, at)
    return profiles


@given(HISTORY, KEYS, st.floats(-3, 3), st.floats(0, 1_000))
def test_estimates_are_numbers_that_are_not_negative(history: History, key: ProfileKey, z: float, prior: float) -> None:
    """Whatever was seen, and in whichever world."""
    found = told(history).learnt(key)
    for name in ESTIMATES:
        estimate = getattr(found, name)
        assert 0 <= estimate.rest <= 1
        assert isfinite(estimate.at(prior, z))
        assert estimate.at(prior, z) >= 0


@given(HISTORY, KEYS)
def test_a_mean_lies_among_what_was_seen_and_believed(history: History, key: ProfileKey) -> None:
    """It is a blend of them, so no share leaves its bounds."""
    found = told(history).learnt(key)
    for name in ("code", "cold", "cached", "share"):
        assert 0 <= getattr(found, name).at(PRIOR) <= 1 + 1e-9


@given(HISTORY, KEYS)
def test_the_same_observations_make_the_same_estimates(history: History, key: ProfileKey) -> None:
    """There is no chance in it, and no clock."""
    assert astuple(told(history).learnt(key)) == astuple(told(history).learnt(key))


@given(HISTORY, st.randoms(use_true_random=False))
def test_independent_agents_do_not_know_of_each_other(history: History, random: Any) -> None:
    """However their requests are mixed, as long as each one's own stay in order."""
    ordered: list[tuple[ProfileKey, Observation, datetime]] = []
    at = NOW
    for key, observation, days in history:
        at += timedelta(days=days)
        ordered.append((key, observation, at))
    ours = [each for each in ordered if each[0].parent == "parent"]
    others = [each for each in ordered if each[0].parent != "parent"]
    mixed = Profiles()
    while ours or others:
        queue = ours if ours and (not others or random.random() < 0.5) else others
        mixed.observe(*queue.pop(0))
    for key in (KEY, SIBLING, STRANGER):
        assert astuple(mixed.learnt(key)) == astuple(told(history).learnt(key))


@given(HISTORY)
def test_what_was_kept_is_what_was_learnt(history: History) -> None:
    """Through JSON and a restart, with everything that comes of it later."""
    after, going_on = through_json(told(history)), told(history)
    for key in (KEY, SIBLING, STRANGER):
        assert astuple(after.learnt(key)) == astuple(going_on.learnt(key))
    for profiles in (after, going_on):
        profiles.observe(KEY, SEEN, NOW + timedelta(days=2_000))
    assert astuple(after.learnt(KEY)) == astuple(going_on.learnt(KEY))
