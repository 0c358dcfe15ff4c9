"""Thousands of requests of many principals over one store: what runs where is watched by one who knows no planner.

The watcher sees each request as the API would: which container it names, from when to when, and what it was answered.
It knows the laws, and nothing of how they are kept:

1. a container is not put into a request while another request runs in it, unless a call waits there;
2. it is never another principal's, nor of another organization or workspace;
3. it is never put in at or past the expiry that was told last, or thirty days after it was made, likewise;
4. it is never put in twice from one turn, likewise.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from planner.clock import VirtualClock
from planner.core.breaker import Blame, retreat
from planner.core.conversations import Scope
from planner.core.exchange import Exchange
from planner.core.ledger.entry import Ending, Latency
from planner.core.settlement import Terms
from planner.core.splice import SetContainer
from planner.opening import open_leases, open_store
from planner.proxy.callers import Caller
from planner.proxy.learning import Answered
from planner.proxy.planning import Planned
from planner.proxy.relay import Relay, marked
from tests.doubles.deciding import BOOK, NEWER_CODE, NOW, USER, body
from tests.doubles.messages import message
from tests.doubles.proxy import run
from tests.doubles.replicas import Replica
from tests.proxy.test_learning import intent

LEASE: Final = timedelta(seconds=BOOK.settings.container.lease_seconds)
IDLE: Final = timedelta(minutes=5)
LIFE: Final = timedelta(days=30)
CALLERS: Final = (
    *(Caller(principal=f"p{number}", account=f"p{number}/w1") for number in range(4)),
    *(Caller(principal=f"p{number}", account=f"p{number}/w2") for number in range(2)),
    *(Caller(principal=f"p{number}", account=f"p{number}/w1", session="nightly") for number in range(3)),
)
"""Four principals in one workspace, of which two are in another as well, and three name a session of theirs."""
ALL_OF_IT: Final = (
    "threaded:pending-call", "caller:", "declined:busy", "none:fork", "declined:container-gone", "declined:expired",
    "declined:other-scope",
)  # fmt: skip
ROUNDS: Final = 260
TOGETHER: Final = 6
"""Requests that begin in one round, at most."""


class Place(msgspec.Struct):
    """A container as the API knows it: whose it is and where, when it was made, and the expiry that was told last."""

    owner: str
    workspace: str
    made: datetime
    expires: datetime


class Ran(msgspec.Struct):
    """A response that a caller can go on from: its content, and the container that it ran in."""

    caller: Caller
    content: list[Any]
    container: str
    pending: bool
    gone_on_from: bool = False


class Running(msgspec.Struct):
    """A request at the API; `excused` says that its process was away for longer than a lease lasts."""

    replica: Replica
    caller: Caller
    planned: Planned
    container: str | None
    turn: Ran | None
    excused: bool = False


class Watcher:
    """Sees what reaches the API, and breaks a test where a law is broken."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.places: dict[str, Place] = {}
        self.running: list[Running] = []
        self.turns: list[Ran] = []
        self.seen: Counter[str] = Counter()
        self._names = count(1)

    def sent(self, each: Running) -> None:
        """A request begins."""
        planned, now = each.planned, self.clock.now()
        ours = next((edit.id for edit in planned.plan.edits if isinstance(edit, SetContainer)), None)
        assert planned.request is not None
        self.seen[f"{planned.plan.decisions[2].outcome}:{planned.plan.decisions[2].reason or ''}"] += 1
        if ours is not None:
            place, pending = self.places[ours], planned.request.awaited
            assert place.owner == each.caller.principal, "law 2: another principal's"
            assert place.workspace == each.caller.account.rpartition("/")[2], "law 2: another workspace"
            if not pending:
                others = [other for other in self.running if other.container == ours and not other.excused]
                assert not others, "law 1: a request runs there"
                assert now < place.expires, "law 3: past its expiry"
                assert now < place.made + LIFE, "law 3: past its life"
                if each.turn is not None and each.caller.session is None:  # a session may lead to a younger turn
                    assert not each.turn.gone_on_from, "law 4: gone on from already"
        self.running.append(each)

    def answered(self, each: Running, container: str) -> None:
        """A request is answered from a container; callers can go on from it."""
        now = self.clock.now()
        place = self.places.setdefault(
            container, Place(each.caller.principal, each.caller.account.rpartition("/")[2], now, now)
        )
        place.expires = now + IDLE
        hold = each.planned.hold
        untold = hold is not None and hold.ask.turn is None  # named by its caller before the store had the turn
        if each.turn is not None and each.container == each.turn.container and not each.excused and not untold:
            each.turn.gone_on_from = True

    def name(self, kind: str) -> str:
        """A name that the API gives."""
        return f"{kind}_{next(self._names)}"


class Traffic:
    """Callers that do what callers do, by a seed, through replicas that come and go."""

    def __init__(self, directory: Path, address: str, replicas: int, seed: int) -> None:
        self.clock = VirtualClock(NOW)
        self.watcher = Watcher(self.clock)
        self.chance = random.Random(seed)  # noqa: S311 - an order, no secret
        self._directory, self._address, self._number = directory, address, replicas
        self._owners = count(1)
        self.replicas: list[Replica] = []

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """The store and the replicas over it."""
        async with AsyncExitStack() as stack:
            self._store = await open_store(self._address)
            stack.push_async_callback(self._store.close)
            self._leases = [await open_leases(self._address) for _ in range(self._number)]
            for each in self._leases:
                if each is not None:
                    stack.push_async_callback(each.close)
            self.replicas = [await self._begin(place) for place in range(self._number)]
            yield
            for replica in self.replicas:
                await replica.lending.finish()
                assert replica.failures == []
                replica.journal.close()

    async def _begin(self, place: int) -> Replica:
        replica = Replica(
            self._directory / f"journal-{place}",
            BOOK,
            self._store,
            self._leases[place],
            self.clock,
            owner=f"process-{next(self._owners)}",
        )
        await replica.start()
        for caller in CALLERS:
            replica.memory.learn_scope(caller.account, scope_of(caller))
        return replica

    async def play(self, rounds: int) -> None:
        """So many rounds: some requests begin at once, some end, time passes, and now and then a process dies."""
        for _ in range(rounds):
            await asyncio.gather(*(self._send() for _ in range(self.chance.randint(1, TOGETHER))))
            self.chance.shuffle(self.watcher.running)
            while len(self.watcher.running) > self.chance.randint(2, 10):
                self._end(self.watcher.running.pop())
            for replica in self.replicas:
                if self.chance.random() < 0.9:
                    await replica.flush()
            await self._pass(self.chance.choice((1, 1, 2, 5, 5, 20, 50)))
            lot = self.chance.random()
            if lot < 0.03:
                await self._kill(self.chance.randrange(self._number))
            elif lot < 0.05:
                await self._pass(300)
            elif lot < 0.06 and self._number > 1:
                await self._stall(self.chance.choice(self.replicas))

    async def _pass(self, seconds: float, without: Replica | None = None) -> None:
        """Let time pass, in which the living renew their leases."""
        while seconds > 0:
            step = min(seconds, LEASE.total_seconds() / 3)
            self.clock.advance(step)
            seconds -= step
            for replica in self.replicas:
                if replica is not without:
                    await replica.renew()

    async def _kill(self, place: int) -> None:
        """A process is gone with its connections; another one takes its place, and its journal.

        Not in the millisecond in which the end of a request is on its way to the store.
        """
        dead, watcher = self.replicas[place], self.watcher
        watcher.running = [each for each in watcher.running if each.replica is not dead]
        await dead.lending.finish()
        dead.journal.close()
        self.replicas[place] = await self._begin(place)

    async def _stall(self, replica: Replica) -> None:
        """A process stands still for longer than its leases last; its requests run on at the API.

        Not in the millisecond in which the end of a request is on its way either.
        """
        await replica.lending.finish()
        for each in self.watcher.running:
            each.excused = each.excused or each.replica is replica
        await self._pass(LEASE.total_seconds() + 1, without=replica)

    async def _send(self) -> None:
        """Somebody begins a conversation, or goes on from any turn there was: his own as a rule, and a young one."""
        turns, chance = self.watcher.turns, self.chance
        replica, caller, turn = chance.choice(self.replicas), chance.choice(CALLERS), None
        messages, members = list[Any]([USER]), dict[str, Any]()
        if turns and chance.random() < 0.85:
            turn = turns[-min(int(chance.expovariate(0.12)) + 1, len(turns))]
            if chance.random() < 0.95:
                caller = turn.caller
            said: Any = "Go on."
            if turn.pending and chance.random() < 0.8:
                said = [{"type": "tool_result", "tool_use_id": turn.content[1]["id"], "content": "7"}]
            messages += [{"role": "assistant", "content": turn.content}, {"role": "user", "content": said}]
            if chance.random() < 0.1 and caller == turn.caller:
                members["container"] = turn.container
        planned = await replica.send(body(tools=[NEWER_CODE], messages=messages, **members), caller)
        self.watcher.sent(Running(replica, caller, planned, planned.container or None, turn))

    def _end(self, each: Running) -> None:
        """A request is answered, refused or broken off; the process that sent it hears of it."""
        lot, planned, blamed = self.chance.random(), each.planned, None
        status, ending = 200, "ok"
        members: dict[str, Any] = {}
        if lot < 0.07:
            status = 429
        elif lot < 0.1:
            ending = "cancelled"
        elif lot < 0.11:
            status = 500
        elif lot < 0.13 and planned.plan.threaded:
            assert planned.request is not None
            blamed = None if retreat(planned.plan, planned.request, Blame.CONTAINER, BOOK) is None else Blame.CONTAINER
        if status == 200 and ending == "ok":
            container = self.watcher.name("container") if each.container is None or blamed else each.container
            content = self._content()
            self.watcher.answered(each, container)
            if blamed is None or container != each.container:
                pending = "caller" in content[1]
                self.watcher.turns.append(Ran(each.caller, content, container, pending))
            members = {
                "id": self.watcher.name("msg"),
                "content": content,
                "container": {"id": container, "expires_at": text(self.watcher.places[container].expires)},
            }
        learn(each, status, ending, blamed, members)  # type: ignore[arg-type]  # one of the endings

    def _content(self) -> list[dict[str, Any]]:
        """Code that ran, or code that waits for a call."""
        call = self.watcher.name("srvtoolu")
        use = {"type": "server_tool_use", "id": call, "name": "bash_code_execution", "input": {}}
        if self.chance.random() < 0.15:
            caller = {"type": "code_execution_20260120", "tool_id": call}
            tool = {"type": "tool_use", "id": self.watcher.name("toolu"), "name": "lookup", "input": {}}
            return [use, tool | {"caller": caller}]
        return [
            use,
            {"type": "bash_code_execution_tool_result", "tool_use_id": call, "content": {"type": "x"}},
        ]


def scope_of(caller: Caller) -> Scope:
    """Where a caller is answered."""
    return Scope("org-1", caller.account.rpartition("/")[2])


def text(at: datetime) -> str:
    """A moment as the API tells it."""
    return at.isoformat().replace("+00:00", "Z")


def learn(each: Running, status: int, ending: Ending, blamed: Blame | None, members: dict[str, Any]) -> None:
    """Tell a process how its request ended."""
    planned, replica, now = each.planned, each.replica, each.replica.clock.now()
    assert planned.request is not None
    plan = planned.plan if blamed is None else retreat(planned.plan, planned.request, blamed, BOOK)
    assert plan is not None
    sent = msgspec.structs.replace(planned, plan=plan)
    exchange = Exchange(intent(now), Terms(at=now, model=""), BOOK, billing="message")
    scope = scope_of(each.caller)
    where = [
        (b"content-type", b"application/json"),
        (b"anthropic-organization-id", scope.organization.encode()),
        (b"anthropic-workspace-id", scope.workspace.encode()),
    ]
    exchange.begin(status, where)
    exchange.feed(message(**members))
    entry = exchange.settle(ending, Latency(total=1.0, first_byte=0.5, overhead=0.0), Terms(at=now, model=""))
    progress = Relay(plan=plan, blamed=blamed, refused=blamed is Blame.CONTAINER)
    entry = marked(entry, progress, planned, exchange.told)
    answered = Answered(
        planned=planned, sent=sent, blamed=blamed, entry=entry, exchange=exchange, account=each.caller.account
    )
    replica.learning.settled(answered)


@pytest.mark.parametrize(("kind", "seed"), [("sqlite", 1), ("sqlite", 2), ("postgres", 1)])
def test_the_laws_hold(tmp_path: Path, kind: str, seed: int, request: pytest.FixtureRequest) -> None:
    """In one process with its file, and among three that share a database; and conversations do go on warm."""
    shared = kind == "postgres"
    address = request.getfixturevalue("database") if shared else f"sqlite:///{tmp_path / 'l.db'}"
    traffic = Traffic(tmp_path, address, 3 if shared else 1, seed)

    async def main() -> None:
        async with traffic.opened():
            await traffic.play(ROUNDS if shared else 3 * ROUNDS)

    run(main(), longest=120)
    seen = traffic.watcher.seen
    assert seen.total() > (800 if shared else 2_400)
    assert seen["threaded:"] > seen.total() / 8
    rare = {"declined:container-gone"} if shared else set()  # of a third as many requests there may be none
    assert not [each for each in ALL_OF_IT if not seen[each] and each not in rare]
