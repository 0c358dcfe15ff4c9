"""What an answer teaches: where a principal is answered, which turn ran in which container, and what is warm."""

from datetime import datetime
from typing import Final

import msgspec

from planner.core.breaker import Blame
from planner.core.containers import State
from planner.core.conversations import Conversation, Scope, Turn
from planner.core.exchange import Exchange
from planner.core.facts import Epoch
from planner.core.ledger import Entry
from planner.core.reasons import OF_THE_MOMENT
from planner.core.records import ConversationRecord, ScopeRecord, TurnRecord
from planner.core.settlement import Sessions
from planner.core.wire import ResponseContainer
from planner.proxy.hours import Hours
from planner.proxy.memory import Memory
from planner.proxy.planning import Planned
from planner.proxy.recorder import Recorder

OK: Final = 200
SERVER_ERROR: Final = 500


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

    def __init__(self, memory: Memory, hours: Hours, recorder: Recorder) -> None:
        self._memory = memory
        self._hours = hours
        self._recorder = recorder

    def sending(self, planned: Planned, now: datetime) -> None:
        """Remember a conversation before its request is sent, and lend its container."""
        conversation = planned.plan.conversation
        passing = conversation is not None and conversation.edit.empty and _of_the_moment(conversation)
        news = conversation is not None and not passing and self._memory.begin(conversation, now)
        if conversation is not None and news and not conversation.edit.empty:
            self._recorder.remember(ConversationRecord(_text(now), conversation))
        if planned.lease is not None and planned.plan.threaded and planned.request is not None:
            planned.lease.apply("claim" if planned.request.awaited else "offer")

    def sessions(self, container_id: str | None) -> Sessions:
        """What is billed in a container up to now."""
        return Sessions() if container_id is None else self._memory.sessions(container_id)

    def abandoned(self, planned: Planned | None) -> None:
        """Take back what was lent to a request whose end could not be told."""
        lease = None if planned is None or not planned.plan.threaded else planned.lease
        if lease is not None and lease.state is State.BUSY:
            lease.apply("failed")

    def settled(self, answered: Answered) -> None:
        """Learn from the answer to a request."""
        entry, money, sent = answered.entry, answered.exchange.settlement, answered.sent
        now = datetime.fromisoformat(entry.at)
        self._hours.add(entry.organization or "", now, money.hours_ms, money.untouched_hours_ms)
        self._end_lease(answered, now)
        scope = self._learn_scope(entry, answered.account)
        if sent is None or sent.request is None or sent.plan.conversation is None:
            return
        if answered.blamed is Blame.TOOLS and entry.status == OK:
            self._forget_edit(sent.plan.conversation, now)
        if entry.status == OK:
            self._learn_prefix(sent, entry, now)
            self._learn_turn(sent, answered.exchange, entry, scope)

    def _learn_scope(self, entry: Entry, account: str) -> Scope | None:
        if entry.organization is None or entry.workspace is None:
            return None
        scope = Scope(entry.organization, entry.workspace)
        if self._memory.learn_scope(account, scope):
            self._recorder.remember(ScopeRecord(entry.at, account, scope))
        return scope

    def _forget_edit(self, conversation: Conversation, now: datetime) -> None:
        """A conversation whose edit was refused goes on without one, and the rule rests for its profile.

        Only an answer to the caller's own bytes proves that it was the edit.
        """
        self._memory.begin(conversation, now)
        self._memory.rest(conversation.prefix, now)
        self._recorder.remember(ConversationRecord(_text(now), conversation))

    def _end_lease(self, answered: Answered, now: datetime) -> None:
        """Take the container back, or give it up for lost."""
        planned, sent, entry = answered.planned, answered.sent, answered.entry
        if planned is None or sent is None or planned.lease is None or not planned.plan.threaded:
            return
        lease = planned.lease
        if answered.blamed is Blame.CONTAINER or (sent.plan.threaded and entry.status == SERVER_ERROR):
            lease.apply("lost")
        else:
            went_on = sent.plan.threaded and entry.status == OK and entry.outcome == "ok"
            lease.apply("answered" if went_on else "failed")
        if lease.state in {State.CONTINUED, State.DEAD}:
            lease.turn = msgspec.structs.replace(lease.turn, continued=True)
            self._recorder.remember(TurnRecord(_text(now), lease.turn))

    def _learn_prefix(self, sent: Planned, entry: Entry, now: datetime) -> None:
        """Remember what is warm; usage sums over the iterations, and each run of code makes one more."""
        conversation, tokens = sent.plan.conversation, entry.tokens
        if conversation is not None and tokens is not None:
            iterations = 1 + (0 if entry.code is None else entry.code.runs)
            cached = (tokens.cache_read + tokens.cache_write) // iterations
            self._memory.learn_prefix(conversation.prefix, Epoch(not sent.plan.tool_edit.empty, cached, now))

    def _learn_turn(self, sent: Planned, exchange: Exchange, entry: Entry, scope: Scope | None) -> None:
        """Remember the response by its ids, with the container that it ran in."""
        conversation, told, before = sent.plan.conversation, exchange.told, sent.lease
        if conversation is None:
            return
        container = told.container
        if container is None and sent.container is not None:  # later answers of a turn may leave it out
            expires = before.turn.expires_at if before is not None and before.turn.container == sent.container else None
            container = ResponseContainer(sent.container, expires)
        at = datetime.fromisoformat(entry.at)
        turn = Turn(
            conversation=conversation,
            message_id=told.message_id,
            call_ids=told.call_ids,
            scope=scope,
            threaded=sent.plan.threaded or (before is not None and before.turn.threaded),
            session=sent.session,
        )
        if container is not None:
            same = before is not None and before.turn.container == container.id
            sessions = exchange.settlement.sessions
            if sessions == Sessions():  # nothing is known of what this request used
                sessions = self._memory.sessions(container.id)
            self._memory.learn_sessions(container.id, sessions)
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


def _of_the_moment(conversation: Conversation) -> bool:
    """Whether it was left alone for a reason that says nothing about the next one that begins like it."""
    return any(decision.reason in OF_THE_MOMENT for decision in conversation.decisions)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
