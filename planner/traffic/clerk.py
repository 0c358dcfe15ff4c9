"""Turns a request that was asked into what a proxy would have written down, and what the API bills for it.

    ask ──► player and world: plan, usage, bill        what happened
        ──► answer's bytes ──► Exchange ──► Entry      what the ledger says of it
        ──► shape_of ──► Entry.shape

Requests are settled in the order in which they arrive, as the world bills them.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

import msgspec

from planner.core.agents import profile_key
from planner.core.allowance import MS_PER_HOUR, Pool
from planner.core.batch.results import tally
from planner.core.containers import preloads
from planner.core.conversations import ToolEdit, continues_thread
from planner.core.decisions.bundle import frees_code
from planner.core.endpoints import MESSAGES, Endpoint
from planner.core.exchange import OK, Exchange, container_digest
from planner.core.learning.learnt import UNKNOWN
from planner.core.learning.sizes import combination
from planner.core.ledger.corrections import Billed, correct
from planner.core.ledger.entry import Batch, Digests, Ending, Entry, Latency, batch_digest
from planner.core.ledger.shape import Shape
from planner.core.ledger.shaping import Beliefs, Known, shape_of
from planner.core.plan import Plan, concerns, leave
from planner.core.reasons import Reason
from planner.core.replay.bill import Price, Till
from planner.core.replay.calls import Call, Response, Work
from planner.core.replay.nature import Nature
from planner.core.replay.player import Player, called
from planner.core.replay.trace import TraceLine
from planner.core.replay.world import World
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.spending import Spender
from planner.core.settlement import Sessions, Terms, added_tokens
from planner.core.splice import SetContainer
from planner.core.wire import MessagesRequest, ResponseContainer
from planner.traffic import answers
from planner.traffic.account import CUT, LOST, UNPRICED
from planner.traffic.bill import Charged
from planner.traffic.script import RETRY, Ask
from planner.traffic.teams import REFUSED, Agent
from planner.traffic.teams import UNPRICED as UNKNOWN_MODEL

DENIED: Final = 403
OVERHEAD: Final = 0.0012
"""Seconds that the planner is taken to add to each request."""

SESSIONS: Final = 20_000
"""Containers whose billed time is remembered, as in a proxy's memory."""

CORRECTED: Final = 3
"""Every so manieth request whose container time the bill knows better is corrected, two days later."""

PROCESSED: Final = timedelta(hours=1)
FETCHED: Final = timedelta(hours=3)
"""How long after a batch was sent it is processed, and its results are fetched."""

BATCHES: Final = Endpoint("batches")
COUNT: Final = Endpoint("count_tokens")
RESULTS: Final = Endpoint("batch_results", billing="batch")


class Written(NamedTuple):
    """What became of a request: its entries, what it is billed by kind, for which container time, and why not equal."""

    entries: tuple[Entry, ...]
    charged: tuple[Charged, ...] = ()
    cause: str | None = None


class Clerk:
    """Writes the ledger of one month. Requests must come in order of time.

    `book` decides and settles, `world` is what is true, of its `nature`; at `prices` without a discount it bills what
    has one.
    """

    def __init__(self, book: RuleBook, world: World, nature: Nature, prices: tuple[Price, ...]) -> None:
        self._book = book
        self._world = world
        self._limit_ms = round(nature.free_hours_limit * MS_PER_HOUR)
        self._player = Player(book, world)
        self._pools: dict[str, Pool] = {}
        self._list = Till(nature, prices) if book.prices.discounts else None
        self._sessions: OrderedDict[str, Sessions] = OrderedDict()
        self._answers: dict[str, str] = {}
        self._digests = Digests(book.digest, book.prices.digest)
        self._numbers = 0
        self._moved = 0

    def write(self, ask: Ask, line: TraceLine | None) -> Written:
        """Let a request happen; `line` is what the trace has of it, None for what is in no trace."""
        if ask.kind == "batch":
            return self._batch(ask)
        if line is None:
            endpoint, status = (COUNT, OK) if ask.kind == "count" else (MESSAGES, 400)
            plan = leave(Reason.UNPARSABLE) if endpoint is MESSAGES else None
            attempts = self._failures(ask, plan, None)
            return Written((*attempts, self._plain(ask, ask.at, endpoint, status, plan)))
        return self._message(ask, line)

    # ------------------------------------------------------------ messages

    def _message(self, ask: Ask, line: TraceLine) -> Written:
        plan, prefix, call, response = self._happen(ask, line)
        attempts = self._failures(ask, plan, prefix)
        intent = self._intent(ask, ask.at, MESSAGES, plan, prefix)
        terms = Terms(at=ask.at, model="", notional=call.notional)
        exchange = Exchange(intent, terms, self._book, billing=MESSAGES.billing)
        if plan.denial is not None:
            exchange.not_sent()
            entry = exchange.settle("refused", Latency(OVERHEAD, None, 0.0))
            return Written((*attempts, msgspec.structs.replace(entry, status=DENIED, attempts=0)))
        used_ms = round(self._world.hours(ask.agent.organization, ask.at) * MS_PER_HOUR) - response.billed_ms
        charged = self._charged(ask, call, response)
        if ask.fate == "lost":
            return Written((*attempts, intent), charged, LOST)
        entry = self._settled(ask, line, plan, exchange, response)
        cause = CUT if ask.fate == "cut" else UNPRICED if ask.model == UNKNOWN_MODEL else None
        corrections = self._corrections(entry, response, used_ms) if cause is None else ()
        return Written((*attempts, entry, *corrections), charged, cause)

    def _happen(self, ask: Ask, line: TraceLine) -> tuple[Plan, str | None, Call, Response]:
        """Plan a request and let the world answer it; what concerns nobody is not planned, as in the proxy."""
        notional = ask.agent.billing == "subscription"
        if not concerns(line.request, self._book) and ask.model != REFUSED:
            plan = leave(Reason.NO_CODE_EXECUTION)
            call = called(line, None)
            return plan, None, call, self._world.call(call)
        played = self._player.play(line)
        if ask.last:
            self._player.ended(line.principal, line.conversation)
        return played.plan, played.prefix, called(line, played.plan, notional), played.response

    def _settled(self, ask: Ask, line: TraceLine, plan: Plan, exchange: Exchange, response: Response) -> Entry:
        """The entry of a request that was answered, or cut while it was."""
        self._numbers += 1
        told = answers.Told(f"msg_01{self._numbers:022d}", f"req_01{self._numbers:022d}")
        exchange.begin(OK, answers.headers(ask, told))
        last = 0.0
        for last, data in answers.answer(ask, told, response):
            exchange.feed(data, last)
        exchange.ended(last)
        ending: Ending = "cancelled" if ask.fate == "cut" else "ok"
        first = ask.first_byte if ask.stream else response.elapsed
        latency = Latency(round(response.elapsed, 6), round(first, 6), OVERHEAD)
        terms = self._terms(ask, line, plan, exchange)
        entry = exchange.settle(ending, latency, terms)
        self._learn(entry, exchange, _container(exchange.told.container, plan, line.request))
        shape = self._shape(ask, line, plan, exchange, terms)
        self._answers[ask.conversation] = told.message
        if ask.last:
            self._answers.pop(ask.conversation, None)
        return msgspec.structs.replace(entry, shape=shape)

    def _terms(self, ask: Ask, line: TraceLine, plan: Plan, exchange: Exchange) -> Terms:
        """What the price depends on besides usage, as the proxy knows it."""
        book, request, told = self._book, line.request, exchange.told
        left, untouched = (round(hours * MS_PER_HOUR) for hours in self._pool(ask).left(ask.at))
        container = _container(told.container, plan, request)
        return Terms(
            at=ask.at,
            model="",
            edit=plan.tool_edit,
            added=self._added(line, plan),
            likely_ms=self._likely_ms(line) if ask.work.code_runs and not ask.stream else None,
            free=plan.free,
            frees=frees_code(request.tools, ToolEdit(), book),
            threaded=plan.threaded,
            tool_cached=continues_thread(request) or request.breakpoints.after_tools,
            sessions=Sessions() if container is None else self._sessions.get(container, Sessions()),
            free_ms=left,
            untouched_free_ms=untouched,
            preloaded=preloads(request, book.settings.code),
            notional=ask.agent.billing == "subscription",
        )

    def _added(self, line: TraceLine, plan: Plan) -> float | None:
        """Tokens that an edit is believed to have added to each prompt; None where there is none."""
        edit, model = plan.tool_edit, line.request.model or ""
        if not edit.adds:
            return None
        key = combination(model, line.request.tools, edit)
        return self._player.experience.sizes.of(key, edit, self._book).interval.likely

    def _likely_ms(self, line: TraceLine) -> int | None:
        """How long code is believed to run in a request like this one; None where nothing was seen of its like."""
        key = profile_key(line.request, line.principal)
        seconds = self._player.experience.profiles.learnt(key).seconds
        prior = self._book.catalog.priors.code_seconds.likely
        return None if seconds is UNKNOWN else round(seconds.at(prior) * 1_000)

    def _learn(self, entry: Entry, exchange: Exchange, container: str | None) -> None:
        """Remember the billed time of a container, and count the organization's hours."""
        money = exchange.settlement
        if entry.code is not None:
            pool = self._pools.get(entry.organization or "")
            if pool is not None:
                pool.add(datetime.fromisoformat(entry.at), money.hours_ms, money.untouched_hours_ms)
        if container is not None and money.sessions != Sessions():
            self._sessions[container] = money.sessions
            self._sessions.move_to_end(container)
            if len(self._sessions) > SESSIONS:
                self._sessions.popitem(last=False)

    def _shape(self, ask: Ask, line: TraceLine, plan: Plan, exchange: Exchange, terms: Terms) -> Shape | None:
        """What the ledger keeps of a request; its body was as long as the trace says."""
        metered = exchange.metered
        if metered is None:
            return None
        model = self._book.catalog.model(ask.model)
        own = line.request.container.id
        known = Known(
            principal=ask.agent.name,
            root=None if plan.conversation is None else plan.conversation.root,
            after=self._answers.get(ask.conversation) if plan.conversation is not None else None,
            message=exchange.told.message_id,
            container=None if own is None else container_digest(own),
        )
        shape = shape_of(
            line.request,
            known,
            metered,
            rounds=exchange.told.rounds,
            added=added_tokens(terms, self._book),
            beliefs=Beliefs(
                self._book.catalog.priors.iteration_growth_tokens.likely,
                0 if model is None else model.min_cache_prefix,
            ),
        )
        return msgspec.structs.replace(shape, body_bytes=line.body_bytes)

    def _corrections(self, entry: Entry, response: Response, used_ms: int) -> tuple[Entry, ...]:
        """What finance corrects of an entry two days later: some of the container time that the bill knows better."""
        code = entry.code
        if code is None or code.hours_ms == response.billed_ms:
            return ()
        self._moved += 1
        if self._moved % CORRECTED:
            return ()
        credited = min(response.billed_ms, max(self._limit_ms - used_ms, 0))
        corrected = correct(
            entry,
            Billed(response.billed_ms, credited),
            self._book.prices.contracted(entry.organization),
            request_id=_id(f"correction\0{entry.request_id}"),
            made_at=datetime.fromisoformat(entry.at) + timedelta(days=2),
        )
        return () if corrected is None else (corrected,)

    # ------------------------------------------------------------ the rest

    def _failures(self, ask: Ask, plan: Plan | None, prefix: str | None) -> tuple[Entry, ...]:
        """The attempts that the API refused before it took the request: 429 and 529 cost nothing."""
        entries, at = [], ask.at - timedelta(seconds=sum(RETRY[status] for status in ask.failures))
        for status in ask.failures:
            entries.append(self._plain(ask, at, MESSAGES, status, plan, prefix))
            at += timedelta(seconds=RETRY[status])
        return tuple(entries)

    def _plain(
        self,
        ask: Ask,
        at: datetime,
        endpoint: Endpoint,
        status: int,
        plan: Plan | None = None,
        prefix: str | None = None,
    ) -> Entry:
        """The entry of a request that is answered at once and costs nothing."""
        self._numbers += 1
        told = answers.Told("", f"req_01{self._numbers:022d}")
        intent = self._intent(ask, at, endpoint, plan, prefix)
        exchange = Exchange(intent, Terms(at=at, model=""), self._book, billing=endpoint.billing)
        exchange.begin(status, answers.headers(msgspec.structs.replace(ask, stream=False), told))
        if status != OK:
            exchange.feed(answers.refused(status), ask.first_byte)
        return exchange.settle("ok", Latency(ask.first_byte, ask.first_byte, OVERHEAD))

    def _batch(self, ask: Ask) -> Written:
        """A message batch: sent, processed, and its results fetched; its own times lie ahead of those around it."""
        name = f"msgbatch_{ask.conversation}"
        sent = self._plain(ask, ask.at, BATCHES, OK)
        answered: list[tuple[str, Response]] = []
        charged: list[Charged] = []
        for number, work in enumerate(ask.batch):
            call = self._result_call(ask, work, number)
            response = self._world.call(call)
            self._numbers += 1
            answered.append((f"msg_01{self._numbers:022d}", response))
            charged += self._charged(ask, call, response)
        at = ask.at + FETCHED
        intent = msgspec.structs.replace(self._intent(ask, at, RESULTS, None, None), batch=Batch(batch_digest(name)))
        exchange = Exchange(intent, Terms(at=at, model=""), self._book, billing=RESULTS.billing)
        exchange.begin(OK, answers.headers(ask, answers.Told("", f"req_{_id(name)}")))
        exchange.feed(answers.batch_results(answered, ask.model, name), 1.0)
        terms = Terms(at=at, model="", organization=ask.agent.organization)
        entry = exchange.settle("ok", Latency(1.0, ask.first_byte, OVERHEAD), terms, tally(()))
        return Written((sent, entry), tuple(charged))

    def _result_call(self, ask: Ask, work: Work, number: int) -> Call:
        return Call(
            at=ask.at + PROCESSED,
            organization=ask.agent.organization,
            workspace=ask.agent.workspace,
            principal=ask.agent.name,
            conversation=f"{ask.conversation}-{number}",
            turn=1,
            model=ask.model,
            system=ask.agent.name.encode(),
            own=(),
            tools=(),
            container=None,
            skills=0,
            fast=False,
            us=False,
            work=work,
            batch=True,
        )

    def _intent(self, ask: Ask, at: datetime, endpoint: Endpoint, plan: Plan | None, prefix: str | None) -> Entry:
        """What is written down before a request is sent."""
        agent, planned = ask.agent, endpoint is MESSAGES
        tags = {**ask.tags, **({} if plan is None else plan.tags)}
        return Entry(
            request_id=_id(f"{ask.conversation}\0{ask.turn}\0{at.isoformat()}\0{endpoint.name}"),
            at=at.astimezone(UTC).isoformat(timespec="microseconds"),
            principal=agent.name,
            organization=agent.organization,
            workspace=agent.workspace,
            team=agent.team,
            project=agent.project,
            tags=tags,
            spender=_spender(agent),
            endpoint=endpoint.name,
            method="GET" if endpoint is RESULTS else "POST",
            model=ask.model if planned else None,
            mode="plan",
            expected_nano=None if plan is None else plan.expected,
            decisions=() if plan is None else plan.decisions,
            shadows=() if plan is None else plan.shadows,
            prefix=prefix if plan is not None and plan.denial is None else None,
            digests=self._digests,
        )

    def _charged(self, ask: Ask, call: Call, response: Response) -> tuple[Charged, ...]:
        """What the API bills for a call: nothing where a subscription pays."""
        if call.notional:
            return ()
        nano: Mapping[str, int] = response.bill or {}
        listed = nano
        if self._list is not None:
            work = response.iterations
            listed = self._list.bill(call, response.first, response.whole, work, response.billed_ms) or {}
        spans = 0 if response.free or response.container is None or ask.resumes else call.work.code_runs
        return (Charged(call, response, ask.agent.api_key, dict(nano), dict(listed), spans),)

    def _pool(self, ask: Ask) -> Pool:
        organization = ask.agent.organization
        pool = self._pools.get(organization)
        if pool is None:
            pool = self._pools[organization] = Pool(self._book.settings.free_hours, ask.at)
        return pool


def _spender(agent: Agent) -> Spender:
    """Whose budgets its requests count in: all of its callers are declared."""
    if agent.billing == "subscription":
        return Spender()
    return Spender(principal=agent.name, team=agent.team, project=agent.project)


def _container(told: ResponseContainer | None, plan: Plan, request: MessagesRequest) -> str | None:
    """The container in which a request ran: as its answer says, else the one that it was sent with."""
    if told is not None:
        return told.id
    return next((edit.id for edit in plan.edits if isinstance(edit, SetContainer)), request.container.id)


def _id(said: str) -> str:
    """24 hex digits, as a proxy's ids have."""
    return sha256(f"planner-traffic\0{said}".encode()).hexdigest()[:24]
