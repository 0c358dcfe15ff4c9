"""What a request and its answer teach: container seconds in both readings, our tokens taken out, warm prefixes."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.learning.epochs import LONG_CACHE, Epoch, Warmth
from planner.core.learning.experience import (
    SESSION_IDLE_MS,
    Answer,
    Experience,
    Sent,
)
from planner.core.learning.learnt import UNKNOWN, Learnt
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import Combination, Sizes
from planner.core.metering.usage import TokenClasses
from planner.core.rulebook.catalog import Interval
from tests.doubles.deciding import BOOK, NOW, book, settings
from tests.doubles.experienced import ADDED, KEY, LONG_PROMPT, MODEL, answer, edited, sent

TIERED = "claude-haiku-5-5"
SIZE = 4_000
"""Tokens that ADDED is believed to have: the catalog's prior."""
PER_REQUEST = book(settings=settings(code={"minimum_per": "request"}))
IDLE_BILLS = book(settings=settings(code={"idle_bills": True}))


NOTHING_RAN = {"runs": 0, "code_ms": 0, "container": None}


def learnt(*pairs: tuple[Sent, Answer], rules: Any = BOOK) -> Learnt:
    """What is believed after these requests."""
    experience = Experience(Sizes())
    for one, other in pairs:
        experience.sent(one)
        experience.answered(one, other, rules)
    return experience.profiles.learnt(KEY)


def means(found: Learnt) -> dict[str, float]:
    """The means of what was observed itself, without prior."""
    estimates = {name: getattr(found, name) for name in Learnt.__struct_fields__}
    return {
        name: round(each.own / (1 - each.rest), 9)
        for name, each in estimates.items()
        if name not in {"requests", "begun", "seen", "prompts"} and each is not UNKNOWN
    }


# ---------------------------------------------------------------- container time


@pytest.mark.parametrize(
    ("requests", "session", "request_"),
    [
        pytest.param([(0, 10)], [300], [300], id="one minimum"),
        pytest.param([(0, 10), (60, 10)], [300, 0], [300, 300], id="one session"),
        pytest.param([(0, 400)], [400], [400], id="beyond the minimum, the time"),
        pytest.param([(0, 200), (60, 200)], [300, 100], [300, 300], id="what goes beyond the minimum"),
        pytest.param([(0, 10), (320, 10)], [300, 0], [300, 300], id="five minutes idle are none yet"),
        pytest.param([(0, 10), (321, 10)], [300, 300], [300, 300], id="beyond them, another session"),
        pytest.param([(0, 10), (200, 10), (400, 10)], [300, 0, 0], [300, 300, 300], id="each use keeps it open"),
    ],
)
def test_billed_time_under_both_readings(
    requests: list[tuple[float, float]], session: list[int], request_: list[int]
) -> None:
    """A minimum a session, or a minimum a request; an answer takes twenty seconds, idle time counts behind it."""
    for rules, expected in ((BOOK, session), (PER_REQUEST, request_)):
        experience = Experience(Sizes())
        billed = [experience.answered(sent(at), answer(code_ms=seconds * 1000), rules) for at, seconds in requests]
        assert billed == [seconds * 1000 for seconds in expected]


def test_the_reading_that_holds_is_learnt() -> None:
    """Of three requests in one session: 100 seconds each, or 300 each."""
    pairs = [(sent(60 * number), answer()) for number in range(3)]
    plain, strict = (means(learnt(*pairs, rules=rules)) for rules in (BOOK, PER_REQUEST))
    assert plain["billed"] == pytest.approx(100, rel=0.01)
    assert strict["billed"] == pytest.approx(300)


def test_what_ran_in_no_container_bills_nothing() -> None:
    """No code, no file."""
    experience = Experience(Sizes())
    assert experience.answered(sent(), answer(**NOTHING_RAN), BOOK) == 0
    assert means(learnt((sent(), answer(**NOTHING_RAN))))["billed"] == 0


def test_preloaded_files_bill_a_minimum_without_a_run() -> None:
    """And the session that they open covers the next run."""
    experience = Experience(Sizes())
    loaded = answer(runs=0, code_ms=0)
    assert experience.answered(sent(preloaded=True), loaded, BOOK) == 300_000
    assert experience.answered(sent(60), answer(), BOOK) == 0


def test_what_would_bill_is_told_though_the_code_is_free() -> None:
    """Both sides are learnt from either."""
    experience = Experience(Sizes())
    assert experience.answered(edited(), answer(), BOOK) == 300_000


def test_a_container_that_was_not_told_is_a_new_one() -> None:
    """Nothing is known to cover it."""
    experience = Experience(Sizes())
    unknown = answer(container=None)
    assert [experience.answered(sent(at), unknown, BOOK) for at in (0, 30)] == [300_000, 300_000]


def test_waiting_bills_where_the_settings_say_so() -> None:
    """The whole answer, and the pause before the next: 20, then 20 + 280 + 20 of which 300 are paid."""
    experience = Experience(Sizes())
    billed = [experience.answered(sent(at), answer(), IDLE_BILLS) for at in (0, 300)]
    assert billed == [300_000, 20_000]


@given(
    st.lists(st.tuples(st.integers(0, 700), st.integers(0, 500), st.booleans()), min_size=1, max_size=20),
    st.sampled_from([BOOK, PER_REQUEST, IDLE_BILLS]),
)
def test_a_session_bills_what_it_used_or_its_minimum(uses: list[tuple[int, int, bool]], rules: Any) -> None:
    """However it is split into requests: never negative, and in all the same as its sessions come to."""
    experience, at, total, sessions = Experience(Sizes()), 0, 0, []
    ended = None
    for pause, seconds, preloaded in uses:
        at += pause
        used = answer(code_ms=seconds * 1000, elapsed_ms=seconds * 1000, runs=0 if preloaded else 1)
        billed = experience.answered(sent(at, preloaded=preloaded), used, rules)
        assert billed >= 0
        total += billed
        idle = 0 if ended is None else at * 1000 - ended
        if ended is None or idle > SESSION_IDLE_MS:
            sessions.append(0)
        elif rules is IDLE_BILLS:
            sessions[-1] += max(idle, 0)
        sessions[-1] += seconds * 1000
        ended = (at + seconds) * 1000
        at += seconds
    if rules is PER_REQUEST:
        assert total == sum(max(seconds * 1000, 300_000) for _, seconds, _ in uses)
    else:
        assert total == sum(max(each, 300_000) for each in sessions)


# ---------------------------------------------------------------- what is seen of an agent


def test_an_untouched_request_is_learnt_as_it_was() -> None:
    """Iterations, share of the cache, output, seconds."""
    found = means(learnt((sent(), answer())))
    assert found["code"] == 1
    assert found["seconds"] == 10
    assert found["samples"] == 2
    assert found["share"] == pytest.approx(0.9)
    assert found["cached"] == 1
    assert found["cold"] == 0
    assert found["output"] == 500
    assert found["scale"] == pytest.approx(1)
    assert "futile" not in found


def test_how_long_code_ran_is_learnt_where_it_was_seen() -> None:
    """Else what is believed would be taken for what was seen."""
    found = means(learnt((sent(), answer(timed=False))))
    assert "seconds" not in found
    assert found["code"] == 1


def test_the_tokens_of_our_own_edit_are_taken_out() -> None:
    """An edited request teaches the same as the untouched one, and whether its tool was tried in vain."""
    more = {"input": 1_000, "cache_read": 9_000 + SIZE}
    both = {"input": 2_000, "cache_read": 2 * (9_000 + SIZE), "output": 500}
    reply = answer(first=TokenClasses(**more), whole=TokenClasses(**both), futile=1)
    found = means(learnt((edited(), reply)))
    assert found.pop("futile") == 1
    assert found == pytest.approx(means(learnt((sent(), answer()))))


def test_what_the_edit_weighs_is_what_is_known_of_it() -> None:
    """Counted by the API, if it was."""
    sizes = Sizes()
    sizes.count(Combination(MODEL, (), ADDED.append), 2_000, NOW)
    experience = Experience(sizes)
    reply = answer(first=TokenClasses(input=1_000, cache_read=11_000))
    experience.answered(edited(), reply, BOOK)
    assert means(experience.profiles.learnt(KEY))["share"] == pytest.approx(0.9)


def test_an_edit_larger_than_the_prompt_leaves_nothing() -> None:
    """A belief that is wrong makes no negative prompt."""
    tiny = TokenClasses(input=10, cache_read=20)
    found = learnt((edited(), answer(first=tiny, whole=tiny, iterations=1)))
    assert means(found)["scale"] == 0
    assert found.share is UNKNOWN


@pytest.mark.parametrize(
    ("first", "cold"),
    [
        (TokenClasses(input=1_000, cache_read=9_000), 0),
        (TokenClasses(input=1_000, cache_write_5m=9_000), 1),
        (TokenClasses(input=1_000, cache_write_1h=9_000), 1),
        (TokenClasses(input=500, cache_read=9_000, cache_write_5m=500), 0),
    ],
)
def test_a_prompt_that_was_written_and_not_read_was_cold(first: TokenClasses, cold: int) -> None:
    """What reads its definitions and writes what came since was warm."""
    assert means(learnt((sent(), answer(first=first))))["cold"] == cold


def test_of_what_is_not_cached_the_last_use_tells_whether_it_would_be_cold() -> None:
    """It would have been written once, had it been marked."""
    bare = answer(first=TokenClasses(input=10_000), whole=TokenClasses(input=20_000))
    assert means(learnt((sent(warm=True), bare)))["cold"] == 0
    assert means(learnt((sent(warm=False), bare)))["cold"] == 1


def test_where_the_first_iteration_is_not_told_apart_the_mean_stands_for_it() -> None:
    """As in whole responses: no scale is learnt of it."""
    whole = TokenClasses(input=2_000, cache_write_5m=9_000, cache_read=9_000, output=500)
    found = means(learnt((sent(), answer(first=None, whole=whole))))
    assert "scale" not in found
    assert found["share"] == pytest.approx(0.9)
    assert found["cold"] == 1
    warm = msgspec.structs.replace(whole, cache_write_5m=100, cache_read=17_900)
    assert means(learnt((sent(), answer(first=None, whole=warm))))["cold"] == 0


def test_what_is_too_short_for_a_cache_is_no_request_without_one() -> None:
    """Whether it finds a cache says nothing of the agent."""
    short = Prompt(tokens=300, fewest=200, most=500, marked=True, cached=300)
    bare = answer(first=TokenClasses(input=300), whole=TokenClasses(input=600))
    assert "cached" not in means(learnt((sent(prompt=short), bare)))
    unmarked = msgspec.structs.replace(LONG_PROMPT, marked=False)
    assert "cached" not in means(learnt((sent(prompt=unmarked), bare)))
    assert means(learnt((sent(), bare)))["cached"] == 0


def test_prompts_are_kept_for_models_with_a_tier_alone() -> None:
    """Without our edit, and of all iterations together."""
    assert learnt((sent(), answer())).prompts == ()
    assert learnt((sent(model=TIERED), answer())).prompts == ((20_000, 2),)
    ours = sent(model=TIERED, edit=ADDED, combination=Combination(TIERED, (), ADDED.append))
    assert learnt((ours, answer())).prompts == ((20_000 - 2 * SIZE, 2),)


# ---------------------------------------------------------------- prefixes


def test_an_answer_warms_the_side_it_was_sent_on() -> None:
    """With what its first iteration held, from its end on."""
    experience = Experience(Sizes())
    experience.sent(edited())
    experience.answered(edited(), answer(first=TokenClasses(cache_read=9_000, cache_write_5m=13)), BOOK)
    end = NOW + timedelta(seconds=20)
    assert experience.epochs.find("p", end) == Epoch(edited=True, bundled=Warmth(9_013, end), conversations=1)


def test_a_cache_of_an_hour_lives_an_hour() -> None:
    """As the request's breakpoints say."""
    experience = Experience(Sizes())
    long = sent(prompt=msgspec.structs.replace(LONG_PROMPT, long=True))
    experience.sent(long)
    experience.answered(long, answer(), BOOK)
    found = experience.epochs.find("p", NOW + timedelta(seconds=20 + LONG_CACHE - 1))
    assert found is not None
    assert found.plain is not None
    assert found.plain.lives == LONG_CACHE


def test_only_what_begins_counts_in_an_epoch() -> None:
    """Later requests keep it warm."""
    experience = Experience(Sizes())
    for number, opens in enumerate((True, False, False, True)):
        request = sent(100 * number, opens=opens)
        experience.sent(request)
        experience.answered(request, answer(), BOOK)
    found = experience.epochs.find("p", NOW + timedelta(seconds=301))
    assert found is not None
    assert found.conversations == 2


def test_the_length_of_an_epoch_is_learnt_when_the_next_begins() -> None:
    """By the profile whose prefix it was."""
    experience = Experience(Sizes())
    for at in (0, 10, 20, 1_000):
        experience.sent(sent(at))
        experience.answered(sent(at), answer(), BOOK)
    assert means(experience.profiles.learnt(KEY))["conversations"] == 3


def test_what_is_never_answered_warms_nothing() -> None:
    """A client that tries again and again begins one conversation."""
    experience = Experience(Sizes())
    for number in range(12):
        experience.sent(sent(number))
    assert experience.epochs.find("p", NOW) is None
    experience.answered(sent(12), answer(), BOOK)
    found = experience.epochs.find("p", NOW + timedelta(seconds=12))
    assert found is not None
    assert found.conversations == 1


def test_the_size_that_these_tests_take_out_is_the_catalogs() -> None:
    """Lest they take out another."""
    believed = Sizes().of(Combination(MODEL, (), ADDED.append), ADDED, BOOK).interval
    assert believed == Interval(1_500, SIZE, 7_000)
