"""What an edit adds to every prompt: who is believed, how traffic teaches it, and what outlives a restart."""

import random
from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.conversations import Retype, ToolEdit
from planner.core.learning.sizes import (
    SAMPLES,
    UNKNOWN,
    Combination,
    Counted,
    Declared,
    Learnt,
    LearntSize,
    Size,
    Sizes,
    combination,
    estimated_prompt,
)
from planner.core.rulebook.book import RuleBook, SettingRow
from planner.core.rulebook.catalog import Interval
from tests.doubles.deciding import BASIC_SEARCH, BOOK, CLIENT_TOOL, CODE, NEWER_CODE, NOW, ask, book

FETCH = "web_fetch_20260318"
ADDED = ToolEdit(append=f'{{"type":"{FETCH}","name":"web_fetch"}}', name="web_fetch", free=True)
NOWHERE = ToolEdit(append='{"type":"web_fetch_20990101","name":"web_fetch"}', name="web_fetch", free=True)
RAISED = ToolEdit(retypes=(Retype("web_search_20250305", "web_search_20260318", direct=True),), free=True)
NESTED = ToolEdit(retypes=(Retype("web_search_20250305", "web_search_20260318"),), free=True)
LIFT = Retype("code_execution_20250825", "code_execution_20260120")
OPUS = "claude-opus-5-5"
PRIORS = BOOK.catalog.priors
KEY = Combination(OPUS, (Declared("code_execution_20260120"),), ADDED.append)
MEASURED = Interval(5_500, 5_535, 5_600)


def measured(*types: str) -> RuleBook:
    """The shipped rules with tools that somebody measured on 1 November."""
    rows = tuple(
        SettingRow(key=f"tool_tokens.{each}", value=None, mark="C", source="us", checked=date(2026, 11, 1))
        for each in types
    )
    settings = msgspec.structs.replace(BOOK.settings, tool_tokens=dict.fromkeys(types, MEASURED))
    return book(settings=settings, setting_rows=rows)


def watch(
    sizes: Sizes,
    true: float,
    *,
    untouched: int = 10,
    edited: int = 10,
    noise: float = 0.0,
    factor: float = 1.3,
    seed: int = 1,
    group: str = "g",
) -> None:
    """Let requests of many lengths pass whose edit adds `true` tokens, the edited ones after the others."""
    draw = random.Random(seed)  # noqa: S311 - a world that repeats
    for number in range(untouched + edited):
        is_edited = number >= untouched
        estimate = draw.uniform(2_000, 30_000)
        tokens = factor * estimate * (1 + draw.gauss(0, noise)) + (true if is_edited else 0)
        at = NOW + timedelta(minutes=number)
        sizes.observe(KEY, estimate, round(tokens), at, edited=is_edited, group=group)


def learnt(true: float, **world: float) -> Interval:
    """What is believed after such a world."""
    sizes = Sizes()
    watch(sizes, true, **world)  # type: ignore[arg-type]  # numbers of the world, by name
    return sizes.of(KEY, ADDED, BOOK).interval


def test_without_an_edit_nothing_is_added() -> None:
    """And nobody has to count it."""
    sizes = Sizes()
    assert sizes.of(combination(OPUS, (), ToolEdit()), ToolEdit(), BOOK) == Size(Interval(0, 0, 0), "catalog")
    assert sizes.wanted(NOW) == ()


def test_a_combination_is_what_the_size_depends_on() -> None:
    """The model, the server tools in any order, and the edit; client tools and what an edit is called do not count."""
    one = ask(tools=[NEWER_CODE, CLIENT_TOOL, {**BASIC_SEARCH, "allowed_callers": ["direct"]}])
    other = ask(tools=[{**BASIC_SEARCH, "allowed_callers": ["direct"], "max_uses": 3}, NEWER_CODE])
    key = combination(OPUS, one.tools, ADDED)
    assert key == combination(OPUS, other.tools, msgspec.structs.replace(ADDED, name="other", free=False))
    assert key.declared == (Declared("code_execution_20260120"), Declared("web_search_20250305", direct=True))
    assert key != combination("claude-opus-5", one.tools, ADDED)
    assert key != combination(OPUS, one.tools, RAISED)
    assert hash(key) == hash(combination(OPUS, other.tools, ADDED))


def test_the_catalog_is_believed_first() -> None:
    """An added tool by its type, an upgrade and a lift by their own rows."""
    sizes = Sizes()
    lifted = msgspec.structs.replace(ADDED, retypes=(LIFT,))
    prior, lift = PRIORS.tool_tokens[FETCH], PRIORS.lift_tokens
    assert sizes.of(KEY, ADDED, BOOK) == Size(prior.interval, "catalog")
    both = Interval(prior.low + lift.low, prior.likely + lift.likely, prior.high + lift.high)
    assert sizes.of(KEY, lifted, BOOK) == Size(both, "catalog")
    assert sizes.of(KEY, RAISED, BOOK) == Size(PRIORS.upgrade_tokens.interval, "catalog")
    assert sizes.of(KEY, NOWHERE, BOOK) == Size(UNKNOWN, "catalog")


def test_nested_callers_make_an_upgrade_dearer() -> None:
    """A newer tool that code may call is as large as one that is added, less what stood there before."""
    direct = Combination(OPUS, (Declared("web_search_20250305", direct=True),), None, NESTED.retypes)
    nested = Combination(OPUS, (Declared("web_search_20250305"),), None, NESTED.retypes)
    new, old = PRIORS.tool_tokens["web_search_20260318"], PRIORS.tool_tokens["web_search_20250305"]
    assert Sizes().of(nested, NESTED, BOOK).interval.likely == new.likely - old.likely
    assert Sizes().of(direct, NESTED, BOOK).interval == PRIORS.upgrade_tokens.interval


def test_a_setting_beats_traffic() -> None:
    """What somebody measured and wrote down, with the day it was checked."""
    sizes, rules = Sizes(), measured(FETCH)
    watch(sizes, 2_000)
    assert sizes.of(KEY, ADDED, rules) == Size(MEASURED, "settings", datetime(2026, 11, 1, tzinfo=UTC))
    assert sizes.of(KEY, NESTED, measured("web_search_20260318")).source == "traffic"
    both = measured("web_search_20260318", "web_search_20250305")
    assert sizes.of(KEY, NESTED, both) == Size(Interval(0, 0, 0), "settings", datetime(2026, 11, 1, tzinfo=UTC))


def test_a_count_beats_all() -> None:
    """Only the API knows; its count is held to be within two percent."""
    sizes = Sizes()
    watch(sizes, 2_000)
    sizes.count(KEY, 5_000, NOW)
    counted = Size(Interval(4_900, 5_000, 5_100), "count_tokens", NOW)
    assert sizes.of(KEY, ADDED, measured(FETCH)) == counted
    watch(sizes, 2_000)
    assert sizes.of(KEY, ADDED, BOOK) == counted


@pytest.mark.parametrize("tokens", [0, -3])
def test_a_count_of_nothing_is_none(tokens: int) -> None:
    """A tool adds something: nothing is learnt of such a count, and one that was kept is not believed."""
    sizes, prior = Sizes(), PRIORS.tool_tokens[FETCH].interval
    with pytest.raises(ValueError, match=f"cannot add {tokens} tokens"):
        sizes.count(KEY, tokens, NOW)
    assert (sizes.snapshot(), sizes.counted(KEY)) == ((), None)
    sizes.restore([LearntSize(KEY, Counted(NOW, tokens))])
    assert sizes.counted(KEY) is None
    assert sizes.of(KEY, ADDED, BOOK) == Size(prior, "catalog")


def test_traffic_that_contradicts_a_count_beats_it() -> None:
    """As many edited requests as are kept, all since the count; a count that is made anew is believed again."""
    sizes = Sizes()
    watch(sizes, 2_000, untouched=60, edited=0)
    sizes.count(KEY, 5_000, NOW - timedelta(minutes=1))
    watch(sizes, 2_000, untouched=0, edited=SAMPLES - 1)
    assert sizes.of(KEY, ADDED, BOOK).source == "count_tokens"
    watch(sizes, 2_000, untouched=0, edited=1)
    size = sizes.of(KEY, ADDED, BOOK)
    assert size.source == "traffic"
    assert size.interval.likely == pytest.approx(2_000, rel=0.1)
    assert sizes.of(KEY, ADDED, measured(FETCH)).source == "settings"
    sizes.count(KEY, 5_000, NOW + timedelta(minutes=1))
    assert sizes.of(KEY, ADDED, BOOK).source == "count_tokens"


def test_traffic_that_agrees_leaves_a_count_alone() -> None:
    """The count is surer."""
    sizes = Sizes()
    sizes.count(KEY, 5_000, NOW - timedelta(minutes=1))
    watch(sizes, 5_050, untouched=60, edited=2 * SAMPLES)
    assert sizes.of(KEY, ADDED, BOOK).source == "count_tokens"


@pytest.mark.parametrize(("days", "source"), [(21, "count_tokens"), (22, "traffic")])
def test_an_old_count_beats_nothing_that_is_newer(days: int, source: str) -> None:
    """It should have been made anew long ago; how old it is, the newest sample or the day of the setting tells."""
    sizes = Sizes()
    sizes.count(KEY, 5_000, NOW - timedelta(days=days))
    assert sizes.of(KEY, ADDED, BOOK).source == "count_tokens"
    watch(sizes, 5_000, untouched=0, edited=1)
    assert sizes.of(KEY, ADDED, BOOK).source == source
    written = Sizes(trusted=timedelta(days=1))
    written.count(KEY, 5_000, datetime(2026, 11, 1, tzinfo=UTC) - timedelta(days=days - 21 + 1))
    assert written.of(KEY, ADDED, measured(FETCH)).source == ("settings" if days > 21 else "count_tokens")


def test_what_was_asked_for_is_wanted_until_it_is_counted() -> None:
    """The last that was asked for comes first; an old count is wanted again."""
    sizes = Sizes(bound=2)
    keys = [Combination(f"claude-{each}", (), ADDED.append) for each in range(3)]
    for key in keys:
        sizes.of(key, ADDED, BOOK)
    assert sizes.wanted(NOW) == (keys[2], keys[1])
    sizes.count(keys[2], 4_000, NOW)
    assert sizes.wanted(NOW) == (keys[1],)
    assert sizes.wanted(NOW + timedelta(seconds=1)) == (keys[2], keys[1])
    assert sizes.counted(keys[2]) == NOW
    assert sizes.counted(keys[1]) is None


def test_exact_estimates_teach_at_once() -> None:
    """Two untouched and two edited requests take away all but 3 % of the catalog's error, five tell it narrowly."""
    believed = PRIORS.tool_tokens[FETCH].likely
    for true in (500, 2_000, 4_000, 6_000, 9_000):
        two, five = learnt(true, untouched=2, edited=2), learnt(true, untouched=5, edited=5)
        assert abs(two.likely - true) <= 0.03 * abs(believed - true) + 5
        assert abs(five.likely - true) <= 0.003 * abs(believed - true) + 5
        assert five.high - five.low < 0.05 * true + 150


def test_nothing_untouched_to_compare_with() -> None:
    """Four bytes a token are a guess, so that what is believed moves, but stays wide."""
    believed, prior = learnt(4_000, untouched=0, edited=8, factor=1.0), PRIORS.tool_tokens[FETCH]
    assert prior.low - 2_000 < believed.likely < prior.high
    assert believed.high - believed.low > 2_000


def test_others_of_the_model_stand_in_for_a_group() -> None:
    """A new agent's bodies are like those of others, about: better than nothing, worse than its own."""
    sizes, own = Sizes(), Sizes()
    watch(sizes, 6_000, untouched=30, edited=0, group="others")
    watch(sizes, 6_000, untouched=0, edited=8, group="mine")
    watch(own, 6_000, untouched=30, edited=8, group="mine")
    strange, known = (each.of(KEY, ADDED, BOOK).interval for each in (sizes, own))
    assert 5_000 < strange.likely < 7_000
    assert strange.high - strange.low > 4 * (known.high - known.low)


def test_age_and_number_are_told() -> None:
    """`planner plan` says how many requests taught a size and when."""
    sizes = Sizes()
    assert sizes.measured(KEY) == 0
    watch(sizes, 2_000, untouched=3, edited=4)
    assert sizes.measured(KEY) == 4
    assert sizes.of(KEY, ADDED, BOOK).at == NOW + timedelta(minutes=6)
    watch(sizes, 2_000, edited=2 * SAMPLES)
    assert sizes.measured(KEY) == SAMPLES


@given(
    true=st.sampled_from([0, 800, 2_500, 4_000, 6_000, 8_000]),
    noise=st.sampled_from([0.0, 0.02, 0.1]),
    factor=st.sampled_from([0.8, 1.0, 1.4]),
    seed=st.integers(0, 10**6),
)
def test_it_converges_to_the_truth(true: int, noise: float, factor: float, seed: int) -> None:
    """However wrong the catalog is, and however bytes and tokens hang together."""
    believed = learnt(true, untouched=60, edited=SAMPLES, noise=noise, factor=factor, seed=seed)
    assert abs(believed.likely - true) <= 20 + 16_000 * factor * noise


@given(
    st.lists(
        st.tuples(
            st.floats(0, 1e6), st.integers(0, 10**6), st.booleans(), st.sampled_from("ab"), st.integers(0, 10**6)
        ),
        max_size=40,
    )
)
def test_any_traffic_gives_an_ordered_size(seen: list[tuple[float, int, bool, str, int]]) -> None:
    """Never negative, the same for the same calls, and the same after a restart."""
    one, other = Sizes(), Sizes()
    for estimate, tokens, edited, group, second in seen:
        for sizes in (one, other):
            sizes.observe(KEY, estimate, tokens, NOW + timedelta(seconds=second), edited=edited, group=group)
    size = one.of(KEY, ADDED, BOOK)
    assert 0 <= size.interval.low <= size.interval.likely <= size.interval.high
    assert size == other.of(KEY, ADDED, BOOK)
    again = Sizes()
    again.restore(msgspec.json.decode(msgspec.json.encode(one.snapshot()), type=tuple[Learnt, ...]))
    assert again.snapshot() == one.snapshot()
    assert again.of(KEY, ADDED, BOOK) == size


def test_what_changed_is_told_once() -> None:
    """So that only news are written down; what does not fit comes the next time."""
    sizes = Sizes()
    watch(sizes, 2_000, untouched=2, edited=2)
    first, rest = sizes.changes(most=1), sizes.changes()
    assert len(first) == 1
    assert len(rest) == 2
    assert sizes.changes() == ()
    assert set(map(type, (*first, *rest))) == set(map(type, sizes.snapshot()))
    sizes.count(KEY, 4_000, NOW)
    assert len(sizes.changes()) == 1


def test_it_is_bounded() -> None:
    """Models and groups come from callers; what was touched last stays."""
    sizes = Sizes(bound=4)
    for number in range(50):
        key = Combination(f"model-{number}")
        sizes.observe(key, 1_000, 1_000, NOW, edited=False, group=f"g{number}")
        sizes.observe(key, 1_000, 3_000, NOW, edited=True, group=f"g{number}")
    kept = sizes.snapshot()
    assert len(kept) == 8
    assert sizes.measured(Combination("model-49")) == 1
    assert sizes.measured(Combination("model-0")) == 0
    assert len(sizes.changes()) <= 8


def test_a_body_is_estimated_by_its_bytes_and_its_tools() -> None:
    """Four bytes a token, and what is known of the server tools that stand in it by a few bytes only."""
    plain, coding = ask(tools=[CLIENT_TOOL]), ask(tools=[CLIENT_TOOL, CODE])
    assert estimated_prompt(plain, BOOK) == len(plain.body) / 4
    tool = PRIORS.tool_tokens["code_execution_20250825"].likely
    assert estimated_prompt(coding, BOOK) == len(coding.body) / 4 + tool


@pytest.mark.parametrize(
    "members",
    [
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "u"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64", "data": ""}}]}]},
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
    ],
)
def test_a_body_that_tells_nothing_of_its_tokens(members: dict[str, object]) -> None:
    """Images and documents have other sizes than their bytes, and a thread's continuation is not the whole prompt."""
    assert estimated_prompt(ask(**members), BOOK) is None


def test_nothing_is_learnt_from_nothing() -> None:
    """A prompt without tokens, or without an estimate."""
    sizes = Sizes()
    sizes.observe(KEY, 0, 100, NOW, edited=True, group="g")
    sizes.observe(KEY, 100, 0, NOW, edited=False, group="g")
    assert sizes.snapshot() == ()
