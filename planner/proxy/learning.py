"""What an answer teaches: where a principal is answered, which turn ran in which container, and what is warm."""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from planner.core.agents import rest_key
from planner.core.batch.requests import proof_key
from planner.core.breaker import Blame, may_be_ours
from planner.core.containers import Lease
from planner.core.conversations import Conversation, Scope, Turn, begins, keeps
from planner.core.exchange import Exchange
from planner.core.ledger.batched import Kind
from planner.core.ledger.entry import Entry
from planner.core.lending import End
from planner.core.records import ConversationRecord, ScopeRecord, TurnRecord
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Sessions
from planner.core.wire import MessagesRequest, ResponseContainer
from planner.proxy.hours import Hours
from planner.proxy.lending import Lending
from planner.proxy.lessons import Lessons
from planner.proxy.memory import Memory
from planner.proxy.planning import Planned
from planner.proxy.recorder import Recorder

OK: Final = 200
INPUT_LEFT: Final = b"anthropic-ratelimit-input-tokens-remaining"
TOOLS_CHANGED: Final = "tools_changed"
"""A reason for a cache miss: https://platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-11-22 [A]."""


AT_ONCE: Final = 50
"""Conversations of a batch that are written down at a time: each takes some 20 microseconds. Ours."""


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """How a request went out in the end, and what came back.

    `planned` is how it was meant to go; `sent` is the same unless the API refused an edit, which `blamed` then names.
    """

    planned: Planned | None
    sent: Planned | None
    blamed: Blame | None
    entry: Entry
    exchange: Exchange
    account: str


class Learning:
    """Takes note of settled exchanges, in memory and in the journal."""

    def __init__(self, memory: Memory, lending: Lending, hours: Hours, recorder: Recorder, lessons: Lessons) -> None:
        self._memory = memory
        self._lending = lending
        self._hours = hours
        self._recorder = recorder
        self._lessons = lessons

    def sending(self, planned: Planned, now: datetime) -> None:
        """Remember a conversation before its request is sent."""
        conversation, request = planned.plan.conversation, planned.request
        if request is None:
            return
        if conversation is not None and (begins(request) or not conversation.edit.empty):
            self._begins(conversation, now, decided=planned.decided)
            if not conversation.edit.empty:
                self._memory.answering(conversation.root, id(planned))
        self._lessons.sending(planned)

    async def begin_all(self, planned: Planned, now: datetime) -> None:
        """Remember what begins with an edit in a batch, before it is sent: so many at a time that others get on."""
        for number, begun in enumerate(planned.begun):
            if number % AT_ONCE == 0:
                await asyncio.sleep(0)
            self._begins(begun, now)

    def sessions(self, container_id: str | None) -> Sessions:
        """What is billed in a container up to now."""
        return Sessions() if container_id is None else self._memory.sessions(container_id)

    def added(self, sent: Planned | None, book: RuleBook) -> float | None:
        """Tokens that the edit of a request is believed to have added to each prompt; None where that is not known."""
        return self._lessons.added(sent, book)

    def likely_ms(self, sent: Planned | None, book: RuleBook) -> int | None:
        """How long code is believed to run in a request like this one; None where nothing was seen of its like."""
        return self._lessons.likely_ms(sent, book)

    def spared_start_ms(self, sent: Planned, container: str | None, book: RuleBook) -> int:
        """How long a start took that a request did not wait for, since we had it go on in a warm container.

        `container` is the one that answered, None where that was not said.
        """
        ours = sent.plan.threaded and sent.warm and container in {None, sent.container}
        return self._lessons.cold_start_ms(book) if ours else 0

    def abandoned(self, planned: Planned | None) -> None:
        """Take back what was lent to a request whose end could not be told."""
        self._ended(planned)
        if planned is not None and planned.hold is not None:
            self._lending.give_back(planned.hold, "failed")

    def settled(self, answered: Answered) -> None:
        """Learn from the answer to a request."""
        entry, money, sent = answered.entry, answered.exchange.settlement, answered.sent
        now = datetime.fromisoformat(entry.at)
        if entry.code is not None:  # as the ledger would tell it after a restart
            self._hours.add(entry.organization or "", now, money.hours_ms, money.untouched_hours_ms)
        self._end_lease(answered, now)
        self._learn_limit(answered, now)
        scope = self._learn_scope(answered)
        if sent is not None and entry.status == OK:
            self._learn_sessions(sent, answered.exchange)
        if sent is None or sent.request is None or sent.plan.conversation is None:
            return
        if answered.blamed is Blame.TOOLS:
            self._refused_edit(answered, sent, sent.plan.conversation, scope, now)
        if entry.status == OK:
            self._learn_proof(sent, sent.request, scope, now)
            self._learn_turn(sent, answered.exchange, entry, scope)
            self._lessons.observe(sent, answered.exchange, entry)
        self._ended(answered.planned)

    def _learn_proof(self, sent: Planned, request: MessagesRequest, scope: Scope | None, now: datetime) -> None:
        """The API took this edit on this model, so that a batch may have it."""
        if scope is not None and not sent.plan.tool_edit.empty:
            self._memory.prove(proof_key(scope, request.model or "", sent.plan.tool_edit), now)

    def refused_in_batch(self, kinds: Iterable[Kind], scope: Scope | None) -> None:
        """The API refused edits in a batch hours after it was made: no other batch gets them."""
        for kind in kinds:
            if scope is not None:
                self._memory.disprove(proof_key(scope, kind.model or "", kind.edit))

    def broke_cache(self, answered: Answered) -> bool:
        """Whether the API says that tools changed since the turn before, and an edit of ours changed them."""
        planned, sent = answered.planned, answered.sent
        if planned is None or planned.lease is None or sent is None or sent.request is None:
            return False
        if answered.exchange.told.cache_miss != TOOLS_CHANGED or begins(sent.request):
            return False  # what begins may have joined the container of another conversation
        before = planned.lease.turn.conversation.edit
        return not keeps(sent.plan.tool_edit, before, sent.request.tools) and answered.entry.mode != "off"

    def _ended(self, planned: Planned | None) -> None:
        """The answer to a request is read, as far as it ever will be."""
        if planned is not None and planned.plan.conversation is not None:
            self._memory.answered(planned.plan.conversation.root, id(planned))

    def _learn_limit(self, answered: Answered, now: datetime) -> None:
        """How many input tokens are left of the caller's rate limit, as the API says."""
        left = answered.exchange.headers.get(INPUT_LEFT, b"")
        if left.isdigit():
            self._memory.learn_limit(answered.account, int(left), now)

    def _learn_scope(self, answered: Answered) -> Scope | None:
        """Where the request was answered: what was only declared is never learnt, so that a mistake can be mended."""
        scope, sent = answered.exchange.scope, answered.sent
        if scope is None:
            return None if sent is None else sent.scope
        if self._memory.learn_scope(answered.account, scope):
            self._recorder.remember(ScopeRecord(answered.entry.at, answered.account, scope))
        return scope

    def _learn_sessions(self, sent: Planned, exchange: Exchange) -> None:
        """Remember what is billed in a container, also of a request that was not planned."""
        container = exchange.told.container
        container_id = sent.container if container is None else container.id
        if container_id is not None and exchange.settlement.sessions != Sessions():
            self._memory.learn_sessions(container_id, exchange.settlement.sessions)

    def _refused_edit(
        self, answered: Answered, sent: Planned, conversation: Conversation, scope: Scope | None, now: datetime
    ) -> None:
        """A conversation whose edit was refused goes on without one, and the rule rests for its profile.

        Only an answer to the caller's own bytes proves that it was the edit. Where they were refused as well, it was
        not; where they got no answer, the rule rests, and what has only begun is tried without the edit next time.
        No batch gets the edit any more, whoever makes it: it would be refused hours later.
        """
        status, planned = answered.entry.status, answered.planned
        if status is not None and may_be_ours(status):
            return
        if scope is not None and planned is not None and sent.request is not None:
            self._memory.disprove(proof_key(scope, sent.request.model or "", planned.plan.tool_edit))
        if sent.sent is not None:
            self._memory.rest(rest_key(sent.sent.profile, sent.sent.model), now)
        if status == OK or (sent.request is not None and begins(sent.request)):
            self._memory.forget_edit(conversation, now)
            self._recorder.remember(ConversationRecord(_text(now), conversation))

    def _begins(self, conversation: Conversation, now: datetime, *, decided: bool = True) -> None:
        news = self._memory.begin(conversation, now, decided=decided)
        if news is not None:
            self._recorder.remember(ConversationRecord(_text(now), news))

    def _end_lease(self, answered: Answered, now: datetime) -> None:
        """Take the container back, or give it up for lost."""
        planned, sent, entry = answered.planned, answered.sent, answered.entry
        hold = None if planned is None else planned.hold
        if sent is None or hold is None:
            return
        end: End = "failed"
        if entry.lost is not None:
            end = "lost"
        elif sent.container is not None and entry.status == OK and entry.outcome == "ok" and not sent.joins:
            end = "answered"
        self._lending.give_back(hold, end, lambda: self._gone_on_from(hold.lease, now))

    def _gone_on_from(self, lease: Lease | None, now: datetime) -> None:
        """Remember for good that nobody is lent the container of a turn again."""
        if lease is not None:
            lease.turn = msgspec.structs.replace(lease.turn, continued=True)
            self._recorder.remember(TurnRecord(_text(now), lease.turn))

    def _learn_turn(self, sent: Planned, exchange: Exchange, entry: Entry, scope: Scope | None) -> None:
        """Remember the response by its ids, with the container that it ran in."""
        conversation, told, before = sent.plan.conversation, exchange.told, sent.lease
        if conversation is None:
            return
        container = told.container
        if entry.lost is not None and entry.lost.cause != "replaced" and sent.container is not None:
            container = None  # the turn has none to go on in
        elif container is None and sent.container is not None:  # later answers of a turn may leave it out
            expires = before.turn.expires_at if before is not None and before.turn.container == sent.container else None
            container = ResponseContainer(sent.container, expires)
        at = datetime.fromisoformat(entry.at)
        called = (*(() if before is None else before.turn.waiting), *told.waiting)
        turn = Turn(
            conversation=conversation,
            message_id=told.message_id,
            call_ids=told.call_ids,
            scope=scope,
            threaded=sent.plan.threaded or (before is not None and before.turn.threaded),
            session=sent.session,
            trail=told.trail,
            waiting=tuple(each for each in called if each not in told.settled),
        )
        if container is not None:
            same = before is not None and before.turn.container == container.id
            sessions = self._memory.sessions(container.id)
            billed, untouched = sessions.billed, sessions.untouched
            turn = msgspec.structs.replace(
                turn,
                container=container.id,
                expires_at=container.expires_at,
                opened_at=before.turn.opened_at if same and before is not None else at,
                used_ms=None if billed is None else billed.used_ms,
                used_at=None if billed is None else billed.last,
                untouched_ms=None if untouched is None else untouched.used_ms,
                untouched_at=None if untouched is None else untouched.last,
            )
        self._memory.learn_turn(turn)
        if turn.container is not None or not conversation.edit.empty:
            self._recorder.remember(TurnRecord(_text(at), turn))


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
