"""Usage as received becomes disjoint token classes once: every token on the wire is billed in exactly one of them."""

from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Raw

from planner.core.metering.counts import NULL, UsageError, count_of, members_of, object_of, word_of
from planner.core.metering.rounds import Rounds
from planner.core.wire import ContentBlockDelta, ContentBlockStart, Event, MessageDelta, MessageStart

BYTES_PER_TOKEN: Final = 4
"""What an output token is taken for when a stream is cut before its usage came."""

_SERVED_TOGETHER: Final = ("message", "fallback_message")
"""Iterations whose tokens the top-level numbers tell of."""

_SERVED_APART: Final = ("advisor_message", "compaction")
"""Iterations outside the top-level numbers, billed at their own rates (types of the SDK, claude-api.md §5)."""

_USUAL: Final = {
    "service_tier": ("standard", "priority", "batch"),
    "speed": ("standard", "fast"),
    "inference_geo": ("global", "not_available", "us"),
}


class TokenClasses(msgspec.Struct, frozen=True, kw_only=True):
    """Token counts that share no token: `input` is what was neither read from a cache nor written to one."""

    input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    output: int = 0

    @property
    def cache_write(self) -> int:
        """The tokens written to a cache, whatever their lifetime."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        """The whole prompt: uncached, written and read."""
        return self.input + self.cache_write + self.cache_read

    @property
    def total(self) -> int:
        """Prompt and output."""
        return self.prompt + self.output

    def __add__(self, other: "TokenClasses") -> "TokenClasses":
        return TokenClasses(
            input=self.input + other.input,
            cache_write_5m=self.cache_write_5m + other.cache_write_5m,
            cache_write_1h=self.cache_write_1h + other.cache_write_1h,
            cache_read=self.cache_read + other.cache_read,
            output=self.output + other.output,
        )


class Modifiers(msgspec.Struct, frozen=True, kw_only=True):
    """How the request was *served*, as far as it changes prices.

    `unknown` holds `member=value` for values that are not known here: what they cost must not be guessed.
    """

    batch: bool = False
    fast: bool = False
    us: bool = False
    priority: bool = False
    unknown: tuple[str, ...] = ()


class Extra(msgspec.Struct, frozen=True):
    """Tokens of another model or call under the same response, priced apart; no `model` means the response's own.

    `each` are its sampling iterations where there are several.
    """

    kind: str
    model: str | None
    classes: TokenClasses
    each: tuple[TokenClasses, ...] = ()


class Metered(msgspec.Struct, frozen=True, kw_only=True):
    """What one response used.

    Attributes:
        classes: the tokens priced at the model that served.
        model: that model, when usage names another than the response does (a fallback served); else None.
        extras: tokens priced apart.
        web_searches: searches that are billed.
        web_fetches: fetches, which cost nothing of their own.
        modifiers: batch, fast, us as served.
        iterations: how many sampling iterations usage lists; 0 when it lists none.
        each: those of the model that answered, as listed, where there are several; else empty.
        first: the prompt of the first sampling iteration, its output left at 0; None where the response tells only
            sums over several.
        estimated: whether any number is not as reported.
        raw: usage as received, a JSON object (of a stream: the start's members overlaid by the last delta's).
    """

    classes: TokenClasses
    model: str | None = None
    extras: tuple[Extra, ...] = ()
    web_searches: int = 0
    web_fetches: int = 0
    modifiers: Modifiers = Modifiers()
    iterations: int = 0
    each: tuple[TokenClasses, ...] = ()
    first: TokenClasses | None = None
    estimated: bool = False
    raw: bytes = b""


def meter(raw: bytes, *, single: bool = False) -> Metered:
    """Read the usage of a whole message; `single` says that its content shows no second sampling iteration.

    Raises:
        UsageError: a count is missing, negative or no whole number, or a part exceeds its total.
    """
    metered = _meter(members_of(Raw(raw)), raw, final=True)
    if metered.first is None and single and not (metered.iterations or metered.web_searches or metered.web_fetches):
        return msgspec.structs.replace(metered, first=_prompt(metered.classes))
    return metered


class StreamUsage:
    """The usage of one stream: its start overlaid by its deltas; the last that names a member counts, larger or not.

    `message_start` alone tells the split of cache writes, tier, speed and place; `message_delta` is cumulative and
    beats it in everything it names, in whatever order they come. Members that are null say nothing. A stream that ends
    without a delta is estimated from what was seen: the start's input side, once more for each time that the model went
    on behind a server's result, then read from the cache where there is one; and as output its placeholder or the bytes
    of text, thinking and partial JSON at 4 bytes a token, rounded half up, whichever is more; results of web searches
    count as billed searches unless they are errors.
    """

    __slots__ = ("_delta", "_error", "_fetches", "_rounds", "_searches", "_size", "_start")

    def __init__(self) -> None:
        self._start: bytes | None = None
        self._delta: dict[str, Raw] | None = None
        self._error: UsageError | None = None
        self._size = 0
        self._searches = 0
        self._fetches = 0
        self._rounds = Rounds()

    @property
    def final(self) -> bool:
        """Whether a cumulative usage came, so that nothing needs to be estimated from output."""
        return self._delta is not None and "output_tokens" in self._delta

    @property
    def rounds(self) -> int:
        """The sampling iterations that were seen."""
        return self._rounds.again + 1

    def feed(self, event: Event) -> None:
        """Take in one event; those that tell nothing about usage are ignored."""
        if isinstance(event, ContentBlockDelta):
            self._size += event.size
        elif isinstance(event, MessageStart):
            self._start = event.message.usage or self._start
        elif isinstance(event, MessageDelta):
            self._overlay(event.usage)
        elif isinstance(event, ContentBlockStart):
            self._searches += event.block.type == "web_search_tool_result" and not event.block.failed
            self._fetches += event.block.type == "web_fetch_tool_result" and not event.block.failed
            self._rounds.feed(event.block)

    def wrote(self, size: int) -> None:
        """Take in the size of deltas, in bytes, as `wire.deltas_size` tells it."""
        self._size += size

    def metered(self) -> Metered | None:
        """Return what was used up to now; None when the stream has said nothing of its usage.

        Raises:
            UsageError: as `meter`.
        """
        if self._error is not None:
            raise self._error
        if self._delta is None:
            return None if self._start is None else self._estimate(self._start)
        merged = {} if self._start is None else members_of(Raw(self._start))
        merged |= self._delta
        if "output_tokens" not in self._delta:  # the start's count of output is a placeholder, whatever else was said
            return self._estimate(msgspec.json.encode(merged))
        metered = _meter(merged, msgspec.json.encode(merged), final=True)
        return msgspec.structs.replace(metered, first=self._first() or metered.first)

    def _first(self) -> TokenClasses | None:
        """The prompt that `message_start` tells of: that of the first iteration alone."""
        if self._start is None:
            return None
        try:
            return _prompt(_count_classes(members_of(Raw(self._start)), "usage", final=False).classes)
        except UsageError:  # the delta counts; what the start tells is only learnt from
            return None

    def _overlay(self, usage: bytes | None) -> None:
        if usage is None:
            return
        try:
            members = members_of(Raw(usage))
        except UsageError as error:
            self._error = error
            return
        said = {name: value for name, value in members.items() if value != NULL}
        self._delta = said if self._delta is None else self._delta | said
        self._error = None

    def _estimate(self, start: bytes) -> Metered:
        seen = _meter(members_of(Raw(start)), start, final=False)
        told, again = seen.classes, 0 if self._delta is not None else self._rounds.again  # a delta tells sums
        output = max(told.output, (self._size + BYTES_PER_TOKEN // 2) // BYTES_PER_TOKEN)
        later = TokenClasses(input=told.input * again, cache_read=(told.cache_read + told.cache_write) * again)
        return msgspec.structs.replace(
            seen,
            classes=msgspec.structs.replace(told, output=output) + later,
            web_searches=max(seen.web_searches, self._searches),
            web_fetches=max(seen.web_fetches, self._fetches),
            first=self._first(),
            estimated=True,
        )


class _Counted(msgspec.Struct, frozen=True):
    """Classes, and whether a cache write had to be guessed into one of them."""

    classes: TokenClasses
    guessed: bool


class _Iteration(msgspec.Struct, frozen=True):
    kind: str
    model: str | None
    counted: _Counted


class _Shares(msgspec.Struct, frozen=True, kw_only=True):
    """The top-level tokens by the model that served them, first the one that the answer is from."""

    classes: TokenClasses
    model: str | None = None
    extras: tuple[Extra, ...] = ()
    each: tuple[TokenClasses, ...] = ()
    guessed: bool = False


def _meter(members: dict[str, Raw], raw: bytes, *, final: bool) -> Metered:
    counted = _count_classes(members, "usage", final=final)
    iterations = _iterations(members.get("iterations"))
    together = [each for each in iterations if each.kind in _SERVED_TOGETHER]
    shares = _share(counted.classes, together)
    apart = [each for each in iterations if each.kind in _SERVED_APART]
    served = object_of(members.get("server_tool_use"))
    return Metered(
        classes=shares.classes,
        model=shares.model,
        extras=shares.extras + tuple(Extra(each.kind, each.model, each.counted.classes) for each in apart),
        web_searches=count_of(served, "web_search_requests", "usage.server_tool_use") or 0,
        web_fetches=count_of(served, "web_fetch_requests", "usage.server_tool_use") or 0,
        modifiers=_modifiers(members),
        iterations=len(together),
        each=shares.each,
        first=next((_prompt(each.counted.classes) for each in iterations if each.kind == "message"), None),
        estimated=counted.guessed
        or shares.guessed
        or len(together) + len(apart) < len(iterations)
        or any(each.counted.guessed for each in apart),
        raw=raw,
    )


def _prompt(classes: TokenClasses) -> TokenClasses:
    """The prompt's tokens alone."""
    return msgspec.structs.replace(classes, output=0)


def _count_classes(members: dict[str, Raw], where: str, *, final: bool) -> _Counted:
    """Sort the wire's counts into classes. What the split of cache writes does not cover is taken for 5 minutes.

    Raises UsageError; only output may be missing, before the `final` numbers came.
    """
    tokens, output = count_of(members, "input_tokens", where), count_of(members, "output_tokens", where)
    if tokens is None or (final and output is None):
        missing = "input_tokens" if tokens is None else "output_tokens"
        raise UsageError(f"{where} lacks {missing}: what was used is unknown.")
    split = object_of(members.get("cache_creation"))
    short = count_of(split, "ephemeral_5m_input_tokens", f"{where}.cache_creation") or 0
    long = count_of(split, "ephemeral_1h_input_tokens", f"{where}.cache_creation") or 0
    written = count_of(members, "cache_creation_input_tokens", where)
    if written is None:
        written = short + long
    rest = written - short - long
    if rest < 0:
        raise UsageError(
            f"{where}.cache_creation splits {short + long} tokens (5m {short}, 1h {long}),"
            f" but {where}.cache_creation_input_tokens is {written}."
        )
    read = count_of(members, "cache_read_input_tokens", where) or 0
    classes = TokenClasses(
        input=tokens or 0, cache_write_5m=short + rest, cache_write_1h=long, cache_read=read, output=output or 0
    )
    wire = (tokens or 0) + written + read + (output or 0)
    if classes.total != wire:  # pragma: no cover - the law itself: no input can reach this
        raise UsageError(f"{where} tells of {wire} tokens, but {classes.total} would be billed.")
    return _Counted(classes, rest > 0)


def _share(top: TokenClasses, iterations: Sequence[_Iteration]) -> _Shares:
    """Give each model its tokens when a fallback took part.

    The documents say that the top-level numbers are the sum over iterations; the SDK's own fallbacks leave there what
    the last model used. Either way the iterations tell each model's part; where they explain the top-level numbers in
    neither way, these stand, at the price of the model that answered, and count as estimated.
    """
    if not iterations:
        return _Shares(classes=top)
    parts: dict[str | None, list[TokenClasses]] = {}
    for each in iterations:
        parts.setdefault(each.model, []).append(each.counted.classes)
    by_model = {model: sum(listed, TokenClasses()) for model, listed in parts.items()}
    fallbacks = [each.model for each in iterations if each.kind == "fallback_message"]
    if len(by_model) < 2:
        own = _several(parts[iterations[0].model])
        return _Shares(classes=top, model=fallbacks[-1] if fallbacks else None, each=own)
    answered = fallbacks[-1] if fallbacks else iterations[-1].model
    whole = sum(by_model.values(), TokenClasses())
    if _outline(whole) != _outline(top):
        if _outline(by_model[answered]) != _outline(top):
            return _Shares(classes=top, model=answered, guessed=True)
        by_model[answered] = top
    rest = {model: classes for model, classes in by_model.items() if model != answered}
    others = tuple(Extra("message", model, classes, _several(parts[model])) for model, classes in rest.items())
    guessed = any(each.counted.guessed for each in iterations)
    each_ = _several(parts[answered])
    return _Shares(classes=by_model[answered], model=answered, extras=others, each=each_, guessed=guessed)


def _several(listed: Sequence[TokenClasses]) -> tuple[TokenClasses, ...]:
    return tuple(listed) if len(listed) > 1 else ()


def _outline(classes: TokenClasses) -> tuple[int, int, int, int]:
    """Counts that a stream's totals and its iterations share; the split of writes is not among them."""
    return classes.input, classes.cache_write, classes.cache_read, classes.output


def _iterations(raw: Raw | None) -> list[_Iteration]:
    try:
        entries = [] if raw is None or raw == NULL else _LIST.decode(raw)
    except msgspec.DecodeError as error:
        raise UsageError(f"usage.iterations is no array of objects: {error}.") from error
    return [_iteration(entry, f"usage.iterations[{index}]") for index, entry in enumerate(entries)]


def _iteration(entry: dict[str, Raw], where: str) -> _Iteration:
    """Read one iteration; of a kind that is not known, nothing is counted: who bills it, and where, is unknown."""
    kind, model = word_of(entry.get("type")) or "", word_of(entry.get("model"))
    if kind not in (*_SERVED_TOGETHER, *_SERVED_APART):
        return _Iteration(kind, model, _Counted(TokenClasses(), guessed=True))
    if kind == "advisor_message" and model is None:
        raise UsageError(f"{where} is an advisor's but names no model: its price is unknown.")
    return _Iteration(kind, model, _count_classes(entry, where, final=True))


def _modifiers(members: dict[str, Raw]) -> Modifiers:
    said = {name: word_of(members.get(name)) for name in _USUAL}
    return Modifiers(
        batch=said["service_tier"] == "batch",
        fast=said["speed"] == "fast",
        us=said["inference_geo"] == "us",
        priority=said["service_tier"] == "priority",
        unknown=tuple(
            f"{name}={value}" for name, value in said.items() if value is not None and value not in _USUAL[name]
        ),
    )


_LIST: Final = msgspec.json.Decoder(list[dict[str, Raw]])
