"""What is kept of a request is counts and digests: by hand, by law, and with nothing that anybody wrote."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.shape import Claims, Shape, ToolShape
from planner.core.ledger.shaping import Beliefs, Counted, Known, counted, shape_of
from planner.core.metering.usage import Metered, TokenClasses
from tests.doubles.deciding import CLIENT_TOOL, CODE, NEW_SEARCH, PENDING, RAN, ask, cached

BELIEFS = Beliefs(growth=500.0, least=1_024)
KNOWN = Known(principal="p", root="r")
SINGLE = Metered(classes=TokenClasses(input=100, output=9), first=TokenClasses(input=100))
SECRET = "s3cret"


def shape(known: Known = KNOWN, **members: Any) -> Shape:
    """The shape of a request that was answered in one iteration."""
    return shape_of(ask(**members), known, SINGLE, rounds=1, added=0, beliefs=BELIEFS)


# ---------------------------------------------------------------- counts


def count(metered: Metered, rounds: int = 1, *, added: int = 0, marked: bool = False) -> Counted:
    """Counts under the beliefs of these tests."""
    return counted(metered, rounds, added=added, marked=marked, beliefs=BELIEFS)


def test_one_iteration_is_what_was_told() -> None:
    """The whole prompt, and what was read and written of it."""
    one = Metered(classes=TokenClasses(input=100, cache_write_5m=30, cache_read=870, output=9))
    assert count(one, marked=True) == Counted(1_000, 900, 1, 0, estimated=False)


def test_a_stream_tells_its_first_iteration() -> None:
    """1,000 and then 1,300 and 1,600 are 3,900 in all, of which 900 were cached in each."""
    told = Metered(
        classes=TokenClasses(input=1_200, cache_write_5m=900, cache_read=1_800),
        first=TokenClasses(input=100, cache_write_5m=900),
    )
    assert count(told, rounds=3, marked=True) == Counted(1_000, 900, 3, 300, estimated=False)


def test_sums_are_taken_apart_by_what_is_believed() -> None:
    """Two iterations of 4,000 tokens in all, each with 1,000 of them cached, the second 500 longer."""
    sums = Metered(classes=TokenClasses(input=2_000, cache_write_5m=1_000, cache_read=1_000))
    assert count(sums, rounds=2, marked=True) == Counted(1_750, 1_000, 2, 500, estimated=True)


def test_growth_leaves_the_first_half_of_the_mean() -> None:
    """Of 300 tokens behind the cache in both, the first had 75 and the second 225."""
    sums = Metered(classes=TokenClasses(input=300, cache_read=2_000))
    assert count(sums, rounds=2, marked=True) == Counted(1_075, 1_000, 2, 150, estimated=True)


def test_our_edit_is_taken_out() -> None:
    """Of the prompt, and of what is cached where a breakpoint lies behind it."""
    one = Metered(classes=TokenClasses(input=100, cache_read=900), first=TokenClasses(input=100, cache_read=900))
    assert count(one, added=40, marked=True) == Counted(960, 860, 1, 0, estimated=False)
    assert count(one, added=40) == Counted(960, 900, 1, 0, estimated=False)
    assert count(one, added=5_000, marked=True) == Counted(0, 0, 1, 0, estimated=False)


def test_a_breakpoint_that_cached_nothing_stands_below_the_least() -> None:
    """A live planner sees a breakpoint, and the world must cache nothing."""
    assert count(SINGLE, marked=True) == Counted(100, 100, 1, 0, estimated=False)
    long = Metered(classes=TokenClasses(input=9_000), first=TokenClasses(input=9_000))
    assert count(long, marked=True) == Counted(9_000, 1_023, 1, 0, estimated=False)


def test_more_than_one_iteration_can_have_read() -> None:
    """Something went on that the blocks do not show."""
    odd = Metered(classes=TokenClasses(input=3_100), first=TokenClasses(input=1_000))
    assert count(odd, rounds=1) == Counted(1_000, 0, 3, 33, estimated=True)


@given(
    tokens=st.tuples(*[st.integers(0, 10**6)] * 4),
    rounds=st.integers(1, 50),
    added=st.integers(0, 10_000),
    marked=st.booleans(),
    first=st.booleans(),
)
def test_counts_are_such_as_a_trace_may_hold(
    tokens: tuple[int, ...], rounds: int, added: int, *, marked: bool, first: bool
) -> None:
    """Nothing is negative, the front is no longer than the prompt, and sums come out to a token an iteration."""
    classes = TokenClasses(input=tokens[0], cache_write_5m=tokens[1], cache_read=tokens[2], output=tokens[3])
    told = TokenClasses(input=tokens[0] // rounds, cache_read=tokens[2] // rounds) if first else None
    found = count(Metered(classes=classes, first=told), rounds, added=added, marked=marked)
    assert 0 <= found.cached_tokens <= found.prompt_tokens
    assert found.growth_tokens >= 0
    assert 1 <= found.iterations <= 1_000
    if not first and not added and not (marked and not classes.cache_read + classes.cache_write):
        steps = found.iterations * (found.iterations - 1) // 2
        assert abs(found.prompt_tokens * rounds + found.growth_tokens * steps - classes.prompt) <= rounds + steps


# ---------------------------------------------------------------- digests


def test_equal_prefixes_stay_equal_and_others_differ() -> None:
    """However the request is spelled."""
    base = shape(system=cached())
    again = shape(system=cached(), messages=RAN, max_tokens=9)
    assert (again.prefix, again.system) == (base.prefix, base.system)
    for other in ({"system": cached("Other.")}, {"tools": [CODE, CLIENT_TOOL]}, {"model": "claude-opus-5-5"}):
        assert shape(**({"system": cached()} | other)).prefix != base.prefix


def test_a_profile_goes_by_the_stable_part_of_the_system_prompt() -> None:
    """What stands behind its first breakpoint may change with every request."""
    one, two = (shape(system=[*cached("Stable."), {"type": "text", "text": text}]) for text in ("9:00", "9:01"))
    assert one.system == two.system
    assert one.prefix != two.prefix


def test_conversations_go_on_where_an_answer_was() -> None:
    """By digests of its id, and by what they began with."""
    first = shape(Known(principal="p", root="r", message="msg_1"))
    second = shape(Known(principal="p", root="r", after="msg_1", message="msg_2"), messages=RAN)
    assert first.begins
    assert not second.begins
    assert second.after == first.message != second.message
    assert second.conversation == first.conversation != shape(Known(principal="p", root="q")).conversation


def test_where_nothing_is_planned_less_is_read() -> None:
    """No profile is kept, but conversations and prefixes are told apart."""
    quick = Known(principal="p")
    one, again = shape(quick, tools=None), shape(quick, tools=None)
    assert one == again
    assert one.system is None
    assert one.prefix != shape(quick, tools=None, system="Other.").prefix
    others = (
        shape(Known(principal="q"), tools=None),
        shape(quick, tools=None, messages=[{"role": "user", "content": "?"}]),
    )
    assert all(other.conversation != one.conversation for other in others)


# ---------------------------------------------------------------- what is kept of the rest


def test_tools_are_kept_by_their_looks() -> None:
    """Neighbours that look alike are counted, a server tool's name is kept, a client's is not."""
    mine = {"name": SECRET, "input_schema": {}}
    tools = [CODE, mine, mine, mine | {"name": "web_fetch"}, NEW_SEARCH | {"allowed_callers": ["direct", SECRET]}]
    assert shape(tools=[*tools, {"type": SECRET, "name": "x", "defer_loading": True}]).tools == (
        ToolShape(type=CODE["type"], name="code_execution"),
        ToolShape(type="custom", count=2),
        ToolShape(type="custom", name="web_fetch"),
        ToolShape(type=NEW_SEARCH["type"], name="web_search", callers=("direct", "other")),
        ToolShape(type="other", deferred=True),
    )


def test_what_was_asked_is_kept_in_words_of_the_api() -> None:
    """Other words were written by somebody."""
    asked = shape(
        stream=True,
        speed="fast",
        inference_geo="us",
        tool_choice={"type": "tool", "name": SECRET},
        container={"id": "container_1", "skills": [{}, {}]},
        system=[{"type": "text", "text": "x", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    )
    assert (asked.stream, asked.speed, asked.inference_geo, asked.tool_choice) == (True, "fast", "us", "tool")
    assert (asked.skills, asked.marked, asked.cache_ttl, asked.max_tokens) == (2, True, "1h", 1_024)
    odd = shape(speed=SECRET, inference_geo=SECRET, tool_choice={"type": SECRET})
    assert (odd.speed, odd.inference_geo, odd.tool_choice) == (None, None, None)


def test_files_and_pending_calls_are_seen() -> None:
    """Both change what a container bills."""
    upload = [{"role": "user", "content": [{"type": "container_upload", "file_id": SECRET}]}]
    assert shape(messages=upload).files == 1
    assert shape(messages=PENDING).pending
    assert not shape(messages=RAN).pending


@pytest.mark.parametrize("root", ["r", None])
def test_nothing_that_anybody_wrote_is_kept(root: str | None) -> None:
    """Wherever it stands in the body."""
    everywhere = shape(
        Known(principal="p", root=root, after=SECRET, message=SECRET),
        system=[{"type": "text", "text": SECRET}],
        tools=[{"type": SECRET, "name": SECRET, "allowed_callers": [SECRET]}, {"name": SECRET, "description": SECRET}],
        tool_choice={"type": SECRET, "name": SECRET},
        container=SECRET,
        speed=SECRET,
        inference_geo=SECRET,
        messages=[{"role": "user", "content": SECRET}],
        metadata={"user_id": SECRET},
    )
    assert SECRET.encode() not in msgspec.json.encode(everywhere)


def test_bounds_of_web_tools_and_claims_are_kept() -> None:
    """A number, and who the caller says it is where a policy said otherwise."""
    tools = [NEW_SEARCH | {"max_uses": 4}, CLIENT_TOOL | {"max_uses": 3}, CODE]
    own = Claims(team="mine")
    found = shape(KNOWN._replace(own=own), tools=tools)
    assert [tool.max_uses for tool in found.tools] == [4, None, None]
    assert (found.own, shape().own) == (own, None)
