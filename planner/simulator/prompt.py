"""A request's prompt as a row of segments, tools → system → messages: what is counted, hashed and cached."""

from collections.abc import Iterator, Sequence
from hashlib import blake2b

import msgspec

from planner.simulator.canonical import MESSAGE_TOKENS, Json, block_tokens, blocks_of, canonical
from planner.simulator.config import Switches
from planner.simulator.tools import FETCH, SEARCH, tool_type

TOOLS, SYSTEM, MESSAGES = "tools", "system", "messages"
DEFAULT_TTL = "5m"


class Segment(msgspec.Struct, frozen=True):
    """A tool, a system block or a content block: its part, tokens, cache breakpoint (its lifetime) and value."""

    part: str
    tokens: int
    ttl: str | None
    role: str
    value: Json


class Prompt(msgspec.Struct, frozen=True):
    """The segments of a request in prefix order."""

    segments: Sequence[Segment]
    tokens: int
    settings: Json
    """What else changes the messages' cache: `tool_choice` and `thinking`."""

    @property
    def breakpoints(self) -> list[int]:
        """Positions (index of the last segment inside) of the cache breakpoints."""
        return [index for index, segment in enumerate(self.segments) if segment.ttl is not None]


def read(body: Json, switches: Switches) -> Prompt:
    """The prompt of a request body; a top-level `cache_control` marks the last block that can carry one."""
    segments = [*_tools(body, switches), *_system(body), *_messages(body)]
    automatic = _ttl(body)
    if automatic is not None and segments:
        last = max(
            (i for i, s in enumerate(segments) if s.value.get("type") not in THINKING), default=len(segments) - 1
        )
        if segments[last].ttl is None:
            segments[last] = msgspec.structs.replace(segments[last], ttl=automatic)
    settings = {name: body[name] for name in ("tool_choice", "thinking") if body.get(name) is not None}
    return Prompt(segments, sum(segment.tokens for segment in segments), settings)


THINKING = frozenset({"thinking", "redacted_thinking"})


def digests(prompt: Prompt, scope: str, *, web_tools_apart: bool) -> list[bytes]:
    """The rolling hash of the prefix up to and including each segment, within a cache scope.

    It begins with all tools, because any change of `tools` invalidates everything. With `web_tools_apart` a change of
    web tools leaves the tools part as it was and takes effect from the system part on.
    """
    rolling = blake2b(scope.encode(), digest_size=16)
    datas = [segment.role.encode() + b"\0" + canonical(segment.value) + b"\0" for segment in prompt.segments]
    late = b""
    for segment, data in zip(prompt.segments, datas, strict=True):
        if segment.part != TOOLS:
            break
        if web_tools_apart and tool_type(segment.value) in (*SEARCH, *FETCH):
            late += data
        else:
            rolling.update(data)
    found: list[bytes] = []
    part = TOOLS
    for segment, data in zip(prompt.segments, datas, strict=True):
        if segment.part != part:
            if part == TOOLS:
                rolling.update(late)
            if segment.part == MESSAGES:
                rolling.update(b"\1settings" + canonical(prompt.settings))
            part = segment.part
        rolling.update(b"\1tool" if part == TOOLS else data)
        found.append(rolling.digest())
    return found


def _tools(body: Json, switches: Switches) -> Iterator[Segment]:
    for tool in blocks_of(body.get("tools")):
        fixed = 0 if tool.get("defer_loading") is True else switches.definition_tokens(tool_type(tool))
        tokens = (len(canonical(tool)) + 3) // 4 if fixed is None else fixed
        yield Segment(TOOLS, tokens, _ttl(tool), TOOLS, tool)


def _system(body: Json) -> Iterator[Segment]:
    for block in blocks_of(body.get("system")):
        yield Segment(SYSTEM, block_tokens(block), _ttl(block), SYSTEM, block)


def _messages(body: Json) -> Iterator[Segment]:
    for message in blocks_of(body.get("messages")):
        extra = MESSAGE_TOKENS
        for block in blocks_of(message.get("content")):
            yield Segment(MESSAGES, block_tokens(block) + extra, _ttl(block), str(message.get("role")), block)
            extra = 0


def _ttl(value: Json) -> str | None:
    control = value.get("cache_control")
    if not isinstance(control, dict):
        return None
    ttl = control.get("ttl", DEFAULT_TTL)
    return ttl if isinstance(ttl, str) else DEFAULT_TTL
