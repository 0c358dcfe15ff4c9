"""Bounds of web tools: they only narrow, what cannot be said in one list is declined, and they are repeated as made."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.conversations import repeat
from planner.core.plan import Plan, make_plan
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rules import Policy, Portion, Then, WebRule
from planner.core.splice import apply
from tests.doubles.deciding import ANSWER, BASIC_FETCH, BASIC_SEARCH, CODE, USER, ask, book, conversation, facts

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
    """For every page: reachable under the rule's bound exactly where the caller and the rule would both reach it."""
    plan, (tool,) = limited([BASIC_SEARCH | own], **rule)
    if ended(plan)[0][0] is Outcome.DECLINED:
        assert tool == BASIC_SEARCH | own
        return
    for page in PAGES:
        assert reaches(tool, page) == (reaches(own, page) and reaches(rule, page)), page


def test_all_tools_or_none() -> None:
    """One that cannot be bounded leaves the others as they are too."""
    tools = [BASIC_SEARCH, BASIC_FETCH | {"allowed_domains": ["c.example"]}]
    plan, sent = limited(tools, allowed_domains=["a.example"])
    assert (sent, ended(plan)) == (tools, [(Outcome.DECLINED, Reason.DOMAINS_CONFLICT)])
    _, sent = limited([BASIC_SEARCH, BASIC_FETCH], max_uses=1)
    assert sent == [BASIC_SEARCH | {"max_uses": 1}, BASIC_FETCH | {"max_uses": 1}]


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


def test_a_conversation_keeps_its_bounds() -> None:
    """Byte for byte, under any later rules; with another tool they might be others, so the request goes as it came."""
    plan, _ = limited([BASIC_SEARCH], max_uses=1)
    known = conversation(
        edit=plan.tool_edit, decisions=plan.decisions[:2] + plan.decisions[3:], model="claude-haiku-5-5"
    )
    later = ask(tools=[BASIC_SEARCH], messages=[USER, ANSWER, USER])
    again = make_plan(later, facts(later, conversation=known), book(policies=()))
    assert again.edits == plan.edits
    assert ended(again) == [(Outcome.KEPT, Reason.REPEATED)]
    other = ask(tools=[BASIC_SEARCH | {"max_uses": 9}], messages=[USER, ANSWER, USER])
    assert repeat(plan.tool_edit, other) is Reason.CONVERSATION_CHANGED
