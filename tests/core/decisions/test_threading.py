"""Threading: never over a caller's own container, never two in one, never a stranger's, always for a pending call."""

from datetime import timedelta
from typing import Any

import pytest

from planner.core.containers import LIFE, State
from planner.core.conversations import Scope, ToolEdit
from planner.core.ledger.entry import Shadow
from planner.core.plan import Plan, make_plan
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import ContainerRule, Policy, PolicyMode, Portion, Then
from planner.core.splice import SetContainer
from tests.doubles.deciding import (
    BOOK,
    CLIENT_TOOL,
    HERE,
    NEW_SEARCH,
    NEWER_CODE,
    NOW,
    PENDING,
    RAN,
    USER,
    ask,
    book,
    conversation,
    facts,
    lease,
    settings,
)

EDITED = conversation(edit=ToolEdit(append='{"name":"x"}', name="x"))
OTHER = Scope("org-1", "workspace-2")


def policy(value: ContainerRule, mode: PolicyMode = "enforce", holdout: float = 0) -> Policy:
    """A policy for everyone."""
    return Policy(name=f"{mode}-{value}", why="w", mode=mode, then=Then(container=value), holdout=Portion(holdout))


def planned(rules: RuleBook = BOOK, messages: Any = RAN, members: Any = None, **changes: Any) -> Plan:
    """The plan for a request that goes on from a turn that ran in a container."""
    request = ask(messages=messages, **(members or {}))
    known = {"lease": lease(), "conversation": conversation()}
    return make_plan(request, facts(request, **(known | changes)), rules)


def container(plan: Plan) -> tuple[Outcome, Reason | None]:
    """How the container decision ended."""
    decision = plan.decisions[2]
    assert decision.action is Action.CONTAINER
    assert (SetContainer("container_1") in plan.edits) == (decision.outcome is Outcome.THREADED) == plan.threaded
    return decision.outcome, decision.reason


def test_a_continuation_goes_on_in_its_container() -> None:
    """The main job: a client that forgets the id."""
    assert container(planned()) == (Outcome.THREADED, None)


@pytest.mark.parametrize("own", ["container_own", {"id": "container_own"}, {"id": "c", "skills": []}, ""])
def test_a_callers_own_container_is_never_replaced(own: Any) -> None:
    """Whatever is known, and with calls pending."""
    for messages in (RAN, PENDING):
        plan = planned(messages=messages, members={"container": own})
        assert container(plan) == (Outcome.CALLER, None)
        assert plan.edits == ()


@pytest.mark.parametrize("form", [None, {"skills": [{"skill_id": "xlsx"}]}])
def test_a_container_without_an_id_is_completed(form: Any) -> None:
    """Skills stay the caller's."""
    plan = planned(members={"container": form})
    assert container(plan) == (Outcome.THREADED, None)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"lease": None}, (Outcome.NONE, None), id="nothing known"),
        pytest.param({"lease": lease(container=None)}, (Outcome.NONE, None), id="no code ran"),
        pytest.param({"off": True}, (Outcome.NONE, Reason.OFF), id="switched off"),
        pytest.param({"principal": "key-2"}, (Outcome.NONE, None), id="a stranger's"),
        pytest.param({"subscription": True}, (Outcome.DECLINED, Reason.SUBSCRIPTION), id="not billed by the token"),
        pytest.param({"scope": OTHER}, (Outcome.DECLINED, Reason.OTHER_SCOPE), id="another workspace"),
        pytest.param({"scope": None}, (Outcome.DECLINED, Reason.UNKNOWN_SCOPE), id="scope unknown"),
        pytest.param({"lease": lease(scope=None)}, (Outcome.DECLINED, Reason.UNKNOWN_SCOPE), id="its scope unknown"),
        pytest.param({"identifiable": False}, (Outcome.DECLINED, Reason.ROTATING_TOKEN), id="rotating token"),
        pytest.param({"lease": lease(State.BUSY)}, (Outcome.DECLINED, Reason.BUSY), id="busy"),
        pytest.param({"lease": lease(State.CONTINUED)}, (Outcome.NONE, Reason.FORK), id="a fork"),
        pytest.param({"lease": lease(State.DEAD)}, (Outcome.DECLINED, Reason.CONTAINER_GONE), id="gone"),
        pytest.param({"lease": lease(expires_at=NOW)}, (Outcome.DECLINED, Reason.EXPIRED), id="expired this instant"),
        pytest.param({"lease": lease(expires_at=None)}, (Outcome.DECLINED, Reason.EXPIRED), id="expiry unknown"),
        pytest.param({"lease": lease(opened_at=NOW - LIFE)}, (Outcome.DECLINED, Reason.EXPIRED), id="thirty days old"),
        pytest.param({"undecided": Reason.OBSERVE}, (Outcome.SHADOW, Reason.OBSERVE), id="observed"),
        pytest.param(
            {"undecided": Reason.DRAINING, "lease": lease(threaded=True)}, (Outcome.THREADED, None), id="begun goes on"
        ),
        pytest.param(
            {"undecided": Reason.DRAINING, "lease": lease(conversation=EDITED)},
            (Outcome.SHADOW, Reason.DRAINING),
            id="only its tools were edited",
        ),
    ],
)
def test_what_stands_against_a_container(changes: dict[str, Any], expected: tuple[Outcome, Reason | None]) -> None:
    """Each case alone."""
    assert container(planned(**changes)) == expected


def test_an_expired_container_may_be_restored() -> None:
    """A setting, within the thirty days."""
    rules = book(settings=settings(container={"after_idle": "restore"}))
    assert container(planned(rules, lease=lease(expires_at=NOW - timedelta(days=2)))) == (Outcome.THREADED, None)
    old = lease(expires_at=NOW, opened_at=NOW - LIFE)
    assert container(planned(rules, lease=old)) == (Outcome.DECLINED, Reason.EXPIRED)


def test_it_takes_code_to_need_a_container() -> None:
    """A newer web tool runs code of its own; a thread has its tools from before."""
    quiet = (Outcome.NONE, Reason.NO_CODE_EXECUTION)
    assert container(planned(members={"tools": [CLIENT_TOOL]})) == quiet
    assert container(planned(members={"tools": [NEW_SEARCH]})) == (Outcome.THREADED, None)
    thread = {"type": "continue", "previous_message_id": "msg_1"}
    assert container(planned(messages=[USER], members={"tools": None, "thread": thread})) == (Outcome.THREADED, None)


def test_policies_have_the_say() -> None:
    """A refusal and a hold-out are said; silence is silence."""
    assert container(planned(book(policies=(policy("never"),)))) == (Outcome.DECLINED, Reason.POLICY)
    held = policy("conversation", holdout=100)
    assert container(planned(book(policies=(held,)))) == (Outcome.DECLINED, Reason.HOLDOUT)
    assert container(planned(book(policies=()))) == (Outcome.NONE, Reason.POLICY)


def test_a_session_reaches_into_new_conversations_by_policy_only() -> None:
    """Else it only helps those that go on."""
    begun: dict[str, Any] = {"messages": [USER], "conversation": None, "by_session": True}
    assert container(planned(**begun)) == (Outcome.NONE, None)
    assert container(planned(book(policies=(policy("session"),)), **begun)) == (Outcome.THREADED, None)
    assert container(planned(by_session=True)) == (Outcome.THREADED, None)


BEGUN: dict[str, Any] = {"messages": [USER], "conversation": None, "by_session": True}
PAID: dict[str, Any] = {"used_ms": 60_000, "used_at": NOW - timedelta(seconds=30)}
RESTORED = settings(container={"after_idle": "restore"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"lease": lease(**PAID)}, (Outcome.THREADED, None), id="paid"),
        pytest.param({"lease": lease()}, (Outcome.THREADED, None), id="nothing paid, but warm"),
        pytest.param({"lease": lease(State.BUSY, **PAID)}, (Outcome.DECLINED, Reason.BUSY), id="in use"),
        pytest.param({"lease": lease(State.DEAD, **PAID)}, (Outcome.DECLINED, Reason.CONTAINER_GONE), id="gone"),
        pytest.param({"lease": lease(State.CONTINUED, **PAID)}, (Outcome.NONE, Reason.FORK), id="gone on from"),
        pytest.param(
            {"lease": lease(opened_at=NOW - LIFE)}, (Outcome.DECLINED, Reason.EXPIRED), id="at its life's end"
        ),
        pytest.param({"lease": lease(scope=OTHER)}, (Outcome.DECLINED, Reason.OTHER_SCOPE), id="another workspace"),
        pytest.param({"principal": "key-2"}, (Outcome.NONE, None), id="a stranger's"),
        pytest.param(
            {"lease": lease(expires_at=NOW - timedelta(hours=1))}, (Outcome.DECLINED, Reason.COLD), id="to be restored"
        ),
        pytest.param({"undecided": Reason.OBSERVE}, (Outcome.SHADOW, Reason.OBSERVE), id="observed"),
    ],
)
def test_what_begins_in_the_container_of_a_session(
    changes: dict[str, Any], expected: tuple[Outcome, Reason | None]
) -> None:
    """Where a policy says so, and it is there to be had, and that is cheaper or quicker than a new one."""
    rules = book(policies=(policy("session"),), settings=RESTORED)
    assert container(planned(rules, **(BEGUN | changes))) == expected


def test_a_session_that_would_cost_more() -> None:
    """Where its waiting bills, a session that has used up its minimum may be dearer than a new one."""
    rules = book(policies=(policy("session"),), settings=settings(code={"idle_bills": True}))
    waited = lease(used_ms=300_000, used_at=NOW - timedelta(seconds=299))
    assert container(planned(rules, **BEGUN, lease=waited)) == (Outcome.DECLINED, Reason.NOT_WORTH_IT)
    assert container(planned(rules, members={"tools": [NEWER_CODE, NEW_SEARCH]}, **BEGUN, lease=waited)) == (
        Outcome.THREADED,
        None,
    )
    assert container(planned(rules, lease=waited)) == (Outcome.THREADED, None)


def test_what_joining_is_worth_is_said_of_shadow_policies() -> None:
    """Only where money was weighed: not of a container in use, nor of a conversation's own."""
    rules = book(policies=(policy("session", "shadow"), policy("conversation")))
    (shadow,) = planned(rules, **BEGUN, lease=lease(**PAID)).shadows
    assert (shadow.outcome, shadow.acts) == (Outcome.THREADED, True)
    assert shadow.expected_nano is not None
    assert (shadow.expected_nano.untouched > 0, shadow.expected_nano.planned) == (True, 0)
    (busy,) = planned(rules, **BEGUN, lease=lease(State.BUSY, **PAID)).shadows
    (own,) = planned(rules, lease=lease(**PAID)).shadows
    assert (busy.expected_nano, own.expected_nano) == (None, None)


def test_shadow_policies_are_reported() -> None:
    """And thread nothing."""
    rules = book(policies=(policy("conversation", "shadow"), policy("never")))
    plan = planned(rules)
    assert container(plan) == (Outcome.DECLINED, Reason.POLICY)
    assert plan.shadows == (Shadow(Action.CONTAINER, Outcome.THREADED, None, "shadow-conversation"),)
    assert planned(rules, undecided=Reason.OBSERVE).shadows == plan.shadows


# ---------------------------------------------------------------- pending calls


@pytest.mark.parametrize(
    "changes",
    [
        {"lease": lease(State.BUSY)},
        {"lease": lease(State.CONTINUED)},
        {"lease": lease(State.DEAD)},
        {"lease": lease(expires_at=NOW - timedelta(days=1))},
        {"lease": lease(expires_at=None)},
        {"lease": lease(scope=None)},
        {"scope": None},
        {"identifiable": False},
        {"undecided": Reason.OBSERVE, "lease": lease(threaded=True)},
        {"undecided": Reason.DRAINING, "lease": lease(conversation=EDITED)},
        {"members": {"tools": [CLIENT_TOOL]}},
    ],
)
def test_a_pending_call_always_gets_its_id(changes: dict[str, Any]) -> None:
    """Whatever state the container is in, since without it the call fails for sure."""
    assert container(planned(messages=PENDING, **changes)) == (Outcome.THREADED, Reason.PENDING_CALL)


@pytest.mark.parametrize(
    ("rules", "changes", "expected"),
    [
        (BOOK, {"undecided": Reason.OBSERVE}, (Outcome.SHADOW, Reason.PENDING_CALL)),
        (book(policies=()), {}, (Outcome.SHADOW, Reason.PENDING_CALL)),
        (book(policies=(policy("never"),)), {}, (Outcome.SHADOW, Reason.PENDING_CALL)),
        (book(policies=(policy("never"),)), {"lease": lease(threaded=True)}, (Outcome.THREADED, Reason.PENDING_CALL)),
        (BOOK, {"off": True, "lease": lease(threaded=True)}, (Outcome.NONE, Reason.OFF)),
        (BOOK, {"lease": None}, (Outcome.NONE, Reason.PENDING_CALL)),
        (BOOK, {"subscription": True}, (Outcome.DECLINED, Reason.SUBSCRIPTION)),
        (BOOK, {"scope": OTHER}, (Outcome.DECLINED, Reason.OTHER_SCOPE)),
        (BOOK, {"members": {"container": 5}}, (Outcome.DECLINED, Reason.EDIT_REFUSED)),
    ],
)
def test_a_pending_call_that_was_never_ours(
    rules: RuleBook, changes: dict[str, Any], expected: tuple[Outcome, Reason]
) -> None:
    """Where nothing is decided it is reported; where no id can help it gets none."""
    assert container(planned(rules, messages=PENDING, **changes)) == expected


def test_scopes_are_organization_and_workspace() -> None:
    """Both must be the same."""
    assert container(planned(lease=lease(scope=Scope("org-2", "workspace-1")))) == (
        Outcome.DECLINED,
        Reason.OTHER_SCOPE,
    )
    assert container(planned(lease=lease(scope=HERE))) == (Outcome.THREADED, None)


@pytest.mark.parametrize("state", list(State))
def test_a_pending_call_in_a_thread(state: State) -> None:
    """Its continuation has no history: that code waits is known of the turn before, and counts as much."""
    members = {"tools": None, "thread": {"type": "continue", "previous_message_id": "msg_1"}}
    waits = lease(state=state, conversation=EDITED, waiting=("srvtoolu_1",))
    for rules in (BOOK, book(policies=(policy("never"),))):
        plan = planned(rules, messages=PENDING[2:], members=members, lease=waits)
        assert (container(plan), plan.awaited) == ((Outcome.THREADED, Reason.PENDING_CALL), True)
    plan = planned(messages=PENDING[2:], members=members, lease=lease(state=state))
    assert (plan.threaded, plan.awaited) == (state is State.IDLE, False)
    assert not planned(lease=waits).awaited
