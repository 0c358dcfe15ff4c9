"""An error is ours only when it names our edit as a word of its own; what goes instead is told as it went."""

import msgspec
import pytest

from planner.core.breaker import Blame, blame, loss, refuses, retreat
from planner.core.conversations import Retype, ToolEdit
from planner.core.metering.readers import Told
from planner.core.plan import Plan
from planner.core.reasons import Action, Decision, Outcome, Reason, plan_header
from planner.core.splice import AppendTool, ReplaceToolType, SetContainer
from planner.core.wire import MessagesRequest, ResponseContainer
from tests.doubles.deciding import BOOK, CODE, NEW_SEARCH, PENDING, RAN, ask, conversation

TOOL = '{"type":"web_fetch_20260318","name":"web_fetch"}'
LIFT = Retype("code_execution_20250825", "code_execution_20260120")
EDIT = ToolEdit(retypes=(LIFT,), append=TOOL, name="web_fetch", free=True)
TOOLS = (ReplaceToolType(0, LIFT.type), AppendTool(TOOL.encode()))
CONTAINER = SetContainer("container_7")
DECISIONS = (
    Decision(Action.VERSION, Outcome.APPLIED, Reason.NEEDED_BY_BUNDLE, "p"),
    Decision(Action.BUNDLE, Outcome.APPLIED, None, "p"),
    Decision(Action.CONTAINER, Outcome.THREADED, None, "q"),
    Decision(Action.BUNDLE, Outcome.SHADOW, None, "s"),
)
KNOWN = conversation(edit=EDIT, decisions=DECISIONS[:2], free=True)
BOTH = Plan(edits=(*TOOLS, CONTAINER), decisions=DECISIONS, tool_edit=EDIT, conversation=KNOWN, free=True)
UNTOUCHED = Plan(decisions=(Decision(Action.BUNDLE, Outcome.DECLINED, Reason.NOT_WORTH_IT),))


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (400, "container: Container container_7 was not found.", Blame.CONTAINER),
        (404, "No such thing: container_7", Blame.CONTAINER),
        (400, "Container has expired", Blame.CONTAINER),
        (400, "messages.0.content.1.container_upload: file not found", None),
        (400, "container.skills.0.skill_id: no such skill", None),
        (400, "tools.1.web_fetch_20260318.max_uses: Input should be greater than 0", Blame.TOOLS),
        (400, "tools: 'web_fetch' is not available for this model", Blame.TOOLS),
        (400, "tools.0: code_execution_20260120 is not supported by claude-x", Blame.TOOLS),
        (400, "Auto-injecting tools would conflict: ['code_execution']. Each tool name must be unique.", Blame.TOOLS),
        (400, "tools: Tool names must be unique.", Blame.TOOLS),
        (400, "tools.2.custom: my_web_fetch has a bad schema", None),
        (400, "tools.2.web_fetcher.input_schema: JSON schema is invalid", None),
        (400, "tools.0: code_execution_20250825 is not supported", None),
        (403, "web_fetch is switched off", None),
        (400, "max_tokens: Field required", None),
        (429, "too many requests for this container", None),
        (500, "container: Internal server error", None),
        (200, "container web_fetch", None),
    ],
)
def test_who_is_to_blame(status: int, message: str, expected: Blame | None) -> None:
    """Names count as whole words, in a refusal, and only if they are of our edit."""
    assert blame(status, message, BOTH) is expected


@pytest.mark.parametrize(
    ("status", "message", "container", "expected"),
    [
        (404, "container: no such thing", "container_7", True),
        (400, "container_7 has expired", "container_7", True),
        (400, "container_7 has expired", "container_8", False),
        (400, "container: no such thing", None, False),
        (400, "max_tokens: Field required", "", False),
        (429, "container: too many", "container_7", False),
        (500, "container: sorry", "container_7", False),
    ],
)
def test_whether_a_container_is_refused(status: int, message: str, container: str | None, expected: bool) -> None:  # noqa: FBT001 - a column
    """By its id or by the field, whoever named it; a message about something else says nothing of it."""
    assert refuses(status, message, container) is expected


@pytest.mark.parametrize(
    ("container", "status", "told", "refused", "expected"),
    [
        ("c", 404, Told(), True, "refused"),
        ("c", 200, Told(container=ResponseContainer("d", None)), True, "refused"),
        ("c", 500, Told(), False, "server-error"),
        ("c", 200, Told(failed="api_error"), False, "server-error"),
        ("c", 200, Told(failed="overloaded_error"), False, None),
        ("c", 529, Told(), False, None),
        ("c", 200, Told(container=ResponseContainer("d", None)), False, "replaced"),
        ("c", 200, Told(container=ResponseContainer("c", None)), False, None),
        ("c", 200, Told(), False, None),
        ("c", None, Told(), False, None),
        (None, 500, Told(), False, None),
        (None, 200, Told(container=ResponseContainer("d", None)), False, None),
    ],
)
def test_how_a_container_is_lost(
    container: str | None,
    status: int | None,
    told: Told,
    refused: bool,  # noqa: FBT001 - a column
    expected: str | None,
) -> None:
    """An answer that leaves the container out says nothing; the one that names another says that this one is gone."""
    assert loss(container, status, told, refused=refused) == expected


@pytest.mark.parametrize("message", ["container: not found", "web_fetch_20260318: no", "Tool names must be unique."])
def test_an_untouched_request_is_never_our_fault(message: str) -> None:
    """Without an edit of ours nothing can name one, a caller's own container included."""
    assert blame(400, message, UNTOUCHED) is None


def test_without_the_container() -> None:
    """Only the container goes: the bundle stays, and code stays free."""
    plan = retreat(BOTH, ask(), Blame.CONTAINER, BOOK)
    assert plan is not None
    assert plan.edits == TOOLS
    assert not plan.threaded
    assert (plan.tool_edit, plan.conversation, plan.free) == (EDIT, KNOWN, True)
    assert plan_header(plan.decisions) == (
        'version=applied;reason=needed-by-bundle;policy="p", bundle=applied;policy="p", '
        'container=declined;reason=container-gone;policy="q"'
    )
    assert plan.decisions[3:] == DECISIONS[3:]


def test_without_the_tools() -> None:
    """The caller's own bytes go, and code is charged again; the conversation goes on as one that was never edited."""
    plan = retreat(BOTH, ask(), Blame.TOOLS, BOOK)
    assert plan is not None
    assert (plan.edits, plan.tool_edit, plan.free, plan.threaded) == ((), ToolEdit(), False, False)
    assert plan_header(plan.decisions) == (
        'version=kept;reason=breaker;policy="p", bundle=declined;reason=breaker;policy="p", '
        'container=declined;reason=breaker;policy="q"'
    )
    assert plan.conversation is not None
    assert (plan.conversation.edit, plan.conversation.free, plan.conversation.root) == (ToolEdit(), False, KNOWN.root)
    assert {decision.reason for decision in plan.conversation.decisions} == {Reason.BREAKER}


def test_a_repeated_edit_is_taken_back_as_well() -> None:
    """In the middle of a conversation the decisions say `kept`, and end the same way."""
    again = tuple(Decision(each.action, Outcome.KEPT, Reason.REPEATED) for each in DECISIONS[:2])
    plan = retreat(msgspec.structs.replace(BOTH, decisions=again), ask(messages=RAN), Blame.TOOLS, BOOK)
    assert plan is not None
    assert plan_header(plan.decisions) == "version=kept;reason=breaker, bundle=declined;reason=breaker"


def test_the_callers_own_tools_may_still_free_code() -> None:
    """A request whose own web tool frees code is free under the caller's own bytes too."""
    plan = retreat(BOTH, ask(tools=[CODE, NEW_SEARCH]), Blame.TOOLS, BOOK)
    assert plan is not None
    assert plan.free


@pytest.mark.parametrize("blamed", Blame)
def test_a_pending_call_is_never_sent_again(blamed: Blame) -> None:
    """It would fail without its container, and under other tools than it was made with."""
    assert retreat(BOTH, ask(messages=PENDING), blamed, BOOK) is None
    waits = Decision(Action.CONTAINER, Outcome.THREADED, Reason.PENDING_CALL)
    assert retreat(msgspec.structs.replace(BOTH, decisions=(waits,)), ask(), blamed, BOOK) is None


@pytest.mark.parametrize(
    ("edits", "blamed"),
    [((), Blame.CONTAINER), (TOOLS, Blame.CONTAINER), ((), Blame.TOOLS), ((CONTAINER,), Blame.TOOLS)],
)
def test_nothing_to_take_back(edits: tuple[AppendTool, ...], blamed: Blame) -> None:
    """What lacks the blamed edit already, such as a thread's continuation, would only be bought twice."""
    assert retreat(msgspec.structs.replace(BOTH, edits=edits), ask(), blamed, BOOK) is None


def test_a_request_without_tools_is_judged_too() -> None:
    """Messages that name nothing of ours stay the caller's, whatever the request is."""
    request = MessagesRequest.parse(b'{"messages":[]}')
    assert retreat(UNTOUCHED, request, Blame.TOOLS, BOOK) is None
