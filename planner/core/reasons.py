"""Every decision ends in an outcome and, where it needs one, a reason: both from the closed lists below.

The documentation of reasons is generated from here, and a metric label or a ledger entry can hold no other word.
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Self

import msgspec


class Action(StrEnum):
    """What is decided, in the order of the `planner-plan` header: the first three for each request.

    The others are there only where a policy speaks of them, `budget` where a hard budget has no room.
    """

    VERSION = "version"
    BUNDLE = "bundle"
    CONTAINER = "container"
    WEB = "web"
    DENY = "deny"
    ON_DISCONNECT = "on_disconnect"
    TAGS = "tags"
    BUDGET = "budget"


EVERY_TIME: Final = (Action.VERSION, Action.BUNDLE, Action.CONTAINER)
"""What is decided for each request."""


PLANNED: Final[tuple[Action, ...]] = tuple(action for action in Action if action is not Action.BUDGET)
"""What a plan decides: what is spent meanwhile is no part of it."""


class _Word(StrEnum):
    """A word that knows its meaning, as the person who asks is told it."""

    meaning: str

    def __new__(cls, word: str, meaning: str) -> Self:
        """Make the word a member."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.meaning = meaning
        return member


class Outcome(_Word):
    """How a decision ended."""

    APPLIED = "applied", "The request was edited."
    KEPT = "kept", "What the caller declares stays as it is, or an earlier edit of its conversation is repeated."
    THREADED = "threaded", "The conversation's warm container was put in."
    CALLER = "caller", "The caller names a container itself."
    NONE = "none", "No container is known, and a new one will start."
    DECLINED = "declined", "Nothing was done, for the reason that is given."
    SHADOW = "shadow", "A policy in shadow would have done it; nothing was done."
    FAILED_OPEN = "failed-open", "Planning failed inside; the request went on untouched."


class Reason(_Word):
    """Why a decision ended as it did."""

    ALREADY_FREE = "already-free", "The request carries a web tool that already makes its code execution free."
    BATCH = (
        "batch",
        "It stands in a message batch, where edits are only shown unless a setting says otherwise.",
    )
    BELOW_ALLOWANCE = "below-allowance", "The organization stays within its free hours, so an hour costs nothing now."
    ALLOWANCE_UNKNOWN = "allowance-unknown", "Too little is known of the month's hours to give an hour a price."
    BREAKER = "breaker", "An edit of this kind was refused by the API, and the rule rests for this profile."
    BUSY = "busy", "The conversation's container is in use by another request."
    CONVERSATION_CHANGED = (
        "conversation-changed",
        "Its edit is not legal under this turn's tools or model, or web tools changed under thinking bound to them.",
    )
    CONTAINER_GONE = "container-gone", "The API no longer took this container, so it is not offered again."
    COLD = "cold", "The session's container would have to be restored, and costs no less than a new one."
    DENIED = "denied", "The catalog denies this tool version for this model."
    DOMAINS_CONFLICT = (
        "domains-conflict",
        "The caller's own domains and the policy's leave nothing that one list could say; other bounds hold.",
    )
    DRAINING = "draining", "The process starts no new edits; those begun go on."
    EDIT_REFUSED = "edit-refused", "The body spells a member twice or in a way that an edit could not touch safely."
    ENCODED_BODY = "encoded-body", "The body carries a content-encoding and is forwarded as it is."
    EXHAUSTED = "exhausted", "The budget that is named has not enough left for the request."
    EXPIRED = "expired", "The container is past its last seen expiry."
    FORCED_TOOL_CHOICE = "forced-tool-choice", "A forced tool_choice changes its meaning when a tool is added."
    FORK = "fork", "Another request already continued this turn in the container."
    HIPAA = "hipaa", "Callers under HIPAA get no tools added."
    HOLDOUT = "holdout", "This action is left undone on purpose, to test the claimed saving."
    MID_CONVERSATION = "mid-conversation", "Nothing new is put into the middle of a conversation."
    MODEL_UNSUPPORTED = "model-unsupported", "The model does not take the tool version that is needed."
    NAMED_CALLER = "named-caller", "Another tool names the declared version as its caller, so the version stays."
    NAME_TAKEN = "name-taken", "The caller has a tool of the same name."
    NEAR_CONTEXT = "near-context", "The added tokens could overflow the context window."
    NEAR_RATE_LIMIT = "near-rate-limit", "The added tokens could hit the input rate limit."
    NEAR_TIER = "near-tier", "The added tokens could lift the request into a dearer price tier."
    NEEDED_BY_BUNDLE = "needed-by-bundle", "The bundle needs a newer version with the same block format."
    NO_CODE_EXECUTION = "no-code-execution", "The request declares no code execution, so there is nothing to make free."
    NO_PRICE = "no-price", "No price is published for the model as it is asked for, so nothing can be compared."
    NOT_FREE = (
        "not-free",
        "By the settings the web tool would not make code execution free: it is deferred, or has direct callers only.",
    )
    NOT_WORTH_IT = "not-worth-it", "Untouched is expected to be cheaper."
    NO_WEB_TOOL = "no-web-tool", "The request declares no basic web tool that could be raised."
    OBSERVE = "observe", "The process or the caller asked to be observed only."
    OFF = "off", "The caller switched planning off for this request."
    OLD_BLOCKS = "old-blocks", "The bundle needs a version whose block format this client is not known to read."
    OTHER_SCOPE = "other-scope", "The container belongs to another organization or workspace."
    PENDING_CALL = "pending-call", "A programmatic call waits for its results in this container."
    POLICY = "policy", "The policy that is named says so; where none is named, no policy asks for it."
    REPEATED = "repeated", "The decision of the conversation, or of those that begin like it, is repeated."
    ROTATING_TOKEN = "rotating-token", "The caller is known by a token that changes, so an edit could not be repeated."
    SUBSCRIPTION = "subscription", "Traffic that is not billed by the token is never edited."
    THREAD_CONTINUATION = "thread-continuation", "A message thread goes on; nothing may be added to it."
    TIME_BUDGET = "time-budget", "Deciding took longer than its budget."
    TOO_LARGE = "too-large", "The batch is larger than what is read to be planned, and goes as it came."
    TRIAL = "trial", "Edited once to learn how many tokens the tool adds on this model, since the gain turns on it."
    UNCERTAIN = "uncertain", "The gain is not likely enough."
    UNKNOWN_MODEL = "unknown-model", "The catalog does not know the model."
    UNKNOWN_SCOPE = "unknown-scope", "The organization and workspace of the caller are not known yet."
    UNKNOWN_TOOL = "unknown-tool", "The catalog does not know the declared tool version and leaves it alone."
    UNPARSABLE = "unparsable", "The body could not be read; the API will say what is wrong with it."
    UNPROVEN = (
        "unproven",
        "In a message batch: the API has not taken this edit in a live request of this workspace and model lately.",
    )
    VERSION_PINNED = "version-pinned", "A policy pins the declared version."
    ZDR = "zdr", "Callers with zero data retention get no tools added."
    ERROR = "error", "Planning failed inside; the request was forwarded untouched."


OF_THE_MOMENT = frozenset(
    {
        Reason.BREAKER,
        Reason.DRAINING,
        Reason.ERROR,
        Reason.OBSERVE,
        Reason.OFF,
        Reason.TIME_BUDGET,
        Reason.UNKNOWN_SCOPE,
    }
)
"""Reasons that hold for a moment and not for a conversation: one that begins in the same way later is decided anew."""


class Decision(msgspec.Struct, frozen=True):
    """One action's end: `policy` names the policy that decided, if one did."""

    action: Action
    outcome: Outcome
    reason: Reason | None = None
    policy: str | None = None


_HEADER: Final = (*EVERY_TIME, Action.WEB)
"""What the header names: the actions that can change a request, or could have."""
_NOT_IN_A_STRING: Final = re.compile(r"[^\x20-\x7e]")


def plan_header(decisions: Iterable[Decision]) -> str:
    """The value of `planner-plan`: an RFC 9651 Dictionary, tokens as values, `reason` and `policy` as parameters.

    It names version, bundle and container, in this order, and `web` where a policy bounds the web tools. Policy names
    are Strings, since a token may not hold every character that a name can.
    """
    first: dict[Action, Decision] = {}
    for decision in decisions:
        first.setdefault(decision.action, decision)
    said = (first[action] for action in _HEADER if action in first)
    return ", ".join(f"{item.action}={item.outcome}{_parameters(item)}" for item in said)


def _parameters(decision: Decision) -> str:
    reason = f";reason={decision.reason}" if decision.reason else ""
    if decision.policy is None:
        return reason
    name = _NOT_IN_A_STRING.sub("?", decision.policy).replace("\\", "\\\\").replace('"', '\\"')
    return f'{reason};policy="{name}"'
