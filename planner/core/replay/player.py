"""Plays a trace under a rule book in virtual time: the same plan as in the proxy, by what had been seen by then.

    line ──► facts, by what was answered before ──► plan ──► world ──► answer, learnt from when its time has come

A decision knows the requests before it as far as they were answered; it knows nothing of those behind it. What a live
planner sees of a body is how long it is and where its breakpoints lie: here `work` tells both.
"""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

import msgspec

from planner.core.agents import ProfileKey, profile_key
from planner.core.allowance import Pool
from planner.core.containers import Lease, State, preloads
from planner.core.conversations import Conversation, Limit, Scope, ToolEdit, Turn, prefix_key, tools_under
from planner.core.decisions.bundle import frees_code
from planner.core.decisions.worth import FEWEST_BYTES, MOST_BYTES, USUAL_BYTES
from planner.core.facts import Facts
from planner.core.learning.epochs import warm
from planner.core.learning.experience import Answer, Experience, Sent
from planner.core.learning.learnt import UNLEARNT
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import FAMILIES, Sizes, combination
from planner.core.metering.usage import TokenClasses
from planner.core.plan import Plan, make_plan
from planner.core.reasons import Outcome, Reason
from planner.core.replay.calls import Call, Counts, Declared, Response
from planner.core.replay.trace import TraceLine
from planner.core.replay.world import World
from planner.core.rulebook.book import CallerRow, RuleBook
from planner.core.splice import SetContainer
from planner.core.wire import Tool

Key = tuple[str, str]
"""A principal and the name of a conversation of its."""

FORGET_EVERY: Final = 10_000

NOT_SENT: Final = Response(
    first=Counts(),
    whole=Counts(),
    iterations=0,
    container=None,
    expires_at=None,
    started=False,
    elapsed=0.0,
    bill={},
    billed_ms=0,
)
"""What comes of a request that a policy refuses: nothing, for nothing."""


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What was done with one line, and what came of it."""

    line: TraceLine
    plan: Plan
    prefix: str
    response: Response


class Known(msgspec.Struct):
    """A conversation in play: what was decided on its first request, and the container of its last answered turn."""

    conversation: Conversation
    seen: datetime
    lease: Lease | None = None


class Waiting(msgspec.Struct, frozen=True):
    """A request whose answer is on its way."""

    key: Key
    played: Played
    sent: Sent
    taken: Lease | None


class Player:
    """One planner in one world. Lines must come in time order."""

    def __init__(self, book: RuleBook, world: World) -> None:
        self._book = book
        self._world = world
        self._experience = Experience(Sizes())
        self._pools: dict[str, Pool] = {}
        self._known: dict[Key, Known] = {}
        self._due: list[tuple[datetime, int]] = []
        self._waiting: dict[int, Waiting] = {}
        self._last: dict[Key, int] = {}
        self._lines = 0

    def play(self, line: TraceLine) -> Played:
        """Decide on one line, and let the world answer it."""
        key = (line.principal, line.conversation)
        self._catch_up(line.at, key)
        self._forget(line.at)
        known, caller = self._known.get(key), self._book.callers.find(line.principal)
        scope = Scope(line.organization, line.workspace)
        prefix = prefix_key(line.request, scope)
        profile = profile_key(line.request, line.principal)
        begins = line.turn == 1 and known is None
        learning = self._experience
        facts = Facts(
            now=line.at,
            principal=line.principal,
            team=(caller and caller.team) or line.team,
            project=(caller and caller.project) or line.project,
            flags=() if caller is None else caller.flags,
            tags=line.tags,
            subscription=_subscribed(caller),
            scope=scope,
            conversation=None if known is None else known.conversation,
            lease=None if known is None else known.lease,
            begins=begins,
            prompt=_prompt(line),
            epoch=learning.epochs.find(prefix, line.at),
            learnt=learning.profiles.learnt(profile) if begins or self._book.ruling.conditional else UNLEARNT,
            sizes=learning.sizes,
            trying=begins and learning.trying(line.request.model or "", line.at),
            allowance=self._pool(line).judge(line.at),
            root=f"{line.principal}\0{line.conversation}",
            prefix=prefix,
        )
        plan = self.plan(line, facts)
        if plan.denial is not None:
            return Played(line=line, plan=plan, prefix=prefix, response=NOT_SENT)
        played = Played(
            line=line, plan=plan, prefix=prefix, response=self._world.call(called(line, plan, _subscribed(caller)))
        )
        self._send(key, played, facts, profile)
        return played

    def plan(self, line: TraceLine, facts: Facts) -> Plan:
        """The plan for one line, the same as in the proxy."""
        return make_plan(line.request, facts, self._book)

    @property
    def experience(self) -> Experience:
        """What was learnt by now."""
        return self._experience

    def ended(self, principal: str, conversation: str) -> None:
        """Forget a conversation with which nobody goes on, as a trace's maker may know; its answer still counts."""
        self._known.pop((principal, conversation), None)
        self._last.pop((principal, conversation), None)

    def finish(self) -> None:
        """Learn from all that is still on its way."""
        while self._due:
            self._take(heapq.heappop(self._due)[1])

    def pools(self) -> Iterator[tuple[str, Pool]]:
        """The free hours of every organization, as the planner believes them."""
        yield from self._pools.items()

    def _send(self, key: Key, played: Played, facts: Facts, profile: ProfileKey) -> None:
        """Remember what was sent, and when its answer will be there."""
        line, plan = played.line, played.plan
        known = self._known.get(key)
        if known is None and plan.conversation is not None:
            known = self._known[key] = Known(plan.conversation, line.at)
        if known is not None:
            known.seen, known.conversation = line.at, plan.conversation or known.conversation
        lease = facts.lease if plan.threaded else None
        if lease is not None:
            lease.apply("offer" if lease.state is State.IDLE and not line.request.awaited else "claim")
        bundle = plan.decisions[1]
        sent = Sent(
            at=line.at,
            model=line.request.model or "",
            prefix=played.prefix,
            profile=profile,
            prompt=facts.prompt or _prompt(line),
            opens=facts.begins is True,
            edit=plan.tool_edit,
            combination=combination(line.request.model or "", line.request.tools, plan.tool_edit),
            trial=bundle.outcome is Outcome.APPLIED and bundle.reason is Reason.TRIAL,
            preloaded=self._preloads(line),
            warm=warm(facts.epoch, edited=plan.tool_edit.adds),
        )
        self._experience.sent(sent)
        self._waiting[line.number] = Waiting(key, played, sent, lease)
        self._last[key] = line.number
        heapq.heappush(self._due, (line.at + timedelta(seconds=played.response.elapsed), line.number))

    def _preloads(self, line: TraceLine) -> bool:
        """Whether files or skills are loaded into the container of a request, so that it bills if nothing runs."""
        code = self._book.settings.code
        files = line.work.files > 0 and (code.history_uploads_bill or line.turn == 1)
        return files or preloads(line.request, code)

    def _forget(self, now: datetime) -> None:
        """Forget, every so many lines, the conversations that nobody goes on with, as a live planner does."""
        self._lines += 1
        if self._lines % FORGET_EVERY:
            return
        before = now - timedelta(days=self._book.settings.conversations.expire_days)
        self._known = {key: known for key, known in self._known.items() if known.seen >= before}

    def _catch_up(self, now: datetime, key: Key) -> None:
        """Take in every answer that is there by now; a client that goes on has had the answer before."""
        while self._due and self._due[0][0] <= now:
            self._take(heapq.heappop(self._due)[1])
        if (number := self._last.pop(key, None)) is not None:
            self._take(number)

    def _take(self, number: int) -> None:
        waiting = self._waiting.pop(number, None)
        if waiting is None:
            return
        line, plan, response = waiting.played.line, waiting.played.plan, waiting.played.response
        sent = waiting.sent
        self._experience.sizes.observe(
            sent.combination,
            sent.prompt.tokens + self._hidden(line),
            response.first.prompt,
            line.at,
            edited=sent.edit.adds,
            group=sent.profile.parent,
        )
        billed = self._experience.answered(sent, _answer(waiting.played), self._book)
        untouched = 0 if frees_code(line.request.tools, ToolEdit(), self._book) else billed
        if not subscribed(line, self._book):
            self._pool(line).add(line.at, 0 if plan.free else billed, untouched)
        if waiting.taken is not None:
            waiting.taken.apply("answered")
        known = self._known.get(waiting.key)
        if known is not None:
            known.lease = Lease(_turn(waiting.played, known.lease, Scope(line.organization, line.workspace)))

    def _hidden(self, line: TraceLine) -> float:
        """Tokens that server tools have beyond what a body says of them; part of a prompt that was counted."""
        tools = () if not line.body_bytes else line.request.tools
        believed = (self._book.tool_tokens(tool.type or "") for tool in tools if tool.family in FAMILIES)
        return sum(each.likely for each in believed if each is not None)

    def _pool(self, line: TraceLine) -> Pool:
        pool = self._pools.get(line.organization)
        if pool is None:
            pool = self._pools[line.organization] = Pool(self._book.settings.free_hours, line.at)
        return pool


def called(line: TraceLine, plan: Plan | None, notional: bool = False) -> Call:  # noqa: FBT001, FBT002 - a fact
    """A line as it reaches the world: by its plan, or as it came where there is none."""
    request = line.request
    own = tuple(map(_declared, request.tools))
    container = request.container.id
    tools, limits = own, () if plan is None else plan.tool_edit.limits
    if plan is not None:
        container = next((edit.id for edit in plan.edits if isinstance(edit, SetContainer)), container)
        if not plan.tool_edit.empty:
            tools = tuple(map(_declared, tools_under(plan.tool_edit, request.tools)))
    return Call(
        at=line.at,
        organization=line.organization,
        workspace=line.workspace,
        principal=line.principal,
        conversation=line.conversation,
        turn=line.turn,
        model=request.model or "",
        system=request.system or b"",
        own=own,
        tools=tools,
        container=container,
        skills=request.container.skills,
        fast=request.speed == "fast",
        us=request.inference_geo == "us",
        work=line.work,
        most_searches=_most_searches(request.tools, limits),
        notional=notional,
    )


def _most_searches(tools: tuple[Tool, ...], limits: tuple[Limit, ...]) -> int | None:
    """How many searches these tools allow under bounds of ours; None for as many as are wanted."""
    bounded = {limit.declared: dict(limit.members).get("max_uses") for limit in limits}
    uses = [
        tool.max_uses if (ours := bounded.get(tool.type or "")) is None else int(ours)
        for tool in tools
        if tool.family == "web_search"
    ]
    return None if None in uses or not uses else sum(each for each in uses if each is not None)


def _declared(tool: Tool) -> Declared:
    # Of a tool that was raised, `raw` still has what was declared.
    return Declared(
        tool.type or "custom",
        tool.allowed_callers == ("direct",),
        tool.defer_loading,
        tool.raw + (tool.type or "").encode(),
    )


def _prompt(line: TraceLine) -> Prompt:
    """What a live planner would see of a body of so many tokens; of one whose length is told, it sees no more."""
    work = line.work
    counted = not line.body_bytes
    tokens = float(work.prompt_tokens) if counted else line.body_bytes / USUAL_BYTES
    return Prompt(
        tokens=tokens,
        fewest=tokens * USUAL_BYTES / MOST_BYTES,
        most=tokens * USUAL_BYTES / FEWEST_BYTES,
        marked=work.cached_prefix_tokens > 0,
        long=work.cache_ttl == "1h",
        cached=float(work.cached_prefix_tokens) if counted else None,
        files=work.files > 0,
    )


def _answer(played: Played) -> Answer:
    response, work = played.response, played.line.work
    return Answer(
        first=_classes(response.first),
        whole=_classes(response.whole),
        iterations=response.iterations,
        runs=work.code_runs,
        code_ms=round(work.code_seconds * 1000) if work.code_runs else 0,
        elapsed_ms=round(response.elapsed * 1000),
        container=response.container,
        futile=response.futile,
    )


def _classes(counts: Counts) -> TokenClasses:
    return TokenClasses(
        input=counts.input,
        cache_write_5m=counts.cache_write_5m,
        cache_write_1h=counts.cache_write_1h,
        cache_read=counts.cache_read,
        output=counts.output,
    )


def _turn(played: Played, before: Lease | None, scope: Scope) -> Turn:
    """The turn that a later request goes on from.

    One that ran in no container leaves that of the turn before in sight, where a client tool may have been called: by
    such a call's id it is found again. Of a turn in plain words nobody can tell what it went on from.
    """
    response, conversation = played.response, played.plan.conversation
    if conversation is None:
        raise TypeError("a conversation in play has a plan that names it")
    if response.container is None and before is not None and any(tool.custom for tool in played.line.request.tools):
        return before.turn
    opened = played.line.at
    if before is not None and before.turn.container == response.container and before.turn.opened_at is not None:
        opened = before.turn.opened_at
    return Turn(
        conversation=conversation,
        scope=scope,
        container=response.container,
        expires_at=response.expires_at,
        opened_at=opened,
        threaded=played.plan.threaded or (before is not None and before.turn.threaded),
    )


def subscribed(line: TraceLine, book: RuleBook) -> bool:
    """Whether a subscription pays for a line."""
    return _subscribed(book.callers.find(line.principal))


def _subscribed(caller: CallerRow | None) -> bool:
    return caller is not None and caller.billing == "subscription"
