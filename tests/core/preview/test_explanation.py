"""Why a policy decides or does not: the words agree with what is decided, whatever the policies and the request."""

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.plan import plan_whole, rule
from planner.core.preview.explanation import Standing, Unmet, judge, judge_policies, unmet
from planner.core.rulebook.conditions import TYPES
from planner.core.rulebook.policies import ACTIONS, BundleRule, Match, Policy, Portion, Range, Subject, Then
from planner.core.rulebook.policyset import PolicySet
from planner.core.rulebook.policyset import unmet as failing
from tests.doubles.deciding import BASIC_SEARCH, BOOK, CODE, ask, book, facts

ADD = BundleRule(act="when-cheaper")
DAY = date(2026, 11, 22)
SOMEONE = Subject(
    principal="k1",
    team="finance",
    model="claude-haiku-5-5",
    tools=("custom", "bash_1"),
    tags={"feature": "reports"},
    prompt_tokens=1_000,
    tools_count=2,
    prefix="p",
    day=DAY,
)
ZEROS: dict[str, Any] = {"string": "", "int": 0, "double": 0.0, "bool": False, "list(string)": []}
VALUES = {name: ZEROS.get(type_, {}) for name, type_ in TYPES.items()} | {"team": "finance", "tools_count": 2}

WORDS = st.sampled_from(["finance", "search", "fin*", "*", "claude-haiku-5-5", "custom", "bash_1", "[a-f]*"])
GLOBS = st.lists(WORDS, min_size=1, max_size=2).map(tuple)
MATCHES = st.builds(
    Match,
    team=st.none() | GLOBS,
    model=st.none() | GLOBS,
    tools=st.none() | GLOBS,
    tags=st.none() | st.dictionaries(st.sampled_from(["agent", "feature"]), GLOBS, max_size=2),
    billing=st.none() | st.just(("subscription",)),
    flags=st.none() | st.just(("zdr",)),
    stream=st.none() | st.booleans(),
    tools_count=st.none() | st.builds(Range, at_least=st.none() | st.just(1), below=st.none() | st.just(3)),
)
THENS = st.builds(
    Then,
    bundle=st.none() | st.just(ADD),
    tool_version=st.none() | st.just("keep"),
    parses=st.none() | st.just(("v2",)),
    deny=st.none() | st.just("no"),
)
PORTIONS = st.builds(Portion, st.sampled_from([0, 50, 100]))
SUBJECTS = st.builds(
    Subject,
    principal=st.just("k"),
    team=st.sampled_from(["", "finance", "search"]),
    model=st.just("claude-haiku-5-5"),
    tools=st.lists(st.sampled_from(["custom", "bash_1"]), max_size=2).map(tuple),
    tags=st.dictionaries(st.sampled_from(["agent", "feature"]), st.sampled_from(["finance", "x"]), max_size=2),
    flags=st.sampled_from([(), ("zdr",), ("hipaa",)]),
    stream=st.booleans(),
    tools_count=st.integers(0, 4),
    prefix=st.sampled_from("abcdef"),
    day=st.just(DAY),
)


@st.composite
def books(draw: st.DrawFn) -> list[Policy]:
    """Some policies with names of their own."""
    row: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
        {
            "mode": st.sampled_from(["off", "shadow", "enforce"]),
            "match": MATCHES,
            "when": st.none() | st.sampled_from(["tools_count == 2", "tools_count > 2", 'tags["no"] == ""']),
            "then": THENS,
            "rollout": PORTIONS,
            "holdout": PORTIONS,
            "since": st.none() | st.sampled_from([DAY, date(2027, 1, 1)]),
            "until": st.none() | st.sampled_from([DAY, date(2027, 2, 1)]),
        }
    )
    rows = draw(st.lists(row, max_size=6))
    return [Policy(name=str(number), why="w", **each) for number, each in enumerate(rows)]


@given(books(), SUBJECTS)
def test_the_words_say_what_is_decided(policies: list[Policy], subject: Subject) -> None:
    """For each action the same policy decides, holds out, or would in shadow; all others are told apart from it."""
    rulings = PolicySet(policies).decide(subject, lambda: VALUES)
    judged = judge_policies(policies, subject, lambda: VALUES)
    assert [each.name for each in judged] == [policy.name for policy in policies]
    for action in ACTIONS:
        ruling: Any = getattr(rulings, action)
        ends = [(each.name, one) for each in judged for one in each.actions if one.action == action]
        deciding = [(name, one.end) for name, one in ends if one.end in {"decides", "holds-out"}]
        expected = [] if ruling.policy is None else [(ruling.policy, "holds-out" if ruling.held_out else "decides")]
        assert deciding == expected
        assert [name for name, one in ends if one.end == "would-decide"] == [each.policy for each in ruling.shadow]
        assert {one.by for _, one in ends if one.end == "pre-empted"} <= {ruling.policy}


@given(books(), SUBJECTS)
def test_every_policy_has_its_reasons(policies: list[Policy], subject: Subject) -> None:
    """Whoever has no word is told why: off, a key that does not hold, the roll-out, or somebody before it."""
    for each in judge_policies(policies, subject, lambda: VALUES):
        assert list(each.reasons()) or (not each.names and each.rollout == "in")
        if not each.decides and each.names:
            late = {one.end for one in each.actions} == {"pre-empted"}
            assert each.mode == "off" or each.unmet or each.rollout == "out" or late


@given(MATCHES, SUBJECTS)
def test_the_keys_that_fail_are_those_that_keep_it_from_matching(match: Match, subject: Subject) -> None:
    """With them left out the match holds."""
    failed = {each.key.partition(".")[0] for each in unmet(match, subject)}
    assert failed == set(failing(match, subject))
    assert failing(msgspec.structs.replace(match, **dict.fromkeys(failed)), subject) == ()


@pytest.mark.parametrize(
    ("match", "text"),
    [
        (Match(team=("search", "web")), 'team is "finance", not search or web'),
        (Match(project=("alpha",)), "it has no project, and alpha is wanted"),
        (Match(tools=("web_*",)), "none of its tools is web_*: custom, bash_1"),
        (Match(tags={"feature": ("chat",)}), 'tags.feature is "reports", not chat'),
        (Match(tags={"feature": ("*",), "agent": ("x", "y")}), "it has no tags.agent, and x or y is wanted"),
        (Match(billing=("subscription",)), 'billing is "api", not subscription'),
        (Match(flags=("zdr", "hipaa")), "none of its flags is zdr or hipaa: it has none"),
        (Match(stream=True), 'stream is "false", not true'),
        (Match(prompt_tokens=Range(at_least=2_000)), "prompt_tokens is 1000, not at least 2000"),
        (Match(tools_count=Range(at_least=3, below=20)), "tools_count is 2, not at least 3 and below 20"),
        (Match(max_tokens=Range(at_least=1)), "max_tokens is 0, not at least 1"),
    ],
)
def test_what_fails_is_said_with_the_value_that_was_seen(match: Match, text: str) -> None:
    """So that one sees at once which of the two is wrong."""
    (failed,) = unmet(match, SOMEONE)
    assert failed.text() == text


def test_every_key_of_a_match_has_its_words() -> None:
    """A key that is new has a row above; this one fails until it does."""
    told = {
        "team",
        "project",
        "tools",
        "tags",
        "billing",
        "flags",
        "stream",
        "prompt_tokens",
        "tools_count",
        "max_tokens",
    }
    as_team = {"principal", "organization", "workspace", "model"}
    assert set(Match.__struct_fields__) == told | as_team


def reasons(**parts: Any) -> list[str]:
    """What is said of one policy."""
    only = Policy(name="p", why="w", mode="enforce", then=Then(bundle=ADD), **parts)
    (judged,) = judge_policies([only], SOMEONE, lambda: VALUES)
    return list(judged.reasons())


def test_an_expression_is_told_with_the_variables_in_it() -> None:
    """Not with all that there are; text in quotes and members are none."""
    text = 'tools_count > 5 && team != "tools_count" && !has(tags.stream)'
    assert reasons(when=text) == [
        f'does not match: its when is false: {text} (tools_count = 2, team = "finance", tags = {{}})'
    ]
    assert reasons(when="tools_count == 2") == ["bundle: decides"]


def test_an_expression_that_fails_is_no_match() -> None:
    """And says the kind of its error."""
    (said,) = reasons(when='tags["no"] == ""')
    assert said.startswith("does not match: its when cannot be evaluated (")
    assert said.endswith('), which is no match: tags["no"] == ""')


def test_an_expression_is_asked_only_where_the_rest_holds() -> None:
    """As when it is decided; of what is off never."""
    assert reasons(when="false", match=Match(team=("x",))) == ['does not match: team is "finance", not x']
    off = Policy(name="p", why="w", mode="off", when="no such thing", then=Then(bundle=ADD))
    assert judge_policies([off], SOMEONE)[0].matched


def test_days_on_which_a_policy_does_not_hold() -> None:
    """The first is in, the last is out."""
    assert reasons(since=date(2026, 11, 23)) == ["does not match: it holds from 2026-11-23, and this is 2026-11-22"]
    assert reasons(until=DAY) == ["does not match: it holds before 2026-11-22, and this is 2026-11-22"]
    assert reasons(since=DAY, until=date(2026, 11, 23)) == ["bundle: decides"]


def test_a_request_without_tools_says_so() -> None:
    """An empty list would read like a slip."""
    failed = unmet(Match(tools=("web_*",)), Subject(principal="k", model="m"))
    assert failed == (Unmet("tools", ("web_*",), ()),)
    assert failed[0].text() == "none of its tools is web_*: it has none"


def test_every_end_in_words() -> None:
    """In the order of the policies."""
    policies = [
        Policy(name="off", why="w", mode="off", then=Then(bundle=ADD)),
        Policy(name="others", why="w", mode="enforce", match=Match(team=("x",)), then=Then(bundle=ADD)),
        Policy(name="try", why="w", mode="shadow", then=Then(bundle=ADD)),
        Policy(name="late", why="w", mode="enforce", then=Then(bundle=ADD), rollout=Portion(0)),
        Policy(name="held", why="w", mode="enforce", then=Then(bundle=ADD), holdout=Portion(100)),
        Policy(name="rest", why="w", mode="enforce", then=Then(bundle=ADD, container="never")),
    ]
    judged = judge_policies(policies, SOMEONE)
    assert [list(each.reasons()) for each in judged] == [
        ["is off"],
        ['does not match: team is "finance", not x'],
        ["bundle: would decide, were it enforced"],
        ["matches, but the roll-out leaves this request out"],
        ["bundle: decides, and its hold-out leaves the request untouched"],
        ['bundle: matches, but "held" stands before it and decides', "container: decides"],
    ]
    assert list(judged[-1].reasons("container")) == ["container: decides"]
    assert judged[-1].actions[0] == Standing("bundle", "pre-empted", "held")


def test_where_one_refuses_nothing_else_is_decided_of_the_bytes() -> None:
    """It says with which words; what is recorded of a refused request is decided all the same."""
    words = "Ask first."
    deny = Policy(name="deny", why="w", mode="enforce", then=Then(deny=words, tags={"team": "x"}))
    rules = book(policies=(*BOOK.policies, deny))
    request = ask(tools=[CODE])
    plan = plan_whole(request, facts(request), rules)
    judged = {each.name: each for each in judge(request, facts(request), rules)}
    assert plan.denial is not None
    assert judged["deny"].actions == (Standing("deny", "decides", message=words), Standing("tags", "decides"))
    assert next(judged["deny"].reasons("deny")) == 'deny: decides, saying "Ask first."'
    assert judged["shipped-bundle"].actions == (Standing("bundle", "refused", "deny"),)
    assert not judged["shipped-bundle"].decides
    assert list(judged["shipped-bundle"].reasons()) == [
        'bundle: matches, but is not asked for, since "deny" refuses the request'
    ]
    assert {each.policy for each in plan.decisions} == {"deny"}
    watching = facts(request, observing=True)
    observed = {each.name: each for each in judge(request, watching, rules)}
    assert observed["shipped-bundle"].decides, "what only observes refuses nothing"


def test_a_refusal_in_shadow_or_held_out_refuses_nothing() -> None:
    """The others decide as they would."""
    for changes in ({"mode": "shadow"}, {"holdout": Portion(100)}):
        deny = msgspec.structs.replace(Policy(name="d", why="w", mode="enforce", then=Then(deny="no")), **changes)
        request = ask(tools=[CODE])
        rules = book(policies=(deny, *BOOK.policies))
        judged = {each.name: each for each in judge(request, facts(request), rules)}
        assert judged["shipped-bundle"].decides
    assert judged["d"].actions == (Standing("deny", "holds-out"),)


def test_a_request_is_judged_as_it_is_planned() -> None:
    """By the same subject and the same variables."""
    asking = Policy(name="big", why="w", mode="enforce", when="tools_count == 2 && hour == 12", then=Then(bundle=ADD))
    request = ask(tools=[CODE, BASIC_SEARCH])
    rules = book(policies=(asking, *BOOK.policies))
    judged = {each.name: each for each in judge(request, facts(request), rules)}
    assert rule(request, facts(request), rules).bundle.policy == "big"
    assert judged["big"].actions == (Standing("bundle", "decides"),)
    assert judged["shipped-bundle"].actions == (Standing("bundle", "pre-empted", "big"),)
    assert judged["shipped-upgrade"].actions == (Standing("bundle", "pre-empted", "big"),)
