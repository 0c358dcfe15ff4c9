"""What an edit of `tools` adds to every prompt: counted by the API, else as a file says, else learnt from traffic.

A count holds until it is old, or until all samples, each of them younger, say that it cannot be.

Without a count it is the first-iteration prompt of edited requests less what such a prompt would have been untouched,
which untouched requests teach (`scale`). It is held together with the catalog's belief, each weighed by how sure it is.
No clock, no chance: the same calls in the same order give the same sizes.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache, partial
from hashlib import sha256
from typing import Final, Literal, TypeVar

import msgspec

from planner.core.conversations import DIGEST_DIGITS, Retype, ToolEdit, continues_thread
from planner.core.learning.excess import LEAST, Sample, blend, excess, newest
from planner.core.learning.scale import Predicted, Scale
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Interval
from planner.core.wire import MessagesRequest, Tool

Source = Literal["count_tokens", "traffic", "settings", "catalog"]

BOUND: Final = 1_024
SAMPLES: Final = 24
STEP: Final = 0.1
FAMILIES: Final = frozenset({"code_execution", "web_search", "web_fetch"})
BYTES_PER_TOKEN: Final = 4.0
DISTORTING: Final = (b'"base64"', b'"image"', b'"document"')
"""Bodies with these have far fewer, or far more, tokens than their bytes tell."""

UNKNOWN: Final = Interval(0.0, 4_000.0, 10_000.0)
"""Of a tool that no row speaks of: all that was ever seen of one."""
COUNTED_WITHIN: Final = 0.02
"""How far a count may be off: the API calls it an estimate [A]; the share is ours."""
TRUSTED: Final = timedelta(days=21)
"""How long a count beats what is known since: three times as long as until it is made anew. Ours."""
STRANGER_BIAS, STRANGER_NOISE = 0.10, 0.10
NOBODY_BIAS, NOBODY_NOISE = 0.25, 0.10
"""Relative errors of a body's estimate by what others of the model taught, and by four bytes a token alone: ours."""
_LONG_AGO: Final = datetime(2026, 1, 1, tzinfo=UTC)  # of a measurement that no file dates

K = TypeVar("K")
V = TypeVar("V")


class Declared(msgspec.Struct, frozen=True):
    """A server tool that a request declares, as far as an edit's size depends on it."""

    type: str
    direct: bool = False


class Combination(msgspec.Struct, frozen=True):
    """What the size of an edit depends on: the model, the server tools before it, and the edit."""

    model: str
    declared: tuple[Declared, ...] = ()
    append: str | None = None
    retypes: tuple[Retype, ...] = ()


class Size(msgspec.Struct, frozen=True):
    """Input tokens that an edit adds to each sampling iteration, where the number is from, and how old it is."""

    interval: Interval
    source: Source
    at: datetime | None = None


class Counted(msgspec.Struct, frozen=True):
    """Tokens that the API counted for an edit."""

    at: datetime
    tokens: int


class LearntSize(msgspec.Struct, frozen=True, tag="size"):
    """All that is known of one combination, to be kept."""

    key: Combination
    counted: Counted | None = None
    samples: tuple[Sample, ...] = ()

    @property
    def name(self) -> str:
        """What names the combination in a store."""
        return f"size {sha256(msgspec.json.encode(self.key)).hexdigest()[:DIGEST_DIGITS]}"


class LearntScale(msgspec.Struct, frozen=True, tag="scale"):
    """All that is known of the estimates of one group, to be kept."""

    group: str
    scale: Scale

    @property
    def name(self) -> str:
        """What names the group in a store."""
        return f"scale {self.group}"


Learnt = LearntSize | LearntScale


class _Known(msgspec.Struct):
    """What is known of one combination; `blended` was made of what stands in `made_of`."""

    counted: Counted | None = None
    samples: tuple[Sample, ...] = ()
    made_of: object = None
    blended: Interval = UNKNOWN


def combination(model: str, tools: tuple[Tool, ...], edit: ToolEdit) -> Combination:
    """The combination of a request, by its tools as the caller declares them, and an edit."""
    declared = {Declared(tool.type or "", tool.allowed_callers == ("direct",)) for tool in tools if _counts(tool)}
    ordered = sorted(declared, key=lambda each: (each.type, each.direct))
    return Combination(model, tuple(ordered), edit.append, edit.retypes)


def estimated_prompt(request: MessagesRequest, book: RuleBook) -> float | None:
    """Tokens of a body as its bytes and its tools tell, None where they cannot: images, documents, threads."""
    if continues_thread(request) or any(word in request.body for word in DISTORTING):
        return None
    hidden = (book.tool_tokens(tool.type or "") for tool in request.tools if _counts(tool))
    return len(request.body) / BYTES_PER_TOKEN + sum(each.likely for each in hidden if each is not None)


class Sizes:
    """Sizes of edits, learnt while requests pass; bounded, what was touched last stays."""

    def __init__(self, bound: int = BOUND, trusted: timedelta = TRUSTED) -> None:
        self._bound = bound
        self._trusted = trusted
        self._known: OrderedDict[Combination, _Known] = OrderedDict()
        self._scales: OrderedDict[str, Scale] = OrderedDict()
        self._asked: OrderedDict[Combination, None] = OrderedDict()
        self._changed: dict[Combination | str, None] = {}

    def of(self, key: Combination, edit: ToolEdit, book: RuleBook) -> Size:
        """The best that is known: counted, else measured by a setting, else traffic and catalog, else the catalog.

        A count is taken for old by the newest that is known otherwise, since nothing here has a clock.
        """
        if not edit.adds:
            return Size(Interval(0.0, 0.0, 0.0), "catalog")
        _put(self._asked, key, None, self._bound)
        known = self._known.get(key)
        believed = _believed(key, edit, book)
        seen = None
        if known is not None and known.samples:
            seen = Size(self._blended(key.model, believed.interval, known), "traffic", newest(known.samples))
        if known is not None and known.counted is not None:
            counted = _counted(known.counted)
            if not self._outdated(known.counted, believed, seen) and not _contradicted(counted, known, seen):
                return counted
        return believed if believed.source == "settings" or seen is None else seen

    def measured(self, key: Combination) -> int:
        """How many edited requests have taught the size of a combination; at most as many as are kept."""
        known = self._known.get(key)
        return 0 if known is None else len(known.samples)

    def counted(self, key: Combination) -> datetime | None:
        """When the API last counted a combination."""
        known = self._known.get(key)
        return None if known is None or known.counted is None else known.counted.at

    def wanted(self, before: datetime) -> tuple[Combination, ...]:
        """What was asked for and not counted since a moment, the last asked first."""
        counts = ((key, self.counted(key)) for key in reversed(self._asked))
        return tuple(key for key, at in counts if at is None or at < before)

    def count(self, key: Combination, tokens: int, at: datetime) -> None:
        """Learn what the API counts for an edit. Raises ValueError where it counts nothing: a tool adds something."""
        if tokens <= 0:
            raise ValueError(f"an edit cannot add {tokens} tokens")
        known = self._known.get(key, _Known())
        known.counted = Counted(at, tokens)
        self._keep(key, known)

    def observe(
        self, key: Combination, estimated_prompt: float, first_prompt: int, at: datetime, *, edited: bool, group: str
    ) -> None:
        """Learn from one request: `estimated_prompt` of the caller's own body, and its first prompt as it was billed.

        `group` is what shares the error of such estimates: a profile's digest.
        """
        if estimated_prompt < 1 or first_prompt < 1:
            return
        if edited:
            known = self._known.get(key, _Known())
            sample = Sample(at, estimated_prompt, first_prompt, group)
            known.samples = (*known.samples, sample)[-SAMPLES:]
            self._keep(key, known)
            return
        for name in (group, _model_group(key.model)):
            scale = self._scales.get(name, Scale())
            scale.learn(estimated_prompt, first_prompt)
            _put(self._scales, name, scale, self._bound)
            self._note(name)

    def snapshot(self) -> tuple[Learnt, ...]:
        """All that is known, to be kept."""
        return self._told((*self._scales, *self._known))

    def changes(self, most: int = BOUND) -> tuple[Learnt, ...]:
        """What changed since it was last asked, at most so many; what is left comes the next time."""
        names = list(self._changed)[:most]
        for name in names:
            del self._changed[name]
        return self._told(names)

    def restore(self, learnt: Iterable[Learnt]) -> None:
        """Go on from what was kept."""
        for each in learnt:
            if isinstance(each, LearntScale):
                _put(self._scales, each.group, msgspec.structs.replace(each.scale), self._bound)
            else:
                counted = each.counted if each.counted is not None and each.counted.tokens > 0 else None
                _put(self._known, each.key, _Known(counted, each.samples[-SAMPLES:]), self._bound)

    def _outdated(self, counted: Counted, *others: Size | None) -> bool:
        """Whether something else is known from so much later that a count should have been made anew."""
        return any(other is not None and _age(counted, other) > self._trusted for other in others)

    def _told(self, names: Iterable[Combination | str]) -> tuple[Learnt, ...]:
        found = (self._learnt(name) for name in names)
        return tuple(each for each in found if each is not None)

    def _learnt(self, name: Combination | str) -> Learnt | None:
        if isinstance(name, str):
            scale = self._scales.get(name)
            return None if scale is None else LearntScale(name, msgspec.structs.replace(scale))
        known = self._known.get(name)
        return None if known is None else LearntSize(name, known.counted, known.samples)

    def _keep(self, key: Combination, known: _Known) -> None:
        _put(self._known, key, known, self._bound)
        self._note(key)

    def _note(self, name: Combination | str) -> None:
        self._changed[name] = None
        if len(self._changed) > 2 * self._bound:
            del self._changed[next(iter(self._changed))]

    def _blended(self, model: str, prior: Interval, known: _Known) -> Interval:
        """Belief and traffic together, made again when a sample came or a scale was learnt by a tenth more."""
        groups = dict.fromkeys((*(sample.group for sample in known.samples), _model_group(model)))
        scales = (self._scales.get(group) for group in groups)
        weights = tuple(0 if scale is None else round(math.log(scale.weight) / STEP) + 1 for scale in scales)
        made_of = (prior, known.samples, weights)
        if known.made_of != made_of:
            predict = {group: self._predictor(model, group) for group in groups}
            seen = [(each, predict[each.group](each.estimate)) for each in known.samples]
            known.made_of, known.blended = made_of, blend(prior, excess(seen))
        return known.blended

    def _predictor(self, model: str, group: str) -> Callable[[float], Predicted]:
        """What tells prompts as they would have been untouched: their group, else others of the model, else bytes."""
        own = self._scales.get(group)
        if own is not None:
            return own.predictor()
        others = self._scales.get(_model_group(model))
        if others is not None:
            return partial(_stranger, others.predictor())
        return _nobody


def _stranger(others: Callable[[float], Predicted], estimate: float) -> Predicted:
    """A prompt of a group that nothing is known of, as others of its model tell."""
    seen = others(estimate)
    bias = math.hypot(seen.bias, STRANGER_BIAS * estimate)
    return Predicted(seen.tokens, max(seen.noise, STRANGER_NOISE * estimate), bias, 0.0)


def _nobody(estimate: float) -> Predicted:
    """A prompt of a model that nothing is known of."""
    return Predicted(estimate, NOBODY_NOISE * estimate, NOBODY_BIAS * estimate, 0.0)


def _counted(counted: Counted) -> Size:
    """What a count says."""
    tokens = float(counted.tokens)
    spread = max(tokens * COUNTED_WITHIN, LEAST)
    return Size(Interval(max(tokens - spread, 0.0), tokens, tokens + spread), "count_tokens", counted.at)


def _age(counted: Counted, other: Size) -> timedelta:
    """How much older a count is than what is known otherwise."""
    return timedelta(0) if other.at is None else other.at - counted.at


def _contradicted(counted: Size, known: _Known, seen: Size | None) -> bool:
    """Whether as many samples as are kept, all made since a count, lie wholly beside it."""
    if seen is None or counted.at is None or len(known.samples) < SAMPLES:
        return False
    if min(sample.at for sample in known.samples) <= counted.at:
        return False
    return seen.interval.low > counted.interval.high or seen.interval.high < counted.interval.low


def _believed(key: Combination, edit: ToolEdit, book: RuleBook) -> Size:
    """What the rule files say of an edit: the settings where they name its tool, else the priors of the catalog."""
    priors, interval, measured = book.catalog.priors, Interval(0.0, 0.0, 0.0), None
    if edit.append is not None:
        type_ = _type_of(edit.append)
        interval = book.tool_tokens(type_) or UNKNOWN
        measured = _checked(book, type_)
    for retype in edit.retypes:
        if retype.declared.startswith("code_execution_"):
            interval = interval + priors.lift_tokens.interval
            continue
        less, more = book.tool_tokens(retype.declared), book.tool_tokens(retype.type)
        if retype.direct or Declared(retype.declared, direct=True) in key.declared or less is None or more is None:
            interval = interval + priors.upgrade_tokens.interval
            continue
        interval = interval + (more - less)
        measured = _checked(book, retype.type) and _checked(book, retype.declared)
    return Size(interval, "catalog") if measured is None else Size(interval, "settings", measured)


def _checked(book: RuleBook, type_: str) -> datetime | None:
    """When a setting that measures a tool was checked; None without such a setting."""
    if type_ not in book.settings.tool_tokens:
        return None
    row = next((row for row in book.setting_rows if row.key == f"tool_tokens.{type_}"), None)
    return _LONG_AGO if row is None else datetime.combine(row.checked, time(), UTC)


def _counts(tool: Tool) -> bool:
    return tool.family in FAMILIES


def _model_group(model: str) -> str:
    return f"model {model}"


@lru_cache(maxsize=256)
def _type_of(append: str) -> str:
    """The type of an appended tool, from its text."""
    return str(msgspec.json.decode(append)["type"])


def _put(kept: OrderedDict[K, V], key: K, value: V, bound: int) -> None:
    """Put a value in as the newest, the oldest goes."""
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > bound:
        kept.popitem(last=False)
