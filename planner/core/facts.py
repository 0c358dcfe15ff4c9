"""All that a plan rests on besides the request and the rule book, gathered by the shell before the core is asked."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from planner.core.agents import ProfileKey
from planner.core.allowance import Allowance
from planner.core.containers import Lease
from planner.core.conversations import Conversation, Scope
from planner.core.conversations import begins as request_begins
from planner.core.learning.epochs import Epoch
from planner.core.learning.learnt import UNLEARNT, Learnt
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import Sizes
from planner.core.reasons import Reason
from planner.core.wire import MessagesRequest


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """The world as one value.

    Attributes:
        now: aware time of arrival.
        principal, team, project, flags, tags, subscription: who calls.
        identifiable: whether the principal outlives its token, so that an edit can be repeated.
        scope: organization and workspace; None while they are not known.
        undecided: why nothing new is decided for this request (observe, off, draining, …); None to decide.
        observing: whether the process only observes, so that it refuses nothing; what a caller asks for does not count.
        resting: whether the API refused an edit of ours for this profile a short while ago.
        batched: whether it stands in a message batch: at half price, its cache uncertain, its mistakes seen late.
        off: whether the caller switched planning off, repeating included.
        conversation: what is remembered of this conversation.
        lease: the turn that this request goes on from, and the state of its container.
        unleased: why no lease of that container can be had now, whatever else is so; None where one can.
        by_session: whether that turn was found by the caller's `planner-session`, not by what the request continues.
        begins: whether a conversation begins; None for what the request itself tells.
        prompt: how long the first prompt is; None for what the request itself tells.
        epoch: the warm prefix that this request falls on.
        learnt: what the agent's own requests have shown.
        sizes: what is known of the tokens that edits add; None for what the rule book says.
        trying: whether an edit is being tried on this model already, or was too often, to learn its size.
        teaches: whether the answer to this request can tell the size of an edit.
        allowance: the organization's free hours.
        input_tokens_left: what the API last said of the caller's input rate limit; None when it has not.
        root, prefix, profile: digests of this request.
    """

    now: datetime
    principal: str
    team: str = ""
    project: str = ""
    flags: tuple[str, ...] = ()
    tags: Mapping[str, str] = {}
    subscription: bool = False
    identifiable: bool = True
    scope: Scope | None = None
    undecided: Reason | None = None
    observing: bool = False
    by_session: bool = False
    resting: bool = False
    batched: bool = False
    off: bool = False
    conversation: Conversation | None = None
    lease: Lease | None = None
    unleased: Reason | None = None
    begins: bool | None = None
    prompt: Prompt | None = None
    epoch: Epoch | None = None
    learnt: Learnt = UNLEARNT
    sizes: Sizes | None = None
    trying: bool = False
    teaches: bool = True
    allowance: Allowance
    input_tokens_left: int | None = None
    root: str = ""
    prefix: str = ""
    profile: ProfileKey | None = None


def begins(request: MessagesRequest, facts: Facts) -> bool:
    """Whether a conversation begins with this request, as far as is known."""
    return request_begins(request) if facts.begins is None else facts.begins
