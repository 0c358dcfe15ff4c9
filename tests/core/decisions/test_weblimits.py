"""Bounds of web tools: they only narrow, what cannot be said in one list is declined, and they are repeated as made."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.conversations import Conversation, repeat
from planner.core.plan import Plan, make_plan
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulebook.policies import BundleRule, Policy, Portion, Then, WebRule
from planner.core.splice import apply
from tests.doubles.deciding import ANSWER, BASIC_FETCH, BASIC_SEARCH, CODE, USER, ask, book, facts

DOMAINS = st.sampled_from(["a.example", "x.a.example", "b.example", "b.example/docs", "c.example"])
LISTS = st.lists(DOMAINS, min_size=1, max_size=3, unique=True)


def limited(
    tools: list[Any], known: dict[str, Any] | None = None, mode: Any = "enforce", **rule: Any
) -> tuple[Plan, Any]:
    """The plan of a request with these tools under one rule, and the tools that go out."""
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in rule.items()}
    portion = lists.pop("holdout", Portion(0))
    policy = Policy(name="p", why="w", mode=mode, then=Then(web=WebRule(**lists)), holdout=portion)
    request = ask(tools=tools)
    plan = make_plan(request, facts(request, **(known or {})), book(policies=(policy,)))
    return plan, json.loads(apply(request.body, plan.edits).body)["tools"]


def ended(plan: Plan) -> list[tuple[Outcome, Reason | None]]:
    """How the decision on web tools ended, if there was one."""
    return [(each.outcome, each.reason) for each in plan.decisions if each.action is Action.WEB]


@pytest.mark.parametrize(
    ("own", "rule", "expected"),
    [
        ({}, {"max_uses": 3}, {"max_uses": 3}),
        ({"max_uses": 8}, {"max_uses": 3}, {"max_uses": 3}),
        ({"max_uses": 2}, {"max_uses": 3}, {"max_uses": 2}),
        ({}, {"allowed_domains": ["a.example"]}, {"allowed_domains": ["a.example"]}),
        (
            {"allowed_domains": ["x.a.example", "b.example"]},
            {"allowed_domains": ["a.example", "b.example/docs"]},
            {"allowed_domains": ["x.a.example", "b.example/docs"]},
        ),
        (
            {"blocked_domains": ["b.example"]},
            {"allowed_domains": ["a.example", "x.b.example"]},
            {"allowed_domains": ["a.example"], "blocked_domains": None},
        ),
        ({}, {"blocked_domains": ["a.example"]}, {"blocked_domains": ["a.example"]}),
        (
            {"blocked_domains": ["b.example"]},
            {"blocked_domains": ["a.example", "b.example"]},
            {"blocked_domains": ["b.example", "a.example"]},
        ),
        (
            {"allowed_domains": ["x.a.example", "c.example"]},
            {"blocked_domains": ["a.example"]},
            {"allowed_domains": ["c.example"]},
        ),
    ],
)
def test_bounds_narrow(own: dict[str, Any], rule: dict[str, Any], expected: dict[str, Any]) -> None:
    """Numbers to the smaller, allowed lists to what both allow, blocked ones together."""
    plan, tools = limited([CODE, BASIC_SEARCH | own], **rule)
    assert tools == [CODE, BASIC_SEARCH | own | expected]
    changed = any((BASIC_SEARCH | own).get(key) != value for key, value in expected.items())
    assert ended(plan) == [(Outcome.APPLIED, Reason.POLICY) if changed else (Outcome.KEPT, None)]


@pytest.mark.parametrize(
    ("own", "rule", "reason"),
    [
        ({"allowed_domains": ["c.example"]}, {"allowed_domains": ["a.example"]}, Reason.DOMAINS_CONFLICT),
        ({"blocked_domains": ["x.a.example"]}, {"allowed_domains": ["a.example"]}, Reason.DOMAINS_CONFLICT),
        ({"blocked_domains": ["a.example"]}, {"allowed_domains": ["x.a.example"]}, Reason.DOMAINS_CONFLICT),
        ({"allowed_domains": ["a.example"]}, {"blocked_domains": ["x.a.example"]}, Reason.DOMAINS_CONFLICT),
        ({"allowed_domains": ["a.example"]}, {"blocked_domains": ["a.example"]}, Reason.DOMAINS_CONFLICT),
        ({"allowed_domains": "a.example"}, {"allowed_domains": ["a.example"]}, Reason.EDIT_REFUSED),
        ({"max_uses": "many"}, {"max_uses": 3}, Reason.EDIT_REFUSED),
        (
            {"allowed_domains": ["a.example"], "blocked_domains": ["b.example"]},
            {"blocked_domains": ["c.example"]},
            Reason.EDIT_REFUSED,
        ),
    ],
)
def test_what_one_list_cannot_say_is_left_as_it_is(own: dict[str, Any], rule: dict[str, Any], reason: Reason) -> None:
    """An empty list would reach everything, and a hole in a list cannot be written."""
    plan, tools = limited([BASIC_SEARCH | own], **rule)
    assert ended(plan) == [(Outcome.DECLINED, reason)]
    assert tools == [BASIC_SEARCH | own]


def under(domain: str, entry: str) -> bool:
    """Whether a page of a domain lies in a list's entry, said by hand."""
    host, _, path = entry.partition("/")
    mine, _, deeper = domain.partition("/")
    return (mine == host or mine.endswith("." + host)) and (not path or deeper == path or deeper.startswith(path + "/"))


PAGES = (
    "a.example",
    "x.a.example",
    "y.x.a.example",
    "b.example",
    "b.example/docs",
    "b.example/docs/1",
    "c.example",
    "d.test",
)


def reaches(tool: dict[str, Any], page: str) -> bool:
    """Whether a web tool may reach a page."""
    allowed, blocked = tool.get("allowed_domains"), tool.get("blocked_domains")
    if allowed is not None:
        return any(under(page, each) for each in allowed)
    return not any(under(page, each) for each in blocked or ())


@given(
    st.dictionaries(st.sampled_from(["allowed_domains", "blocked_domains"]), LISTS, max_size=1),
    st.dictionaries(st.sampled_from(["allowed_domains", "blocked_domains"]), LISTS, min_size=1, max_size=1),
)
def test_what_is_left_is_what_both_allow(own: dict[str, Any], rule: dict[str, Any]) -> None:
    """For every page: reachable under the rule's bound exactly where the caller and the rule would both reach it.

    How entries are read that may mean several things is a law of `domains`.
    """
    plan, (tool,) = limited([BASIC_SEARCH | own], **rule)
    if ended(plan)[0][0] is Outcome.DECLINED:
        assert tool == BASIC_SEARCH | own
        return
    for page in PAGES:
        assert reaches(tool, page) == (reaches(own, page) and reaches(rule, page)), page


def test_each_tool_is_bounded_by_itself() -> None:
    """A tool that cannot be bounded lifts no bound of another's, and domains that conflict none of the uses."""
    tools: list[Any] = [BASIC_SEARCH, BASIC_FETCH | {"allowed_domains": ["c.example"], "max_uses": 500}]
    plan, sent = limited(tools, allowed_domains=["a.example"], max_uses=2)
    assert sent == [BASIC_SEARCH | {"max_uses": 2, "allowed_domains": ["a.example"]}, tools[1] | {"max_uses": 2}]
    assert ended(plan) == [(Outcome.APPLIED, Reason.DOMAINS_CONFLICT)]
    _, sent = limited([BASIC_SEARCH, BASIC_FETCH], max_uses=1)
    assert sent == [BASIC_SEARCH | {"max_uses": 1}, BASIC_FETCH | {"max_uses": 1}]
    plan, sent = limited([BASIC_SEARCH | {"max_uses": "many"}, BASIC_FETCH], max_uses=1)
    assert sent == [BASIC_SEARCH | {"max_uses": "many"}, BASIC_FETCH | {"max_uses": 1}]
    assert ended(plan) == [(Outcome.APPLIED, Reason.EDIT_REFUSED)]


def test_the_second_of_a_type_is_left_to_the_api() -> None:
    """It refuses two tools of a name; the first one is bounded, and planning does not fail over the other."""
    own = [BASIC_SEARCH, BASIC_SEARCH | {"max_uses": 9}]
    plan, tools = limited(own, max_uses=3)
    assert tools == [BASIC_SEARCH | {"max_uses": 3}, own[1]]
    assert ended(plan) == [(Outcome.APPLIED, Reason.EDIT_REFUSED)]


def test_an_empty_list_lifts_no_bound() -> None:
    """It bounds nothing, so what the policy says is all there is."""
    _, (tool,) = limited([BASIC_SEARCH | {"allowed_domains": []}], allowed_domains=["a.example"])
    assert tool["allowed_domains"] == ["a.example"]
    _, (tool,) = limited([BASIC_SEARCH | {"blocked_domains": []}], allowed_domains=["a.example"])
    assert tool == BASIC_SEARCH | {"allowed_domains": ["a.example"], "blocked_domains": None}


@pytest.mark.parametrize(
    ("known", "outcome", "reason"),
    [
        ({"undecided": Reason.OBSERVE}, Outcome.SHADOW, Reason.OBSERVE),
        ({"scope": None}, Outcome.DECLINED, Reason.UNKNOWN_SCOPE),
        ({"subscription": True}, Outcome.DECLINED, Reason.SUBSCRIPTION),
    ],
)
def test_it_is_an_edit_like_any_other(known: dict[str, Any], outcome: Outcome, reason: Reason) -> None:
    """So it needs what every edit needs."""
    plan, tools = limited([BASIC_SEARCH], known, max_uses=1)
    assert (tools, ended(plan)) == ([BASIC_SEARCH], [(outcome, reason)])


def test_shadows_hold_outs_and_requests_without_web_tools() -> None:
    """Told, left alone, and not spoken of."""
    plan, tools = limited([BASIC_SEARCH], mode="shadow", max_uses=1)
    assert (tools, ended(plan)) == ([BASIC_SEARCH], [])
    assert [(each.action, each.outcome, each.policy) for each in plan.shadows] == [(Action.WEB, Outcome.APPLIED, "p")]
    plan, tools = limited([BASIC_SEARCH], max_uses=1, holdout=Portion(100))
    assert (tools, ended(plan)) == ([BASIC_SEARCH], [(Outcome.DECLINED, Reason.HOLDOUT)])
    assert ended(limited([CODE], max_uses=1)[0]) == []


SIGNED = {"role": "assistant", "content": [{"type": "thinking", "thinking": "Hm.", "signature": "s1"}]}
LATER = [USER, ANSWER, USER]
THOUGHT = [USER, SIGNED, USER]
ONE_USE = Policy(name="p", why="w", mode="enforce", then=Then(web=WebRule(max_uses=1)))
BOUNDED = BASIC_SEARCH | {"max_uses": 1}


def begun(*tools: Any, rules: tuple[Policy, ...] = (ONE_USE,), **known: Any) -> Conversation:
    """What is remembered of a conversation that began with these tools."""
    request = ask(tools=list(tools))
    found = make_plan(request, facts(request, **known), book(policies=rules)).conversation
    assert found is not None
    return found


def goes_on(
    known: Conversation | None, *tools: Any, rules: tuple[Policy, ...] = (ONE_USE,), world: Any = None, **members: Any
) -> tuple[Plan, Any, list[tuple[Outcome, Reason | None]]]:
    """A later request of a conversation: its plan, the tools that go out, and how the decision on web tools ended."""
    request = ask(**({"tools": list(tools), "messages": LATER} | members))
    plan = make_plan(request, facts(request, **({"conversation": known} | (world or {}))), book(policies=rules))
    return plan, json.loads(apply(request.body, plan.edits).body).get("tools"), ended(plan)


def test_a_conversation_keeps_its_bounds() -> None:
    """Byte for byte, under any later rules, for any model, thinking or not."""
    known = begun(CODE, BASIC_SEARCH)
    for more in ({}, {"messages": THOUGHT}, {"model": "claude-opus-5-5"}, {"model": "claude-new-1"}):
        for rules in ((ONE_USE,), ()):
            plan, tools, how = goes_on(known, CODE, BASIC_SEARCH, rules=rules, **more)
            assert (tools, how) == ([CODE, BOUNDED], [(Outcome.KEPT, Reason.REPEATED)])
            assert plan.conversation is known
    within = begun(BOUNDED)
    assert goes_on(within, BOUNDED)[1:] == ([BOUNDED], [(Outcome.KEPT, None)])


@pytest.mark.parametrize(
    ("first", "now"),
    [
        pytest.param([BASIC_SEARCH], [BASIC_SEARCH | {"max_uses": 9}], id="its tool changed"),
        pytest.param([BOUNDED], [BASIC_SEARCH | {"max_uses": 9}], id="it was within its bounds"),
        pytest.param([CODE], [CODE, BASIC_SEARCH], id="it had no web tool"),
        pytest.param([BASIC_SEARCH], [BASIC_SEARCH, BASIC_FETCH], id="it got another"),
    ],
)
def test_a_caller_that_changes_its_web_tools_is_bounded_anew(first: list[Any], now: list[Any]) -> None:
    """Its cache is lost anyhow; from then on that is what is repeated, under thinking as well."""
    plan, tools, how = goes_on(begun(*first), *now)
    expected = [tool if tool is CODE else tool | {"max_uses": 1} for tool in now]
    assert (tools, how) == (expected, [(Outcome.APPLIED, Reason.POLICY)])
    assert plan.conversation is not None
    for rules in ((ONE_USE,), ()):
        again = goes_on(plan.conversation, *now, rules=rules, messages=THOUGHT)
        assert again[1:] == (expected, [(Outcome.KEPT, Reason.REPEATED)])


def test_bounds_of_tools_that_stay_are_repeated_whatever_changes() -> None:
    """Where thinking is bound to the tools nothing is bounded anew, and what was is not taken away."""
    both = [BASIC_SEARCH, BASIC_FETCH]
    known = begun(*both)
    changed = [BASIC_SEARCH, BASIC_FETCH | {"max_uses": 5}]
    plan, tools, how = goes_on(known, *changed, messages=THOUGHT)
    assert (tools, how) == ([BOUNDED, changed[1]], [(Outcome.DECLINED, Reason.CONVERSATION_CHANGED)])
    assert plan.conversation is known
    assert goes_on(known, *changed, rules=())[1:] == (tools, how)
    stricter = Policy(name="q", why="w", mode="enforce", then=Then(web=WebRule(max_uses=1, blocked_domains=("a.b",))))
    _, tools, _ = goes_on(known, *changed, rules=(stricter,))
    assert tools == [BOUNDED, BASIC_FETCH | {"max_uses": 1, "blocked_domains": ["a.b"]}]


def test_bounds_stay_where_the_bundle_cannot() -> None:
    """Another model ends the bundle; a bound is legal wherever the caller's tool is."""
    rules = (Policy(name="b", why="w", mode="enforce", then=Then(bundle=BundleRule(act="always"))), ONE_USE)
    known = begun(CODE, BASIC_SEARCH, rules=rules)
    assert known.edit.adds
    plan, tools, how = goes_on(known, CODE, BASIC_SEARCH, rules=rules, model="claude-new-1")
    assert (tools, how) == ([CODE, BOUNDED], [(Outcome.KEPT, Reason.REPEATED)])
    assert plan.decisions[1].reason is Reason.CONVERSATION_CHANGED


@pytest.mark.parametrize(
    ("known", "members", "world", "reason"),
    [
        pytest.param(None, {}, {}, Reason.MID_CONVERSATION, id="missed"),
        pytest.param(begun(BASIC_SEARCH, rules=()), {}, {}, Reason.MID_CONVERSATION, id="the policy came later"),
        pytest.param(
            begun(BASIC_SEARCH, rules=()), {"messages": [USER]}, {}, Reason.REPEATED, id="another began alike"
        ),
        pytest.param(begun(BASIC_SEARCH, scope=None), {}, {}, Reason.UNKNOWN_SCOPE, id="nobody knew where"),
        pytest.param(begun(CODE), {"messages": THOUGHT}, {}, Reason.CONVERSATION_CHANGED, id="changed, and thinks"),
        pytest.param(begun(BASIC_SEARCH), {}, {"off": True}, Reason.OFF, id="switched off"),
        pytest.param(begun(BASIC_SEARCH), {}, {"subscription": True}, Reason.SUBSCRIPTION, id="a subscription"),
        pytest.param(
            None,
            {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
            {},
            Reason.THREAD_CONTINUATION,
            id="a thread",
        ),
    ],
)
def test_bounds_that_are_not_put_in_are_told(
    known: Conversation | None, members: dict[str, Any], world: dict[str, Any], reason: Reason
) -> None:
    """Never in silence: with the policy that asks for them."""
    plan, tools, how = goes_on(known, BASIC_SEARCH, world=world, **members)
    assert (tools, how) == ([BASIC_SEARCH], [(Outcome.DECLINED, reason)])
    assert plan.decisions[3].policy == "p"


def test_without_web_tools_there_is_nothing_to_tell() -> None:
    """A later request may leave them out, and bring them back as they were."""
    known = begun(CODE, BASIC_SEARCH)
    plan, tools, how = goes_on(known, CODE)
    assert (tools, how, plan.conversation) == ([CODE], [], known)
    assert goes_on(None, CODE)[2] == []


def test_bounds_have_their_place_on_the_tool_that_they_were_made_for() -> None:
    """On another one they might be others."""
    plan, _ = limited([BASIC_SEARCH], max_uses=1)
    other = ask(tools=[BASIC_SEARCH | {"max_uses": 9}], messages=LATER)
    assert repeat(plan.tool_edit, other) is Reason.CONVERSATION_CHANGED
