"""Who goes on from what: the identity of conversations, and edits that are repeated byte for byte or not at all."""

import itertools
import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.conversations import (
    Conversation,
    Limit,
    Retype,
    Scope,
    ToolEdit,
    Turn,
    begins,
    continues_thread,
    keeps,
    lookups,
    own_digest,
    own_digests,
    prefix_key,
    repeat,
    root_key,
    session_key,
    tools_under,
    turn_key,
)
from planner.core.reasons import Reason
from planner.core.splice import apply
from planner.core.wire import MessagesRequest
from tests.doubles.deciding import (
    ANSWER,
    BASIC_SEARCH,
    CLIENT_TOOL,
    CODE,
    HERE,
    NEWER_CODE,
    NOW,
    PENDING,
    RAN,
    USER,
    ask,
    body,
    cached,
    conversation,
    turn,
)

INERT = '{"type":"web_fetch_20260318","name":"web_fetch","max_uses":1}'
APPEND = ToolEdit(append=INERT, name="web_fetch", free=True)
LIFT = Retype("code_execution_20250825", "code_execution_20260120")
BUNDLE = ToolEdit((LIFT,), INERT, "web_fetch", free=True)
KEYS = st.text("abcdef", min_size=1, max_size=3)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("xyz é", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def root(principal: str = "key-1", **members: Any) -> str:
    """The root of a request."""
    return root_key(ask(**members), principal)


# ---------------------------------------------------------------- roots and prefixes


def test_a_moved_breakpoint_keeps_the_root() -> None:
    """Clients move their cache breakpoints from turn to turn, also onto what came first."""
    marked = [{"type": "text", "text": USER["content"], "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    tool = CODE | {"cache_control": {"type": "ephemeral"}}
    plain = root(system="Be brief.")
    assert root(system=cached("Be brief.")) == plain
    assert root(system="Be brief.", messages=[{"role": "user", "content": marked}]) == plain
    assert root(system="Be brief.", tools=[tool]) == plain


def test_a_string_equals_its_one_text_block() -> None:
    """In the system prompt and in the first message."""
    block = [{"type": "text", "text": USER["content"]}]
    assert root(messages=[{"role": "user", "content": block}]) == root()
    assert root(system=[{"type": "text", "text": "Hi"}]) == root(system="Hi")
    two = [{"type": "text", "text": "Add up"}, {"type": "text", "text": "the column."}]
    assert root(messages=[{"role": "user", "content": two}]) != root()


@given(st.dictionaries(KEYS, JSON, max_size=4), st.randoms())
def test_the_order_of_keys_and_the_white_space_do_not_matter(schema: dict[str, Any], random: Any) -> None:
    """Re-serialising clients stay in their conversation."""
    tool = CLIENT_TOOL | {"input_schema": schema}
    shuffled = dict(random.sample(sorted(tool.items()), len(tool)))
    members = {"model": "m", "tools": [shuffled], "messages": [USER], "system": "s"}
    other = MessagesRequest.parse(json.dumps(members, indent=2).encode())
    assert root_key(other, "key-1") == root(model="m", tools=[tool], system="s")


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "claude-sonnet-5-5"},
        {"system": "It is 12:01."},
        {"tools": [CODE, CLIENT_TOOL]},
        {"tools": [NEWER_CODE]},
        {"messages": [{"role": "user", "content": "Another question."}]},
        {"principal": "key-2"},
    ],
)
def test_what_makes_another_root(changes: dict[str, Any]) -> None:
    """Another model, time in the system prompt, other tools, a compacted history, another caller."""
    assert root(**changes) != root()


def test_the_parts_of_a_root_do_not_run_into_each_other() -> None:
    """What moves from one part into the next makes another root."""
    roots = [
        root(system="ab"),
        root(system=None, messages=[{"role": "user", "content": "ab"}]),
        root(model="ab", system=None),
        root(tools=[], system="ab"),
        root(tools=[{"name": "a"}, {"name": "b"}]),
        root(tools=[{"name": "a"}], system={"name": "b"}),
    ]
    assert len(set(roots)) == len(roots)


def test_later_turns_keep_the_root() -> None:
    """A root is made of what every turn sends again."""
    assert root(messages=[USER, ANSWER, {"role": "user", "content": "Sure?"}]) == root()


def test_numbers_beyond_floats_have_a_root_too() -> None:
    """What has no canonical spelling is equal to itself only, and nothing fails."""
    huge = b'{"model":"m","tools":[{"name":"a","x":1e999}],"messages":[{"role":"user","content":1e999}]}'
    first = root_key(MessagesRequest.parse(huge), "key-1")
    assert first == root_key(MessagesRequest.parse(huge), "key-1")
    assert first != root_key(MessagesRequest.parse(huge.replace(b"1e999", b"1E999")), "key-1")


def test_a_prefix_is_shared_by_conversations_of_a_scope() -> None:
    """The first message and the caller are not in it; scope, model, tools and system are."""
    plain = prefix_key(ask(), HERE)
    assert prefix_key(ask(messages=[{"role": "user", "content": "Other"}]), HERE) == plain
    others = [
        prefix_key(ask(), None),
        prefix_key(ask(), Scope("org-1", "workspace-2")),
        prefix_key(ask(model="claude-opus-5-5"), HERE),
        prefix_key(ask(system="s"), HERE),
        prefix_key(ask(tools=[NEWER_CODE]), HERE),
    ]
    assert len({plain, *others}) == len(others) + 1


# ---------------------------------------------------------------- turns


def test_a_turn_is_looked_for_by_thread_then_by_its_newest_ids() -> None:
    """The surest key comes first."""
    thread = {"type": "continue", "previous_message_id": "msg_9"}
    expected = [turn_key("key-1", each) for each in ("msg_9", "toolu_1", "srvtoolu_1")]
    assert list(lookups(ask(messages=PENDING, thread=thread), "key-1")) == expected
    assert list(lookups(ask(messages=PENDING), "key-1")) == expected[1:]
    assert lookups(ask(), "key-1") == ()


def test_what_was_said_since_a_call_comes_before_the_ids_of_the_answer_before_it() -> None:
    """Two answers in one message have the ids of the first; a thread still knows best."""
    thread = {"type": "continue", "previous_message_id": "msg_9"}
    expected = [turn_key("key-1", each) for each in ("msg_9", "trail", "toolu_1", "srvtoolu_1")]
    assert list(lookups(ask(messages=PENDING, thread=thread), "key-1", "trail")) == expected
    assert list(lookups(ask(messages=PENDING), "key-1", "trail")) == expected[1:]


def test_a_compacted_history_is_still_found_by_its_ids() -> None:
    """The root is gone, the call ids of the last answer are not."""
    compacted = [{"role": "user", "content": "Summary: …"}, *RAN[1:]]
    assert root(messages=compacted) != root(messages=RAN)
    assert lookups(ask(messages=compacted), "key-1") == lookups(ask(messages=RAN), "key-1")


def test_a_switched_model_is_still_found_by_its_ids() -> None:
    """The ids name the turn, whichever model goes on from it."""
    assert lookups(ask(messages=RAN, model="claude-opus-5-5"), "key-1") == lookups(ask(messages=RAN), "key-1")


@given(st.text(), st.text(), st.text())
def test_nobody_finds_anothers_turn(one: str, other: str, server_id: str) -> None:
    """The principal is part of every key; a rotated key under one name stays, another fingerprint does not."""
    assert (turn_key(one, server_id) == turn_key(other, server_id)) == (one == other)
    assert (session_key(one, HERE, server_id) == session_key(other, HERE, server_id)) == (one == other)
    assert session_key(one, HERE, server_id) != session_key(one, Scope("org-1", "workspace-2"), server_id)
    assert session_key(one, HERE, server_id) != turn_key(one, server_id)


def test_a_fork_finds_the_same_turn() -> None:
    """Two requests that go on from one answer have the same keys; which of them gets the container is the lease's."""
    fork = [*RAN[:2], {"role": "user", "content": "Rather this one."}]
    assert lookups(ask(messages=fork), "key-1") == lookups(ask(messages=RAN), "key-1")


def test_a_turn_has_every_key_that_it_can_be_found_by() -> None:
    """Its message id, its call ids, its trail and the caller's session."""
    found = turn(session="session", trail="trail").keys
    known_by = ("msg_1", "srvtoolu_1", "toolu_1", "trail")
    assert set(found) == {turn_key("key-1", each) for each in known_by} | {"session"}
    assert turn(message_id=None, call_ids=()).keys == ()


def test_what_was_edited() -> None:
    """Threaded, or under an edit of tools."""
    assert not turn().edited
    assert turn(threaded=True).edited
    assert turn(conversation=conversation(edit=APPEND)).edited


def test_a_turn_survives_the_journal() -> None:
    """With its conversation and edit, as written now and as written before there were new members."""
    whole = turn(conversation=conversation(edit=BUNDLE, free=True, model="m"), used_ms=5, session="s")
    assert msgspec.json.decode(msgspec.json.encode(whole), type=Turn) == whole
    old = b'{"conversation":{"root":"r","principal":"p","prefix":"x"},"used_ms":0}'
    assert msgspec.json.decode(old, type=Turn).used_ms == 0


def test_what_begins_a_conversation() -> None:
    """Nothing was said by an assistant, and no thread goes on."""
    assert begins(ask())
    assert begins(ask(thread={"type": "create"}))
    assert not begins(ask(messages=[USER, ANSWER]))
    going_on = ask(thread={"type": "continue", "previous_message_id": "msg_1"})
    assert continues_thread(going_on)
    assert not begins(going_on)


# ---------------------------------------------------------------- repeating


def test_an_edit_that_keeps_what_was_done() -> None:
    """Bounds may go with the tool that they were put on, and with nothing else."""
    tools = ask(tools=[BASIC_SEARCH]).tools
    limit = Limit("web_search_20250305", own_digest(tools[0]), (("max_uses", "1"),))
    bounded, other = ToolEdit(limits=(limit,)), ask(tools=[BASIC_SEARCH | {"max_uses": 3}]).tools
    assert keeps(bounded, bounded, tools)
    assert not keeps(ToolEdit(), bounded, tools)
    assert keeps(ToolEdit(), bounded, other)
    assert keeps(bounded, ToolEdit(), tools)
    assert not keeps(ToolEdit(append="{}", name="x"), bounded, other)
    assert (own_digests(tools) == own_digests(other), own_digests(())) == (False, "")


def test_no_edit_is_no_edit() -> None:
    """Whatever the request holds."""
    assert repeat(ToolEdit(), ask(tools=None)) == ()


def test_a_bundle_is_repeated_in_its_place() -> None:
    """The version changes where it stands, the tool comes last."""
    request = ask(tools=[CLIENT_TOOL, CODE])
    edits = repeat(BUNDLE, request)
    assert not isinstance(edits, Reason)
    tools = json.loads(apply(request.body, edits).body)["tools"]
    assert tools == [CLIENT_TOOL, CODE | {"type": LIFT.type}, json.loads(INERT)]


@pytest.mark.parametrize(
    "tools",
    [
        pytest.param([NEWER_CODE], id="the retyped version is declared no more"),
        pytest.param([CODE, {"name": "web_fetch", "input_schema": {}}], id="the name is taken"),
        pytest.param([CLIENT_TOOL], id="code execution is declared no more"),
        pytest.param([], id="no tools at all"),
    ],
)
def test_an_edit_without_its_place_is_not_repeated(tools: list[Any]) -> None:
    """The caller changed its tools, so the conversation changed."""
    assert repeat(BUNDLE, ask(tools=tools)) is Reason.CONVERSATION_CHANGED


def test_direct_callers_are_put_where_there_are_none() -> None:
    """A caller that names them itself since has changed its tools."""
    edit = ToolEdit((Retype("web_search_20250305", "web_search_20260209", direct=True),), free=True)
    request = ask(tools=[CODE, BASIC_SEARCH])
    edits = repeat(edit, request)
    assert not isinstance(edits, Reason)
    raised = json.loads(apply(request.body, edits).body)["tools"][1]
    assert raised == BASIC_SEARCH | {"type": "web_search_20260209", "allowed_callers": ["direct"]}
    for callers in (["direct"], None, "direct"):
        changed = ask(tools=[CODE, BASIC_SEARCH | {"allowed_callers": callers}])
        assert repeat(edit, changed) is Reason.CONVERSATION_CHANGED


@pytest.mark.parametrize("edit", [BUNDLE, APPEND, ToolEdit((LIFT,))])
def test_the_tools_under_an_edit_are_the_spliced_ones(edit: ToolEdit) -> None:
    """What is reckoned with is what the API sees."""
    request = ask(tools=[CLIENT_TOOL, CODE])
    edits = repeat(edit, request)
    assert not isinstance(edits, Reason)
    spliced = MessagesRequest.parse(apply(request.body, edits).body).tools
    seen = tools_under(edit, request.tools)
    assert [(tool.type, tool.name, tool.allowed_callers) for tool in seen] == [
        (tool.type, tool.name, tool.allowed_callers) for tool in spliced
    ]


@given(st.integers(1, 20))
def test_twenty_turns_share_a_growing_prefix(turns: int) -> None:
    """The edited bodies of growing turns agree up to where the shorter one's messages end: no cache is broken."""
    messages: list[dict[str, Any]] = [USER]
    bodies = []
    for number in range(turns):
        # as clients write it: everything that is cached stands before the messages
        request = MessagesRequest.parse(
            body(messages=None)[:-1] + b',"messages":' + json.dumps(messages).encode() + b"}"
        )
        edits = repeat(BUNDLE, request)
        assert not isinstance(edits, Reason)
        bodies.append(apply(request.body, edits).body)
        messages += [ANSWER, {"role": "user", "content": f"Turn {number}"}]
    for before, after in itertools.pairwise(bodies):
        assert after.startswith(before.removesuffix(b"]}"))


def test_a_conversation_that_an_earlier_version_kept_is_understood() -> None:
    """Members that nobody reads any more are passed over."""
    kept = b'{"root":"r","principal":"p","prefix":"x","begun":"2026-11-01T00:00:00+00:00"}'
    one = msgspec.json.decode(kept, type=Conversation)
    assert one == Conversation(root="r", principal="p", prefix="x")
    assert b"begun" not in msgspec.json.encode(one)


def test_a_warm_container() -> None:
    """The one that it ran in, until its last seen expiry; what nobody told is not warm."""
    known = turn(expires_at=NOW)
    before = NOW - timedelta(microseconds=1)
    assert known.warm("container_1", before)
    assert not known.warm("container_1", NOW)
    assert not known.warm("container_2", before)
    assert not known.warm(None, before)
    assert not turn(expires_at=None).warm("container_1", before)
    assert not turn(container=None, expires_at=NOW).warm(None, before)
