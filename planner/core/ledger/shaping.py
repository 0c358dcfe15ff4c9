"""Makes the shape of a request once it is answered: what was asked is reduced to types, counts and digests.

What the answer does not tell is estimated by rules that stand in `counted`, and the shape says so.
"""

import re
from hashlib import sha256
from itertools import groupby
from typing import Final, NamedTuple

import msgspec

from planner.core.conversations import begins, continues_thread, names_callers
from planner.core.ledger.shape import CUSTOM, OTHER, Claims, Shape, ToolShape
from planner.core.metering.usage import Metered
from planner.core.wire import MessagesRequest, Tool, spelled

DIGITS: Final = 16
MOST_ITERATIONS: Final = 1_000
"""As many as a trace may hold."""

SERVER_TOOLS: Final = frozenset({"code_execution", "web_fetch", "web_search"})
"""Names that an edit's own tool may have: a client's tool of such a name stands in its way."""

WEB_TOOLS: Final = frozenset({"web_fetch", "web_search"})

CHOICES: Final = frozenset({"any", "auto", "none", "tool"})
SPEEDS: Final = frozenset({"fast", "standard"})
PLACES: Final = frozenset({"global", "us"})
"""Words of the API (types of the SDK, checked 2026-11-22); whatever else stands there was written by somebody."""

SPELLED_UP_TO: Final = 16 * 1024
HASHED_UP_TO: Final = 64 * 1024
"""Bytes of a first message that are spelled out, and that are hashed, where nothing else names a conversation. Ours."""

_DATED: Final = re.compile(r"[a-z_]{1,40}_\d{8}")


class Known(NamedTuple):
    """What the proxy knows of a request besides its body.

    `root` names its conversation, None where nothing was to be planned; `after` and `message` are the ids of the answer
    that it goes on from and of its own; `container` is the digest of the one that the caller named; `own` who it is,
    where it was recorded as somebody else.
    """

    principal: str
    root: str | None = None
    after: str | None = None
    message: str | None = None
    container: str | None = None
    own: Claims | None = None


class Beliefs(NamedTuple):
    """Where an answer tells only sums: tokens that an iteration adds to the next, and the least that a model caches."""

    growth: float
    least: int


class Counted(NamedTuple):
    """Tokens of one request as a trace has them; see `Shape`."""

    prompt_tokens: int
    cached_tokens: int
    iterations: int
    growth_tokens: int
    estimated: bool


def shape_of(
    request: MessagesRequest, known: Known, metered: Metered, *, rounds: int, added: int, beliefs: Beliefs
) -> Shape:
    """The shape of an answered request.

    `rounds` are the sampling iterations that its blocks show, `added` the tokens that our edit is believed to have put
    into each.
    """
    planned = known.root is not None
    marked = request.breakpoints.after_tools if planned else b"cache_control" in request.body
    counts = counted(metered, rounds, added=added, marked=marked, beliefs=beliefs)
    prefix = _digest("prefix", request.prefix if planned else request.written_prefix)
    choice = None if request.tool_choice is None else request.tool_choice.type
    return Shape(
        own=known.own,
        conversation=_digest("conversation", known.root or _beginning(request, known.principal, prefix)),
        begins=begins(request),
        message=None if known.message is None else _digest("message", known.message),
        after=None if known.after is None else _digest("message", known.after),
        thread=continues_thread(request),
        pending=planned and request.awaited,
        prefix=prefix,
        system=_digest("system", request.stable_system) if planned else None,
        tools=_tools(request),
        tool_choice=choice if choice in CHOICES else None,
        container=known.container,
        skills=request.container.skills,
        files=len(request.uploads),
        body_bytes=len(request.body),
        max_tokens=request.max_tokens,
        stream=request.stream,
        speed=request.speed if request.speed in SPEEDS else None,
        inference_geo=request.inference_geo if request.inference_geo in PLACES else None,
        marked=marked,
        cache_ttl="1h" if marked and request.long_cache else "5m",
        added_tokens=added,
        web_searches=metered.web_searches,
        **counts._asdict(),
    )


def counted(metered: Metered, rounds: int, *, added: int, marked: bool, beliefs: Beliefs) -> Counted:
    """The prompt of the first iteration, what of it is cached, and by how much each iteration grows.

    Streams tell the first iteration, and so does a list of iterations: what is left of the sum is growth, the same in
    each. Of a whole message that tells only sums, each iteration is taken to have held as much in its cache, and to
    have grown by what is believed; at most by so much that the first had half of the mean behind its cache. Where a
    breakpoint lies behind `tools` but nothing was cached, what stands in front of it was one token short of the least.
    """
    classes = metered.classes
    iterations = min(max(metered.iterations or rounds, 1), MOST_ITERATIONS)
    held_in_all = classes.cache_read + classes.cache_write
    first = classes if metered.first is None and iterations == 1 else metered.first
    estimated = metered.estimated or first is None
    if first is not None:
        prompt, held = first.prompt, first.cache_read + first.cache_write
        if iterations == 1 and classes.prompt > prompt > 0:  # more was read than one iteration that is so long can read
            iterations, estimated = min(max(round(classes.prompt / prompt), 2), MOST_ITERATIONS), True
        steps = iterations * (iterations - 1) // 2
        growth = max(round((classes.prompt - iterations * prompt) / steps), 0) if steps else 0
    else:
        steps = iterations * (iterations - 1) // 2
        held = round(held_in_all / iterations)
        growth = round(min(beliefs.growth, classes.input / iterations / (iterations - 1)))
        prompt = held + max(round((classes.input - growth * steps) / iterations), 0)
    prompt = max(prompt - added, 0)
    held = min(max(held - added, 0) if marked else held, prompt)
    if marked and not held_in_all:
        held = min(prompt, max(beliefs.least - 1, 0))
    return Counted(prompt, held, iterations, growth, estimated)


def _tools(request: MessagesRequest) -> tuple[ToolShape, ...]:
    """The tools, neighbours that look alike together."""
    looks = groupby(map(_look, request.tools))
    return tuple(msgspec.structs.replace(look, count=sum(1 for _ in group)) for look, group in looks)


def _look(tool: Tool) -> ToolShape:
    kind = CUSTOM if tool.custom else tool.type if _dated(tool.type) else OTHER
    callers = tool.allowed_callers
    if callers is not None:
        callers = tuple(each if each == "direct" or _dated(each) else OTHER for each in callers)
    elif names_callers(tool):
        callers = (OTHER,)
    return ToolShape(
        type=kind or OTHER,
        name=tool.name if tool.name in SERVER_TOOLS else None,
        callers=callers,
        deferred=tool.defer_loading,
        max_uses=tool.max_uses if tool.family in WEB_TOOLS else None,
    )


def _dated(word: str | None) -> bool:
    return _DATED.fullmatch(word or "") is not None


def _beginning(request: MessagesRequest, principal: str, prefix: str) -> bytes:
    """What a conversation begins with, as far as that is read where nothing is planned."""
    first = memoryview(request.first_message or b"")
    said = spelled(bytes(first)) if first and len(first) <= SPELLED_UP_TO else bytes(first[:HASHED_UP_TO])
    return b"\0".join((principal.encode(), prefix.encode(), str(len(first) > SPELLED_UP_TO).encode(), said))


def _digest(kind: str, content: str | bytes) -> str:
    content = content.encode() if isinstance(content, str) else content
    return sha256(f"planner-shape-{kind}\0".encode() + content).hexdigest()[:DIGITS]
