"""A conversation keeps the decision of its first request: its edit is repeated, since taking it away would break it.

It is known by the first of these that hits: the response that a message thread goes on from, what was said since the
newest call where that was answered without one, a server-issued call id in the last assistant message, the seal of its
thinking, or its *root*, a digest of who asks whom with which tools, system and first message. Many conversations begin
alike, so a root alone never puts an edit behind thinking that is not known.
Digests and server-issued ids are all that is kept of it.
"""

from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from planner.core.agents import ProfileKey
from planner.core.reasons import OF_THE_MOMENT, Decision, Reason
from planner.core.splice import AppendTool, Edit, ReplaceToolType, SetToolMember
from planner.core.wire import MessagesRequest, Tool, spelled

DIGEST_DIGITS: Final = 32
ELDERS: Final = 32
"""How many ids of earlier turns are looked up before a conversation is taken for one that only begins like a known."""


class Scope(msgspec.Struct, frozen=True):
    """Where containers and prompt caches live: an organization and a workspace in it."""

    organization: str
    workspace: str


class Retype(msgspec.Struct, frozen=True):
    """A tool whose version was changed: from the declared type to another of its family."""

    declared: str
    type: str
    direct: bool = False


class Limit(msgspec.Struct, frozen=True):
    """Bounds that were put on a web tool: `members` are names and JSON texts that the tool of this type has now.

    `own` is a digest of the tool as the caller declares it: on another one the bounds would be others. A member with
    the text `null` is the caller's, and is taken back by it.
    """

    declared: str
    own: str
    members: tuple[tuple[str, str], ...]


class ToolEdit(msgspec.Struct, frozen=True):
    """What was done to `tools`, in terms that can be repeated on every later request of the conversation.

    `append` is the JSON text of a tool put last, `name` its name; `free` says that the edit makes code execution free.
    `limits` are bounds of the caller's own web tools.
    """

    retypes: tuple[Retype, ...] = ()
    append: str | None = None
    name: str | None = None
    free: bool = False
    limits: tuple[Limit, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is changed."""
        return not self.adds and not self.limits

    @property
    def adds(self) -> bool:
        """Whether a tool or a version is put in, which adds to every prompt; bounds add next to nothing."""
        return bool(self.retypes) or self.append is not None


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a conversation: the decisions of its first request, and the edit they made.

    `model` is the one that it began with; `free` says whether code was free in its first request as it was sent, which
    a thread's continuation, that carries no tools, does not tell. `profile` is that of its first request.
    `web` is a digest of the web tools as the caller declared them when their bounds were decided on, None where nobody
    has looked. Root and prefix are those of that request. `batched` says that some that begin so began in a message
    batch with this edit: their answers pass hours later, or elsewhere, so that no turn of theirs is known by its ids.
    """

    root: str
    principal: str
    prefix: str
    profile: ProfileKey | None = None
    web: str | None = None
    model: str = ""
    edit: ToolEdit = ToolEdit()
    decisions: tuple[Decision, ...] = ()
    free: bool = False
    batched: bool = False

    @property
    def passing(self) -> bool:
        """Whether it was left alone for a reason that says nothing about the next one that begins like it."""
        return self.edit.empty and any(decision.reason in OF_THE_MOMENT for decision in self.decisions)

    @property
    def tried(self) -> bool:
        """Whether it was edited to learn what an edit adds, which is done once and holds for no other."""
        return any(decision.reason is Reason.TRIAL for decision in self.decisions)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One response of a conversation: the ids it can be found by, and the container it ran in.

    `call_ids` are those of its calls, and the seals of its thinking.
    `opened_at` is when the container was first seen. `used_ms` is the billable time that it has run in the session
    whose last billed use ended at `used_at`, None while nothing of it was billed and its minimum is still to come;
    `untouched_ms` and `untouched_at` are the same as they would be without our edits. `threaded` says that the request
    went on in a container by our doing, `continued` that a later request has gone on from this turn; `session` is the
    key of the caller's `planner-session`. `trail` is what a response without ids is known by, a digest of what was said
    since the newest call. `waiting` are the server's calls, of this response and before, that had no result by its end.
    """

    conversation: Conversation
    message_id: str | None = None
    call_ids: tuple[str, ...] = ()
    scope: Scope | None = None
    container: str | None = None
    expires_at: datetime | None = None
    opened_at: datetime | None = None
    used_ms: int | None = None
    used_at: datetime | None = None
    untouched_ms: int | None = None
    untouched_at: datetime | None = None
    threaded: bool = False
    continued: bool = False
    session: str | None = None
    trail: str | None = None
    waiting: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key under which this turn is found again."""
        return self._own_keys if self.session is None else (*self._own_keys, self.session)

    @property
    def key(self) -> str | None:
        """The key that is this turn's alone; None where the response told no id."""
        return next(iter(self._own_keys), None)

    @property
    def _own_keys(self) -> tuple[str, ...]:
        known_by = (*self.call_ids, self.message_id, self.trail)
        return tuple(turn_key(self.conversation.principal, each) for each in known_by if each)

    def warm(self, container: str | None, at: datetime) -> bool:
        """Whether it ran in this container, and that a moment before a time: its last seen expiry is not past."""
        if container is None or self.container != container:
            return False
        return self.expires_at is not None and at < self.expires_at

    @property
    def edited(self) -> bool:
        """Whether this conversation was ever edited by us, so that leaving it alone now could break it."""
        return self.threaded or not self.conversation.edit.empty


def turn_key(principal: str, server_id: str) -> str:
    """The key of a turn: the principal is in it, so that nobody finds another's turn by guessing ids."""
    return digest_of(b"turn", principal.encode(), server_id.encode())


def session_key(principal: str, scope: Scope, name: str) -> str:
    """The key of a caller's own session, which never reaches beyond its principal and scope."""
    return digest_of(
        b"session", principal.encode(), scope.organization.encode(), scope.workspace.encode(), name.encode()
    )


def root_key(request: MessagesRequest, principal: str) -> str:
    """The digest that stands for a conversation's beginning; the time in a system prompt makes another one."""
    first = request.first_message
    return digest_of(b"root", principal.encode(), request.prefix, b"" if first is None else spelled(first))


def prefix_key(request: MessagesRequest, scope: Scope | None) -> str:
    """The digest of what shares a prompt cache: scope, model, tools and system."""
    where = b"" if scope is None else f"{scope.organization}\0{scope.workspace}".encode()
    return digest_of(b"prefix", where, request.prefix)


def lookups(request: MessagesRequest, principal: str, trail: str | None = None) -> tuple[str, ...]:
    """The keys to look for turns under, the surest first.

    `trail` is what the last answer is known by where it has no id: it comes first, since clients that put two answers
    into one message leave it the ids of the one before.
    """
    ids = [*(() if trail is None else (trail,)), *request.server_ids, *request.seals]
    if request.thread is not None and request.thread.previous_message_id is not None:
        ids.insert(0, request.thread.previous_message_id)
    return tuple(turn_key(principal, each) for each in ids)


def elder_lookups(request: MessagesRequest, principal: str) -> tuple[str, ...]:
    """The keys under which the conversation of a request may be known where its last turn is not, the newest first."""
    return tuple(turn_key(principal, each) for each in request.elder_ids[:ELDERS])


def continues_thread(request: MessagesRequest) -> bool:
    """Whether a request goes on in a message thread, whose tools and system came with its first request."""
    return request.thread is not None and request.thread.type == "continue"


def awaited(request: MessagesRequest, turn: Turn) -> bool:
    """Whether something waits in the container of a turn for the request that goes on from it.

    What goes on in a thread brings no history that would tell it.
    """
    return request.awaited or (continues_thread(request) and bool(turn.waiting))


def begins(request: MessagesRequest) -> bool:
    """Whether a request begins a conversation: nothing in it was said by an assistant, and it continues no thread."""
    return not continues_thread(request) and not request.has_assistant


def repeat(edit: ToolEdit, request: MessagesRequest) -> tuple[Edit, ...] | Reason:
    """The edits that do to this request what was done to the first one, byte for byte; or why they cannot be made."""
    if edit.empty:
        return ()
    edits: list[Edit] = []
    for retype in edit.retypes:
        index = next((i for i, tool in enumerate(request.tools) if tool.type == retype.declared), None)
        if index is None or (retype.direct and names_callers(request.tools[index])):
            return Reason.CONVERSATION_CHANGED
        members = (("allowed_callers", b'["direct"]'),) if retype.direct else ()
        edits.append(ReplaceToolType(index, retype.type, members))
    for limit in edit.limits:
        index = _bounded(limit, request.tools)
        if index is None:
            return Reason.CONVERSATION_CHANGED
        edits.extend(SetToolMember(index, name, text.encode()) for name, text in limit.members)
    if edit.append is not None:
        taken = any(tool.name == edit.name for tool in request.tools)
        if taken or not any(tool.family == "code_execution" for tool in request.tools):
            return Reason.CONVERSATION_CHANGED
        edits.append(AppendTool(edit.append.encode()))
    return tuple(edits)


def keeps(edit: ToolEdit, before: ToolEdit, tools: tuple[Tool, ...]) -> bool:
    """Whether an edit does to these tools what the one of the turn before did.

    Bounds of a tool that its caller has changed since went with it.
    """
    same = msgspec.structs.replace(edit, limits=()) == msgspec.structs.replace(before, limits=())
    return same and all(limit in edit.limits or not limit_fits(limit, tools) for limit in before.limits)


def limit_fits(limit: Limit, tools: tuple[Tool, ...]) -> bool:
    """Whether bounds have their place in these tools: the one that they were put on, as its caller declared it."""
    return _bounded(limit, tools) is not None


def _bounded(limit: Limit, tools: tuple[Tool, ...]) -> int | None:
    index = next((i for i, tool in enumerate(tools) if tool.type == limit.declared), None)
    return None if index is None or own_digest(tools[index]) != limit.own else index


def own_digest(tool: Tool) -> str:
    """A digest of a tool as its caller declares it, however it is spelt."""
    return digest_of(b"tool", spelled(tool.raw))


def own_digests(tools: tuple[Tool, ...]) -> str:
    """A digest of several tools in their order; empty for none."""
    return digest_of(b"tools", *(spelled(tool.raw) for tool in tools)) if tools else ""


def names_callers(tool: Tool) -> bool:
    """Whether a tool has a member `allowed_callers`, of whatever shape: it is the caller's, and none is put there."""
    return tool.allowed_callers is not None or b"allowed_callers" in tool.raw


def tools_under(edit: ToolEdit, tools: tuple[Tool, ...]) -> tuple[Tool, ...]:
    """The tools as the API sees them when a conversation's edit is made."""
    seen = list(tools)
    for retype in edit.retypes:
        for index, tool in enumerate(seen):
            if tool.type == retype.declared:
                callers = ("direct",) if retype.direct else tool.allowed_callers
                seen[index] = msgspec.structs.replace(tool, type=retype.type, allowed_callers=callers)
                break
    if edit.append is not None:
        seen.append(_appended(edit.append))
    return tuple(seen)


@lru_cache(maxsize=256)
def _appended(text: str) -> Tool:
    """The tool that an edit puts last; there are as many as the catalog has templates, but old ones live on."""
    tool = msgspec.json.decode(text, type=dict[str, Any])
    callers = tool.get("allowed_callers")
    return Tool(
        type=tool.get("type"),
        name=tool.get("name"),
        allowed_callers=None if callers is None else tuple(callers),
        raw=text.encode(),
    )


def digest_of(kind: bytes, *parts: bytes) -> str:
    """A digest of parts that cannot be taken for one of another kind, or cut otherwise."""
    hashed = sha256(b"planner-" + kind)
    for part in parts:
        hashed.update(len(part).to_bytes(8))
        hashed.update(part)
    return hashed.hexdigest()[:DIGEST_DIGITS]
