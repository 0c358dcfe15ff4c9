"""The life of a warm prefix: two sides, two lifetimes, its end and its length."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.learning.epochs import LONG_CACHE, SHORT_CACHE, Epoch, Epochs, Warmth, cache_seconds, warm
from tests.doubles.deciding import NOW


def begin(epochs: Epochs, prefix: str, at: datetime, *, edited: bool, lives: float) -> int | None:
    """A conversation begins, and is answered at once; nothing of it was cached."""
    return epochs.answered(prefix, Warmth(0, at, lives), edited=edited, sent=at, begun=edited)


def later(seconds: float) -> timedelta:
    """So many seconds."""
    return timedelta(seconds=seconds)


def test_a_prefix_is_unknown_before_its_first_conversation() -> None:
    """Nothing of it is warm."""
    epochs = Epochs()
    assert epochs.find("p", NOW) is None
    assert not warm(epochs.find("p", NOW), edited=False)
    assert begin(epochs, "p", NOW, edited=False, lives=SHORT_CACHE) is None


def test_a_conversation_warms_its_own_side_alone() -> None:
    """As callers send it, or with an edit."""
    for edited in (False, True):
        epochs = Epochs()
        begin(epochs, "p", NOW, edited=edited, lives=SHORT_CACHE)
        found = epochs.find("p", NOW)
        assert found is not None
        assert found.edited is edited
        assert warm(found, edited=edited)
        assert not warm(found, edited=not edited)
        assert epochs.find("q", NOW) is None


@pytest.mark.parametrize(("long", "seconds"), [(False, 300), (True, 3_600)])
def test_a_cache_lives_five_minutes_or_an_hour(seconds: float, *, long: bool) -> None:
    """At that moment it is gone."""
    epochs = Epochs()
    begin(epochs, "p", NOW, edited=False, lives=cache_seconds(long=long))
    assert epochs.find("p", NOW + later(seconds - 0.001)) is not None
    assert epochs.find("p", NOW + later(seconds)) is None


def test_an_answer_tells_the_tokens_and_warms_anew() -> None:
    """The epoch lives on from then."""
    epochs = Epochs()
    begin(epochs, "p", NOW, edited=True, lives=SHORT_CACHE)
    epochs.answered("p", Warmth(5_000, NOW + later(200)), edited=True)
    found = epochs.find("p", NOW + later(450))
    assert found == Epoch(edited=True, bundled=Warmth(5_000, NOW + later(200)), conversations=1)
    assert epochs.find("p", NOW + later(500)) is None


def test_a_side_goes_cold_while_the_other_is_warm() -> None:
    """What is left of the epoch tells which."""
    epochs = Epochs()
    begin(epochs, "p", NOW, edited=False, lives=SHORT_CACHE)
    begin(epochs, "p", NOW + later(250), edited=True, lives=SHORT_CACHE)
    both = epochs.find("p", NOW + later(299))
    assert warm(both, edited=False)
    assert warm(both, edited=True)
    one = epochs.find("p", NOW + later(301))
    assert not warm(one, edited=False)
    assert warm(one, edited=True)
    assert one is not None
    assert one.conversations == 2


def test_the_last_decision_holds() -> None:
    """An epoch may switch; conversations that begin go by what was decided last."""
    epochs = Epochs()
    for edited in (False, True, False):
        begin(epochs, "p", NOW, edited=edited, lives=SHORT_CACHE)
    found = epochs.find("p", NOW)
    assert found is not None
    assert not found.edited


def test_the_length_of_an_epoch_is_told_by_the_next() -> None:
    """Once, and not while it lives."""
    epochs = Epochs()
    assert [begin(epochs, "p", NOW + later(100 * n), edited=False, lives=SHORT_CACHE) for n in range(3)] == [None] * 3
    assert begin(epochs, "p", NOW + later(600), edited=True, lives=SHORT_CACHE) == 3
    found = epochs.find("p", NOW + later(600))
    assert found == Epoch(edited=True, bundled=Warmth(0, NOW + later(600)), conversations=1)


def test_after_a_restart_an_answer_begins_an_epoch() -> None:
    """Of which no conversation was seen to begin."""
    epochs = Epochs()
    epochs.answered("p", Warmth(7, NOW), edited=True)
    assert epochs.find("p", NOW) == Epoch(edited=True, bundled=Warmth(7, NOW))


def test_a_late_turn_begins_a_new_epoch() -> None:
    """A prefix that was cold is written anew, whoever asks: what began before it went cold is over."""
    epochs = Epochs()
    for _ in range(5):
        begin(epochs, "p", NOW, edited=False, lives=SHORT_CACHE)
    epochs.answered("p", Warmth(7, NOW + later(1_200)), edited=False)
    found = epochs.find("p", NOW + later(1_200))
    assert found is not None
    assert found.conversations == 0


def test_the_number_of_prefixes_is_bounded() -> None:
    """The one that was touched longest ago is forgotten."""
    epochs = Epochs(bound=2)
    begin(epochs, "a", NOW, edited=False, lives=SHORT_CACHE)
    begin(epochs, "b", NOW, edited=False, lives=SHORT_CACHE)
    epochs.answered("a", Warmth(1, NOW), edited=False)
    begin(epochs, "c", NOW, edited=False, lives=SHORT_CACHE)
    assert [name for name in "abc" if epochs.find(name, NOW)] == ["a", "c"]


@given(
    st.lists(
        st.tuples(st.floats(0, 5_000), st.booleans(), st.sampled_from([SHORT_CACHE, LONG_CACHE])),
        min_size=1,
        max_size=30,
    )
)
def test_every_conversation_is_in_one_epoch(beginnings: list[tuple[float, bool, float]]) -> None:
    """The lengths that are told, and that of the last one, add up to all that began."""
    epochs, at, told = Epochs(), NOW, 0
    for pause, edited, lives in beginnings:
        at += later(pause)
        told += begin(epochs, "p", at, edited=edited, lives=lives) or 0
        found = epochs.find("p", at)
        assert warm(found, edited=edited)
    last = epochs.find("p", at)
    assert last is not None
    assert told + last.conversations == len(beginnings)
