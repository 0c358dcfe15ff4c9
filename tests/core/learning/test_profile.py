"""What is learnt of an agent: weights by hand, fading, folding, bounds, and what outlives a restart."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from msgspec.structs import astuple

from planner.core.agents import ProfileKey, profile_key
from planner.core.learning.learnt import UNKNOWN, UNLEARNT, Estimate
from planner.core.learning.profile import (
    HALF_LIFE_DAYS,
    MEMORY,
    MOST_STEADY,
    PROMPTS,
    VOLATILE,
    LearntParent,
    LearntProfile,
    Moments,
    Observation,
    Profiles,
)
from tests.doubles.deciding import NOW, ask, cached

KEY = ProfileKey("own", "parent")
SIBLING = ProfileKey("sibling", "parent")
STRANGER = ProfileKey("stranger", "another parent")
PRIOR = 0.5


def seen(**changes: Any) -> Observation:
    """One request that ran code for ten seconds on a cached prompt."""
    usual = Observation(
        opens=True, ran=True, seconds=10, billed=300, samples=2, prompt=1_000, cached=0.9,
        marked=True, cold=False, output=100,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def watched(*observations: Observation, key: ProfileKey = KEY, days: float = 0) -> Profiles:
    """Profiles that saw these requests, so many days apart."""
    profiles = Profiles()
    for number, each in enumerate(observations):
        profiles.observe(key, each, NOW + timedelta(days=days * number))
    return profiles


def weight(requests: int) -> float:
    """What so many requests at one moment weigh, each of which leaves a little less of those before."""
    faded = sum(MEMORY**number for number in range(requests))
    return faded / (faded + 20)


# ---------------------------------------------------------------- estimates


def test_without_anything_learnt_the_prior_holds() -> None:
    """Of nobody is anything believed beside the catalog."""
    assert Profiles().learnt(KEY) is UNLEARNT
    assert UNLEARNT.code.at(PRIOR) == PRIOR
    assert watched(seen()).learnt(STRANGER) is UNLEARNT


def test_one_request_weighs_a_twenty_first() -> None:
    """It is n / (n + 20), in the parent as in the profile itself: two steps from the prior."""
    far = 20 / 21
    assert watched(seen()).learnt(SIBLING).code.at(PRIOR) == pytest.approx(PRIOR * far + 1 / 21)
    assert watched(seen()).learnt(KEY).code.at(PRIOR) == pytest.approx((PRIOR * far + 1 / 21) * far + 1 / 21)


@pytest.mark.parametrize("requests", [1, 5, 20, 100])
def test_weights_are_those_of_faded_requests(requests: int) -> None:
    """A profile shrinks toward its parent, and that toward the prior."""
    found = watched(*[seen()] * requests).learnt(KEY).code
    rest = (1 - weight(requests)) ** 2
    assert found.rest == pytest.approx(rest)
    assert found.at(PRIOR) == pytest.approx(1 - rest * PRIOR)


def test_a_profile_shrinks_toward_its_parent_first() -> None:
    """A new agent of the same principal and tools is believed to be as its siblings are."""
    profiles = watched(*[seen()] * 200)
    before = profiles.learnt(SIBLING).code.at(PRIOR)
    assert before > 0.9
    for _ in range(MOST_STEADY):
        profiles.observe(SIBLING, seen(ran=False, seconds=0), NOW)
    assert 0.4 < profiles.learnt(SIBLING).code.at(PRIOR) < before


def test_of_many_requests_a_few_more_change_nothing_yet() -> None:
    """The very same object is believed, so that what follows from it need not be reckoned again."""
    profiles = watched(*[seen()] * 400)
    before = profiles.learnt(KEY)
    for _ in range(MOST_STEADY - 1):
        profiles.observe(KEY, seen(), NOW)
    assert profiles.learnt(KEY) is before
    profiles.observe(KEY, seen(), NOW)
    assert profiles.learnt(KEY) is not before
    few = watched(seen())
    assert few.learnt(KEY) is few.learnt(KEY)
    early = few.learnt(KEY)
    few.observe(KEY, seen(), NOW)
    assert few.learnt(KEY) is not early


def test_an_estimate_is_never_negative() -> None:
    """However far out a world lies."""
    assert Estimate(own=1, spread=10, rest=0).at(0, z=-3) == 0


def test_the_spread_is_the_standard_error() -> None:
    """Of 1, 2 and 3, which have the variance 2/3, with a third of their mean: nothing is certain of one alone."""
    moments = Moments()
    moments.add(3)
    assert moments.error == moments.mean == 3
    moments.add(2)
    moments.add(1)
    assert moments.mean == 2
    assert moments.error == pytest.approx((2 / 9 + 4 / 9) ** 0.5)


def test_a_share_is_doubted_as_far_as_both_were_seen() -> None:
    """All of one kind leaves no doubt beyond the weight of so few; half and half leaves the most."""
    one = watched(seen(ran=True)).learnt(KEY).code
    assert one.spread == 0
    assert one.rest > 0.9
    mixed = watched(seen(ran=True), seen(ran=False)).learnt(KEY).code
    assert mixed.spread > 0


@pytest.mark.parametrize("days", [10, 13, 13.9])
def test_what_fades_is_doubted_no_more_than_it_varied(days: float) -> None:
    """Two requests of 0 and 300 seconds: their mean is no further off than 300, until both weigh nothing."""
    moments = Moments()
    for value in (0.0, 300.0):
        moments.add(value)
    moments.fade(0.5 ** (days / HALF_LIFE_DAYS))
    assert moments.error <= 300


def test_of_nothing_there_is_no_mean() -> None:
    """Instead of a division by zero."""
    assert Moments().mean == Moments().error == 0


# ---------------------------------------------------------------- what is counted


def test_every_quantity_has_its_own_requests() -> None:
    """Seconds are those of requests that ran code, shares those of prompts that could be cached and were."""
    profiles = watched(
        *[seen()] * 300,
        *[seen(ran=False, seconds=0, billed=0, cached=0.0, marked=False)] * 300,
    )
    found = profiles.learnt(KEY)
    assert found.seconds.at(0) > 9.5
    assert found.share.at(0) > 0.85
    assert found.cached.at(0) > 0.9
    assert 0.2 < found.code.at(0) < 0.3  # the second half is remembered best
    assert found.billed.at(0) == pytest.approx(300 * found.code.at(0))


def test_futile_calls_are_learnt_where_a_tool_was_added_alone() -> None:
    """And the scale of estimates where the first prompt was told."""
    assert watched(seen()).learnt(KEY).futile is UNKNOWN
    assert watched(seen()).learnt(KEY).scale is UNKNOWN
    found = watched(*[seen(futile=1, scale=1.2)] * 100).learnt(KEY)
    assert found.futile.at(0) > 0.9
    assert found.scale.at(1) == pytest.approx(1.2, rel=0.01)


def test_turns_are_requests_by_beginnings() -> None:
    """Three requests a conversation."""
    found = watched(*[seen(), seen(opens=False), seen(opens=False)] * 100).learnt(KEY)
    assert found.turns.at(12) == pytest.approx(3, rel=0.2)
    assert found.begun == pytest.approx(found.requests / 3, rel=0.05)


def test_turns_are_unknown_where_no_conversation_was_seen_to_begin() -> None:
    """As after a restart, in the middle of many."""
    assert watched(seen(opens=False)).learnt(KEY).turns is UNKNOWN


def test_lengths_of_epochs_are_learnt() -> None:
    """For the profile that is known, and for its parent in any case."""
    profiles = watched(seen())
    for _ in range(60):
        profiles.epoch_ended(KEY, 8, NOW)
        profiles.epoch_ended(STRANGER, 8, NOW)
    assert profiles.learnt(KEY).conversations.at(4) == pytest.approx(8, rel=0.05)
    assert profiles.learnt(STRANGER).conversations.at(4) == pytest.approx(7, rel=0.05)


def test_how_long_code_ran_may_not_have_been_seen() -> None:
    """Then that it ran is learnt alone."""
    found = watched(seen(seconds=None)).learnt(KEY)
    assert found.seconds is UNKNOWN
    assert found.code.at(0) > 0


def test_when_the_last_request_came_is_told() -> None:
    """Of the profile."""
    assert watched(seen(), seen(), days=2).learnt(KEY).seen == NOW + timedelta(days=2)


def test_prompts_are_kept_where_a_tier_is_decided_by_them() -> None:
    """The last three hundred, and none where the model has no tier."""
    found = watched(*[seen(read=number, samples=1) for number in range(PROMPTS + 5)]).learnt(KEY)
    assert found.prompts == tuple((float(number), 1.0) for number in range(5, PROMPTS + 5))
    assert watched(seen()).learnt(KEY).prompts == ()


# ---------------------------------------------------------------- fading


def test_drift_is_followed() -> None:
    """Whoever stops running code is believed after some hundred requests, and not before."""
    idle = seen(ran=False, seconds=0, billed=0)
    before = watched(*[seen()] * 1_000).learnt(KEY).code.at(PRIOR)
    few = watched(*[seen()] * 1_000, *[idle] * 30).learnt(KEY).code.at(PRIOR)
    many = watched(*[seen()] * 1_000, *[idle] * 600).learnt(KEY).code.at(PRIOR)
    assert before > 0.95
    assert few > 0.8
    assert many < 0.2


def test_so_many_requests_are_remembered_at_most() -> None:
    """1 / (1 - MEMORY), whatever has passed."""
    assert watched(*[seen()] * 3_000).learnt(KEY).requests == pytest.approx(300, rel=0.01)


def test_days_take_half_of_the_weight() -> None:
    """After a half-life two requests weigh one, beside the new one."""
    profiles = watched(seen(), seen())
    later = NOW + timedelta(days=HALF_LIFE_DAYS)
    profiles.observe(KEY, seen(), later)
    assert profiles.learnt(KEY).requests == pytest.approx((1 + MEMORY) * 0.5 * MEMORY + 1)


def test_what_comes_late_ages_nothing() -> None:
    """An answer of before the last one."""
    profiles = watched(seen())
    profiles.observe(KEY, seen(), NOW - timedelta(days=30))
    assert profiles.learnt(KEY).requests == pytest.approx(1 + MEMORY)


# ---------------------------------------------------------------- folding and bounds


def volatile(count: int, start: int = 0) -> list[ProfileKey]:
    """Profiles of one parent, none like another."""
    return [ProfileKey(f"volatile-{number}", "parent") for number in range(start, start + count)]


def test_texts_that_are_never_the_same_are_folded_into_the_parent() -> None:
    """None of them would learn anything; the parent does."""
    profiles = Profiles()
    for key in volatile(10 * VOLATILE):
        profiles.observe(key, seen(), NOW)
    assert len(profiles) == VOLATILE - 1
    newest = profiles.learnt(volatile(1, 10 * VOLATILE - 1)[0])
    assert astuple(newest) == astuple(profiles.learnt(ProfileKey("never seen", "parent")))
    assert newest.code.at(0) > 0.9


def test_profiles_that_repeat_are_kept() -> None:
    """However many one principal has."""
    profiles = Profiles()
    for key in volatile(2 * VOLATILE):
        for _ in range(4):
            profiles.observe(key, seen(), NOW)
    assert len(profiles) == 2 * VOLATILE


def test_profiles_that_repeat_by_turns_are_kept() -> None:
    """What was folded once and repeats is no volatile text."""
    profiles = Profiles()
    for _ in range(20):
        for key in volatile(2 * VOLATILE):
            profiles.observe(key, seen(), NOW)
    assert len(profiles) == 2 * VOLATILE


def test_the_one_seen_longest_ago_goes_first() -> None:
    """The number that is remembered is bounded, of profiles and of parents."""
    profiles = Profiles(bound=3)
    keys = [ProfileKey(f"own {number}", f"parent {number}") for number in range(4)]
    for key in (*keys[:3], keys[0], keys[3]):
        profiles.observe(key, seen(), NOW)
    assert len(profiles) == 3
    assert profiles.learnt(keys[1]) is UNLEARNT
    assert all(profiles.learnt(keys[number]) is not UNLEARNT for number in (0, 2, 3))


def test_what_waits_to_be_kept_is_bounded_too() -> None:
    """A store that is down for long loses the oldest of it."""
    profiles = Profiles(bound=3)
    for number in range(50):
        profiles.observe(ProfileKey(f"own {number}", f"parent {number}"), seen(), NOW)
    assert len(profiles.changes(1_000)) <= 6


def test_a_parent_that_was_forgotten_is_learnt_anew() -> None:
    """And not believed by what nobody remembers."""
    profiles = Profiles(bound=2)
    for _ in range(100):
        profiles.observe(KEY, seen(), NOW)
    profiles.learnt(KEY)
    for number in range(2):
        profiles.observe(ProfileKey(f"own {number}", f"parent {number}"), seen(), NOW)
    profiles.observe(KEY, seen(ran=False), NOW)
    assert profiles.learnt(KEY).requests == 1


# ---------------------------------------------------------------- what is kept


def test_changes_come_in_portions_and_once() -> None:
    """What is left comes the next time."""
    profiles = watched(seen())
    first, second = profiles.changes(1), profiles.changes(1)
    assert {type(first[0]), type(second[0])} == {LearntParent, LearntProfile}
    assert profiles.changes(9) == ()
    profiles.observe(KEY, seen(), NOW)
    assert len(profiles.changes(9)) == 2


def test_what_is_kept_holds_no_text() -> None:
    """Digests and numbers alone."""
    request = ask(system=cached("A secret of ours. " * 50))
    profiles = watched(seen(), key=profile_key(request, "key-1"))
    kept = b"".join(map(msgspec.json.encode, profiles.changes(9)))
    assert kept
    assert not [word for word in (b"secret", b"key-1", b"haiku", b"code_execution_2") if word in kept]
