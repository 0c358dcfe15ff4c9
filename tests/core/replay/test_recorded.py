"""The ledger as a trace: what a replay reads of it decides as the request itself, what cannot be told is counted."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.agents import profile_key
from planner.core.conversations import Scope, prefix_key, root_key
from planner.core.ledger.entry import Code, Entry, Seconds
from planner.core.ledger.shape import Claims, Shape, ToolShape
from planner.core.ledger.shaping import Beliefs, Known, shape_of
from planner.core.metering.usage import Metered, TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.replay import recorded
from planner.core.replay.recorded import CAUSES, Transcript, body
from planner.core.replay.trace import TraceLine
from planner.core.wire import MessagesRequest
from tests.doubles import deciding
from tests.doubles.deciding import BASIC_SEARCH, BOOK, CLIENT_TOOL, PENDING, USER, ask, cached
from tests.doubles.recorded import CODE, CUSTOM, RAN, entry

HERE = Scope("o", "w")


def lines(*entries: Entry) -> list[TraceLine]:
    """All of them as lines."""
    transcript = Transcript()
    found = [transcript.trace_line(each) for each in entries]
    return [line for line in found if line is not None]


def read(shape: Shape, model: str = "claude-haiku-5-5") -> MessagesRequest:
    """A shape's request as a replay reads it."""
    return MessagesRequest.parse(msgspec.json.encode(body(model, shape)))


def shaped(request: MessagesRequest, principal: str = "p") -> Shape:
    """The shape of a request that was planned."""
    metered = Metered(classes=TokenClasses(input=9), first=TokenClasses(input=9))
    known = Known(principal=principal, root=root_key(request, principal), container=request.container.id)
    return shape_of(request, known, metered, rounds=1, added=0, beliefs=Beliefs(0, 0))


# ---------------------------------------------------------------- a line


def test_a_line_by_hand() -> None:
    """Counts as they were settled, digests where there was text."""
    transcript = Transcript()
    assert transcript.line(entry()) == {
        "at": "2026-11-22T09:00:00.000000+00:00",
        "principal": "key-1",
        "organization": "o",
        "workspace": "w",
        "team": "search",
        "conversation": "c0ffee-1",
        "turn": 1,
        "body_bytes": 24_000,
        "request": {
            "model": "claude-haiku-5-5",
            "max_tokens": 1_024,
            "system": "5757",
            "tools": [
                {"type": "code_execution_20250825", "name": "code_execution"},
                {"name": "custom_0", "digest": "abcd"},
            ],
            "messages": [{"role": "user", "content": "c0ffee"}],
        },
        "work": {
            "prompt_tokens": 6_000,
            "cached_prefix_tokens": 5_000,
            "cache_ttl": "5m",
            "output_tokens": 100,
            "iterations": 2,
            "growth_tokens": 500,
            "code_runs": 1,
            "code_seconds": 10.0,
            "files": 0,
            "web_searches": 0,
        },
    }
    assert not transcript.left_out


def test_lines_are_numbered_as_a_trace_is() -> None:
    """Those that are left out do not count."""
    assert [line.number for line in lines(entry(0), entry(1, endpoint="files"), entry(2))] == [0, 1]


def test_code_that_ran_on_ran() -> None:
    """Of an earlier answer's code, which this one does not call."""
    (line,) = lines(entry(code=Code(0, Seconds(0.0, 4.0, 4.0), "billed")))
    assert (line.work.code_runs, line.work.code_seconds) == (1, 4.0)


# ---------------------------------------------------------------- conversations


def turns(*shapes: dict[str, Any]) -> list[tuple[str, int]]:
    """The conversation and turn of each entry."""
    return [(line.conversation, line.turn) for line in lines(*(entry(n, each) for n, each in enumerate(shapes)))]


def test_a_conversation_goes_on_from_the_answer_that_it_names() -> None:
    """Two that begin alike are told apart by the ids of their answers."""
    assert turns(
        {"message": "m1"},
        {"message": "m2"},
        {"begins": False, "after": "m1", "message": "m3"},
        {"begins": False, "after": "m2"},
        {"begins": False, "after": "m3"},
    ) == [("c0ffee-1", 1), ("c0ffee-2", 1), ("c0ffee-1", 2), ("c0ffee-2", 2), ("c0ffee-1", 3)]


def test_in_plain_words_it_goes_on_from_the_last_that_began_so() -> None:
    """As a live planner takes it to."""
    assert turns({}, {}, {"begins": False}) == [("c0ffee-1", 1), ("c0ffee-2", 1), ("c0ffee-2", 2)]


def test_one_that_was_not_seen_to_begin_is_in_its_middle() -> None:
    """Its turns count from 2, so that it is left alone."""
    assert turns({"begins": False}, {"begins": False, "after": "gone"}) == [("c0ffee-0", 2), ("c0ffee-0", 3)]


def test_what_is_remembered_is_bounded_and_no_name_comes_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A beginning that was forgotten is numbered beyond all that were."""
    monkeypatch.setattr(recorded, "BOUND", 2)
    transcript = Transcript()
    begun = [entry(number, {"conversation": name}) for number, name in enumerate("aabcbad")]
    found = [transcript.trace_line(each) for each in begun]
    names = [line.conversation for line in found if line is not None]
    assert names == ["a-1", "a-2", "b-1", "c-1", "b-2", "a-3", "d-3"]
    assert (len(transcript._begun), len(transcript._roots)) == (2, 2)  # noqa: SLF001 - the bound is the point


def test_the_caller_is_who_it_said_where_a_policy_recorded_another() -> None:
    """For that is what policies matched, and would match again."""
    tags = {"team": "search", "agent": "a1"}
    (line,) = lines(
        entry(0, {"own": Claims(team="mine", tags={"team": "mine", "agent": "a1"})}, project="p", tags=tags)
    )
    assert (line.team, line.project, line.tags) == ("mine", "", {"team": "mine", "agent": "a1"})
    (line,) = lines(entry(0, {}, project="p", tags=tags))
    assert (line.team, line.project, line.tags) == ("search", "p", tags)


def test_nobody_goes_on_with_the_conversation_of_another() -> None:
    """A digest is looked up by principal."""
    mine, theirs = entry(0, {"message": "m"}), entry(1, {"begins": False, "after": "m"}, principal="key-2")
    assert [(line.principal, line.turn) for line in lines(mine, theirs)] == [("key-1", 1), ("key-2", 2)]


# ---------------------------------------------------------------- a request reads as it did

REQUESTS = {
    "plain": ask(tools=None),
    "code": ask(system=cached()),
    "tools": ask(tools=[deciding.CODE, CLIENT_TOOL, CLIENT_TOOL, {"name": "web_fetch", "input_schema": {}}]),
    "named-caller": ask(tools=[deciding.NEWER_CODE, CLIENT_TOOL | {"allowed_callers": ["code_execution_20260120"]}]),
    "direct": ask(tools=[deciding.CODE, BASIC_SEARCH | {"allowed_callers": ["direct"], "defer_loading": True}]),
    "choice": ask(tool_choice={"type": "any"}),
    "asked": ask(speed="fast", inference_geo="us", stream=True),
    "container": ask(container="container_1"),
    "skills": ask(container={"skills": [{}, {}]}),
    "files": ask(messages=[{"role": "user", "content": [{"type": "container_upload", "file_id": "f"}]}]),
    "middle": ask(messages=[USER, {"role": "assistant", "content": "42"}, USER]),
    "pending": ask(messages=PENDING),
    "thread": ask(tools=None, thread={"type": "continue", "previous_message_id": "msg_1"}),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_reads_as_it_did(name: str) -> None:
    """In everything that a decision or the world's bill rests on, but for its length."""
    request = REQUESTS[name]
    again = read(shaped(request))
    for member in ("model", "max_tokens", "stream", "speed", "inference_geo", "has_assistant", "awaited"):
        assert getattr(again, member) == getattr(request, member), member
    looks = [(tool.type, tool.custom, tool.allowed_callers, tool.defer_loading) for tool in request.tools]
    assert [(tool.type, tool.custom, tool.allowed_callers, tool.defer_loading) for tool in again.tools] == looks
    taken = {"web_fetch", "web_search", "code_execution"}
    names = [tool.name if tool.name in taken else None for tool in request.tools]
    assert [tool.name if tool.name in taken else None for tool in again.tools] == names
    assert len(again.uploads) == len(request.uploads)
    assert (again.container.form, again.container.skills) == (request.container.form, request.container.skills)
    assert (again.tool_choice and again.tool_choice.type) == (request.tool_choice and request.tool_choice.type)
    assert (again.thread and again.thread.type) == (request.thread and request.thread.type)


TOOLS = st.lists(st.sampled_from([deciding.CODE, CLIENT_TOOL, {"name": "x"}, {"name": "y"}, BASIC_SEARCH]), max_size=4)
TEXTS = st.sampled_from(["a", "b"])


@given(st.tuples(TOOLS, TEXTS, TEXTS, TEXTS), st.tuples(TOOLS, TEXTS, TEXTS, TEXTS))
def test_equal_stay_equal_and_others_differ(one: tuple[Any, ...], two: tuple[Any, ...]) -> None:
    """Prefixes, profiles and beginnings, of any two requests."""
    before = [
        ask(tools=tools, system=[*cached(stable), {"type": "text", "text": late}], messages=[USER | {"content": said}])
        for tools, stable, late, said in (one, two)
    ]
    after = [read(shaped(request)) for request in before]
    prefixes = [prefix_key(request, HERE) for request in (*before, *after)]
    roots = [root_key(request, "p") for request in (*before, *after)]
    for keys in (prefixes, roots):
        assert (keys[2] == keys[3]) is (keys[0] == keys[1])
    if one[0] and two[0]:
        profiles = [profile_key(request, "p") for request in (*before, *after)]
        assert (profiles[2] == profiles[3]) is (profiles[0] == profiles[1])


def test_where_nothing_was_planned_the_prefix_is_the_system_prompt() -> None:
    """There is no profile to keep apart from it."""
    one, two = (msgspec.structs.replace(RAN, system=None, tools=(CUSTOM,), prefix=prefix) for prefix in "ab")
    assert prefix_key(read(one), HERE) != prefix_key(read(two), HERE)


def test_a_tool_of_an_undated_type_is_another_tool() -> None:
    """Its type is not kept, since anybody may have written it."""
    (tool, _) = read(msgspec.structs.replace(RAN, tools=(ToolShape(type="other"), CODE))).tools
    assert (tool.custom, tool.family) == (False, None)


# ---------------------------------------------------------------- what is left out


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"endpoint": "count_tokens"}, "not-messages"),
        ({"endpoint": "correction"}, "not-messages"),
        ({"mode": "off"}, "off"),
        ({"lines": (Line("input", 1, "token", 1, "notional"),)}, "subscription"),
        ({"tokens": None}, "no-usage"),
        (
            {"tokens": None, "decisions": (Decision(Action.DENY, Outcome.APPLIED, Reason.POLICY, "p"),)},
            "denied",
        ),
        ({"shape": None}, "no-shape"),
        ({"shape": msgspec.structs.replace(RAN, iterations=0)}, "unusable"),
    ],
)
def test_what_cannot_be_told_is_counted(changes: dict[str, Any], cause: str) -> None:
    """By its cause, in words that a person reads."""
    transcript = Transcript()
    assert transcript.trace_line(msgspec.structs.replace(entry(), **changes)) is None
    assert dict(transcript.left_out) == {cause: 1}
    assert list(transcript.told()) == [f"1 {CAUSES[cause]}"]


def test_the_world_prices_it() -> None:
    """A line can be played."""
    (line,) = lines(entry())
    assert BOOK.prices.lookup(line.request.model or "", line.at) is not None
    assert line.work.prompt_tokens == 6_000
