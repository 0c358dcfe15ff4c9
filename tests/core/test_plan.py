"""A plan: same inputs, same plan; what begins is decided, what goes on is repeated, and every edit can be made."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.containers import State
from planner.core.conversations import Conversation, Retype, ToolEdit
from planner.core.facts import Facts
from planner.core.plan import STEPS, Plan, holds, make_plan, plan_container, plan_gate, plan_tools, plan_whole
from planner.core.reasons import EVERY_TIME, Action, Decision, Outcome, Reason
from planner.core.rulebook.catalog import Deny
from planner.core.rulebook.policies import BundleRule, Policy, Then
from planner.core.splice import AppendTool, ReplaceToolType, SetContainer, apply
from planner.core.wire import MessagesRequest, canonical_raw
from tests.doubles.deciding import (
    ANSWER,
    BASIC_FETCH,
    BASIC_SEARCH,
    BOOK,
    CLIENT_TOOL,
    CODE,
    HERE,
    NEW_SEARCH,
    NEWER_CODE,
    NOW,
    OLDEST_CODE,
    PENDING,
    RAN,
    USER,
    ask,
    body,
    book,
    cached,
    conversation,
    facts,
    lease,
)

INERT = '{"type":"web_fetch_20260318","name":"web_fetch"}'
LIFT = Retype("code_execution_20250825", "code_execution_20260120")
BUNDLE = ToolEdit((LIFT,), INERT, "web_fetch", free=True)
BEGUN: Conversation = conversation(
    model="claude-haiku-5-5",
    edit=BUNDLE,
    free=True,
    decisions=(
        Decision(Action.VERSION, Outcome.APPLIED, Reason.NEEDED_BY_BUNDLE, "v"),
        Decision(Action.BUNDLE, Outcome.APPLIED, None, "b"),
    ),
)
ALWAYS = book(policies=(Policy(name="all", why="w", mode="enforce", then=Then(bundle=BundleRule(act="always"))),))
THREAD = {"type": "continue", "previous_message_id": "msg_1"}


def plan(messages: Any = None, known: dict[str, Any] | None = None, rules: Any = BOOK, **members: Any) -> Plan:
    """The plan for a request on a cached prompt, which is bundled if it begins a conversation."""
    request = ask(messages=messages or [USER], **({"system": cached()} | members))
    return make_plan(request, facts(request, **(known or {})), rules)


def ends(found: Plan) -> list[tuple[Outcome, Reason | None]]:
    """How version and bundle ended."""
    return [(decision.outcome, decision.reason) for decision in found.decisions[:2]]


# ---------------------------------------------------------------- deciding


def test_the_steps_are_in_sight() -> None:
    """What may refuse comes first; tools and the container depend on none of each other."""
    assert (plan_gate, plan_tools, plan_container) == STEPS


def test_what_nothing_concerns_is_left_alone() -> None:
    """Without code, a web tool or a pending call no policy is asked about tools; what refuses or tags is."""
    request = ask(tools=[CLIENT_TOOL])
    found = plan_whole(request, facts(request), BOOK)
    assert {decision.policy for decision in found.decisions} == {None}
    assert {decision.reason for decision in found.decisions} == {Reason.NO_CODE_EXECUTION}
    assert {each.reason for each in plan_whole(request, facts(request, off=True), BOOK).decisions} == {Reason.OFF}
    closed = book(policies=(Policy(name="no", why="w", mode="enforce", then=Then(deny="No.")),))
    assert plan_whole(request, facts(request), closed).denial is not None
    for tools in ([CODE], [BASIC_SEARCH]):
        request = ask(tools=tools)
        assert plan_whole(request, facts(request), BOOK) == make_plan(request, facts(request), BOOK)


def test_what_begins_is_decided_and_remembered() -> None:
    """With its edit, its decisions, and whether its code is free."""
    found = plan()
    assert ends(found) == [(Outcome.APPLIED, Reason.NEEDED_BY_BUNDLE), (Outcome.APPLIED, None)]
    remembered = found.conversation
    assert remembered is not None
    assert remembered.edit == found.tool_edit
    assert remembered.decisions == found.decisions[:2]
    assert (remembered.free, remembered.model, remembered.principal) == (True, "claude-haiku-5-5", "key-1")
    assert [type(edit) for edit in found.edits] == [ReplaceToolType, AppendTool]


def test_the_three_decisions_come_first() -> None:
    """Version, bundle, container; what shadow policies would have done stands apart."""
    found = plan(tools=[CODE, BASIC_SEARCH])
    assert [decision.action for decision in found.decisions] == list(EVERY_TIME)
    assert [shadow.policy for shadow in found.shadows] == ["shipped-upgrade"]


def test_the_middle_of_a_conversation_is_left_alone() -> None:
    """Unless it is known; a thread has a reason of its own."""
    found = plan([USER, ANSWER, USER])
    assert ends(found) == [(Outcome.KEPT, Reason.MID_CONVERSATION), (Outcome.DECLINED, Reason.MID_CONVERSATION)]
    assert found.edits == ()
    thread = plan(thread=THREAD, tools=None)
    assert ends(thread)[1] == (Outcome.DECLINED, Reason.THREAD_CONTINUATION)
    assert thread.edits == ()


def test_the_middle_still_gets_the_container_of_a_pending_call() -> None:
    """And nothing else."""
    assert plan(PENDING, {"lease": lease()}).edits == (SetContainer("container_1"),)


# ---------------------------------------------------------------- repeating


@pytest.mark.parametrize(
    "known",
    [
        {},
        {"undecided": Reason.OBSERVE},
        {"undecided": Reason.DRAINING},
        {"resting": True},
        {"scope": None},
        {"flags": ("zdr",)},
    ],
)
@pytest.mark.parametrize("rules", [BOOK, book(policies=())])
def test_nothing_that_stops_deciding_stops_repeating(known: dict[str, Any], rules: Any) -> None:
    """Kill switches, drains, rule reloads: a bundle is never taken away."""
    found = plan([USER, ANSWER, USER], {"conversation": BEGUN} | known, rules)
    assert ends(found) == [(Outcome.KEPT, Reason.REPEATED), (Outcome.KEPT, Reason.REPEATED)]
    assert [decision.policy for decision in found.decisions[:2]] == ["v", "b"]
    assert [type(edit) for edit in found.edits] == [ReplaceToolType, AppendTool]
    assert found.conversation is BEGUN
    assert found.free


def test_a_decline_is_repeated_too() -> None:
    """With its own reason: the conversation keeps its decision, however the world changed."""
    declined = conversation(
        decisions=(
            Decision(Action.VERSION, Outcome.KEPT),
            Decision(Action.BUNDLE, Outcome.DECLINED, Reason.BELOW_ALLOWANCE, "b"),
        )
    )
    for messages in ([USER], [USER, ANSWER, USER]):
        found = plan(messages, {"conversation": declined})
        assert ends(found) == [(Outcome.KEPT, None), (Outcome.DECLINED, Reason.BELOW_ALLOWANCE)]
        assert found.edits == ()


@pytest.mark.parametrize(
    ("known", "members", "reason"),
    [
        pytest.param({"off": True}, {}, Reason.OFF, id="switched off"),
        pytest.param({"subscription": True}, {}, Reason.SUBSCRIPTION, id="not billed by the token"),
        pytest.param({}, {"tools": [NEWER_CODE]}, Reason.CONVERSATION_CHANGED, id="other tools"),
        pytest.param({}, {"tools": [CODE, BASIC_FETCH]}, Reason.CONVERSATION_CHANGED, id="the name is taken"),
        pytest.param({}, {"model": "claude-haiku-4-5"}, Reason.CONVERSATION_CHANGED, id="a model without such calls"),
        pytest.param({}, {"model": "claude-new-1"}, Reason.CONVERSATION_CHANGED, id="an unknown model"),
    ],
)
def test_what_ends_repeating(known: dict[str, Any], members: dict[str, Any], reason: Reason) -> None:
    """The request goes as it came, and the reason says why."""
    found = plan([USER, ANSWER, USER], {"conversation": BEGUN} | known, **members)
    assert ends(found) == [(Outcome.KEPT, reason), (Outcome.DECLINED, reason)]
    assert found.edits == ()
    assert found.tool_edit.empty
    assert not found.free
    assert found.conversation is BEGUN


def test_another_model_that_takes_the_edit_gets_it() -> None:
    """The conversation goes on under the same tools."""
    for model in ("claude-opus-5-5", "claude-haiku-5-5"):
        found = plan([USER, ANSWER, USER], {"conversation": BEGUN}, model=model)
        assert len(found.edits) == 2


def test_a_thread_that_goes_on_has_its_tools_from_before() -> None:
    """Nothing is put in, and code is as free as it was."""
    found = plan(known={"conversation": BEGUN, "lease": lease()}, thread=THREAD, tools=None, system=None)
    assert ends(found) == [(Outcome.KEPT, Reason.THREAD_CONTINUATION), (Outcome.KEPT, Reason.THREAD_CONTINUATION)]
    assert found.edits == (SetContainer("container_1"),)
    assert found.tool_edit == BUNDLE
    assert found.free
    plain = plan(known={"conversation": conversation()}, thread=THREAD, tools=None)
    assert ends(plain)[1] == (Outcome.DECLINED, Reason.THREAD_CONTINUATION)
    assert not plain.free


def test_a_thread_that_brings_its_tools_gets_them_edited() -> None:
    """As any later turn."""
    assert len(plan(known={"conversation": BEGUN}, thread=THREAD).edits) == 2


def test_twenty_turns_share_a_growing_prefix() -> None:
    """From the first decision on, the sent bodies only grow: no prompt cache is broken by us."""
    messages: list[Any] = [USER]
    known: Conversation | None = None
    sent = []
    for number in range(20):
        prefix = body(system=cached(), messages=None)[:-1]
        request = MessagesRequest.parse(prefix + b',"messages":' + json.dumps(messages).encode() + b"}")
        found = make_plan(request, facts(request, conversation=known), BOOK)
        known = found.conversation
        sent.append(apply(request.body, found.edits).body)
        messages += [ANSWER, {"role": "user", "content": f"Turn {number}"}]
    assert b"web_fetch_20260318" in sent[0]
    assert all(after.startswith(before.removesuffix(b"]}")) for before, after in pairwise(sent))


# ---------------------------------------------------------------- laws


TOOLS = st.lists(
    st.sampled_from(
        [
            CODE,
            NEWER_CODE,
            OLDEST_CODE,
            CLIENT_TOOL,
            BASIC_SEARCH,
            BASIC_FETCH,
            NEW_SEARCH,
            {"type": "code_execution_20300101", "name": "code_execution"},
            {"type": "mcp_toolset", "mcp_server_name": "x"},
            {"type": 5},
            "no tool",
        ]
    ),
    max_size=5,
)
REQUESTS = st.builds(
    ask,
    model=st.sampled_from(["claude-haiku-5-5", "claude-haiku-4-5", "claude-opus-5-5", "claude-new-1", 5]),
    tools=st.none() | TOOLS,
    messages=st.sampled_from([[USER], [USER, ANSWER, USER], RAN, PENDING, [], "x"]),
    system=st.sampled_from([None, "x", cached()]),
    container=st.sampled_from([None, "own", {"id": "own"}, {"skills": []}, {"id": 5}, 5]),
    thread=st.sampled_from([None, {"type": "create"}, THREAD]),
    tool_choice=st.sampled_from([None, {"type": "auto"}, {"type": "any"}, {"type": "none"}]),
)
FACTS = st.builds(
    facts,
    scope=st.sampled_from([None, HERE]),
    subscription=st.booleans(),
    undecided=st.sampled_from([None, Reason.OBSERVE, Reason.DRAINING]),
    off=st.booleans(),
    resting=st.booleans(),
    by_session=st.booleans(),
    conversation=st.sampled_from([None, BEGUN, conversation()]),
    lease=st.sampled_from([None, *State]).map(lambda state: None if state is None else lease(state)),
)


@given(REQUESTS, FACTS, st.sampled_from([BOOK, ALWAYS]))
def test_same_inputs_same_plan(request: MessagesRequest, world: Facts, rules: Any) -> None:
    """Nothing is read but what is passed, and nothing is kept."""
    again = MessagesRequest.parse(request.body)
    assert make_plan(request, world, rules) == make_plan(again, world, rules)


@given(REQUESTS, FACTS)
def test_an_empty_rule_book_leaves_all_untouched(request: MessagesRequest, world: Facts) -> None:
    """But for what is repeated."""
    quiet = msgspec.structs.replace(world, conversation=None)
    assert make_plan(request, quiet, book(policies=())).edits == ()


@given(REQUESTS, FACTS, st.sampled_from([BOOK, ALWAYS]))
def test_whoever_must_not_be_edited_is_not(request: MessagesRequest, world: Facts, rules: Any) -> None:
    """Switched off, or not billed by the token: whatever else holds, repeats and pending calls included."""
    for barred in ({"off": True}, {"subscription": True}):
        assert make_plan(request, msgspec.structs.replace(world, **barred), rules).edits == ()


@given(REQUESTS, FACTS, st.sampled_from([BOOK, ALWAYS]))
def test_an_unknown_scope_allows_a_pending_call_only(request: MessagesRequest, world: Facts, rules: Any) -> None:
    """And what is repeated."""
    lost = msgspec.structs.replace(world, scope=None, conversation=None)
    edits = make_plan(request, lost, rules).edits
    assert edits == () or (request.awaited and edits == (SetContainer("container_1"),))


@given(REQUESTS, FACTS, st.sampled_from([BOOK, ALWAYS]))
def test_a_plan_can_be_carried_out(request: MessagesRequest, world: Facts, rules: Any) -> None:
    """Its edits have their place, and a re-parse holds what was intended and nothing else."""
    found = make_plan(request, world, rules)
    held = json.loads(request.body)
    if held.get("container") == {"id": 5}:
        return  # an id that is no string: splice refuses to write over it, and the request goes as it came
    after = json.loads(apply(request.body, found.edits).body)
    assert canonical_raw(json.dumps(after).encode()) == canonical_raw(json.dumps(_intended(held, found)).encode())


def _intended(value: dict[str, Any], found: Plan) -> dict[str, Any]:
    """What the request should say, made from parsed values."""
    for edit in found.edits:
        match edit:
            case SetContainer(id=name) if isinstance(value.get("container"), dict):
                value["container"]["id"] = name
            case SetContainer(id=name):
                value["container"] = name
            case AppendTool(raw=raw):
                value["tools"].append(json.loads(raw))
            case ReplaceToolType():
                value["tools"][edit.index]["type"] = edit.type
                value["tools"][edit.index] |= {key: json.loads(raw) for key, raw in edit.members}
            case _:
                raise AssertionError(edit)
    return value


@given(REQUESTS, FACTS, st.sampled_from([BOOK, ALWAYS]))
def test_decisions_and_edits_agree(request: MessagesRequest, world: Facts, rules: Any) -> None:
    """Tools change exactly where something was applied or repeated, and the container where it was threaded."""
    found = make_plan(request, world, rules)
    version, bundle, container = found.decisions[:3]
    tools = [edit for edit in found.edits if not isinstance(edit, SetContainer)]
    done = {version.outcome, bundle.outcome} & {Outcome.APPLIED} or Reason.REPEATED in {version.reason, bundle.reason}
    assert bool(tools) == bool(done)
    assert (len(found.edits) > len(tools)) == (container.outcome is Outcome.THREADED) == found.threaded
    assert len(found.decisions) == len(EVERY_TIME)
    assert all(shadow.policy for shadow in found.shadows)


@given(REQUESTS, FACTS, st.sampled_from([BOOK, ALWAYS]))
def test_what_was_decided_is_repeated_to_the_byte(request: MessagesRequest, world: Facts, rules: Any) -> None:
    """The second plan, under any rules, makes the edits of the first."""
    open_world = msgspec.structs.replace(world, conversation=None, lease=None, off=False, subscription=False)
    first = make_plan(request, open_world, rules)
    later = msgspec.structs.replace(open_world, conversation=first.conversation, undecided=Reason.DRAINING)
    again = make_plan(request, later, book(policies=()))
    assert again.edits == first.edits
    assert again.tool_edit == first.tool_edit
    assert again.free == first.free


def test_what_holds_for_all_that_begin_alike() -> None:
    """Until the API refuses the edit, or the catalog denies a version in it; bounds and no edit hold all the same."""
    row = Deny(models=("claude-haiku-5-5*",), tools=("web_fetch_20260318",), why="w", source="s", checked=NOW.date())
    denied = book(catalog=replace(BOOK.catalog, deny=(row,)))
    elsewhere = book(catalog=replace(BOOK.catalog, deny=(msgspec.structs.replace(row, models=("claude-opus-5",)),)))
    lifts = book(catalog=replace(BOOK.catalog, deny=(msgspec.structs.replace(row, tools=(LIFT.type,)),)))
    plain = msgspec.structs.replace(BEGUN, edit=ToolEdit())
    for known, rules, resting, expected in (
        (BEGUN, BOOK, False, True),
        (BEGUN, BOOK, True, False),
        (BEGUN, denied, False, False),
        (BEGUN, lifts, False, False),
        (BEGUN, elsewhere, False, True),
        (plain, denied, True, True),
        (None, denied, True, True),
    ):
        assert holds(known, ask(), rules, resting=resting) is expected
