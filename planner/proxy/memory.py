"""What this process remembers of conversations, containers, prefixes and scopes; what it forgot, the store knows.

Everything here is bounded: the oldest goes first, and the store keeps it for `conversations.expire_days`.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar

import msgspec

from planner.clock import Clock
from planner.core.containers import Lease, State
from planner.core.conversations import Conversation, Scope, Turn
from planner.core.exchange import container_digest
from planner.core.lending import Leases
from planner.core.settlement import Session, Sessions
from planner.metrics import Metrics
from planner.stores import Store

BOUND: Final = 100_000
CONTAINERS: Final = 10_000
LONGEST_CACHE: Final = timedelta(hours=1)
"""Caches live 5 minutes or 1 hour: https://platform.claude.com/docs/en/build-with-claude/prompt-caching, 2026-11-22."""
REST: Final = timedelta(hours=1)
"""How long a rule rests after the API refused its edit: a setting of ours, long enough to be noticed in the metrics."""

LIMIT_LASTS: Final = timedelta(minutes=1)
"""Rate limits are counted a minute: https://platform.claude.com/docs/en/api/rate-limits, checked 2026-11-22."""

LONGEST_LEANING: Final = timedelta(days=1)
"""How long a decision holds at most for conversations that nothing but their beginning tells apart: ours."""

AGAIN: Final = timedelta(minutes=10)
"""How old what the store knows of a living conversation may be: what is found there was seen at most so much later."""

WAITS: Final = (0.005, 0.01, 0.02, 0.04, 0.08)
"""Seconds between looks for a turn that another process answered: it writes down at once, and a transaction takes a few
milliseconds. Ours, and small beside the second in which a conversation is to be found."""

LONGER: Final = (*WAITS, 0.16, 0.32, 0.64, 1.28)
"""The same for a call that code waits for, which fails without its turn, also where a busy database takes its
time. Ours, within what looking one up may take."""

K = TypeVar("K")
V = TypeVar("V")


class Recent(OrderedDict[K, V], Generic[K, V]):
    """A dict that keeps what was put in or found last."""

    def __init__(self, bound: int) -> None:
        super().__init__()
        self._bound = bound

    def put(self, key: K, value: V) -> None:
        """Put a value in as the newest."""
        self[key] = value
        self.move_to_end(key)
        if len(self) > self._bound:
            self.popitem(last=False)

    def find(self, key: K) -> V | None:
        """The value under a key, which is the newest by that."""
        value = self.get(key)
        if value is not None:
            self.move_to_end(key)
        return value


class Root(msgspec.Struct):
    """What began in the same words: the newest conversation with an edit, the newest without, and when each was seen.

    `stored_at` is when the store heard last of the one with an edit, `asked` whether the store was asked. `answering`
    tells the requests with an edit whose answers are not read to their end: a caller may go on before that.
    `holding` is what was decided last, at `decided_at`; of what the store knows, when it was seen last. `leaned_at` is
    when a conversation was last known in its middle by nothing but these words.
    """

    edited: Conversation | None = None
    edited_at: datetime | None = None
    stored_at: datetime | None = None
    plain: Conversation | None = None
    plain_at: datetime | None = None
    asked: bool = False
    holding: Conversation | None = None
    decided_at: datetime | None = None
    leaned_at: datetime | None = None
    answering: set[int] = msgspec.field(default_factory=set)

    def decide(self, conversation: Conversation, now: datetime) -> None:
        """Let what was decided on hold for all that begin so; what was tried, or left alone for a moment, does not."""
        if not conversation.passing and not conversation.tried:
            self.holding, self.decided_at = conversation, now

    def recall(self, conversation: Conversation, at: datetime) -> None:
        """Take in what the store knows, where it was forgotten here; what is known here is newer."""
        if not conversation.edit.empty and self.edited is None:
            self.edited, self.edited_at, self.stored_at = conversation, at, at
        elif conversation.edit.empty and self.plain is None:
            self.plain, self.plain_at = conversation, at
        if self.holding is None:
            self.decide(conversation, at)

    def begun(self, now: datetime) -> Conversation | None:
        """What one that begins now goes on like: for an hour what was decided last, the longest that a cache lives.

        Then it is decided anew; but where conversations are known by these words alone, all that begin so should be
        alike, and the decision holds for a day.
        """
        if self.decided_at is None:
            return None
        age = now - self.decided_at
        lasts = age < LONGEST_CACHE or (_fresh(self.leaned_at, now) and age < LONGEST_LEANING)
        return self.holding if lasts else None

    def middle(self, now: datetime) -> Conversation | None:
        """What one is that nothing but its beginning tells: no edit comes into what may have begun without."""
        if self.edited is None or _fresh(self.plain_at, now):
            return self.plain
        return self.edited


def _fresh(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - at < LONGEST_CACHE


class Memory:
    """Conversations in flight. Reads go to memory, then to the store; writes are the journal's business.

    `bound` is how many of each kind are kept. `shared` says that other processes write to the store as well, so that
    what it did not know a moment ago it may know now. `lent` are the leases of containers that this process knows of.
    """

    def __init__(self, store: Store, bound: int = BOUND, *, shared: bool = False) -> None:
        self._store = store
        self.shared = shared
        self.lent = Leases(bound)
        self._leases: Recent[str, Lease] = Recent(bound)
        self._roots: Recent[str, Root] = Recent(bound)
        self._scopes: Recent[str, Scope] = Recent(bound)
        self._limits: Recent[str, tuple[int, datetime]] = Recent(bound)
        self._containers: Recent[str, Lease] = Recent(min(bound, CONTAINERS))
        self._sessions: Recent[str, Sessions] = Recent(min(bound, CONTAINERS))
        self._edited: Recent[str, datetime] = Recent(bound)
        self._resting: Recent[str, datetime] = Recent(bound)
        self._proven: Recent[str, datetime] = Recent(bound)

    async def load(self) -> None:
        """Read what is small and needed from the first request on. Raises StoreError."""
        for account, scope in (await self._store.scopes()).items():
            self._scopes.put(account, scope)

    def scope(self, account: str) -> Scope | None:
        """Where this account was last answered."""
        return self._scopes.get(account)

    def learn_limit(self, account: str, tokens: int, now: datetime) -> None:
        """Remember how many input tokens an account had left of its rate limit."""
        self._limits.put(account, (tokens, now))

    def input_tokens_left(self, account: str, now: datetime) -> int | None:
        """What was left a moment ago; limits refill all the time, so what is older than a minute says nothing."""
        known = self._limits.get(account)
        return None if known is None or now - known[1] >= LIMIT_LASTS else known[0]

    def rest(self, key: str, now: datetime) -> None:
        """Let our edits rest under a key, since the API refused one."""
        self._resting.put(key, now)

    def rests(self, key: str, now: datetime) -> bool:
        """Whether our edits rest under a key."""
        since = self._resting.get(key)
        return since is not None and now - since < REST

    def prove(self, key: str, now: datetime) -> None:
        """The API took an edit; until it refuses it, or is not seen to take it for days, a batch may have it too."""
        self._proven.put(key, now)

    def disprove(self, key: str) -> None:
        """The API refused it."""
        self._proven.pop(key, None)

    def proven(self, key: str, now: datetime, days: int) -> bool:
        """Whether the API took an edit within so many days."""
        since = self._proven.get(key)
        return since is not None and now - since < timedelta(days=days)

    def edited_conversations(self, now: datetime) -> int:
        """How many edited conversations were seen within the last hour."""
        return sum(now - seen < LONGEST_CACHE for seen in self._edited.values())

    async def lease(self, keys: Sequence[str]) -> Lease | None:
        """The turn under the first key that is known: to memory, or else to the store. Raises StoreError."""
        for key in keys:
            if (lease := self._leases.find(key)) is not None:
                return self.seen(lease)
        for key in keys:
            if (turn := await self._store.turn(key)) is not None:
                lease = self._leases.get(key) or self._keep(turn)  # another request may have looked it up meanwhile
                return self.seen(lease)
        return None

    async def lease_to_come(self, keys: Sequence[str], *, must: bool = False) -> Lease | None:
        """The same where another process may have answered a moment ago, and its turn be on the way to the store.

        `must` says that the request fails without it. Raises StoreError.
        """
        for seconds in (LONGER if must else WAITS) if self.shared else ():
            await asyncio.sleep(seconds)
            if (lease := await self.lease(keys)) is not None:
                return lease
        return None

    def seen(self, lease: Lease) -> Lease:
        """A lease in the state that its container is in by now; nothing takes back that its turn was gone on from."""
        turn = lease.turn
        if turn.container is not None and lease.state in {State.IDLE, State.BUSY}:
            lease.state = self.lent.standing(container_digest(turn.container)).state(turn.key)
        return lease

    def sessions(self, container_id: str) -> Sessions:
        """What is billed in a container up to now."""
        return self._sessions.find(container_id) or Sessions()

    def learn_sessions(self, container_id: str, sessions: Sessions) -> None:
        """Remember what is billed in a container."""
        self._sessions.put(container_id, sessions)

    async def root(self, root: str, *, middle: bool = False) -> Root:
        """What began in the same words, here or by the store; `middle` if a conversation goes on. Raises StoreError."""
        known = self._roots.find(root)
        again = middle and self.shared  # it may have begun in another process since the store was asked
        if known is not None and ((known.asked and not again) or known.edited is not None):
            return known
        stored = await self._store.conversation(root)
        known = self._roots.find(root) or Root()  # another request may have begun meanwhile
        known.asked = True
        if stored is not None:
            known.recall(stored[0], datetime.fromisoformat(stored[1]))
            self._roots.put(root, known)
        return known

    def begin(self, conversation: Conversation, now: datetime, *, decided: bool = True) -> Conversation | None:
        """Remember a conversation; return what of it is news that the store should have: only of an edit.

        `decided` says that it begins now and was decided on, not repeated. Of those that began so in a batch some may
        still go on, whatever else begins so.
        """
        known = self._roots.find(conversation.root) or Root()
        self._roots.put(conversation.root, known)
        before = known.edited
        if before is not None and before.batched and before.edit == conversation.edit:
            conversation = msgspec.structs.replace(conversation, batched=True)
        if decided:
            known.decide(conversation, now)
        if conversation.edit.empty:
            known.plain, known.plain_at = conversation, now
            return None
        self._edited.put(conversation.root, now)
        news = known.edited != conversation or known.stored_at is None or now - known.stored_at > AGAIN
        known.edited, known.edited_at = conversation, now
        if not news:
            return None
        known.stored_at = now
        return conversation

    def leaned(self, root: str, now: datetime) -> None:
        """A conversation was known in its middle by its beginning alone."""
        known = self._roots.get(root)
        if known is not None:
            known.leaned_at = now

    def answering(self, root: str, request: int) -> None:
        """A request with an edit is on its way; its answer is not known by its ids yet."""
        known = self._roots.get(root)
        if known is not None:
            known.answering.add(request)

    def answered(self, root: str, request: int) -> None:
        """Its answer was read to the end."""
        known = self._roots.get(root)
        if known is not None:
            known.answering.discard(request)

    def forget_edit(self, conversation: Conversation, now: datetime) -> None:
        """What begins like this conversation has no edit any more."""
        known = Root(plain=conversation, plain_at=now, asked=True)
        known.decide(conversation, now)
        self._roots.put(conversation.root, known)

    def learn_scope(self, account: str, scope: Scope) -> bool:
        """Remember where an account was answered; say whether that is news."""
        news = self._scopes.get(account) != scope
        self._scopes.put(account, scope)
        return news

    def learn_turn(self, turn: Turn) -> None:
        """Remember a response by its ids."""
        if turn.keys:
            self._keep(turn)

    def containers(self) -> dict[str, int]:
        """How many of the containers seen last are in which state, each by the newest turn that ran in it."""
        counts = {state.value: 0 for state in State}
        for lease in self._containers.values():
            counts[self.seen(lease).state.value] += 1
        return counts

    def export(self, metrics: Metrics, clock: Clock) -> None:
        """Export how its containers and edited conversations stand."""
        metrics.gauge(
            "planner_containers",
            "Containers of remembered turns.",
            lambda: [((state,), float(number)) for state, number in self.containers().items()],
            labels=("state",),
        )
        metrics.gauge(
            "planner_edited_conversations",
            "Edited conversations seen within the last hour.",
            lambda: [((), float(self.edited_conversations(clock.now())))],
        )

    def _keep(self, turn: Turn) -> Lease:
        lease = lease_of(turn)
        for key in turn.keys:
            self._leases.put(key, lease)
        if turn.container is not None:
            self._containers.put(turn.container, lease)
            if turn.container not in self._sessions:
                self._sessions.put(turn.container, sessions_of(turn))
        return lease

    def peek(self, key: str) -> Lease | None:
        """The turn under a key in the state that its container is in, as a copy, and no newer for being seen."""
        lease = self._leases.get(key)
        return None if lease is None else self.seen(msgspec.structs.replace(lease))

    def peek_root(self, root: str) -> Root:
        """What began in the same words, likewise."""
        known = self._roots.get(root)
        return Root() if known is None else msgspec.structs.replace(known, answering=set(known.answering))


class Glance:
    """What a memory and its store know, for whoever only asks: nothing is kept, and nothing gets newer by it."""

    shared = False  # it does not wait for what other processes may be writing down

    def __init__(self, memory: Memory, store: Store) -> None:
        self._memory, self._store = memory, store
        self.scope = memory.scope
        self.rests = memory.rests
        self.input_tokens_left = memory.input_tokens_left

    async def lease(self, keys: Sequence[str]) -> Lease | None:
        """As of a memory. Raises StoreError."""
        for key in keys:
            if (lease := self._memory.peek(key)) is not None:
                return lease
        for key in keys:
            if (turn := await self._store.turn(key)) is not None:
                return self._memory.seen(lease_of(turn))
        return None

    async def lease_to_come(self, keys: Sequence[str], *, must: bool = False) -> Lease | None:
        """What another process answered a moment ago is not waited for."""
        del keys, must
        return None

    async def root(self, root: str, *, middle: bool = False) -> Root:
        """As of a memory. Raises StoreError."""
        known = self._memory.peek_root(root)
        again = middle and self._memory.shared
        stored = None if known.asked and not again else await self._store.conversation(root)
        if stored is not None:
            known.recall(stored[0], datetime.fromisoformat(stored[1]))
        return known

    def leaned(self, root: str, now: datetime) -> None:
        """Nobody leans on what is only asked."""
        del root, now


def lease_of(turn: Turn) -> Lease:
    """The lease of a turn that nobody has asked for yet."""
    return Lease(turn, State.CONTINUED if turn.continued else State.IDLE)


def sessions_of(turn: Turn) -> Sessions:
    """What was billed in its container when a turn ended."""
    return Sessions(_session(turn.used_ms, turn.used_at), _session(turn.untouched_ms, turn.untouched_at))


def _session(used_ms: int | None, last: datetime | None) -> Session | None:
    return None if used_ms is None or last is None else Session(used_ms, last)
