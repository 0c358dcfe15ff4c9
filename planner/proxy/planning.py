"""Asks the core for a plan under what is known; where that fails, the request goes as it came, and is counted."""

import asyncio
from datetime import datetime
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.core import splice
from planner.core.agents import profile_key
from planner.core.containers import Lease, preloads
from planner.core.conversations import (
    Conversation,
    Scope,
    ToolEdit,
    awaited,
    begins,
    continues_thread,
    prefix_key,
    root_key,
)
from planner.core.decisions.bundle import frees_code
from planner.core.decisions.worth import see
from planner.core.facts import Facts
from planner.core.learning.epochs import warm
from planner.core.learning.experience import Experience, Sent
from planner.core.learning.sizes import combination
from planner.core.ledger.batched import Made
from planner.core.plan import Plan, concerns, fail_open, gated, gates, leave, make_plan, unconcerned, unedited
from planner.core.reasons import Action, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.wire import Followed, MessagesRequest, Trail, WireError, follow
from planner.metrics import Metrics
from planner.proxy.callers import Caller
from planner.proxy.gathering import LARGE, Gathering, declared_scope, off_loop
from planner.proxy.hours import Hours
from planner.proxy.lending import Lending
from planner.proxy.memory import Memory
from planner.proxy.sharing import Hold, Refused
from planner.stores import StoreError

BUDGET_SECONDS: Final = 0.025
"""What looking things up for a decision may take: a setting of ours, which no caller feels. Reading a body is not in
it, which takes as long as the body is: of a large one some milliseconds a megabyte, beside the event loop."""
REPEAT_SECONDS: Final = 1.0
"""What looking up a conversation in its middle may take: taking an edit away breaks it, which is worse than waiting."""
AWAITED_SECONDS: Final = 3.0
"""The same for a call that code waits for: without its turn it has no container, and then it fails for sure. Ours."""


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """A request as it will be sent: the body, the plan behind it, and what it goes on from.

    `trail` leads to its answer, where that has to be known again though it may have no id. `hold` is its lease of the
    container that it names, by our doing or the caller's own; whoever drops the request gives that back.

    Of a message batch there is no single request: `made` is what it is made of, `begun` the conversations that begin
    with an edit in it, `worst` the most that it can cost by model, where budgets ask for that.
    """

    body: bytes
    plan: Plan
    request: MessagesRequest | None = None
    lease: Lease | None = None
    hold: Hold | None = None
    scope: Scope | None = None
    session: str | None = None
    sent: Sent | None = None
    decided: bool = False
    trail: Trail | None = None
    made: Made | None = None
    begun: tuple[Conversation, ...] = ()
    worst: dict[str, int] = {}

    @property
    def edited(self) -> bool:
        """Whether the body differs from what came in."""
        return bool(self.plan.edits)

    @property
    def container(self) -> str | None:
        """The container that the request names as it is sent."""
        ours = _put_in(self.plan)
        return ours if self.request is None else ours or self.request.container.id

    @property
    def warm(self) -> bool:
        """Whether the container that it names ran a moment ago, so that nothing has to be started or restored."""
        return self.lease is not None and self.sent is not None and self.lease.turn.warm(self.container, self.sent.at)

    @property
    def joins(self) -> bool:
        """Whether a conversation begins with it in the container of another one, which is to go on there as well."""
        return self.plan.threaded and self.request is not None and begins(self.request)


class Planning:
    """Plans requests, each under the rule book that it came under."""

    def __init__(  # noqa: PLR0913 - the parts of planning, named
        self,
        *,
        memory: Memory,
        lending: Lending,
        hours: Hours,
        experience: Experience,
        metrics: Metrics,
        log: FilteringBoundLogger,
        stop: Reason | None,
        budget: float = BUDGET_SECONDS,
    ) -> None:
        self._budget = budget
        self._gathering = Gathering(memory=memory, hours=hours, experience=experience, stop=stop)
        self._memory = memory
        self._lending = lending
        self._experience = experience
        self._metrics = metrics
        self._log = log

    async def plan(self, body: bytes, caller: Caller, now: datetime, book: RuleBook) -> Planned:
        """Plan one request; never raises for what planning itself gets wrong."""
        request = None
        try:
            request = _read(body) if len(body) <= LARGE else await asyncio.to_thread(_read, body)
            if concerns(request, book):
                return await self._planned(request, caller, now, book)
            left = _untouched(request, unconcerned(off=caller.mode == "off"), book)
        except (splice.SpliceError, WireError):
            if request is None:
                return Planned(body=body, plan=leave(Reason.UNPARSABLE))
            left = await self._left(request, leave(Reason.EDIT_REFUSED), caller, book)
        except Exception as error:  # noqa: BLE001 - a bug in planning must not become the caller's error
            failed = fail_open(self._failed("planning failed", error))
            if request is None:
                return Planned(body=body, plan=failed)
            left = await self._left(request, failed, caller, book)
        return await self._gated(left, request, caller, now, book)

    def _patience(self, request: MessagesRequest) -> float:
        """Seconds that looking up may take, by what is worse than waiting."""
        if begins(request):
            return self._budget
        return AWAITED_SECONDS if request.awaited else REPEAT_SECONDS

    def _failed(self, what: str, error: Exception) -> Reason:
        """Count what failed by its cause, and say why in the words of decisions; a bug of ours is logged."""
        if isinstance(error, TimeoutError):
            cause, reason = "time-budget", Reason.TIME_BUDGET
        elif isinstance(error, StoreError):
            cause, reason = "store", Reason.ERROR
        else:
            self._log.error(what, error=type(error).__name__)
            cause, reason = "bug", Reason.ERROR
        self._metrics.fail_open.add((cause,))
        return reason

    async def _planned(self, request: MessagesRequest, caller: Caller, now: datetime, book: RuleBook) -> Planned:
        """The plan of a request that may run code. Raises SpliceError, StoreError, TimeoutError, WireError."""
        known = await self._gathering.known(request, caller, now, book)
        root = await off_loop(request, root_key, request, caller.principal)
        known = msgspec.structs.replace(known, root=root)
        followed = await off_loop(request, _follow, request)
        async with asyncio.timeout(self._patience(request)):
            facts, session = await self._gathering.facts(request, caller, known, book, followed)
        own, lease = request.container.id, facts.lease
        lease = lease if lease is not None and own in {None, lease.turn.container} else None
        plan = make_plan(request, facts, book)
        sent = (await off_loop(request, splice.apply, request.body, plan.edits)).body
        taken = await self._take(request, plan, lease)
        try:
            if isinstance(taken, Refused):
                plan = make_plan(request, _without(facts, taken), book)
                sent = (await off_loop(request, splice.apply, request.body, plan.edits)).body
            self._count(plan)
            if plan.denial is not None:
                return Planned(body=request.body, plan=plan, request=request)
            stays = own is not None or plan.threaded or not plan.tool_edit.empty
            return Planned(
                body=sent,
                plan=plan,
                request=request,
                lease=lease,
                hold=taken if isinstance(taken, Hold) else None,
                scope=facts.scope,
                session=session,
                sent=self._sent(request, facts, plan, book),
                decided=facts.conversation is None and begins(request),
                trail=followed.trail if followed is not None and stays else None,
            )
        except BaseException:
            if isinstance(taken, Hold):
                self._lending.give_back(taken, "failed")
            raise

    async def _take(self, request: MessagesRequest, plan: Plan, lease: Lease | None) -> Hold | Refused | None:
        """Take the container that a request names once it is edited; None where it names none."""
        ours, own = _put_in(plan), request.container.id
        if plan.denial is not None or not (ours or own):
            return None
        if ours is None:
            return await self._lending.take(own or "", lease, "named")
        waits = lease is not None and awaited(request, lease.turn)
        return await self._lending.take(ours, lease, "pending" if waits else "lent", goes_on=not begins(request))

    async def _gated(
        self, planned: Planned, request: MessagesRequest, caller: Caller, now: datetime, book: RuleBook
    ) -> Planned:
        """A request that goes as it came, unless a policy refuses it; policies may record it under other tags.

        No look-up is needed for that, so it holds where planning was late or failed; what fails here fails open too.
        """
        if not gates(request, book):
            return planned
        try:
            facts = await self._gathering.known(request, caller, now, book)
            if book.ruling.conditional and facts.profile is not None:
                facts = msgspec.structs.replace(facts, learnt=self._experience.profiles.learnt(facts.profile))
            plan = gated(planned.plan, request, facts, book)
        except Exception as error:  # noqa: BLE001 - a bug in planning must not become the caller's error
            self._failed("asking the policies failed", error)
            return planned
        self._count(plan)
        return msgspec.structs.replace(planned, plan=plan)

    def _count(self, plan: Plan) -> None:
        """Count the expressions that could not be evaluated."""
        for policy, error in plan.failed:
            self._metrics.fail_policy(policy, error)

    def _sent(self, request: MessagesRequest, facts: Facts, plan: Plan, book: RuleBook) -> Sent:
        """What is learnt from, once its answer is there; the continuation of a thread belongs to its beginning."""
        bundle = next(each for each in plan.decisions if each.action is Action.BUNDLE)
        prefix, profile = facts.prefix, facts.profile or profile_key(request, facts.principal)
        if continues_thread(request) and plan.conversation is not None:
            prefix, profile = plan.conversation.prefix, plan.conversation.profile or profile
        return Sent(
            at=facts.now,
            model=request.model or "",
            prefix=prefix,
            profile=profile,
            prompt=facts.prompt or see(request),
            opens=begins(request),
            edit=plan.tool_edit,
            combination=combination(request.model or "", request.tools, plan.tool_edit),
            trial=bundle.outcome is Outcome.APPLIED and bundle.reason is Reason.TRIAL,
            preloaded=preloads(request, book.settings.code),
            warm=warm(self._experience.epochs.find(prefix, facts.now), edited=plan.tool_edit.adds),
        )

    async def _left(self, request: MessagesRequest, plan: Plan, caller: Caller, book: RuleBook) -> Planned:
        """A request that goes as it came because planning it failed; what begins so goes on so."""
        found = _untouched(request, plan, book)
        try:
            root = await off_loop(request, root_key, request, caller.principal)
            scope = self._memory.scope(caller.account) or declared_scope(caller)
            plan = unedited(request, root, prefix_key(request, scope), caller.principal, found.plan)
        except Exception as error:  # noqa: BLE001 - a bug in planning must not become the caller's error
            self._log.error("naming a conversation failed", error=type(error).__name__)
            return found
        return msgspec.structs.replace(found, plan=plan)


def _put_in(plan: Plan) -> str | None:
    """The container that a plan puts into its request."""
    return next((edit.id for edit in plan.edits if isinstance(edit, splice.SetContainer)), None)


def _without(facts: Facts, refused: Refused) -> Facts:
    """The facts where a container could not be had."""
    lease = facts.lease and Lease(facts.lease.turn, refused.state)
    return msgspec.structs.replace(facts, lease=lease, unleased=refused.unasked)


def _untouched(request: MessagesRequest, plan: Plan, book: RuleBook) -> Planned:
    """A request that goes as it came; its own tools may make its code free all the same."""
    free = frees_code(request.tools, ToolEdit(), book)
    return Planned(body=request.body, plan=msgspec.structs.replace(plan, free=free), request=request)


def _read(body: bytes) -> MessagesRequest:
    """A request, with what takes long to see in a large body seen already. Raises WireError."""
    request = MessagesRequest.parse(body)
    if len(body) > LARGE:
        _ = request.has_assistant, request.awaited, request.signed
        _ = request.uploads, request.breakpoints, request.written_prefix
    return request


def _follow(request: MessagesRequest) -> Followed | None:
    """What was said since the newest call; a body without any is not read for it."""
    return follow(request.messages) if b"toolu_" in request.body else None
