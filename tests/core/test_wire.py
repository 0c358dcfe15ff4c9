"""The wire is read leniently: what is not read here passes, and only what is no JSON object is an error."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.wire import (
    Block,
    MessagesRequest,
    RequestContainer,
    Thread,
    ToolChoice,
    WireError,
    canonical,
    canonical_raw,
)

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
READ = (
    *("model", "stream", "max_tokens", "tools", "tool_choice", "container", "thread", "system", "messages"),
    *("speed", "inference_geo", "service_tier", "cache_control"),
)


def parsed(**members: object) -> MessagesRequest:
    """A request with these members."""
    return MessagesRequest.parse(json.dumps(members).encode())


def test_reads_the_members_that_decisions_rest_on() -> None:
    """Each member that is read comes out in its own shape."""
    tool = {"type": "code_execution_20250825", "name": "code_execution", "allowed_callers": ["direct"]}
    request = parsed(
        model="claude-opus-5-5",
        stream=True,
        max_tokens=64,
        tools=[
            {"name": "calculator", "input_schema": {}},
            tool,
            {"type": "custom", "name": "x", "defer_loading": True},
        ],
        tool_choice={"type": "tool", "name": "calculator"},
        container="container_1",
        thread={"type": "continue", "previous_message_id": "msg_1"},
        system="be brief",
        messages=[{"role": "user", "content": "hi"}],
        speed="fast",
        inference_geo="us",
        service_tier="auto",
    )
    assert (request.model, request.stream, request.max_tokens) == ("claude-opus-5-5", True, 64)
    assert [each.custom for each in request.tools] == [True, False, True]
    assert (request.tools[1].family, request.tools[1].version) == ("code_execution", "20250825")
    assert request.tools[0].family is None
    assert request.tools[1].allowed_callers == ("direct",)
    assert request.tools[0].allowed_callers is None
    assert request.tools[2].defer_loading
    assert json.loads(request.tools[1].raw) == tool
    assert request.tool_choice == ToolChoice("tool", "calculator")
    assert request.tool_choice is not None
    assert request.tool_choice.forced
    assert request.container == RequestContainer("id", "container_1")
    assert request.thread == Thread("continue", "msg_1")
    assert request.system == b'"be brief"'
    assert [bytes(raw) for raw in request.messages] == [b'{"role": "user", "content": "hi"}']
    assert (request.speed, request.inference_geo, request.service_tier) == ("fast", "us", "auto")


@pytest.mark.parametrize(
    ("spelled", "read"),
    [
        (b"{}", RequestContainer()),
        (b'{"container": null}', RequestContainer("null")),
        (b'{"container": "c"}', RequestContainer("id", "c")),
        (b'{"container": {"skills": [{}, {}]}}', RequestContainer("object", None, 2)),
        (b'{"container": {"id": "c", "skills": null}}', RequestContainer("object", "c")),
        (b'{"container": {"id": null}}', RequestContainer("object")),
        (b'{"container": 7}', RequestContainer("other")),
        (b'{"c\\u006fntainer": "c"}', RequestContainer("id", "c")),
        (b'{"container": "a", "container": "b"}', RequestContainer("id", "b")),
    ],
)
def test_container_forms_are_told_apart(spelled: bytes, read: RequestContainer) -> None:
    """String, object, null and absent are four things, since each passes upstream as it is."""
    assert MessagesRequest.parse(spelled).container == read


@pytest.mark.parametrize(
    ("body", "offset"),
    [
        (b"", 0),
        (b"{", 1),
        (b"[]", 0),
        (b'"x"', 0),
        (b"\xef\xbb\xbf{}", 0),
        (b'{"a":"\xff"}', 6),
        (b'{"a":tru}', 6),
        (b'{"a":NaN}', 5),
        (b'{"messages":7,', 14),
        (b'{"a":1}x', 8),
        (b'{"a":' + b"[" * 100_000, None),
    ],
)
def test_what_is_no_json_object_is_an_error_with_its_position(body: bytes, offset: int | None) -> None:
    """A body that cannot be read says where; it never raises anything else."""
    with pytest.raises(WireError) as caught:
        MessagesRequest.parse(body)
    assert caught.value.offset == offset


@given(st.dictionaries(st.sampled_from(READ) | st.text(), JSON))
def test_any_object_parses(body: dict[str, object]) -> None:
    """Wrong types at any place read as missing: upstream owns validation."""
    request = MessagesRequest.parse(json.dumps(body).encode())
    assert request.model == (body.get("model") if isinstance(body.get("model"), str) else None)
    tools = body.get("tools")
    assert len(request.tools) == (len(tools) if isinstance(tools, list) else 0)
    messages = body.get("messages")
    assert len(request.messages) == (len(messages) if isinstance(messages, list) else 0)
    seen = (request.server_ids, request.answers, request.pending_calls, request.uploads, request.breakpoints)
    assert len(seen) == 5


@given(st.binary())
def test_any_bytes_parse_or_are_a_wire_error(body: bytes) -> None:
    """Whatever arrives, nothing but `WireError` is raised."""
    with contextlib.suppress(WireError):
        MessagesRequest.parse(body)


CODE_CALL = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {}}
NESTED_CALL = {
    "type": "tool_use",
    "id": "toolu_1",
    "name": "lookup",
    "input": {},
    "caller": {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"},
}


def test_the_last_assistant_message_is_read_from_its_end() -> None:
    """The newest server-issued ids come first; ids of other makes are left out."""
    request = parsed(
        messages=[
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_0", "name": "x"}]},
            {"role": "user", "content": "more"},
            {"role": "assistant", "content": [CODE_CALL, {"type": "text", "text": "…"}, NESTED_CALL, {"id": "mine"}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]},
        ]
    )
    assert request.server_ids == ("toolu_1", "srvtoolu_1")
    assert request.last_assistant[2] == Block(
        type="tool_use", id="toolu_1", name="lookup", caller="code_execution_20260120"
    )


def test_pending_calls_are_those_that_code_made() -> None:
    """Only an answered call with a code caller makes the container wait; a direct call does not."""
    direct = {**NESTED_CALL, "id": "toolu_2", "caller": {"type": "direct"}}
    answer = [{"type": "tool_result", "tool_use_id": name} for name in ("toolu_1", "toolu_2")]
    request = parsed(
        messages=[
            {"role": "assistant", "content": [CODE_CALL, NESTED_CALL, direct]},
            {"role": "user", "content": answer},
        ]
    )
    assert request.answers == ("toolu_1", "toolu_2")
    assert request.pending_calls == ("toolu_1",)
    assert request.unmatched_server_calls == ("srvtoolu_1",)


def test_code_may_wait_for_longer_than_one_answer() -> None:
    """The model calls again while code waits: that was called in the answer before, and only in this turn."""
    direct = {"type": "tool_use", "id": "toolu_2", "name": "lookup", "input": {}}
    begun = [
        {"role": "user", "content": "Run it."},
        {"role": "assistant", "content": [CODE_CALL, NESTED_CALL]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1"}]},
    ]
    again = {"role": "assistant", "content": [direct]}
    answered = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_2"}]}
    waits = parsed(messages=[*begun, again, answered])
    assert (waits.awaited, waits.pending_calls, waits.unmatched_server_calls) == (True, (), ("srvtoolu_1",))
    result = {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {}}
    for over in (
        [*begun, {"role": "assistant", "content": [result, direct]}, answered],
        [*begun[:2], {"role": "user", "content": "Never mind."}, again, answered],
        [*begun[:2], {"role": "user", "content": []}, again, answered],
    ):
        assert not parsed(messages=over).awaited


def test_a_root_needs_a_first_message() -> None:
    """The first message is raw; a request without messages has none."""
    first = parsed(messages=["a", "b"]).first_message
    assert first is not None
    assert bytes(first) == b'"a"'
    assert parsed().first_message is None


def test_tools_beyond_counting_read_as_none() -> None:
    """A body cannot hold everyone up by the number of its tools."""
    assert len(parsed(tools=[{}] * 10_000).tools) == 10_000
    assert parsed(tools=[{}] * 10_001).tools == ()


def test_an_answered_server_call_is_not_unmatched() -> None:
    """A result in the same message settles its call."""
    result = {"type": "code_execution_tool_result", "tool_use_id": "srvtoolu_1", "content": {"type": "x_error"}}
    request = parsed(messages=[{"role": "assistant", "content": [CODE_CALL, result]}])
    assert request.unmatched_server_calls == ()
    assert request.last_assistant[1].failed


def test_uploads_are_found_however_they_are_spelled() -> None:
    """An escaped letter does not hide a file that bills time; text about uploads is none."""
    plain = {"role": "user", "content": [{"type": "container_upload", "file_id": "file_1"}]}
    talk = {"role": "user", "content": [{"type": "text", "text": "container_upload"}]}
    body = json.dumps({"messages": [talk, plain]}).encode()
    hidden = body.replace(b'"container_upload", "file_id"', b'"container\\u005fupload", "file_id"')
    assert [(each.message, each.file_id) for each in MessagesRequest.parse(body).uploads] == [(1, "file_1")]
    assert MessagesRequest.parse(hidden.replace(b'"text": "container_upload"', b'"text": "-"')).uploads
    assert parsed(messages=[talk]).uploads == ()


MARK = {"type": "ephemeral"}


@pytest.mark.parametrize(
    ("members", "after", "covers"),
    [
        ({}, False, False),
        ({"cache_control": MARK}, True, True),
        ({"cache_control": None}, False, False),
        ({"tools": [{"name": "a", "cache_control": MARK}]}, False, True),
        ({"tools": [{"name": "a", "cache_control": MARK}, {"name": "b"}]}, False, False),
        ({"system": [{"type": "text", "text": "s", "cache_control": MARK}]}, True, True),
        ({"system": "cache_control"}, False, False),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "s", "cache_control": MARK}]}]},
            True,
            True,
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "x", "content": [{"cache_control": MARK}]}]}]},
            True,
            True,
        ),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": '"cache_control": {'}]}]}, False, False),
    ],
)
def test_breakpoints_are_placed(members: dict[str, object], after: bool, covers: bool) -> None:  # noqa: FBT001 - a column
    """An appended tool is cached only by a breakpoint behind `tools`; one on the last tool lies before it."""
    found = parsed(**members).breakpoints
    assert (found.after_tools, found.cover_tools) == (after, covers)


# ---------------------------------------------------------------- canonical


def shuffled(value: object) -> object:
    """The same value with its keys in the opposite order."""
    if isinstance(value, dict):
        return {key: shuffled(member) for key, member in reversed(value.items())}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(JSON)
def test_canonical_does_not_see_key_order_or_spelling(value: object) -> None:
    """Re-serialising by another client leaves the root as it is."""
    spelled = json.dumps(shuffled(value), indent=3, ensure_ascii=True)
    assert canonical_raw(spelled.encode()) == canonical(value)


def test_canonical_sees_through_what_means_the_same() -> None:
    """Breakpoints move, strings become blocks and whole floats become integers without a new root."""
    block = {"type": "text", "text": "hi"}
    assert canonical("hi") == canonical([block]) == canonical([{**block, "cache_control": MARK, "citations": None}])
    assert canonical({"a": 1.0, "b": -0.0}) == canonical({"b": 0, "a": 1})
    assert canonical({"tools": [{"name": "a", "cache_control": MARK}]}) == canonical({"tools": [{"name": "a"}]})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("hi", "ho"),
        ("hi", [{"type": "text", "text": "hi"}, {"type": "text", "text": "ho"}]),
        ("hi", [{"type": "text", "text": "hi", "citations": []}]),
        (1, "1"),
        (1, True),
        (1.5, 1),
        ([1], 1),
        ({}, []),
        (2**53, float(2**53)),
    ],
)
def test_canonical_keeps_apart_what_differs(one: object, other: object) -> None:
    """What the model would see differently has another root."""
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize("raw", [b"", b"{", b"1e999", b"[" * 5000 + b"]" * 5000, b'"\xff"'])
def test_canonical_refuses_what_it_cannot_read(raw: bytes) -> None:
    """A value without a normal form is an error, never a guess."""
    with pytest.raises(WireError):
        canonical_raw(raw)


def test_canonical_refuses_what_nests_too_deeply() -> None:
    """A value made elsewhere than by the parser may nest deeper than can be spelled."""
    value: object = 1
    for _ in range(5000):
        value = [value]
    with pytest.raises(WireError):
        canonical(value)
