"""All that a plan rests on besides the request and the rule book, gathered by the shell before the core is asked."""

from datetime import datetime

import msgspec

from planner.core.allowance import Allowance
from planner.core.containers import Lease
from planner.core.conversations import Conversation, Scope
from planner.core.reasons import Reason


class Epoch(msgspec.Struct, frozen=True):
    """What is known of a prefix whose prompt cache may be warm.

    `edited` says under which of the two it was written, with our edit or without; `cached_tokens` how many it holds.
    """

    edited: bool
    cached_tokens: int
    last_seen: datetime


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The world as one value.

    Attributes:
        now: aware time of arrival.
        principal, team, project, flags, subscription: who calls.
        identifiable: whether the principal outlives its token, so that an edit can be repeated.
        scope: organization and workspace; None while they are not known.
        undecided: why nothing new is decided for this request (observe, off, draining, …); None to decide.
        resting: whether the API refused an edit of ours on this prefix a short while ago.
        off: whether the caller switched planning off, repeating included.
        conversation: what is remembered of this conversation.
        lease: the turn that this request goes on from, and the state of its container.
        by_session: whether that turn was found by the caller's `planner-session`, not by what the request continues.
        epoch: the warm prefix that this request falls on.
        allowance: the organization's free hours.
        input_tokens_left: what the API last said of the caller's input rate limit; None when it has not.
        root, prefix: digests of this request.
    """

    now: datetime
    principal: str
    team: str = ""
    project: str = ""
    flags: tuple[str, ...] = ()
    subscription: bool = False
    identifiable: bool = True
    scope: Scope | None = None
    undecided: Reason | None = None
    by_session: bool = False
    resting: bool = False
    off: bool = False
    conversation: Conversation | None = None
    lease: Lease | None = None
    epoch: Epoch | None = None
    allowance: Allowance
    input_tokens_left: int | None = None
    root: str = ""
    prefix: str = ""
