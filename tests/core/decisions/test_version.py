"""The version decision: what is declared stays where the model takes it, and block formats are not crossed unasked."""

from typing import Any

import msgspec
import pytest

from planner.core.conversations import Retype
from planner.core.decisions.version import code_tool
from planner.core.ledger.entry import Shadow
from planner.core.plan import Plan, make_plan
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Catalog, Deny
from planner.core.rulebook.policies import BundleRule, Policy, PolicyMode, Then
from tests.doubles.deciding import BOOK, CLIENT_TOOL, CODE, NEWER_CODE, NOW, OLDEST_CODE, ask, book, facts

ADD = BundleRule(act="always")


def policy(mode: PolicyMode = "enforce", **then: Any) -> Policy:
    """A policy for everyone."""
    return Policy(name=f"{mode}-{'-'.join(then)}", why="w", mode=mode, then=Then(**then))


def denying(*tools: str) -> Catalog:
    """The shipped catalog with versions denied on Haiku 5.5."""
    rows = BOOK.catalog
    deny = Deny(models=("claude-haiku-5-5",), tools=tools, why="w", source="s", checked=NOW.date())
    return Catalog(rows.tools, rows.models, rows.templates, rows.priors, (deny,))


def decided(rules: RuleBook, tools: list[Any], model: str = "claude-haiku-5-5", **changes: Any) -> Plan:
    """The plan for a request with these tools."""
    request = ask(model=model, tools=tools)
    return make_plan(request, facts(request, **changes), rules)


def version(plan: Plan) -> tuple[Outcome, Reason | None]:
    """How the version decision ended."""
    return plan.decisions[0].outcome, plan.decisions[0].reason


KEEP = book(policies=(policy(tool_version="keep"),))
NEWEST = book(policies=(policy(tool_version="newest-compatible"),))


@pytest.mark.parametrize("tools", [[], [CLIENT_TOOL], [CODE], [NEWER_CODE], [OLDEST_CODE, CLIENT_TOOL]])
def test_what_the_model_takes_is_kept(tools: list[Any]) -> None:
    """Also the oldest, and also where there is nothing to keep."""
    plan = decided(KEEP, tools)
    assert version(plan) == (Outcome.KEPT, None)
    assert plan.edits == ()


@pytest.mark.parametrize(
    ("model", "tool", "reason"),
    [
        ("claude-haiku-5-5", {"type": "code_execution_20290101", "name": "code_execution"}, Reason.UNKNOWN_TOOL),
        ("claude-new-1", CODE, Reason.UNKNOWN_MODEL),
    ],
)
def test_what_the_catalog_does_not_know_is_left_alone(model: str, tool: dict[str, str], reason: Reason) -> None:
    """Whatever the policy says."""
    for rules in (KEEP, NEWEST):
        plan = decided(rules, [tool], model)
        assert version(plan) == (Outcome.KEPT, reason)
        assert plan.edits == ()


def test_newest_is_a_policy_of_its_own() -> None:
    """Within the block format."""
    plan = decided(NEWEST, [CODE])
    assert version(plan) == (Outcome.APPLIED, Reason.POLICY)
    assert plan.tool_edit.retypes == (Retype("code_execution_20250825", "code_execution_20260521"),)
    assert version(decided(NEWEST, [OLDEST_CODE])) == (Outcome.KEPT, None)


def test_a_denied_version_is_left_for_the_nearest() -> None:
    """And where nothing serves, the request stays and the decision says so."""
    denied = book(catalog=denying("code_execution_20250825"), policies=KEEP.policies)
    plan = decided(denied, [CODE])
    assert version(plan) == (Outcome.APPLIED, Reason.DENIED)
    assert plan.tool_edit.retypes == (Retype("code_execution_20250825", "code_execution_20260120"),)
    nothing = book(catalog=denying("code_execution_20250522"), policies=KEEP.policies)
    assert version(decided(nothing, [OLDEST_CODE])) == (Outcome.DECLINED, Reason.DENIED)


def test_a_pin_keeps_what_is_denied() -> None:
    """The caller knows better."""
    pinned = book(catalog=denying("code_execution_20250825"), policies=(policy(tool_version="pin"),))
    assert version(decided(pinned, [CODE])) == (Outcome.KEPT, None)


def test_without_a_policy_nothing_is_changed() -> None:
    """Silence leaves the request as it is."""
    assert decided(book(catalog=denying("code_execution_20250825"), policies=()), [CODE]).edits == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subscription": True}, Reason.SUBSCRIPTION),
        ({"scope": None}, Reason.UNKNOWN_SCOPE),
        ({"resting": True}, Reason.BREAKER),
        ({"identifiable": False}, Reason.ROTATING_TOKEN),
    ],
)
def test_nobody_is_edited_who_must_not_be(changes: dict[str, Any], reason: Reason) -> None:
    """The same obstacles as for a bundle."""
    plan = decided(NEWEST, [CODE], **changes)
    assert version(plan) == (Outcome.DECLINED, reason)
    assert plan.edits == ()


def test_what_is_not_decided_is_shadow() -> None:
    """With the reason why nothing is."""
    assert version(decided(NEWEST, [CODE], undecided=Reason.OBSERVE)) == (Outcome.SHADOW, Reason.OBSERVE)


def test_shadow_policies_are_reported_and_do_not_decide() -> None:
    """What they would have done stands beside the three decisions."""
    rules = book(policies=(policy("shadow", tool_version="newest-compatible"), policy(tool_version="keep")))
    plan = decided(rules, [CODE])
    assert version(plan) == (Outcome.KEPT, None)
    assert plan.shadows == (Shadow(Action.VERSION, Outcome.APPLIED, Reason.POLICY, "shadow-tool_version"),)
    assert decided(rules, [{"type": "code_execution_20260521", "name": "code_execution"}]).shadows == ()


# ---------------------------------------------------------------- lifts for a bundle


def test_a_bundle_lifts_in_the_same_edit() -> None:
    """To the nearest version that it needs, not the newest."""
    plan = decided(book(policies=(policy(bundle=ADD),)), [CODE])
    assert version(plan) == (Outcome.APPLIED, Reason.NEEDED_BY_BUNDLE)
    assert plan.tool_edit.retypes == (Retype("code_execution_20250825", "code_execution_20260120"),)
    assert plan.tool_edit.append is not None


@pytest.mark.parametrize(
    ("tools", "policies", "reason"),
    [
        pytest.param([OLDEST_CODE], (), Reason.OLD_BLOCKS, id="its client cannot read newer blocks"),
        pytest.param([CODE], (policy(tool_version="pin"),), Reason.VERSION_PINNED, id="a policy pins it"),
        pytest.param(
            [CODE, CLIENT_TOOL | {"allowed_callers": ["code_execution_20250825"]}],
            (),
            Reason.NAMED_CALLER,
            id="another tool is called from it",
        ),
    ],
)
def test_a_lift_that_is_forbidden_ends_the_bundle(
    tools: list[Any], policies: tuple[Policy, ...], reason: Reason
) -> None:
    """And nothing is edited."""
    plan = decided(book(policies=(*policies, policy(bundle=ADD))), tools)
    assert (plan.decisions[1].outcome, plan.decisions[1].reason) == (Outcome.DECLINED, reason)
    assert plan.edits == ()


def test_block_formats_are_crossed_when_a_policy_says_so() -> None:
    """`parses: v2`."""
    plan = decided(book(policies=(policy(bundle=ADD, parses=("v2",)),)), [OLDEST_CODE])
    assert plan.tool_edit.retypes == (Retype("code_execution_20250522", "code_execution_20260120"),)


def test_a_lift_that_no_model_takes() -> None:
    """Is said to be the model's."""
    newer = ("code_execution_20260120", "code_execution_20260521")
    plan = decided(book(catalog=denying(*newer), policies=(policy(bundle=ADD),)), [CODE])
    assert (plan.decisions[1].outcome, plan.decisions[1].reason) == (Outcome.DECLINED, Reason.MODEL_UNSUPPORTED)


def test_a_bundle_never_falls_below_what_it_needs() -> None:
    """Where the declared version is denied, the nearest that the bundle needs is declared, not an older one."""
    rules = book(catalog=denying("code_execution_20260120"), policies=(*KEEP.policies, policy(bundle=ADD)))
    plan = decided(rules, [NEWER_CODE])
    assert plan.tool_edit.retypes == (Retype("code_execution_20260120", "code_execution_20260521"),)


def test_a_denied_version_does_not_fall_below_a_bundle() -> None:
    """Where only older ones are left, the version goes there and the bundle is not made."""
    newer = denying("code_execution_20260120", "code_execution_20260521")
    plan = decided(book(catalog=newer, policies=(*KEEP.policies, policy(bundle=ADD))), [NEWER_CODE])
    assert plan.tool_edit.retypes == (Retype("code_execution_20260120", "code_execution_20250825"),)
    assert (plan.decisions[1].outcome, plan.decisions[1].reason) == (Outcome.DECLINED, Reason.MODEL_UNSUPPORTED)
    assert plan.tool_edit.append is None


def test_the_newest_with_a_bundle_is_one_edit() -> None:
    """Both decisions retype the same tool once."""
    rules = book(policies=(*NEWEST.policies, policy(bundle=ADD)))
    for tool in (CODE, NEWER_CODE):
        plan = decided(rules, [tool])
        assert plan.tool_edit.retypes == (Retype(tool["type"], "code_execution_20260521"),)
        assert plan.tool_edit.append is not None


def test_the_code_tool_is_found_by_its_family() -> None:
    """Not by its name or place."""
    assert code_tool(ask(tools=[{"name": "code_execution", "input_schema": {}}])) is None
    found = code_tool(ask(tools=[CLIENT_TOOL, CODE]))
    assert found is not None
    assert msgspec.json.decode(found.raw) == CODE
