"""Tests of the rules fail where they should, say how it came to that, and tell which policies no test has shown."""

import json
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.plan import make_plan
from planner.core.preview.given import stage
from planner.core.preview.ruletest import Ran, coverage, run, uncovered
from planner.core.reasons import Action
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import BundleRule, Match, Policy, PolicyMode, Portion, Then, WebRule
from planner.core.rulefile.testfile import RuleTest, read_tests
from planner.core.splice import apply
from planner.rulesource import read_test_files
from tests.doubles.deciding import BOOK, book

CODE = {"model": "claude-haiku-5-5", "tools": ["code_execution_20250825"]}
UPGRADABLE = {"model": "claude-haiku-5-5", "tools": ["code_execution_20250825", "web_search_20250305"]}
USED_UP = {"free_hours": {"used": 1550}, "prompt_tokens": 18_000, "cached_tokens": 17_000}
ADD = BundleRule(act="always")


def one_test(expect: Any, rules: RuleBook = BOOK, **stated: Any) -> RuleTest:
    """One test, read from a file."""
    row = {"name": "one", "given": {"request": CODE, **stated}, "expect": expect}
    reading = read_tests({"tests/x.yaml": json.dumps({"tests": [row]}).encode()}, rules)
    assert reading.findings == ()
    return reading.tests[0]


def ran(expect: Any, rules: RuleBook = BOOK, **stated: Any) -> Ran:
    """One test, run."""
    return run(one_test(expect, rules, **stated), rules)


def said(found: Ran) -> list[str]:
    """Its failures without their place and name."""
    return [failure.text().partition('"one": ')[2] for failure in found.failures]


def policy(name: str, then: Then, mode: PolicyMode = "enforce", match: Match = Match(), **parts: Any) -> Policy:  # noqa: B008 - frozen
    """A policy with a reason."""
    return Policy(name=name, why="w", mode=mode, match=match, then=then, **parts)


@pytest.mark.parametrize("path", read_test_files(None))
def test_the_shipped_rules_pass_their_tests(path: str) -> None:
    """All of them, with every policy covered."""
    reading = read_tests({path: Path(path).read_bytes()}, BOOK)
    assert reading.findings == ()
    found = [run(test, BOOK) for test in reading.tests]
    assert [failure.text() for each in found for failure in each.failures] == []
    assert list(uncovered(coverage(BOOK, found), {})) == []


def test_a_copy_of_a_shipped_policy_needs_no_test() -> None:
    """Word for word; one that is off, or changed, is told as ever."""
    changed = msgspec.structs.replace(BOOK.policies[0], why="Otherwise.")
    found = coverage(book(policies=(changed, *BOOK.policies[1:])), [], BOOK.policies)
    assert [(each.shipped, each.asked, each.lacks) for each in found] == [(False, True, "hit")] + [
        (True, False, None)
    ] * 3


def test_every_kind_of_shipped_decision_is_in_the_shipped_tests() -> None:
    """What is done and what is not: each outcome that the three actions can have, a failure inside apart."""
    (path,) = read_test_files(None)
    reading = read_tests({path: Path(path).read_bytes()}, BOOK)
    ends = {(each.action.value, each.outcome.value) for test in reading.tests for each in run(test, BOOK).decisions}
    assert ends >= {(action, end) for action in ("version", "bundle") for end in ("applied", "kept")}
    assert ends >= {("bundle", "declined"), ("bundle", "shadow")}
    assert ends >= {("container", end) for end in ("threaded", "caller", "none", "declined")}


# ---------------------------------------------------------------- what fails


@pytest.mark.parametrize(
    ("expect", "failures"),
    [
        ({"bundle": "applied", "version": "applied", "container": "none", "edited": True}, []),
        ({"bundle": {"reason": None, "policy": "shipped-bundle", "tool": "web_fetch_20260318"}}, []),
        ({"version": {"type": "code_execution_20260120", "reason": "needed-by-bundle"}}, []),
        ({"matched": ["shipped-version"], "not_matched": ["shipped-upgrade"], "shadow": []}, []),
        ({"bundle": "declined"}, ['bundle: expected declined, got applied by "shipped-bundle"']),
        (
            {"bundle": {"outcome": "applied", "reason": "trial"}},
            ['bundle: expected applied (trial), got applied without a reason by "shipped-bundle"'],
        ),
        (
            {"bundle": {"policy": None, "tool": None}},
            ['bundle: expected by no policy with no web tool, got applied by "shipped-bundle" with web_fetch_20260318'],
        ),
        (
            {"version": {"type": None}},
            [
                (
                    "version: expected with no code execution, "
                    'got applied (needed-by-bundle) by "shipped-version" with code_execution_20260120'
                )
            ],
        ),
        (
            {"container": {"policy": "shipped-container"}},
            ['container: expected by "shipped-container", got none by no policy'],
        ),
        ({"edited": False}, ["edited: expected false, got true"]),
        ({"matched": ["shipped-upgrade"]}, ['matched: expected "shipped-upgrade", got no match']),
        ({"not_matched": ["shipped-bundle"]}, ['not_matched: expected "shipped-bundle", got a match']),
        ({"shadow": ["shipped-upgrade"]}, ["shadow: expected shipped-upgrade, got none"]),
    ],
)
def test_what_is_expected_is_held_against_what_comes_out(expect: Any, failures: list[str]) -> None:
    """Only what is said is compared, and what comes out is told whole."""
    assert said(ran(expect, facts=USED_UP)) == failures


def test_all_failures_of_a_test_are_told_at_once_each_at_its_place() -> None:
    """Where the wrong word stands."""
    found = ran({"edited": False, "bundle": {"outcome": "applied", "policy": "shipped-version"}}, facts=USED_UP)
    assert [failure.about for failure in found.failures] == ["bundle", "edited"]
    test = found.test
    for failure, keys in zip(found.failures, (("expect", "bundle", "policy"), ("expect", "edited")), strict=True):
        node = test.place(*keys)
        assert (failure.path, failure.line, failure.col) == ("tests/x.yaml", node.line, node.col)
        assert failure.text().startswith(f"tests/x.yaml:{node.line}:{node.col}: test ")


def test_a_failure_says_how_it_came_to_that() -> None:
    """Of each policy that names the action; others are left out."""
    (failure,) = ran({"bundle": "declined"}, facts=USED_UP).failures
    tools = "none of its tools is web_search_20250305 or web_fetch_20250910: code_execution_20250825"
    assert failure.because == (
        f'"shipped-upgrade" (shadow) does not match: {tools}',
        '"shipped-bundle" (enforce) bundle: decides',
    )


def test_a_shadow_that_would_have_acted_is_told() -> None:
    """By its name; and one that was not expected too."""
    assert said(ran({"shadow": ["shipped-upgrade"]}, request=UPGRADABLE, facts=USED_UP)) == []
    assert said(ran({"shadow": []}, request=UPGRADABLE, facts=USED_UP)) == [
        "shadow: expected none, got shipped-upgrade"
    ]


def test_a_conversation_that_cannot_have_been_edited_is_a_failure() -> None:
    """At the fact that cannot be, with the reason."""
    found = ran({"bundle": "kept"}, request={"model": "claude-haiku-5-5"}, facts={"earlier": {"edited": True}})
    assert "no-code-execution" in found.failures[0].text()
    node = found.test.place("given", "facts", "earlier")
    assert (found.failures[0].line, found.failures[0].col) == (node.line, node.col)


@given(st.sampled_from([CODE, UPGRADABLE]), st.sampled_from([{}, USED_UP, {"mode": "observe"}, {"begins": False}]))
def test_what_came_out_is_what_passes(request: Any, facts: Any) -> None:
    """A test that expects exactly what a plan decides passes, and decides as that plan does."""
    first = ran({"edited": True}, request=request, facts=facts)
    expect = {
        each.action.value: {"outcome": each.outcome.value, "reason": each.reason, "policy": each.policy}
        for each in first.decisions[: len(Action)]
    }
    again = ran(expect, request=request, facts=facts)
    assert again.failures == ()
    assert again.decisions == first.decisions


@pytest.mark.parametrize(
    ("request_", "version"),
    [
        (CODE, ("applied", "needed-by-bundle", "shipped-version")),
        ({"model": "claude-haiku-5-5"}, ("kept", "no-code-execution", None)),
    ],
)
def test_a_test_is_planned_as_a_request(request_: Any, version: tuple[str, str, str | None]) -> None:
    """As the proxy does it: what nothing can be decided for goes no further, by nobody's word."""
    found = ran({"edited": True}, request=request_, facts=USED_UP)
    first = found.decisions[0]
    assert (first.outcome, first.reason, first.policy) == version


def test_what_is_edited_can_be_edited() -> None:
    """The bytes that a test's request makes take the edits of its plan."""
    test = one_test({"edited": True}, facts=USED_UP)
    scene = stage(test.shape.given, BOOK)
    plan = make_plan(scene.request, scene.facts, scene.book)
    assert run(test, BOOK).decisions == plan.decisions
    assert apply(scene.request.body, plan.edits).body != scene.request.body


# ---------------------------------------------------------------- what only policies ask for

BOUND = {"model": "claude-haiku-5-5", "tools": [{"type": "web_search_20250305", "name": "web_search"}]}
ASKING = book(
    policies=(
        policy("closed", Then(deny="Ask the platform team."), match=Match(team=("closed",))),
        policy("bounds", Then(web=WebRule(max_uses=3))),
        policy("recorded", Then(on_disconnect="drain", tags={"feature": "chat"})),
        policy("big", Then(parses=("v2",)), when="tools_count > 1 && free_hours_exceeded > 0.5"),
        policy("later", Then(container="never"), since=date(2027, 1, 1)),
    )
)


@pytest.mark.parametrize(
    ("stated", "expect", "failures"),
    [
        (
            {"caller": {"team": "closed"}},
            {
                "deny": {"outcome": "applied", "policy": "closed", "message": "Ask the platform team."},
                "bundle": {"outcome": "declined", "reason": "policy", "policy": "closed"},
                "edited": False,
            },
            [],
        ),
        ({}, {"deny": None}, []),
        ({}, {"deny": "applied"}, ["deny: expected applied, got nothing"]),
        ({}, {"deny": {"message": None, "policy": None}}, []),
        (
            {"caller": {"team": "closed"}},
            {"deny": {"message": "No."}},
            ['deny: expected saying "No.", got applied (policy) by "closed" saying "Ask the platform team."'],
        ),
        ({"caller": {"team": "closed"}}, {"deny": None}, ['deny: expected nothing, got applied (policy) by "closed"']),
        ({"caller": {"team": "closed"}, "facts": {"observing": True}}, {"deny": "shadow"}, []),
        ({}, {"web": {"outcome": "applied", "policy": "bounds"}, "edited": True}, []),
        ({"request": CODE}, {"web": None, "edited": False}, []),
        ({}, {"on_disconnect": "applied", "tags": {"values": {"feature": "chat"}}}, []),
        (
            {},
            {"tags": {"values": {"team": "x"}}},
            ['tags: expected with team=x, got applied (policy) by "recorded" with feature=chat'],
        ),
        (
            {"request": {**BOUND, "tools": [*BOUND["tools"], "custom"]}, "facts": {"free_hours": {"exceeded": 0.6}}},
            {"matched": ["big"]},
            [],
        ),
        ({"facts": {"free_hours": {"exceeded": 0.6}}}, {"not_matched": ["big"]}, []),
        ({"facts": {"at": "2026-12-31T23:59:59Z"}}, {"not_matched": ["later"]}, []),
        ({"facts": {"at": "2027-01-01T00:00:00Z"}}, {"matched": ["later"]}, []),
    ],
)
def test_what_only_policies_ask_for(stated: dict[str, Any], expect: Any, failures: list[str]) -> None:
    """Refusals, bounds, tags, what a hang-up ends, expressions and days; null says that no policy speaks."""
    assert said(ran(expect, ASKING, **({"request": BOUND} | stated))) == failures


def test_what_only_policies_ask_for_is_covered_by_its_decisions() -> None:
    """A bound is shown by a web tool that is there, a refusal by one that is made."""
    closed = {"request": BOUND, "caller": {"team": "closed"}}
    big = {"request": {**BOUND, "tools": [*BOUND["tools"], "custom"]}, "facts": {"free_hours": {"exceeded": 1}}}
    later = {"facts": {"at": "2027-01-01", "earlier": {"container": "idle"}}}
    assert covered(ASKING, closed) == {
        "closed": "miss",
        "bounds": "hit",
        "recorded": None,
        "big": "hit",
        "later": "hit",
    }
    assert set(covered(ASKING, closed, big, later).values()) == {None}


# ---------------------------------------------------------------- coverage

FINANCE = policy("finance", Then(bundle=ADD), match=Match(team=("finance",)))
REST = policy("rest", Then(bundle=BundleRule(act="never")))
TWO = book(policies=(FINANCE, REST))


def covered(rules: RuleBook, *runs: dict[str, Any]) -> dict[str, str | None]:
    """What each policy lacks after some tests."""
    found = [ran({"edited": False}, rules, **stated) for stated in runs]
    return {each.name: each.lacks for each in coverage(rules, found)}


def test_a_policy_is_covered_when_it_was_hit_and_missed() -> None:
    """Who matches and decides is hit; who does not match, or comes too late, is missed."""
    finance, others = {"caller": {"team": "finance"}}, {"caller": {"team": "search"}}
    assert covered(TWO, finance) == {"finance": "miss", "rest": "hit"}
    assert covered(TWO, others) == {"finance": "hit", "rest": "miss"}
    assert covered(TWO, finance, others) == {"finance": None, "rest": None}
    assert covered(TWO) == {"finance": "hit", "rest": "hit"}


def test_what_no_request_can_miss_needs_no_miss() -> None:
    """It is for all, and nothing before it decides; a shadow before it decides nothing."""
    shadow = policy("shadow", Then(bundle=ADD), "shadow")
    assert covered(book(policies=(REST,)), {}) == {"rest": None}
    assert covered(book(policies=(shadow, REST)), {}) == {"shadow": None, "rest": None}
    partly = policy("partly", Then(bundle=ADD), rollout=Portion(50))
    assert covered(book(policies=(partly, REST)), {}) == {"partly": "miss", "rest": "hit"}
    out = {"facts": {"rollout": {"partly": "out"}}}
    assert covered(book(policies=(partly, REST)), {}, out) == {"partly": None, "rest": None}


def test_what_is_off_needs_no_test() -> None:
    """It can be neither hit nor shown to miss anything."""
    assert covered(book(policies=(policy("old", Then(bundle=ADD), "off"),)), {}) == {"old": None}


def test_a_word_that_nobody_asked_for_is_no_hit() -> None:
    """A policy on containers is shown by a conversation that goes on, not by one that begins."""
    rules = book(policies=(policy("warm", Then(container="conversation")),))
    assert covered(rules, {}) == {"warm": "hit"}
    assert covered(rules, {"facts": {"earlier": {"container": "idle"}}}) == {"warm": None}
    repeated = {"facts": {"earlier": {"edited": True}}}
    assert covered(TWO, repeated | {"caller": {"team": "finance"}}) == {"finance": "hit", "rest": "hit"}


def test_what_no_decision_tells_is_hit_where_it_decides() -> None:
    """Such as the formats that a client reads."""
    rules = book(policies=(policy("reads", Then(parses=("v2",))),))
    assert covered(rules, {}) == {"reads": None}


def test_a_hold_out_is_a_hit() -> None:
    """It ends the action by the policy's name."""
    assert covered(TWO, {"caller": {"team": "finance"}, "facts": {"holdout": {"finance": "in"}}})["finance"] == "miss"


def test_what_is_not_covered_stands_at_its_policy() -> None:
    """As a finding, with what to do."""
    found = coverage(TWO, [ran({"edited": False}, TWO, caller={"team": "finance"})])
    places = {"finance": ("policies/ours.yaml", 3, 5), "rest": ("policies/ours.yaml", 9, 5)}
    one, two = uncovered(found, places)
    assert (one.path, one.line, one.col, one.code) == ("policies/ours.yaml", 3, 5, "no-miss")
    assert (two.line, two.code) == (9, "no-hit")
    assert "no test misses it" in one.text()
    assert "no test hits it" in two.text()
