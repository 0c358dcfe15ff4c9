"""What is done for one request, whoever carries its bytes: planned, admitted, written down, settled, learnt from.

Nothing here speaks HTTP. What does (the proxy's `forward`, the SDK's middleware) asks these in this order:

    prepare -> refusal? deny : depart -> bytes out, bytes back -> settle
"""

import asyncio

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.core.allowance import MS_PER_HOUR
from planner.core.containers import preloads
from planner.core.conversations import ToolEdit, continues_thread
from planner.core.decisions.bundle import frees_code
from planner.core.endpoints import BATCH
from planner.core.exchange import Exchange
from planner.core.ledger.entry import Batch, Digests, Entry, Latency, batch_digest
from planner.core.plan import leave, stripped
from planner.core.reasons import Reason, plan_header
from planner.core.settlement import Terms
from planner.metrics import Metrics
from planner.proxy import errors, statuses
from planner.proxy.arrive import Arrived
from planner.proxy.batches import Batches
from planner.proxy.batching import Batching
from planner.proxy.budgets import Admission, Budgets
from planner.proxy.callers import spender_of, tagged
from planner.proxy.gathering import declared_scope
from planner.proxy.guard import Guard
from planner.proxy.headers import value
from planner.proxy.hours import Hours
from planner.proxy.learning import Answered, Learning
from planner.proxy.planning import Planned, Planning
from planner.proxy.recorder import Recorder
from planner.proxy.relay import Relay, marked
from planner.proxy.shapes import shaped

Fields = tuple[tuple[bytes, bytes], ...]


class Underway(msgspec.Struct, frozen=True, kw_only=True):
    """A request that is planned: what it is, what was decided, its life as an exchange, and how far it has come.

    `planned` is None for what is metered alone.
    """

    arrived: Arrived
    planned: Planned | None
    admission: Admission
    exchange: Exchange
    progress: Relay


class Refusal(msgspec.Struct, frozen=True):
    """What a policy or a budget answers instead of the API; `fields` are header fields besides the usual ones."""

    fault: errors.Fault
    words: str
    fields: Fields = ()


class Course:
    """The way of each request through the planner; no step of it stops a request that can go on without it."""

    def __init__(  # noqa: PLR0913 - the parts of the planner, named
        self,
        *,
        planning: Planning,
        batching: Batching,
        learning: Learning,
        recorder: Recorder,
        metrics: Metrics,
        hours: Hours,
        batches: Batches,
        budgets: Budgets,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._planning = planning
        self._batching = batching
        self._learning = learning
        self._recorder = recorder
        self._metrics = metrics
        self._hours = hours
        self._batches = batches
        self._budgets = budgets
        self._clock = clock
        self._log = log

    async def prepare(self, arrived: Arrived, body: bytes | None) -> Underway | None:
        """Plan a request as it goes upstream; `body` None is one that is not read.

        None where nothing could be written down of it: what is not in the ledger has no business upstream.
        """
        received = self._clock.monotonic()
        planned: Planned | None = None
        admission = Admission()
        if arrived.endpoint.batch is not None:
            with self._guard("store", arrived):
                await self._batches.recall(arrived.endpoint.batch)
        with self._guard("bug", arrived) as prepared:
            planned = await self._plan(arrived, body)
            admission = await self._admit(arrived, planned)
            planned = await self._begin(arrived, body, planned, admission)
            intent = self._intent(arrived, planned, admission)
            terms = Terms(at=arrived.at, model="", notional=arrived.caller.subscription)
            trail = None if planned is None else planned.trail
            batched = self._batches.known(arrived.endpoint.batch)
            billing = arrived.endpoint.billing
            exchange = Exchange(intent, terms, arrived.book, billing=billing, trail=trail, batched=batched)
        if prepared.failed:
            self._take_back(arrived, planned)
            self._budgets.release(arrived.request_id)
            return None
        progress = Relay(
            plan=None if planned is None else planned.plan,
            more=_budget_header(admission),
            overhead=self._clock.monotonic() - received,
        )
        return Underway(arrived=arrived, planned=planned, admission=admission, exchange=exchange, progress=progress)

    def refusal(self, underway: Underway) -> Refusal | None:
        """What is answered in place of the API; None for a request that goes there."""
        planned, refused = underway.planned, underway.admission.refused
        if planned is not None and planned.plan.denial is not None:
            return Refusal(errors.FORBIDDEN, planned.plan.denial.message)
        if refused is None:
            return None
        wait = (b"retry-after", statuses.retry_after(refused, underway.arrived.at))
        return Refusal(errors.OVER_BUDGET, statuses.refusal(refused), (*underway.progress.more, wait))

    def deny(self, underway: Underway, refusal: Refusal) -> Fields:
        """Enter a request that is refused like one that was sent; it costs nothing. Return the fields of its answer."""
        arrived, exchange = underway.arrived, underway.exchange
        exchange.not_sent()
        with self._guard("record", arrived):
            latency = Latency(round(self._clock.monotonic() - arrived.started, 6), None, 0.0)
            entry = exchange.settle("refused", latency)
            self._recorder.settle(msgspec.structs.replace(entry, status=refusal.fault.status, attempts=0))
        plan = (b"planner-plan", plan_header(exchange.intent.decisions).encode())
        return ((b"planner-body", b"unchanged"), plan, *refusal.fields)

    async def depart(self, underway: Underway) -> None:
        """Write down that a request goes upstream, and let other processes know of an edit that is new.

        They know before its answer can bring anybody to them. The time that this takes is overhead.
        """
        began, planned = self._clock.monotonic(), underway.planned
        with self._guard("record", underway.arrived):
            self._recorder.intend(underway.exchange.intent)
        if planned is not None and planned.decided and not planned.plan.tool_edit.empty:
            await self._recorder.delivered()
        underway.progress.overhead += self._clock.monotonic() - began

    def settle(self, underway: Underway) -> None:
        """Price and write down what became of a request, and learn from it; no step stops the ones after it."""
        arrived, planned, exchange = underway.arrived, underway.planned, underway.exchange
        progress = underway.progress
        entry: Entry | None = None
        sent = planned
        with self._guard("settle", arrived):  # where this fails, the intent stays in the ledger as unknown
            if planned is not None and progress.plan is not None:
                sent = msgspec.structs.replace(planned, plan=progress.plan)
            latency = self._latency(arrived, progress)
            counted = self._batches.counted(arrived.endpoint.batch)
            terms = self._terms(arrived, sent, exchange)
            entry = exchange.settle(progress.ending, latency, terms, counted)
            self._batches.settled(entry)
            entry = marked(entry, progress, planned, exchange.told)
            with self._guard("settle", arrived):  # without its shape it is in no trace, and that is all
                shape = shaped(sent, exchange, terms, entry.status, arrived.book, arrived.caller)
                entry = msgspec.structs.replace(entry, shape=shape)
        if entry is None:
            self._take_back(arrived, planned)
            self._budgets.release(arrived.request_id)
            return
        with self._guard("budget", arrived):
            self._budgets.settle(arrived, entry)
        with self._guard("record", arrived):
            self._recorder.settle(entry)
        with self._guard("record", arrived):
            self._metrics.observe_headers(exchange.headers)
        answered = Answered(
            planned=planned,
            sent=sent,
            blamed=progress.blamed,
            entry=entry,
            exchange=exchange,
            account=arrived.caller.account,
        )
        with self._guard("learning", arrived) as learning:  # what was not learnt costs only a decision
            if self._learning.broke_cache(answered):
                self._metrics.cache_breaks.add()
                self._log.error("an edit of ours changed in a conversation", request_id=arrived.request_id)
            self._learning.settled(answered)
            self._refused_in_batch(arrived, exchange)
        if learning.failed:
            self._take_back(arrived, planned)

    def _refused_in_batch(self, arrived: Arrived, exchange: Exchange) -> None:
        """Count and tell what the API refused of ours in a batch, hours after it was made; no other batch gets it."""
        refused = self._batches.refused(arrived.endpoint.batch, exchange.refused_in_batch)
        if not refused:
            return
        self._metrics.batch_edits_refused.add(amount=len(refused))
        self._log.error("an edit of ours was refused in a batch", request_id=arrived.request_id)
        self._learning.refused_in_batch(refused, exchange.scope or declared_scope(arrived.caller))

    async def _admit(self, arrived: Arrived, planned: Planned | None) -> Admission:
        """What budgets say of a request that no policy refuses."""
        if planned is None or planned.plan.denial is not None:
            return Admission()
        try:
            with self._guard("budget", arrived):
                return await self._budgets.admit(arrived, planned)
        except asyncio.CancelledError:
            self._take_back(arrived, planned)
            raise
        return Admission()

    async def _begin(
        self, arrived: Arrived, body: bytes | None, planned: Planned | None, admission: Admission
    ) -> Planned | None:
        """Remember what is being sent; what cannot be remembered could not be repeated, so it goes as it came."""
        if planned is None or planned.plan.denial is not None:
            return planned
        if admission.refused is not None:
            self._take_back(arrived, planned)
            return Planned(body=planned.body, plan=leave(Reason.EXHAUSTED), request=planned.request)
        with self._guard("remembering", arrived):
            await self._begin_all(arrived, planned)
            self._learning.sending(planned, arrived.at)
            return planned
        self._take_back(arrived, planned)
        came = planned.body if body is None else body
        return Planned(body=came, plan=stripped(planned.plan, Reason.ERROR), request=planned.request)

    async def _begin_all(self, arrived: Arrived, planned: Planned) -> None:
        """Remember what begins in a batch; whoever hangs up meanwhile holds nothing any more."""
        try:
            await self._learning.begin_all(planned, arrived.at)
        except asyncio.CancelledError:
            self._budgets.release(arrived.request_id)
            raise

    async def _plan(self, arrived: Arrived, body: bytes | None) -> Planned | None:
        """The plan for a request that is planned; None for all others."""
        if not arrived.endpoint.planned:
            return None
        if body is None:
            large = arrived.endpoint is BATCH and value(arrived.fields, b"content-encoding") is None
            return Planned(body=b"", plan=leave(Reason.TOO_LARGE if large else Reason.ENCODED_BODY))
        with self._guard("bug", arrived):
            if arrived.endpoint is BATCH:
                return await self._batching.plan(body, arrived.caller, arrived.at, arrived.book)
            return await self._planning.plan(body, arrived.caller, arrived.at, arrived.book)
        return Planned(body=body, plan=leave(Reason.ERROR))

    def _take_back(self, arrived: Arrived, planned: Planned | None) -> None:
        """Take back what was lent to a request whose end is not learnt."""
        with self._guard("learning", arrived):
            self._learning.abandoned(planned)

    def _guard(self, cause: str, arrived: Arrived) -> Guard:
        return Guard(cause, arrived.request_id, self._metrics, self._log)

    def _latency(self, arrived: Arrived, progress: Relay) -> Latency:
        first = progress.first_byte_at
        return Latency(
            total=round(self._clock.monotonic() - arrived.started, 6),
            first_byte=None if first is None else round(first - arrived.started, 6),
            overhead=round(progress.overhead, 6),
        )

    def _intent(self, arrived: Arrived, planned: Planned | None, admission: Admission) -> Entry:
        caller = arrived.caller if planned is None else tagged(arrived.caller, planned.plan.tags)
        request = None if planned is None else planned.request
        return Entry(
            request_id=arrived.request_id,
            at=arrived.at.isoformat(timespec="microseconds"),
            principal=caller.principal,
            organization=caller.organization,
            workspace=caller.workspace,
            team=caller.team,
            project=caller.project,
            tags=caller.tags,
            spender=spender_of(caller),
            endpoint=arrived.endpoint.name,
            method=arrived.method,
            model=None if request is None else request.model,
            mode=caller.mode,
            expected_nano=None if planned is None else planned.plan.expected,
            decisions=(*(() if planned is None else planned.plan.decisions), *admission.decisions),
            shadows=(*(() if planned is None else planned.plan.shadows), *admission.shadows),
            prefix=None if planned is None or planned.sent is None else planned.sent.prefix,
            batch=_batch(arrived, planned),
            digests=Digests(arrived.book.digest, arrived.book.prices.digest),
        )

    def _terms(self, arrived: Arrived, sent: Planned | None, exchange: Exchange) -> Terms:
        """What the price of this request depends on besides its usage, once its answer is there."""
        told, caller, book = exchange.ended(self._clock.monotonic()), arrived.caller, arrived.book
        pool = self._hours.pool(exchange.organization or "", book.settings.free_hours)
        left, untouched = (round(hours * MS_PER_HOUR) for hours in pool.left(arrived.at))
        if sent is None:
            return Terms(
                at=arrived.at, model="", free_ms=left, untouched_free_ms=untouched, notional=caller.subscription
            )
        container = None if told.container is None else told.container.id
        request, plan, settings = sent.request, sent.plan, book.settings
        return Terms(
            at=arrived.at,
            model="",
            edit=plan.tool_edit,
            added=self._learning.added(sent, book),
            likely_ms=self._learning.likely_ms(sent, book),
            spared_start_ms=self._learning.spared_start_ms(sent, container, book),
            free=plan.free,
            frees=request is not None and frees_code(request.tools, ToolEdit(), book),
            threaded=plan.threaded,
            tool_cached=request is None or continues_thread(request) or request.breakpoints.after_tools,
            sessions=self._learning.sessions(container or sent.container),
            free_ms=left,
            untouched_free_ms=untouched,
            preloaded=request is not None and preloads(request, settings.code),
            notional=caller.subscription,
        )


def _batch(arrived: Arrived, planned: Planned | None) -> Batch | None:
    """The batch that a request makes, which has no id yet, or whose results it asks for."""
    if arrived.endpoint.batch is not None:
        return Batch(batch_digest(arrived.endpoint.batch))
    return None if planned is None or planned.made is None else Batch("", made=planned.made)


def _budget_header(admission: Admission) -> Fields:
    """What a caller is told of its budgets, the one that refuses it first."""
    refused = admission.refused
    told = [each for each in admission.told if refused is None or each.budget != refused.budget]
    found = told if refused is None else [refused, *told]
    return ((b"planner-budget", statuses.header(found)),) if found else ()
