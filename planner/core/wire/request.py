"""A messages request: what decisions rest on is decoded, all else stays in `body` as the caller wrote it."""

import re
from functools import cached_property
from hashlib import sha256
from typing import Final, Literal, Self, TypeAlias

import msgspec
from msgspec import UNSET, Raw

from planner.core.wire import history
from planner.core.wire.blocks import Block, carries_breakpoint, stable_part
from planner.core.wire.canonical import spelled
from planner.core.wire.history import Upload
from planner.core.wire.reading import (
    BAD_JSON,
    Maybe,
    WireError,
    boolean,
    elements,
    integer,
    is_null,
    members,
    present,
    shaped,
    text,
    wire_error,
)

_MOST_TOOLS: Final = 10_000
"""A longer `tools` reads as none: no model takes it, and reading it would hold up everyone else."""

_AN_HOUR: Final = re.compile(rb'"ttl"\s*:\s*"1h"')
_DATED: Final = re.compile(r"(?P<family>.+)_(?P<version>\d{8})")


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of `tools`, at the same index; an entry that is no object reads as a tool without any member.

    `type` is None when it is missing. `allowed_callers` is None when it is missing, which means the version's default;
    `max_uses` is None likewise.
    `raw` is the entry as the caller wrote it.
    """

    type: str | None = None
    name: str | None = None
    allowed_callers: tuple[str, ...] | None = None
    cache_control: bool = False
    defer_loading: bool = False
    max_uses: int | None = None
    raw: bytes = b""

    @property
    def custom(self) -> bool:
        """Whether the client runs this tool by a schema of its own."""
        return self.type in (None, "custom")

    @property
    def family(self) -> str | None:
        """The type without its date (`code_execution`); None for a type that carries none."""
        found = _DATED.fullmatch(self.type or "")
        return found["family"] if found else None

    @property
    def version(self) -> str | None:
        """The date of the type (`20260120`), which sorts as text; None for a type that carries none."""
        found = _DATED.fullmatch(self.type or "")
        return found["version"] if found else None


class ToolChoice(msgspec.Struct, frozen=True):
    """`tool_choice`: its type (`auto`, `any`, `tool`, `none`) and, for `tool`, the name."""

    type: str | None = None
    name: str | None = None

    @property
    def forced(self) -> bool:
        """Whether the model must call a tool."""
        return self.type in ("any", "tool")


ContainerForm: TypeAlias = Literal["absent", "null", "id", "object", "other"]


class RequestContainer(msgspec.Struct, frozen=True):
    """`container` of a request: the form it came in, the id if it names one, and how many skills it lists."""

    form: ContainerForm = "absent"
    id: str | None = None
    skills: int = 0


class Thread(msgspec.Struct, frozen=True):
    """`thread` of a request: `create`, or `continue` with the id of the response to go on from."""

    type: str | None = None
    previous_message_id: str | None = None


class Breakpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where prompt-cache breakpoints lie, in prefix order; `automatic` is the top-level `cache_control`."""

    automatic: bool
    last_tool: bool
    system: bool
    messages: bool

    @property
    def cover_tools(self) -> bool:
        """Whether a breakpoint lies on the last tool or behind it, so that the declared tools are cached."""
        return self.last_tool or self.after_tools

    @property
    def after_tools(self) -> bool:
        """Whether a breakpoint lies behind `tools`, so that a tool put in the last place is cached as well."""
        return self.automatic or self.system or self.messages


class MessagesRequest(msgspec.Struct, frozen=True, kw_only=True, dict=True, eq=False):
    """What is read of a `POST /v1/messages` body; a member of an unexpected type reads as if it were missing.

    `system` is raw JSON, None when absent or null. `messages` are raw JSON, one a message, views into `body`.
    Where a key is written twice the last one counts.
    """

    body: bytes
    model: str | None = None
    stream: bool = False
    max_tokens: int | None = None
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    container: RequestContainer = RequestContainer()
    thread: Thread | None = None
    system: bytes | None = None
    messages: tuple[Raw, ...] = ()
    speed: str | None = None
    inference_geo: str | None = None
    service_tier: str | None = None
    automatic_cache: bool = False

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a request body.

        Raises:
            WireError: it is not UTF-8, not JSON, or no object. What the members hold is for upstream to judge.
        """
        top, messages = _top(body)
        system = top.system
        return cls(
            body=body,
            model=text(top.model),
            stream=boolean(top.stream) is True,
            max_tokens=integer(top.max_tokens),
            tools=_tools(top.tools),
            tool_choice=_tool_choice(top.tool_choice),
            container=_container(top.container),
            thread=_thread(top.thread),
            system=None if system is UNSET or is_null(system) else bytes(system),
            messages=tuple(messages),
            speed=text(top.speed),
            inference_geo=text(top.inference_geo),
            service_tier=text(top.service_tier),
            automatic_cache=present(top.cache_control),
        )

    @cached_property
    def prefix(self) -> bytes:
        """A digest of model, tools and system in their normal form: what a prompt cache is keyed by, within a scope."""
        hashed = sha256()
        for part in (
            (self.model or "").encode(),
            *(spelled(tool.raw) for tool in self.tools),
            b"" if self.system is None else spelled(self.system),
        ):
            hashed.update(len(part).to_bytes(8))
            hashed.update(part)
        return hashed.digest()

    @cached_property
    def written_prefix(self) -> bytes:
        """A digest of model, tools and system as they stand, which spelling them out would take much longer for."""
        hashed = sha256()
        for part in ((self.model or "").encode(), *(tool.raw for tool in self.tools), self.system or b""):
            hashed.update(len(part).to_bytes(8))
            hashed.update(part)
        return hashed.digest()

    @cached_property
    def stable_system(self) -> bytes:
        """A digest of the system prompt up to and with its first breakpoint; of all of it where it has none."""
        return sha256(b"" if self.system is None else stable_part(Raw(self.system))).digest()

    @property
    def first_message(self) -> Raw | None:
        """The first message, raw; with model, tools and system it is the root of a conversation."""
        return self.messages[0] if self.messages else None

    @cached_property
    def last_assistant(self) -> tuple[Block, ...]:
        """The blocks of the last assistant message; empty when there is none or its content is a string."""
        return history.last_assistant(self.messages)

    @cached_property
    def has_assistant(self) -> bool:
        """Whether an assistant has said anything yet; where none has, a conversation begins."""
        return history.has_assistant(self.messages)

    @property
    def server_ids(self) -> tuple[str, ...]:
        """The server-issued call ids (`srvtoolu_`, `toolu_`) of the last assistant message, the newest first."""
        return history.server_ids(self.last_assistant)

    @property
    def seals(self) -> tuple[str, ...]:
        """The seals of the thinking in the last assistant message, the newest first."""
        return history.seals(self.last_assistant)

    @cached_property
    def elder_ids(self) -> tuple[str, ...]:
        """The server-issued call ids and the seals of earlier assistant messages, the newest first."""
        elders = history.elder_assistants(self.messages)
        return tuple(each for blocks in elders for each in (*history.server_ids(blocks), *history.seals(blocks)))

    @cached_property
    def signed(self) -> bool:
        """Whether any assistant message holds thinking, which may be bound to the tools that it was thought under."""
        if not (self._may_say(b"signature") or self._may_say(b"redacted_thinking")):
            return False
        return bool(self.seals) or any(map(history.seals, history.elder_assistants(self.messages)))

    @cached_property
    def answers(self) -> tuple[str, ...]:
        """The ids of the calls that the user messages behind the last assistant message answer, in order."""
        return history.answers(self.messages)

    @cached_property
    def _last_turn(self) -> tuple[Block, ...]:
        return history.last_turn(self.messages)

    @property
    def pending_calls(self) -> tuple[str, ...]:
        """The answered ids whose call was made by code in a container, which therefore waits for this request."""
        return history.pending_calls(self._last_turn, self.answers)

    @property
    def unmatched_server_calls(self) -> tuple[str, ...]:
        """The ids of server calls of the last turn that no result in it answers."""
        return history.unmatched_server_calls(self._last_turn)

    @cached_property
    def awaited(self) -> bool:
        """Whether something waits in a container for this request: code whose calls it answers, or that still runs.

        The API refuses it without the container's id, also where the model called the answered tools by itself.
        """
        return self._may_say(b"tool_use") and bool(self.pending_calls or self.unmatched_server_calls)

    @cached_property
    def _escapes(self) -> bool:
        r"""Whether an ASCII letter may be written as an escape (`\u0063`), which hides a word from a scan."""
        return b"\\u00" in self.body

    def _may_say(self, word: bytes) -> bool:
        """Tell by scanning that a word of ASCII letters is nowhere in the body."""
        return word in self.body or self._escapes

    @cached_property
    def uploads(self) -> tuple[Upload, ...]:
        """The `container_upload` blocks of all messages, in order."""
        return history.uploads(self.messages) if self._may_say(b"container_upload") else ()

    @cached_property
    def breakpoints(self) -> Breakpoints:
        """Where cache breakpoints lie; one on a message is only looked for where it changes what is cached."""
        said = self._may_say(b"cache_control")
        system = said and carries_breakpoint(UNSET if self.system is None else Raw(self.system))
        return Breakpoints(
            automatic=self.automatic_cache,
            last_tool=bool(self.tools) and self.tools[-1].cache_control,
            system=system,
            messages=said and history.has_breakpoint(self.messages),
        )

    @cached_property
    def long_cache(self) -> bool:
        """Whether a breakpoint asks for the cache that lives an hour."""
        return self._may_say(b"cache_control") and _AN_HOUR.search(self.body) is not None


class _Top(msgspec.Struct):
    model: Maybe = UNSET
    stream: Maybe = UNSET
    max_tokens: Maybe = UNSET
    tools: Maybe = UNSET
    tool_choice: Maybe = UNSET
    container: Maybe = UNSET
    thread: Maybe = UNSET
    system: Maybe = UNSET
    speed: Maybe = UNSET
    inference_geo: Maybe = UNSET
    service_tier: Maybe = UNSET
    cache_control: Maybe = UNSET


class _TopWithMessages(_Top):
    messages: list[Raw] = []


class _ToolFields(msgspec.Struct):
    type: Maybe = UNSET
    name: Maybe = UNSET
    allowed_callers: Maybe = UNSET
    cache_control: Maybe = UNSET
    defer_loading: Maybe = UNSET
    max_uses: Maybe = UNSET


class _Named(msgspec.Struct):
    type: Maybe = UNSET
    name: Maybe = UNSET
    previous_message_id: Maybe = UNSET


_WITH_MESSAGES: Final = msgspec.json.Decoder(_TopWithMessages)
_WITHOUT: Final = msgspec.json.Decoder(_Top)
_TOOL: Final = msgspec.json.Decoder(_ToolFields)
_NAMED: Final = msgspec.json.Decoder(_Named)
_STRINGS: Final = msgspec.json.Decoder(tuple[str, ...])


def _top(body: bytes) -> tuple[_Top, list[Raw]]:
    """One pass over the body in the usual case; a `messages` that is no array reads as none."""
    if not body.isascii():
        try:
            body.decode()
        except UnicodeDecodeError as error:
            raise wire_error(error, body) from error
    try:
        usual = _WITH_MESSAGES.decode(body)
    except msgspec.ValidationError:
        return _without_messages(body), []
    except BAD_JSON as error:
        raise wire_error(error, body) from error
    return usual, usual.messages


def _without_messages(body: bytes) -> _Top:
    try:
        return _WITHOUT.decode(body)
    except msgspec.ValidationError as error:
        raise WireError("The body is no JSON object.", 0) from error
    except BAD_JSON as error:
        raise wire_error(error, body) from error


def _tools(raw: Maybe) -> tuple[Tool, ...]:
    entries = elements(raw) or ()
    return () if len(entries) > _MOST_TOOLS else tuple(_tool(entry) for entry in entries)


def _tool(raw: Raw) -> Tool:
    fields = shaped(_TOOL, raw)
    if fields is None:
        return Tool(raw=bytes(raw))
    return Tool(
        type=text(fields.type),
        name=text(fields.name),
        allowed_callers=shaped(_STRINGS, fields.allowed_callers),
        cache_control=present(fields.cache_control),
        defer_loading=boolean(fields.defer_loading) is True,
        max_uses=integer(fields.max_uses),
        raw=bytes(raw),
    )


def _tool_choice(raw: Maybe) -> ToolChoice | None:
    named = shaped(_NAMED, raw)
    return None if named is None else ToolChoice(type=text(named.type), name=text(named.name))


def _thread(raw: Maybe) -> Thread | None:
    named = shaped(_NAMED, raw)
    return None if named is None else Thread(text(named.type), text(named.previous_message_id))


def _container(raw: Maybe) -> RequestContainer:
    if raw is UNSET:
        return RequestContainer()
    if is_null(raw):
        return RequestContainer("null")
    name = text(raw)
    if name is not None:
        return RequestContainer("id", name)
    inside = members(raw)
    if inside is None:
        return RequestContainer("other")
    return RequestContainer("object", text(inside.get("id", UNSET)), len(elements(inside.get("skills", UNSET)) or ()))
