"""Policies compiled: the first that matches decides, shadows never consume, and the index finds what a walk would."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.rulebook.conditions import TYPES
from planner.core.rulebook.policies import (
    ACTIONS,
    SILENT,
    BundleRule,
    Match,
    Policy,
    PolicyMode,
    Portion,
    Range,
    Ruling,
    Rulings,
    Shadowed,
    Subject,
    Then,
    WebRule,
    falls_in,
    in_force,
)
from planner.core.rulebook.policyset import PolicySet, never_decides, unmet

ADD, NEVER = BundleRule(act="when-cheaper"), BundleRule(act="never")
DAY = date(2026, 11, 22)
SOMEONE = Subject(
    principal="k1",
    team="finance",
    model="claude-sonnet-5-5",
    tools=("custom", "web_fetch_20250910"),
    tags={"feature": "reports"},
    flags=("zdr",),
    stream=True,
    prompt_tokens=1_000.5,
    max_tokens=4_096,
    tools_count=2,
    prefix="p",
    day=DAY,
)
ALL, NONE = Portion(100), Portion(0)
ZEROS: dict[str, Any] = {"string": "", "int": 0, "double": 0.0, "bool": False, "list(string)": []}
VALUES = {name: ZEROS.get(type_, {}) for name, type_ in TYPES.items()} | {"team": "finance", "tools_count": 2}


def policy(name: str, then: Then, mode: PolicyMode = "enforce", match: Match = Match(), **more: Any) -> Policy:  # noqa: B008 - frozen
    """Return a policy with a reason."""
    return Policy(name=name, why="w", mode=mode, match=match, then=then, **more)


def decide(policies: list[Policy], subject: Subject = SOMEONE) -> Rulings:
    """Return what policies say, with the variables above."""
    return PolicySet(policies).decide(subject, lambda: VALUES)


def test_silence_leaves_the_request_as_it_is() -> None:
    """Without policies nothing is bundled, changed, threaded or refused."""
    assert decide([]) is SILENT
    assert decide([policy("other", Then(deny="no"), match=Match(team=("search",)))]) is SILENT


def test_each_action_has_its_own_first_policy() -> None:
    """A policy that is silent on an action leaves it to the next."""
    first = policy("first", Then(bundle=ADD, tags={"feature": "x"}))
    second = policy("second", Then(bundle=NEVER, container="session", parses=("v2",), web=WebRule(max_uses=1)))
    rulings = decide([first, second])
    assert rulings.bundle == Ruling(ADD, "first")
    assert rulings.tags == Ruling({"feature": "x"}, "first")
    assert rulings.container == Ruling("session", "second")
    assert rulings.parses == Ruling(("v2",), "second")
    assert rulings.web == Ruling(WebRule(max_uses=1), "second")
    assert rulings.tool_version == SILENT.tool_version


@pytest.mark.parametrize(
    ("match", "missing"),
    [
        (Match(), ()),
        (Match(team=("finance",)), ()),
        (Match(team=("search", "fin*")), ()),
        (Match(team=("Finance",)), ("team",)),
        (Match(team=("finance",), project=("alpha",)), ("project",)),
        (Match(team=("finance",), model=("claude-sonnet-5-5*",)), ()),
        (Match(tools=("web_fetch_*",)), ()),
        (Match(tools=("web_search_*",)), ("tools",)),
        (Match(tags={"feature": ("rep*", "x")}), ()),
        (Match(tags={"feature": ("rep*",), "agent": ("*",)}), ("tags",)),
        (Match(billing=("api",)), ()),
        (Match(billing=("subscription",), flags=("hipaa",)), ("billing", "flags")),
        (Match(flags=("hipaa", "zdr")), ()),
        (Match(stream=True), ()),
        (Match(stream=False), ("stream",)),
        (Match(prompt_tokens=Range(at_least=1_000, below=1_001)), ()),
        (Match(prompt_tokens=Range(below=1_000)), ("prompt_tokens",)),
        (Match(max_tokens=Range(at_least=4_096), tools_count=Range(below=2)), ("tools_count",)),
    ],
)
def test_keys_and_values_or(match: Match, missing: tuple[str, ...]) -> None:
    """All keys must hold, any value of a key will do, case counts, and one tool is enough."""
    assert unmet(match, SOMEONE) == missing
    assert (decide([policy("p", Then(bundle=ADD), match=match)]).bundle.policy == "p") is not bool(missing)


def test_shadows_are_reported_and_consume_nothing() -> None:
    """A shadow before the decider is told; one behind it, and one that is off, are not."""
    shadow = policy("shadow", Then(bundle=ADD), "shadow")
    off = policy("off", Then(bundle=ADD), "off")
    real = policy("real", Then(bundle=NEVER))
    behind = policy("behind", Then(bundle=ADD), "shadow")
    told = (Shadowed("shadow", ADD),)
    assert decide([off, shadow, real, behind]).bundle == Ruling(NEVER, "real", shadow=told)
    assert decide([shadow]).bundle == Ruling(NEVER, shadow=told)


def test_missed_roll_out_falls_through_and_hold_out_ends() -> None:
    """What the roll-out misses goes to the next policy; what the hold-out hits is left untouched, by name."""
    missed = policy("missed", Then(bundle=ADD), rollout=NONE)
    rest = policy("rest", Then(bundle=NEVER))
    held = policy("held", Then(bundle=ADD, deny="no"), holdout=ALL)
    assert decide([missed, rest]).bundle == Ruling(NEVER, "rest")
    assert decide([held, rest]).bundle == Ruling(NEVER, "held", held_out=True)
    assert decide([held, rest]).deny == Ruling("", "held", held_out=True)


def test_a_policy_speaks_on_its_days_alone() -> None:
    """Before and after, the policies behind it do."""
    rest = policy("rest", Then(bundle=NEVER))
    for since, until, expected in ((DAY, None, "p"), (None, DAY, "rest"), (date(2026, 11, 23), None, "rest")):
        found = decide([policy("p", Then(bundle=ADD), since=since, until=until), rest])
        assert found.bundle.policy == expected


def test_when_is_asked_only_where_match_holds_and_something_is_open() -> None:
    """The variables are made once, and not at all where no expression has a say."""
    asked = []

    def values() -> dict[str, Any]:
        asked.append(1)
        return VALUES

    decides = policy("all", Then(bundle=NEVER))
    late = policy("late", Then(bundle=ADD), when='team == "finance"')
    other = policy("other", Then(container="never"), match=Match(team=("x",)), when="true")
    assert PolicySet([decides, late, other]).decide(SOMEONE, values).bundle.policy == "all"
    assert asked == []
    more = policy("more", Then(bundle=ADD), when="tools_count > 5")
    two = policy("two", Then(bundle=ADD), when="tools_count == 2")
    assert PolicySet([more, two]).decide(SOMEONE, values).bundle.policy == "two"
    assert asked == [1]


def test_an_expression_that_fails_is_no_match_and_is_told() -> None:
    """With the policy's name and the kind of error, and no value of the request."""
    broken = policy("broken", Then(bundle=ADD), when='tags["x"] == "y"')
    rulings = decide([broken, policy("rest", Then(bundle=NEVER))])
    assert rulings.bundle == Ruling(NEVER, "rest")
    assert rulings.failed == (("broken", "NOT_FOUND"),)
    assert decide([broken]).failed == (("broken", "NOT_FOUND"),)


def test_a_set_knows_what_it_names() -> None:
    """So that requests are not looked at for actions that no policy asks for."""
    rules = PolicySet([policy("a", Then(deny="no"), "shadow"), policy("b", Then(web=WebRule(max_uses=1)), "off")])
    assert rules.names("deny", "tags")
    assert not rules.names("web", "tags")
    assert not rules.conditional


# ---------------------------------------------------------------- the index against a walk

WORDS = st.sampled_from(["a", "b", "ab", ""])
GLOBS = st.lists(st.sampled_from(["a", "a*", "*", "?b", "[ab]", "zz"]), min_size=1, max_size=2).map(tuple)
RANGES = st.builds(Range, at_least=st.none() | st.integers(0, 3), below=st.none() | st.integers(0, 4))
MATCHES = st.builds(
    Match,
    team=st.none() | GLOBS,
    model=st.none() | GLOBS,
    tools=st.none() | GLOBS,
    tags=st.none() | st.dictionaries(st.sampled_from(["agent", "feature"]), GLOBS, max_size=2),
    flags=st.none() | st.just(("zdr",)),
    stream=st.none() | st.booleans(),
    tools_count=st.none() | RANGES,
)
THENS = st.builds(
    Then,
    bundle=st.none() | st.sampled_from([ADD, NEVER]),
    container=st.none() | st.just("session"),
    deny=st.none() | st.just("no"),
)
POLICIES = st.lists(
    st.builds(
        Policy,
        name=st.sampled_from("pqrstu"),
        why=st.just("w"),
        mode=st.sampled_from(["off", "shadow", "enforce"]),
        match=MATCHES,
        when=st.none() | st.sampled_from(["tools_count == 2", 'tags["no"] == ""']),
        then=THENS,
        rollout=st.sampled_from([ALL, NONE, Portion(50)]),
        holdout=st.sampled_from([NONE, ALL, Portion(50)]),
        since=st.none() | st.just(DAY),
        until=st.none() | st.just(DAY),
    ),
    max_size=8,
)
SUBJECTS = st.builds(
    Subject,
    principal=WORDS,
    team=WORDS,
    model=WORDS,
    tools=st.lists(WORDS, max_size=3).map(tuple),
    tags=st.dictionaries(st.sampled_from(["agent", "feature"]), WORDS, max_size=2),
    flags=st.sampled_from([(), ("zdr",), ("hipaa",)]),
    stream=st.booleans(),
    tools_count=st.integers(0, 4),
    prefix=WORDS,
    day=st.just(DAY),
)


def walked(policies: list[Policy], subject: Subject) -> Rulings:
    """What the policies say, one action and one policy after the other, as the words of the contract have it."""
    found: dict[str, Any] = {}
    holds = {"tools_count == 2": VALUES["tools_count"] == 2, 'tags["no"] == ""': False, None: True}
    for action in ACTIONS:
        shadows = []
        silent = getattr(SILENT, action).value
        ruling = Ruling(silent)
        for each in policies:
            value = getattr(each.then, action)
            matches = not unmet(each.match, subject) and in_force(each, subject.day) and holds[each.when]
            if value is None or each.mode == "off" or not matches:
                continue
            if not falls_in(each.name, "rollout", each.rollout, subject):
                continue
            if each.mode == "shadow":
                shadows.append(Shadowed(each.name, value))
                continue
            held = falls_in(each.name, "holdout", each.holdout, subject)
            ruling = Ruling(silent if held else value, each.name, held)
            break
        found[action] = Ruling(ruling.value, ruling.policy, ruling.held_out, tuple(shadows))
    return Rulings(**found)


@settings(max_examples=100)
@given(POLICIES, SUBJECTS)
def test_the_index_finds_what_a_walk_would(policies: list[Policy], subject: Subject) -> None:
    """Whatever the order, and asked twice, since values are remembered."""
    rules = PolicySet(policies)
    for _ in range(2):
        rulings = rules.decide(subject, lambda: VALUES)
        expected = walked(policies, subject)
        assert [getattr(rulings, action) for action in ACTIONS] == [getattr(expected, action) for action in ACTIONS]


@settings(max_examples=75)
@given(POLICIES, SUBJECTS)
def test_what_is_said_to_be_out_of_reach_never_decides(policies: list[Policy], subject: Subject) -> None:
    """Of policies with names of their own; and leaving it out changes nothing."""
    policies = list({each.name: each for each in policies}.values())
    rulings = PolicySet(policies).decide(subject, lambda: VALUES)
    for name, lost in never_decides(policies).items():
        for action in lost:
            ruling = getattr(rulings, action)
            assert ruling.policy != name
            assert name not in {each.policy for each in ruling.shadow} or ruling.policy is None


def test_what_is_remembered_of_values_is_bounded() -> None:
    """Names come from clients; ten thousand of them leave the answers as they were."""
    rules = PolicySet([policy("p", Then(bundle=ADD), match=Match(team=("t*",)))])
    for number in range(10_000):
        assert rules.decide(Subject(principal="k", model="m", team=f"t{number}")).bundle.policy == "p"
    assert rules.remembered < 2_048


def test_words_that_are_no_names_are_not_remembered() -> None:
    """A caller may send a megabyte in place of a model; it is looked at each time, and answered the same."""
    rules = PolicySet([policy("p", Then(bundle=ADD), match=Match(model=("claude-*",), tools=("web_*",)))])
    for number in range(3):
        long = Subject(principal="k", model=f"claude-{number}" + "x" * 250, tools=(f"web_{number}" + "y" * 256,))
        assert rules.decide(long).bundle.policy == "p"
    assert rules.remembered == 0


SURE = policy("sure", Then(bundle=ADD))


@pytest.mark.parametrize(
    ("earlier", "later", "hidden"),
    [
        (SURE, policy("x", Then(bundle=NEVER)), True),
        (SURE, policy("x", Then(bundle=NEVER), "shadow"), True),
        (SURE, policy("x", Then(bundle=NEVER), "off"), False),
        (SURE, policy("x", Then(bundle=NEVER), when="true"), True),
        (policy("w", Then(bundle=ADD), when="true"), policy("x", Then(bundle=NEVER)), False),
        (policy("d", Then(bundle=ADD), until=DAY), policy("x", Then(bundle=NEVER)), False),
        (policy("s", Then(bundle=ADD), "shadow"), policy("x", Then(bundle=NEVER)), False),
        (policy("r", Then(bundle=ADD), rollout=Portion(99)), policy("x", Then(bundle=NEVER)), False),
        (policy("h", Then(bundle=ADD), holdout=Portion(50)), policy("x", Then(bundle=NEVER)), True),
        (
            policy("g", Then(bundle=ADD), match=Match(model=("claude-*",))),
            policy("x", Then(bundle=NEVER), match=Match(model=("claude-opus-5*",), team=("t",))),
            True,
        ),
        (
            policy("n", Then(bundle=ADD), match=Match(team=("a",))),
            policy("x", Then(bundle=NEVER), match=Match(team=("a", "b"))),
            False,
        ),
        (
            policy("n", Then(bundle=ADD), match=Match(tools_count=Range(at_least=2))),
            policy("x", Then(bundle=NEVER), match=Match(tools_count=Range(at_least=3, below=9))),
            True,
        ),
        (
            policy("n", Then(bundle=ADD), match=Match(tools_count=Range(below=5))),
            policy("x", Then(bundle=NEVER), match=Match(tools_count=Range(at_least=3))),
            False,
        ),
        (
            policy("n", Then(bundle=ADD), match=Match(tags={"agent": ("a*",)})),
            policy("x", Then(bundle=NEVER), match=Match(tags={"agent": ("ab",), "feature": ("f",)})),
            True,
        ),
        (
            policy("n", Then(bundle=ADD), match=Match(flags=("zdr",))),
            policy("x", Then(bundle=NEVER), match=Match(flags=("zdr", "hipaa"))),
            False,
        ),
    ],
)
def test_only_what_is_surely_out_of_reach_is_called_so(earlier: Policy, later: Policy, hidden: bool) -> None:  # noqa: FBT001 - a column
    """An earlier policy hides an action of a later one only when it always decides it before."""
    assert (never_decides([earlier, later]) == {"x": {"bundle": earlier.name}}) is hidden


def test_each_action_is_hidden_by_itself() -> None:
    """A policy may lose one of its actions and keep the other."""
    assert never_decides([SURE, policy("x", Then(bundle=NEVER, container="never"))]) == {"x": {"bundle": "sure"}}
