"""The bundle: every gate with its reason, and the clear cases decided as their arithmetic says."""

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from planner.core.allowance import Allowance
from planner.core.conversations import Retype, ToolEdit
from planner.core.decisions.bundle import frees_code
from planner.core.learning.epochs import LONG_CACHE, Epoch, Warmth
from planner.core.plan import Plan, make_plan
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import BundleRule, Policy, PolicyMode, Portion, Then
from tests.doubles.deciding import (
    BASIC_FETCH,
    BASIC_SEARCH,
    BOOK,
    CLIENT_TOOL,
    CODE,
    NEW_SEARCH,
    NEWER_CODE,
    NOW,
    ask,
    book,
    cached,
    facts,
    settings,
)

ALWAYS = BundleRule(act="always")
UPGRADE = BundleRule(act="always", by="upgrade")
UPLOAD = [
    {"role": "user", "content": [{"type": "container_upload", "file_id": "f"}, {"type": "text", "text": "Sum it up."}]}
]
CHEAP = {"model": "claude-haiku-5-5", "system": cached()}
"""A request whose bundle is worth making in every world: a short cached prompt on the cheapest model."""


def policy(rule: BundleRule, mode: PolicyMode = "enforce", holdout: float = 0, **then: Any) -> Policy:
    """A policy for everyone."""
    return Policy(
        name=f"{mode}-{rule.by}", why="w", mode=mode, then=Then(bundle=rule, **then), holdout=Portion(holdout)
    )


def planned(rules: RuleBook = BOOK, known: dict[str, Any] | None = None, **members: Any) -> Plan:
    """The plan for a conversation that begins."""
    request = ask(**(CHEAP | members))
    return make_plan(request, facts(request, **(known or {})), rules)


def bundle(plan: Plan) -> tuple[Outcome, Reason | None]:
    """How the bundle decision ended; what is not applied has changed nothing."""
    decision = plan.decisions[1]
    assert decision.action is Action.BUNDLE
    assert plan.tool_edit.free == (decision.outcome is Outcome.APPLIED)
    return decision.outcome, decision.reason


def declined(reason: Reason) -> tuple[Outcome, Reason]:
    """A decline for that reason."""
    return Outcome.DECLINED, reason


EVERYONE = book(policies=(policy(ALWAYS),))
RAISING = book(policies=(policy(UPGRADE),))


# ---------------------------------------------------------------- the clear cases, with the shipped rules and priors


def test_short_runs_on_a_cached_prompt_of_a_small_model_are_bundled() -> None:
    """Haiku 5.5: a read of the tool costs $0.00004, a minimum $0.0042."""
    plan = planned()
    assert bundle(plan) == (Outcome.APPLIED, None)
    assert plan.decisions[1].policy == "shipped-bundle"
    assert plan.free
    assert plan.expected is not None
    assert plan.expected.untouched > plan.expected.planned > 0
    assert plan.tool_edit.retypes == (Retype("code_execution_20250825", "code_execution_20260120"),)
    assert json.loads(plan.tool_edit.append or "")["type"] == "web_fetch_20260318"


def test_files_on_a_cached_prompt_are_bundled() -> None:
    """They bill even if no code runs."""
    assert bundle(planned(messages=UPLOAD)) == (Outcome.APPLIED, None)
    warm = {"epoch": Epoch(edited=True, bundled=Warmth(3_000, NOW))}
    assert bundle(planned(known=warm, model="claude-sonnet-5-5", messages=UPLOAD)) == (Outcome.APPLIED, None)


@pytest.mark.parametrize("model", ["claude-sonnet-5-5", "claude-opus-5-5", "claude-haiku-4-5", "claude-fable-5-2"])
def test_an_uncached_pipeline_is_left_alone(model: str) -> None:
    """Its definitions would be paid for in every iteration."""
    plan = planned(model=model, system="Build it.", tools=[CODE, CLIENT_TOOL])
    assert bundle(plan) == declined(Reason.NOT_WORTH_IT)
    assert plan.expected is not None
    assert plan.expected.planned > plan.expected.untouched


def test_a_warm_prefix_is_not_rewritten() -> None:
    """50,000 tokens on Opus 5.5, and sticky the other way round."""
    one: dict[str, Any] = {"model": "claude-opus-5-5", "messages": UPLOAD}
    cold = planned(**one).expected
    warm = planned(known={"epoch": Epoch(plain=Warmth(50_000, NOW))}, **one)
    assert bundle(warm) == declined(Reason.NOT_WORTH_IT)
    assert cold is not None
    assert warm.expected is not None
    assert warm.expected.planned - warm.expected.untouched > 2 * (cold.planned - cold.untouched)


def test_a_cache_that_went_cold_is_no_obstacle() -> None:
    """Five minutes after its last use, or an hour for the long kind."""
    seen = Epoch(plain=Warmth(500_000, NOW - timedelta(minutes=6))).at(NOW)
    assert bundle(planned(known={"epoch": seen})) == (Outcome.APPLIED, None)
    hour = [cached()[0] | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    lives = Epoch(plain=Warmth(500_000, NOW - timedelta(minutes=6), LONG_CACHE)).at(NOW)
    assert bundle(planned(known={"epoch": lives}, system=hour))[0] is Outcome.DECLINED


def test_below_the_allowance_nothing_is_bundled() -> None:
    """An hour costs nothing there, and nothing is guessed where too little is known."""
    below = Allowance(10, 100, 1_550, 0.0, known=True)
    assert bundle(planned(known={"allowance": below})) == declined(Reason.BELOW_ALLOWANCE)
    unknown = Allowance(10, 100, 1_550, 0.0, known=False)
    assert bundle(planned(known={"allowance": unknown})) == declined(Reason.ALLOWANCE_UNKNOWN)


def test_confidence_is_a_setting() -> None:
    """What is cheaper on average may still not be likely enough."""
    doubtful: dict[str, Any] = {"system": "Add.", "model": "claude-haiku-5-5"}
    assert bundle(planned(**doubtful)) == declined(Reason.UNCERTAIN)
    bold = book(settings=settings(decision={"confidence": 0.5}))
    assert bundle(planned(bold, **doubtful)) == (Outcome.APPLIED, None)


# ---------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("members", "known", "reason"),
    [
        pytest.param({"tools": [CLIENT_TOOL]}, {}, Reason.NO_CODE_EXECUTION, id="no code execution"),
        pytest.param({"tools": None}, {}, Reason.NO_CODE_EXECUTION, id="no tools"),
        pytest.param({"tools": [NEWER_CODE, NEW_SEARCH]}, {}, Reason.ALREADY_FREE, id="already free"),
        pytest.param(
            {"tools": [NEWER_CODE, {"type": "web_search_20300101", "name": "web_search"}]},
            {},
            Reason.ALREADY_FREE,
            id="a web tool newer than the catalog",
        ),
        pytest.param({"model": "claude-new-1"}, {}, Reason.UNKNOWN_MODEL, id="unknown model"),
        pytest.param(
            {"tools": [{"type": "code_execution_20300101", "name": "code_execution"}]},
            {},
            Reason.UNKNOWN_TOOL,
            id="code execution newer than the catalog",
        ),
        pytest.param({}, {"flags": ("zdr",)}, Reason.ZDR, id="zero data retention"),
        pytest.param({}, {"flags": ("hipaa",)}, Reason.HIPAA, id="hipaa"),
        pytest.param({"tool_choice": {"type": "any"}}, {}, Reason.FORCED_TOOL_CHOICE, id="any tool"),
        pytest.param({"tool_choice": {"type": "tool", "name": "x"}}, {}, Reason.FORCED_TOOL_CHOICE, id="one tool"),
        pytest.param({}, {"subscription": True}, Reason.SUBSCRIPTION, id="not billed by the token"),
        pytest.param({}, {"resting": True}, Reason.BREAKER, id="resting"),
        pytest.param({}, {"identifiable": False}, Reason.ROTATING_TOKEN, id="rotating token"),
        pytest.param({}, {"scope": None}, Reason.UNKNOWN_SCOPE, id="scope unknown"),
        pytest.param(
            {"tools": [CODE, {"name": "web_fetch", "input_schema": {}}]},
            {},
            Reason.NAME_TAKEN,
            id="the name is taken",
        ),
        pytest.param({"tools": [CODE, BASIC_FETCH]}, {}, Reason.NAME_TAKEN, id="a basic fetch tool"),
        pytest.param({"max_tokens": 199_000}, {}, Reason.NEAR_CONTEXT, id="the window is full"),
        pytest.param({"system": "x" * 160_000}, {}, Reason.NEAR_TIER, id="the dearer tier is near"),
        pytest.param({}, {"input_tokens_left": 10_000}, Reason.NEAR_RATE_LIMIT, id="the rate limit is near"),
    ],
)
def test_every_gate_has_its_reason(members: dict[str, Any], known: dict[str, Any], reason: Reason) -> None:
    """Whatever it would be worth, and also where a policy says always."""
    for rules in (BOOK, EVERYONE):
        plan = planned(rules, known, **members)
        assert bundle(plan) == declined(reason)
        assert plan.edits == ()


def test_only_a_model_with_a_tier_is_near_one() -> None:
    """The same prompt on Sonnet 5.5 has one price."""
    plan = planned(EVERYONE, model="claude-sonnet-5-5", system="x" * 160_000)
    assert bundle(plan) == (Outcome.APPLIED, Reason.POLICY)


def test_what_is_asked_for_without_a_price_is_not_compared() -> None:
    """Fast mode has no published price on Haiku."""
    assert bundle(planned(speed="fast")) == declined(Reason.NO_PRICE)
    assert bundle(planned(inference_geo="us")) == (Outcome.APPLIED, None)


def test_what_is_not_decided_is_shadow() -> None:
    """With its expectation, so that one sees what it would be worth."""
    plan = planned(known={"undecided": Reason.OBSERVE})
    assert bundle(plan) == (Outcome.SHADOW, Reason.OBSERVE)
    assert plan.edits == ()
    assert plan.expected is not None


def test_a_model_without_programmatic_calls_gets_direct_callers() -> None:
    """Else Haiku 4.5 answers 400."""
    plan = planned(EVERYONE, model="claude-haiku-4-5")
    assert json.loads(plan.tool_edit.append or "")["allowed_callers"] == ["direct"]
    assert plan.free


def test_direct_callers_may_not_free_code() -> None:
    """A setting: then a tool with direct callers only is not worth its tokens."""
    strict = book(settings=settings(code={"direct_web_tool_frees": False}), policies=EVERYONE.policies)
    assert bundle(planned(strict, model="claude-haiku-4-5")) == declined(Reason.NOT_FREE)
    assert bundle(planned(strict)) == (Outcome.APPLIED, Reason.POLICY)


def test_a_hold_out_ends_the_action() -> None:
    """Left untouched on purpose."""
    held = book(policies=(policy(ALWAYS, holdout=100),))
    assert bundle(planned(held)) == declined(Reason.HOLDOUT)


def test_policies_have_the_say() -> None:
    """Never, and silence."""
    assert bundle(planned(book(policies=(policy(BundleRule(act="never")),)))) == declined(Reason.POLICY)
    assert bundle(planned(book(policies=()))) == declined(Reason.POLICY)


# ---------------------------------------------------------------- upgrades


def test_a_basic_web_tool_is_upgraded_in_shadow() -> None:
    """By the shipped rules: reported, not made, and the inert tool is decided on as before."""
    plan = planned(tools=[CODE, BASIC_SEARCH])
    (shadow,) = plan.shadows
    assert (shadow.action, shadow.outcome, shadow.policy) == (Action.BUNDLE, Outcome.APPLIED, "shipped-upgrade")
    assert shadow.expected_nano is not None
    assert plan.expected is not None
    assert shadow.expected_nano.untouched == plan.expected.untouched
    assert shadow.expected_nano.planned < plan.expected.planned
    assert bundle(plan) == (Outcome.APPLIED, None)
    assert plan.tool_edit.append is not None


def test_what_a_shadow_policy_would_decline_is_reported_with_its_reason() -> None:
    """So that it can be judged before it is enforced; and a process that observes makes no difference to it."""
    below = Allowance(10, 100, 1_550, 0.0, known=True)
    for undecided in (None, Reason.OBSERVE):
        known = {"allowance": below, "undecided": undecided}
        (shadow,) = planned(known=known, tools=[CODE, BASIC_SEARCH]).shadows
        assert (shadow.outcome, shadow.reason) == (Outcome.DECLINED, Reason.BELOW_ALLOWANCE)
    (shadow,) = planned(known={"undecided": Reason.OBSERVE}, tools=[CODE, BASIC_SEARCH]).shadows
    assert shadow.outcome is Outcome.APPLIED


def test_an_upgrade_keeps_direct_callers() -> None:
    """What basic tools do; unless the client reads nested calls and the model makes them."""
    direct = Retype("web_search_20250305", "web_search_20260209", direct=True)
    nested = Retype("web_search_20250305", "web_search_20260209")
    tools = [NEWER_CODE, CLIENT_TOOL, BASIC_SEARCH]
    assert planned(RAISING, tools=tools).tool_edit.retypes == (direct,)
    reading = book(policies=(policy(UPGRADE, parses=("nested",)),))
    assert planned(reading, tools=tools).tool_edit.retypes == (nested,)
    assert planned(reading, tools=tools, model="claude-haiku-4-5").tool_edit.retypes == (direct,)


def test_an_upgrade_keeps_the_callers_that_are_named() -> None:
    """And leaves alone what it cannot read."""
    named = BASIC_SEARCH | {"allowed_callers": ["direct"]}
    plan = planned(RAISING, tools=[NEWER_CODE, named])
    assert plan.tool_edit.retypes == (Retype("web_search_20250305", "web_search_20260209"),)
    odd = BASIC_SEARCH | {"allowed_callers": None}
    assert bundle(planned(RAISING, tools=[NEWER_CODE, odd])) == declined(Reason.EDIT_REFUSED)


def test_an_upgrade_lifts_the_code_execution_beside_it() -> None:
    """Both in one edit."""
    assert planned(RAISING, tools=[CODE, BASIC_SEARCH]).tool_edit.retypes == (
        Retype("code_execution_20250825", "code_execution_20260120"),
        Retype("web_search_20250305", "web_search_20260209", direct=True),
    )


def test_nested_calls_have_the_whole_size_of_the_newer_tool() -> None:
    """Direct ones add little: what they are expected to cost differs."""
    reading = book(policies=(policy(UPGRADE, parses=("nested",)),))
    tools = [NEWER_CODE, BASIC_SEARCH]
    direct, nested = planned(RAISING, tools=tools).expected, planned(reading, tools=tools).expected
    assert direct is not None
    assert nested is not None
    assert nested.planned > direct.planned


def test_a_lift_breaks_a_cache_that_a_web_tool_would_keep() -> None:
    """The setting speaks of web tools only."""
    keeping = book(settings=settings(cache={"web_tool_change_keeps_tools": True}))
    warm = {"epoch": Epoch(plain=Warmth(500_000, NOW))}
    assert bundle(planned(keeping, warm, tools=[NEWER_CODE])) == (Outcome.APPLIED, None)
    assert bundle(planned(keeping, warm, tools=[CODE])) == declined(Reason.NOT_WORTH_IT)


def test_an_upgrade_needs_a_basic_web_tool() -> None:
    """Without one there is nothing to raise, and a deferred one would not free code."""
    assert bundle(planned(RAISING)) == declined(Reason.NO_WEB_TOOL)
    deferred = BASIC_SEARCH | {"defer_loading": True}
    assert bundle(planned(RAISING, tools=[NEWER_CODE, deferred])) == declined(Reason.NOT_FREE)


# ---------------------------------------------------------------- what is free


@pytest.mark.parametrize(
    ("tools", "code", "free"),
    [
        ([NEWER_CODE], {}, False),
        ([NEWER_CODE, BASIC_SEARCH], {}, False),
        ([NEWER_CODE, NEW_SEARCH], {}, True),
        ([NEWER_CODE, NEW_SEARCH | {"defer_loading": True}], {}, False),
        ([NEWER_CODE, NEW_SEARCH | {"defer_loading": True}], {"deferred_web_tool_frees": True}, True),
        ([NEWER_CODE, NEW_SEARCH | {"allowed_callers": ["direct"]}], {}, True),
        ([NEWER_CODE, NEW_SEARCH | {"allowed_callers": ["direct"]}], {"direct_web_tool_frees": False}, False),
        ([NEWER_CODE, {"name": "web_search_20260209", "input_schema": {}}], {}, False),
        ([NEWER_CODE, {"type": "web_fetch_20260101", "name": "web_fetch"}], {}, False),
    ],
)
def test_what_makes_code_free(tools: list[Any], code: dict[str, bool], *, free: bool) -> None:
    """The settings that nobody has published decide the odd cases."""
    rules = book(settings=settings(code=code))
    assert frees_code(ask(tools=tools).tools, ToolEdit(), rules) is free


def test_an_edit_is_judged_by_the_tools_that_it_makes() -> None:
    """Not by what it was meant for."""
    strict = book(settings=settings(code={"direct_web_tool_frees": False}))
    edit = ToolEdit((Retype("web_search_20250305", "web_search_20260209", direct=True),), free=True)
    tools = ask(tools=[NEWER_CODE, BASIC_SEARCH]).tools
    assert frees_code(tools, edit, BOOK)
    assert not frees_code(tools, edit, strict)
    nested = msgspec.structs.replace(edit, retypes=(Retype("web_search_20250305", "web_search_20260209"),))
    assert frees_code(tools, nested, strict)
