"""What this process has learnt of agents and of its own edits: from settled requests, kept at a bounded rate."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.core.exchange import Exchange
from planner.core.learning.experience import Answer, Experience
from planner.core.learning.learnt import UNKNOWN
from planner.core.learning.sizes import Combination, LearntScale, LearntSize, estimated_prompt
from planner.core.ledger.entry import Entry
from planner.core.records import Learnt, LearntRecord
from planner.core.rulebook.book import RuleBook
from planner.core.wire import MessagesRequest
from planner.metrics import Metrics
from planner.proxy.inforce import InForce
from planner.proxy.planning import Planned
from planner.proxy.recorder import Recorder
from planner.stores import Store, StoreError

KEEP_EVERY: Final = timedelta(seconds=15)
KEPT_AT_ONCE: Final = 64
"""How often what was learnt is written down, and how much of it, so that no request waits for long: a crash costs a
quarter of a minute of learning where agents are few, three quarters of an hour where there are ten thousand. Ours."""
EVERYTHING: Final = 1_000_000
LARGEST: Final = 2 * 1024 * 1024
"""Bytes of body beyond which one request tells too little of a tool to be worth looking through."""
GROUP_DIGITS: Final = 16
OK: Final = 200
OK_ENDING: Final = "ok"


class Lessons:
    """Feeds habits and sizes from what was sent and settled, and writes them down."""

    def __init__(self, experience: Experience, recorder: Recorder) -> None:
        self.experience = experience
        self.sizes = experience.sizes
        self._recorder = recorder
        self._kept_at: datetime | None = None

    async def recall(self, store: Store, log: FilteringBoundLogger) -> None:
        """Go on from what a store has; what cannot be gone on from is said and left aside, for no request needs it."""
        try:
            kept = await store.learnt()
        except StoreError as error:
            log.warning("what was learnt cannot be read", error=str(error))
            return
        lost = kept.unread
        for each in kept.learnt:
            try:
                self.restore((each,))
            except Exception:  # noqa: BLE001 - what another version wrote must not stop this one
                lost += 1
        if lost:
            log.warning("some of what was learnt is left aside", rows=lost)

    def restore(self, learnt: Iterable[Learnt]) -> None:
        """Begin with what an earlier process knew."""
        for each in learnt:
            if isinstance(each, LearntSize | LearntScale):
                self.sizes.restore((each,))
            else:
                self.experience.profiles.restore(each)

    def export(self, metrics: Metrics, rules: InForce) -> None:
        """Export what decides how much of a start is saved."""
        metrics.gauge(
            "planner_cold_start_seconds",
            "How long a new container is believed to take to start (estimate).",
            lambda: [((), self.cold_start_ms(rules.book) / 1000)],
        )

    def sending(self, planned: Planned) -> None:
        """Note what goes out."""
        if planned.sent is not None:
            self.experience.sent(planned.sent)

    def added(self, sent: Planned | None, book: RuleBook) -> float | None:
        """Tokens that the edit of a request is believed to have added to each prompt; None where that is not known."""
        key = None if sent is None else _key(sent, book)
        if sent is None or key is None:
            return None
        return self.sizes.of(key, sent.plan.tool_edit, book).interval.likely

    def likely_ms(self, sent: Planned | None, book: RuleBook) -> int | None:
        """How long code runs in a request of this agent that runs any; None where nothing was seen of it."""
        if sent is None or sent.sent is None:
            return None
        seconds = self.experience.profiles.learnt(sent.sent.profile).seconds
        prior = book.catalog.priors.code_seconds.likely
        return None if seconds is UNKNOWN else round(seconds.at(prior) * 1000)

    def cold_start_ms(self, book: RuleBook) -> int:
        """How long a new container takes to start: as it was seen, else as the settings say."""
        seen = self.experience.starts.cold_ms
        return round(book.settings.container.cold_start_seconds * 1000) if seen is None else seen

    def observe(self, sent: Planned, exchange: Exchange, entry: Entry) -> None:
        """Learn from a request that was answered, and write down now and then what was learnt."""
        self._observe_size(sent, exchange, entry)
        self._observe_habit(sent, exchange, entry)
        self._observe_start(sent, exchange, entry)
        now = datetime.fromisoformat(entry.at)
        if self._kept_at is None or now - self._kept_at >= KEEP_EVERY:
            self._kept_at = now
            self.keep(now, KEPT_AT_ONCE)

    def _observe_habit(self, sent: Planned, exchange: Exchange, entry: Entry) -> None:
        """Learn how the agent works; an answer that was cut tells too little."""
        metered, known = exchange.metered, sent.sent
        if known is None or metered is None or entry.outcome != OK_ENDING:
            return
        runs = 0 if entry.code is None else entry.code.runs
        container = exchange.told.container
        self.experience.answered(
            msgspec.structs.replace(known, edit=sent.plan.tool_edit),
            Answer(
                first=metered.first,
                whole=metered.classes,
                iterations=metered.iterations or runs + 1,
                runs=runs,
                code_ms=0 if entry.code is None else round(entry.code.seconds.likely * 1000),
                elapsed_ms=0 if entry.latency is None else round(entry.latency.total * 1000),
                container=sent.container if container is None else container.id,
                futile=metered.web_fetches if sent.plan.tool_edit.append is not None else 0,
                timed=exchange.told.code_ms is not None,
            ),
            exchange.book,
        )

    def _observe_start(self, sent: Planned, exchange: Exchange, entry: Entry) -> None:
        """Learn from the first code of a response; what ran in a container that had to be restored is neither."""
        told = exchange.told
        if told.first_ms is None or told.container is None or (entry.warm and not sent.warm):
            return
        self.experience.starts.observe(told.first_ms, warm=entry.warm)

    def _observe_size(self, sent: Planned, exchange: Exchange, entry: Entry) -> None:
        """Learn from a request and its first prompt; what tells nothing of sizes is left out."""
        key, request, metered = _key(sent, exchange.book), sent.request, exchange.metered
        first = None if metered is None else metered.first
        if key is None or request is None or first is None or entry.status != OK or len(request.body) > LARGEST:
            return
        estimate = estimated_prompt(request, exchange.book)
        if estimate is None:
            return
        now, edited = datetime.fromisoformat(entry.at), sent.plan.tool_edit.adds
        group = group_of(request, entry.principal)
        self.sizes.observe(key, estimate, first.prompt, now, edited=edited, group=group)

    def count(self, key: Combination, tokens: int, now: datetime) -> None:
        """Learn what the API counted, and write it down."""
        self.sizes.count(key, tokens, now)
        self.keep(now, KEPT_AT_ONCE)

    def keep(self, now: datetime, most: int = EVERYTHING) -> None:
        """Write down what changed since the last time, at most so much; all there is where nothing is said."""
        at = now.isoformat(timespec="microseconds")
        for learnt in (*self.sizes.changes(most), *self.experience.profiles.changes(most)):
            self._recorder.remember(LearntRecord(at, learnt))


def group_of(request: MessagesRequest, principal: str) -> str:
    """A digest of what requests share whose bytes and tokens hang together alike: who, model, kinds of tools."""
    kinds = sorted({tool.type or "" for tool in request.tools})
    said = "\0".join(("planner-group", principal, request.model or "", *kinds))
    return sha256(said.encode()).hexdigest()[:GROUP_DIGITS]


def _key(sent: Planned, book: RuleBook) -> Combination | None:
    """The combination of a request as it went out; None for one that has none: no code, or an unknown model."""
    request, known = sent.request, sent.sent
    if request is None or known is None or book.catalog.model(known.model) is None:
        return None
    if not any(tool.family == "code_execution" for tool in request.tools):
        return None
    edit = sent.plan.tool_edit
    return msgspec.structs.replace(known.combination, append=edit.append, retypes=edit.retypes)
