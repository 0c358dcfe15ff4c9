"""Whose fault a refusal is: an error that names what we put into a request is ours, and then it goes once without it.

The API's messages name the field (`container: …`) or the tool (`tools.3.web_fetch_20260318.max_uses: …`):
https://platform.claude.com/docs/en/api/errors, checked 2026-11-22. The exact texts are not documented [?], so names are
looked for as whole words, never whole sentences.
"""

import re
from enum import Enum
from typing import Final

import msgspec

from planner.core.conversations import ToolEdit
from planner.core.decisions.bundle import frees_code
from planner.core.ledger.entry import Cause
from planner.core.metering.readers import Told
from planner.core.plan import Plan
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.splice import SetContainer
from planner.core.wire import MessagesRequest

_CONTAINER: Final = re.compile(r"(?<!\w)container(?!\w|\.skills)", re.IGNORECASE)
"""The container itself, and not what a caller asks to have in it."""
SERVER_ERROR: Final = 500
API_ERROR: Final = "api_error"
"""The error type of a 500: https://platform.claude.com/docs/en/api/errors, checked 2026-11-22 [A]."""
_SAME_NAME: Final = re.compile(r"tool names? must be unique", re.IGNORECASE)
"""What a code execution gets that is too old for the web tool beside it, without a word of either's version:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/server-tools, checked 2026-11-22."""


class Blame(Enum):
    """Which of our edits an error names."""

    CONTAINER = "container"
    TOOLS = "tools"


def may_be_ours(status: int) -> bool:
    """Whether an answer with this status can be a refusal of what a request says; 429 is about how many there are."""
    return 400 <= status < 500 and status != 429


def blame(status: int, message: str, plan: Plan) -> Blame | None:
    """The edit of this plan that an error answer names; None when it names none, or the answer is no refusal."""
    if not may_be_ours(status):
        return None
    ours = next((edit.id for edit in plan.edits if isinstance(edit, SetContainer)), None)
    if refuses(status, message, ours):
        return Blame.CONTAINER
    return Blame.TOOLS if status == 400 and blames(plan.tool_edit, message) else None


def blames(edit: ToolEdit, message: str) -> bool:
    """Whether an error of the API names what an edit put into `tools`."""
    if edit.empty:
        return False
    named = any(_names(message, retype.type) for retype in edit.retypes) or _names(message, edit.name)
    named = named or any(_names(message, name) for limit in edit.limits for name, _ in limit.members)
    return named or _SAME_NAME.search(message) is not None


def refuses(status: int, message: str, container: str | None) -> bool:
    """Whether an answer refuses the container of this id, whoever named it."""
    if container is None or not may_be_ours(status):
        return False
    return _CONTAINER.search(message) is not None or (bool(container) and container in message)


def loss(container: str | None, status: int | None, told: Told, *, refused: bool) -> Cause | None:
    """How a request lost the container that it named; None where it named none, or may have gone on in it.

    A container that is gone has been seen to answer a bare 500 [C], and a stream says the same with an `api_error`.
    """
    if container is None:
        return None
    if refused:
        return "refused"
    if status == SERVER_ERROR or told.failed == API_ERROR:
        return "server-error"
    return "replaced" if told.container is not None and told.container.id != container else None


def retreat(plan: Plan, request: MessagesRequest, blamed: Blame, book: RuleBook) -> Plan | None:
    """The plan of the one replay, without what was refused; None where there can be none.

    A refused container goes alone. For a refused tool the caller's own bytes go, and the conversation goes on without
    an edit. A pending call cannot do without its container, nor with other tools than the call was made under.
    """
    tools = tuple(edit for edit in plan.edits if not isinstance(edit, SetContainer))
    if request.awaited or plan.awaited or not plan.edits:
        return None
    if blamed is Blame.CONTAINER:
        if len(tools) == len(plan.edits):
            return None
        decisions = tuple(_without_container(each, Reason.CONTAINER_GONE) for each in plan.decisions)
        return msgspec.structs.replace(plan, edits=tools, decisions=decisions)
    if not tools:
        return None
    decisions = tuple(_without_container(_without_tools(each), Reason.BREAKER) for each in plan.decisions)
    free = frees_code(request.tools, ToolEdit(), book)
    conversation = plan.conversation and msgspec.structs.replace(
        plan.conversation,
        edit=ToolEdit(),
        decisions=tuple(_without_tools(each) for each in plan.conversation.decisions),
        free=free,
    )
    return msgspec.structs.replace(
        plan, edits=(), decisions=decisions, tool_edit=ToolEdit(), conversation=conversation, free=free
    )


def _names(message: str, name: str | None) -> bool:
    """Whether a message names a tool by its name or its dated type, and not one whose name only contains it."""
    return bool(name) and re.search(rf"(?<!\w){re.escape(name or '')}(?:_\d{{8}})?(?!\w)", message) is not None


def _without_tools(decision: Decision) -> Decision:
    """What became of a decision on `tools` when the caller's own went instead."""
    applied = decision.outcome is Outcome.APPLIED or decision.reason is Reason.REPEATED
    if decision.action is Action.CONTAINER or not applied:
        return decision
    outcome = Outcome.KEPT if decision.action is Action.VERSION else Outcome.DECLINED
    return msgspec.structs.replace(decision, outcome=outcome, reason=Reason.BREAKER)


def _without_container(decision: Decision, reason: Reason) -> Decision:
    if decision.outcome is not Outcome.THREADED:
        return decision
    return msgspec.structs.replace(decision, outcome=Outcome.DECLINED, reason=reason)
