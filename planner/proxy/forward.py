"""One request's way through the proxy: read it, plan it, write down the intent, send it, relay the answer, settle."""

import asyncio
from typing import Final

import msgspec
from litestar.types import Receive, Scope, Send
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock, Ids
from planner.core.allowance import MS_PER_HOUR
from planner.core.containers import preloads
from planner.core.conversations import ToolEdit, continues_thread
from planner.core.decisions.bundle import frees_code
from planner.core.endpoints import OTHER
from planner.core.exchange import Exchange
from planner.core.ledger.entry import Batch, Digests, Entry, Latency, batch_digest
from planner.core.plan import leave, stripped
from planner.core.reasons import Reason, plan_header
from planner.core.settlement import Terms
from planner.metrics import Metrics
from planner.proxy import errors, statuses
from planner.proxy.arrive import Arrived, BadTargetError, OwnAddressError, arrive
from planner.proxy.batches import Batches
from planner.proxy.bodies import ClientGoneError, Incoming, TooLargeError, announced_length, has_body
from planner.proxy.budgets import Admission, Budgets
from planner.proxy.callers import spender_of, tagged
from planner.proxy.guard import Guard
from planner.proxy.headers import upward, value
from planner.proxy.hours import Hours
from planner.proxy.inforce import InForce
from planner.proxy.learning import Answered, Learning
from planner.proxy.planning import Planned, Planning
from planner.proxy.recorder import Recorder
from planner.proxy.relay import Outgoing, Relay, marked, relay, without
from planner.proxy.shapes import shaped
from planner.tasks import Tasks
from planner.upstream import Upstream, UpstreamError, UpstreamFault, UpstreamRequest

Fields = tuple[tuple[bytes, bytes], ...]

MEGABYTE: Final = 1024 * 1024


class Forward:
    """The ASGI application for everything that is not the planner's own."""

    def __init__(  # noqa: PLR0913 - the parts of the proxy, named
        self,
        *,
        upstream: Upstream,
        planning: Planning,
        learning: Learning,
        recorder: Recorder,
        metrics: Metrics,
        hours: Hours,
        batches: Batches,
        budgets: Budgets,
        rules: InForce,
        clock: Clock,
        ids: Ids,
        tasks: Tasks,
        log: FilteringBoundLogger,
        body_limit: int,
    ) -> None:
        self._upstream = upstream
        self._planning = planning
        self._learning = learning
        self._recorder = recorder
        self._metrics = metrics
        self._hours = hours
        self._batches = batches
        self._budgets = budgets
        self._rules = rules
        self._clock = clock
        self._ids = ids
        self._tasks = tasks
        self._log = log
        self._body_limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, whatever its method and path."""
        request_id = self._ids.new()
        try:
            arrived = arrive(scope, self._rules.book, request_id, self._clock.now(), self._clock.monotonic())
            incoming = Incoming(receive, arrived.fields)
            body = await incoming.whole(self._body_limit) if _is_read(arrived) else None
        except TooLargeError:
            detail = f"the body of this request is larger than {self._body_limit // MEGABYTE} MB"
            await self._refuse(send, errors.TOO_LARGE, detail, request_id, arrived.endpoint.name)
        except OwnAddressError:
            await errors.send_error(send, errors.NOT_FOUND, "there is no such page", request_id)
        except BadTargetError:
            await self._refuse(send, errors.BAD_REQUEST, "the request target is no path", request_id)
        except UnicodeDecodeError:
            await self._refuse(send, errors.BAD_REQUEST, "a header field is not UTF-8", request_id)
        except ClientGoneError:
            return
        else:
            await self._carry(arrived, incoming, body, send)

    async def _refuse(
        self, send: Send, fault: errors.Fault, detail: str, request_id: str, endpoint: str = OTHER.name
    ) -> None:
        """Answer what cannot be forwarded; it is counted and logged, though nothing went upstream to enter."""
        self._metrics.requests.add((endpoint, "", "", str(fault.status)))
        self._log.info("refused", request_id=request_id, endpoint=endpoint, status=fault.status, reason=detail)
        await errors.send_error(send, fault, detail, request_id)

    async def _carry(self, arrived: Arrived, incoming: Incoming, body: bytes | None, send: Send) -> None:
        """Plan a request, send it, and bring its answer back; whatever happens, it is settled once."""
        received = self._clock.monotonic()
        planned: Planned | None = None
        admission = Admission()
        if arrived.endpoint.batch is not None:
            with self._guard("store", arrived):
                await self._batches.recall(arrived.endpoint.batch)
        with self._guard("bug", arrived) as prepared:
            planned = await self._plan(arrived, body)
            admission = await self._admit(arrived, planned)
            planned = self._begin(arrived, planned, admission)
            intent = self._intent(arrived, planned, admission)
            terms = Terms(at=arrived.at, model="", notional=arrived.caller.subscription)
            trail = None if planned is None else planned.trail
            exchange = Exchange(intent, terms, arrived.book, billing=arrived.endpoint.billing, trail=trail)
        if prepared.failed:  # nothing could be written down of it, and what is not in the ledger is not sent
            self._take_back(arrived, planned)
            self._budgets.release(arrived.request_id)
            await errors.send_error(send, errors.OUR_BUG, "an error of its own", arrived.request_id)
            return
        if planned is not None and planned.plan.denial is not None:
            await self._deny(arrived, exchange, errors.FORBIDDEN, planned.plan.denial.message, (), send)
            return
        if admission.refused is not None:
            wait = (b"retry-after", statuses.retry_after(admission.refused, arrived.at))
            headers = (*_budget_header(admission), wait)
            words = statuses.refusal(admission.refused)
            await self._deny(arrived, exchange, errors.OVER_BUDGET, words, headers, send)
            return
        plan, overhead = None if planned is None else planned.plan, self._clock.monotonic() - received
        progress = Relay(plan=plan, more=_budget_header(admission), overhead=overhead)
        await self._send(arrived, incoming, planned, exchange, progress, send)

    async def _send(
        self,
        arrived: Arrived,
        incoming: Incoming,
        planned: Planned | None,
        exchange: Exchange,
        progress: Relay,
        send: Send,
    ) -> None:
        """Write down that a request goes upstream, relay its answer, and settle it."""
        intent, began = exchange.intent, self._clock.monotonic()
        with self._guard("record", arrived):
            self._recorder.intend(intent)
        progress.overhead += self._clock.monotonic() - began
        try:
            progress.overhead += await self._share(planned)
            await relay(
                self._outgoing(arrived, incoming, planned),
                exchange,
                progress,
                incoming=incoming,
                upstream=self._upstream,
                send=send,
                tasks=self._tasks,
                clock=self._clock,
            )
        except UpstreamError as error:
            if incoming.gone:  # the upload broke off at the caller's end
                progress.ending = "cancelled"
                return
            self._metrics.upstream_errors.add((error.fault.value,))
            self._log.warning("upstream", request_id=intent.request_id, fault=error.fault.value, cause=str(error))
            if error.fault is UpstreamFault.CONNECT:
                exchange.not_sent()
            if not progress.begun:
                await errors.send_error(send, errors.OF_UPSTREAM[error.fault], str(error), intent.request_id)
        except asyncio.CancelledError:
            progress.ending = "cancelled"
            raise
        except Exception as error:  # whatever our bug is, the caller hears of it in the API's own shape
            self._log.error("relaying failed", request_id=arrived.request_id, error=type(error).__name__)
            if progress.begun:
                raise
            await errors.send_error(send, errors.OUR_BUG, "an error of its own", intent.request_id)
        finally:
            self._settle(arrived, planned, exchange, progress)

    async def _share(self, planned: Planned | None) -> float:
        """Let other processes know of an edit that is new before its answer can bring anybody to them.

        Return the seconds that this took.
        """
        if planned is None or not planned.decided or planned.plan.tool_edit.empty:
            return 0.0
        began = self._clock.monotonic()
        await self._recorder.delivered()
        return self._clock.monotonic() - began

    async def _deny(
        self, arrived: Arrived, exchange: Exchange, fault: errors.Fault, words: str, more: Fields, send: Send
    ) -> None:
        """Refuse a request as a policy or a budget says; it is entered like one that was sent, and costs nothing."""
        exchange.not_sent()
        with self._guard("record", arrived):
            latency = Latency(round(self._clock.monotonic() - arrived.started, 6), None, 0.0)
            entry = exchange.settle("refused", latency)
            self._recorder.settle(msgspec.structs.replace(entry, status=fault.status, attempts=0))
        plan = plan_header(exchange.intent.decisions).encode()
        headers = [(b"planner-body", b"unchanged"), (b"planner-plan", plan), *more]
        await errors.send_error(send, fault, words, arrived.request_id, headers)

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

    def _begin(self, arrived: Arrived, planned: Planned | None, admission: Admission) -> Planned | None:
        """Remember what is being sent; what cannot be remembered could not be repeated, so it goes as it came."""
        if planned is None or planned.plan.denial is not None:
            return planned
        if admission.refused is not None:
            self._take_back(arrived, planned)
            return Planned(body=planned.body, plan=leave(Reason.EXHAUSTED), request=planned.request)
        with self._guard("remembering", arrived):
            self._learning.sending(planned, arrived.at)
            return planned
        self._take_back(arrived, planned)
        body = planned.body if planned.request is None else planned.request.body
        return Planned(body=body, plan=stripped(planned.plan, Reason.ERROR), request=planned.request)

    async def _plan(self, arrived: Arrived, body: bytes | None) -> Planned | None:
        """The plan for a request that is planned; None for all others."""
        if not arrived.endpoint.planned:
            return None
        if body is None:
            return Planned(body=b"", plan=leave(Reason.ENCODED_BODY))
        with self._guard("bug", arrived):
            return await self._planning.plan(body, arrived.caller, arrived.at, arrived.book)
        return Planned(body=body, plan=leave(Reason.ERROR))

    def _settle(self, arrived: Arrived, planned: Planned | None, exchange: Exchange, progress: Relay) -> None:
        """Price and write down what became of a request, and learn from it; no step stops the ones after it."""
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
        if learning.failed:
            self._take_back(arrived, planned)

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
            batch=None if arrived.endpoint.batch is None else Batch(batch_digest(arrived.endpoint.batch)),
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

    def _outgoing(self, arrived: Arrived, incoming: Incoming, planned: Planned | None) -> Outgoing:
        """What goes upstream, and what goes instead when an edit of ours is refused."""
        headers = upward(arrived.fields)
        if planned is None or not _is_read(arrived):
            body = incoming.pieces() if has_body(arrived.fields) else None
            length = announced_length(arrived.fields)
            return Outgoing(request=UpstreamRequest(arrived.method, arrived.target, headers, body, length))
        request = UpstreamRequest(arrived.method, arrived.target, headers, planned.body)
        return Outgoing(
            request=request,
            instead=lambda blamed: without(planned, blamed, arrived.book),
            container=planned.container,
            drain=planned.plan.drain,
        )


def _budget_header(admission: Admission) -> Fields:
    """What a caller is told of its budgets, the one that refuses it first."""
    refused = admission.refused
    told = [each for each in admission.told if refused is None or each.budget != refused.budget]
    found = told if refused is None else [refused, *told]
    return ((b"planner-budget", statuses.header(found)),) if found else ()


def _is_read(arrived: Arrived) -> bool:
    """Whether the body is read whole before it goes on: only what is planned, and not if it is encoded."""
    return arrived.endpoint.planned and value(arrived.fields, b"content-encoding") is None
