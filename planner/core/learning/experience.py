"""All that a planner has learnt of those who call: their habits, their warm prefixes, and what its edits weigh.

The proxy and `planner replay` both keep one, and feed it in the same two steps: a request goes out, its answer comes
back. Nothing in here is ever told of a request that has not been answered, but that it was sent.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

import msgspec

from planner.core.agents import ProfileKey
from planner.core.conversations import ToolEdit
from planner.core.learning.epochs import Epochs, Warmth, cache_seconds
from planner.core.learning.profile import Observation, Profiles
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import Combination, Sizes
from planner.core.learning.starts import Starts
from planner.core.metering.usage import TokenClasses
from planner.core.rulebook.book import RuleBook

TRIAL_LASTS: Final = timedelta(minutes=15)
"""After so long a trial whose answer never came is forgotten: longer than the API holds a connection open. Ours."""

MOST_TRIALS, TRIALS_COUNT = 8, timedelta(days=1)
"""Trials of one model in a day, at most: what so many do not tell, more do not either. Ours."""

SESSION_IDLE_MS: Final = 300_000
"""A container that was idle for longer was checkpointed, and its next use opens a session anew [A]:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22."""

CONTAINERS: Final = 10_000


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it went out.

    Attributes:
        at: when, aware.
        model: as requested.
        prefix, profile: what it shares with others.
        prompt: how long it was taken to be.
        opens: whether a conversation began with it.
        edit: of its tools; `combination` is what the size of that edit depends on.
        trial: whether it was edited to learn a size.
        preloaded: whether files or skills are loaded into its container.
        warm: whether its prefix, as it was sent, had been used within the life of its cache.
    """

    at: datetime
    model: str
    prefix: str
    profile: ProfileKey
    prompt: Prompt
    opens: bool
    edit: ToolEdit
    combination: Combination
    trial: bool = False
    preloaded: bool = False
    warm: bool = False


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What came back, as far as anything is learnt from it.

    `first` is the prompt of the first sampling iteration, None where it was not told apart; `code_ms` is how long code
    ran, likely; `elapsed_ms` how long the answer took; `futile` counts calls of the added tool.
    """

    first: TokenClasses | None
    whole: TokenClasses
    iterations: int
    runs: int
    code_ms: int
    elapsed_ms: int
    container: str | None
    futile: int = 0
    timed: bool = True


class Session(msgspec.Struct, frozen=True):
    """The time of one container session as it bills, or would: milliseconds used, and when the last use ended."""

    used_ms: int
    ended: datetime


class Trials(msgspec.Struct):
    """The trials of a model within a day: how many were sent, and whether one still waits for its answer."""

    first: datetime
    last: datetime
    sent: int = 0
    waiting: bool = False


class Experience:
    """What was learnt, in memory, bounded. What edits weigh is learnt by `Sizes` itself, and read here."""

    def __init__(self, sizes: Sizes) -> None:
        self.profiles = Profiles()
        self.epochs = Epochs()
        self.sizes = sizes
        self.starts = Starts()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._trials: dict[str, Trials] = {}

    def trying(self, model: str, now: datetime) -> bool:
        """Whether an edit is being tried on a model, or was tried too often of late."""
        known = self._trials.get(model)
        if known is None or now - known.first >= TRIALS_COUNT:
            return False
        return known.sent >= MOST_TRIALS or (known.waiting and now - known.last < TRIAL_LASTS)

    def sent(self, sent: Sent) -> None:
        """A request goes out."""
        if not sent.trial:
            return
        known = self._trials.get(sent.model)
        if known is None or sent.at - known.first >= TRIALS_COUNT:
            known = self._trials[sent.model] = Trials(first=sent.at, last=sent.at)
        known.last, known.waiting = sent.at, True
        known.sent += 1

    def answered(self, sent: Sent, answer: Answer, book: RuleBook) -> int:
        """Its answer is there; return the container milliseconds that it bills, or would if its code were not free."""
        edited = sent.edit.adds
        added = self.sizes.of(sent.combination, sent.edit, book).interval.likely if edited else 0.0
        if sent.trial and (known := self._trials.get(sent.model)) is not None:
            known.waiting = False
        billed = self._billed_ms(sent, answer, book)
        row = book.prices.lookup(sent.model, sent.at)
        tiered = row is not None and row.over is not None
        model = book.catalog.model(sent.model)
        front = (sent.prompt.tokens if sent.prompt.cached is None else sent.prompt.cached) + added
        could = sent.prompt.marked and front >= (0 if model is None else model.min_cache_prefix)
        seen = _observation(sent, answer, added, billed, tiered=tiered, could=could)
        self.profiles.observe(sent.profile, seen, sent.at)
        self._warm(sent, answer)
        return billed

    def _warm(self, sent: Sent, answer: Answer) -> None:
        """Note what is in the prompt cache now, behind the iteration that wrote it."""
        first = answer.first
        kept = answer.whole if first is None else first
        held = (kept.cache_read + kept.cache_write) // (answer.iterations if first is None else 1)
        ended = sent.at + timedelta(milliseconds=answer.elapsed_ms)
        warmth = Warmth(held, ended, cache_seconds(long=sent.prompt.long))
        edited = sent.edit.adds
        begun = None
        if sent.opens:  # what was only tried decides nothing for those that follow
            before = self.epochs.find(sent.prefix, sent.at)
            begun = edited if not sent.trial else before is not None and before.edited
        over = self.epochs.answered(sent.prefix, warmth, edited=edited, sent=sent.at, begun=begun)
        if over is not None:
            self.profiles.epoch_ended(sent.profile, over, sent.at)

    def _billed_ms(self, sent: Sent, answer: Answer, book: RuleBook) -> int:
        """Container milliseconds that one request adds to the bill; the minimum is of a session or of each request."""
        if answer.runs == 0 and not sent.preloaded:
            return 0
        row = book.prices.tool("code_execution", sent.at)
        minimum = 0 if row is None else row.minimum_ms
        known = None if answer.container is None else self._sessions.get(answer.container)
        idle = 0 if known is None else round((sent.at - known.ended).total_seconds() * 1000)
        if known is not None and idle > SESSION_IDLE_MS:
            known = None
        ran = answer.code_ms
        if book.settings.code.idle_bills:
            ran = answer.elapsed_ms + (0 if known is None else max(idle, 0))
        used = 0 if known is None else known.used_ms
        paid = 0 if known is None else max(used, minimum)
        if answer.container is not None:
            ended = sent.at + timedelta(milliseconds=answer.elapsed_ms)
            self._sessions[answer.container] = Session(used + ran, ended)
            self._sessions.move_to_end(answer.container)
            if len(self._sessions) > CONTAINERS:
                self._sessions.popitem(last=False)
        if book.settings.code.minimum_per == "request":
            return max(ran, minimum)
        return max(used + ran, minimum) - paid


def _observation(sent: Sent, answer: Answer, added: float, billed_ms: int, *, tiered: bool, could: bool) -> Observation:
    """What one request shows of its agent; the tokens of our own edit are taken out."""
    first, iterations = answer.first, max(answer.iterations, 1)
    kept = answer.whole if first is None else first
    parts = iterations if first is None else 1
    prompt = max(kept.prompt / parts - added, 0.0)
    held = (kept.cache_read + kept.cache_write) / parts
    held = max(held - added, 0.0) if could and held > 0 else held
    if not held:
        cold = not sent.warm
    elif first is None:
        cold = kept.cache_write > 0 and kept.cache_read <= (iterations - 1) * kept.cache_write
    else:
        cold = kept.cache_write > 0 and kept.cache_read == 0
    return Observation(
        opens=sent.opens,
        ran=answer.runs > 0,
        seconds=answer.code_ms / 1000 if answer.timed else None,
        billed=billed_ms / 1000,
        samples=iterations,
        prompt=prompt,
        scale=prompt / sent.prompt.tokens if first is not None and sent.prompt.tokens > 0 else None,
        cached=min(held / prompt, 1.0) if prompt > 0 else 0.0,
        marked=could,
        cold=cold,
        futile=None if sent.edit.append is None else answer.futile,
        output=answer.whole.output,
        read=max(answer.whole.prompt - added * iterations, 0.0) if tiered else None,
    )
