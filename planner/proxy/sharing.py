"""Shares leases of containers with the other processes of a store: a row each, renewed while its request runs.

So a lease outlives no process by more than its time, and a request that runs for long keeps its own. No request fails
for the store, or waits for it for long: where it does not say in time that a container is free, it goes without one.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.core.containers import LIFE, Lease, State
from planner.core.lending import Answer, Ask, End, Leases
from planner.core.reasons import Reason
from planner.metrics import Metrics
from planner.proxy.inforce import InForce
from planner.stores.leases import LeaseStore
from planner.tasks import Tasks

WAITS: Final = (0.005, 0.01, 0.02, 0.04, 0.08)
"""Seconds between looks at a container whose last request has ended elsewhere: its end takes milliseconds to get here.
As long as for the turn that it left. Ours."""
REPEAT_SECONDS: Final = 1.0
"""What asking for the container may take in which a conversation goes on: without it its files are gone, which is worse
than waiting. As long as looking it up may take; but a store that was as slow as that is waited for no longer than for a
decision until it answers again. Ours."""
RENEWALS: Final = 3
"""How often a lease is renewed in its time: two may fail. Ours."""
LATE: Final = 10_000
"""How many ends wait at most for a store that does not answer: the leases of others end by themselves. Ours."""
FINISH_SECONDS: Final = 2.0
"""How long a process that stops waits until the store has the ends of its requests. Ours."""
KEPT: Final = LIFE + timedelta(days=1)
"""How long a store knows of containers and the turns in them: as long as one lives."""
_FINAL: Final = {State.CONTINUED, State.DEAD}


class Hold(msgspec.Struct):
    """A request in a container: what it asked, and the turn that it goes on from, as this process remembers it.

    `claimed` says that it took the turn as no other may, `ended` that the request is over. In a shared store `kept`
    says that there is its lease, `asking` that it is asked for; `answer` is what was said last, None for nothing.
    """

    ask: Ask
    lease: Lease | None
    claimed: bool = False
    ended: bool = False
    kept: bool = False
    asking: bool = False
    answer: Answer | None = None

    def show(self, state: State) -> None:
        """Let the turn be in a state, as far as this process remembers it."""
        if self.lease is not None:
            self.lease.state = state


class Refused(msgspec.Struct, frozen=True):
    """Why there is no lease: the state of the turn; or, where the store did not say it, why not."""

    state: State
    unasked: Reason | None = None


class Late(msgspec.Struct, frozen=True):
    """The end of a request, on its way to the store; `noted` is called where it counts and nothing takes it back."""

    hold: Hold
    end: End
    noted: Callable[[], None]


class Sharing:
    """The leases that this process has in a store.

    `here` are those within the process. The rules in force say how long a lease lasts that is not renewed; `patience`
    is how many seconds a request waits for the store to answer that can do without the container, or has it anyway.
    """

    def __init__(  # noqa: PLR0913 - the parts of it, named
        self,
        store: LeaseStore,
        here: Leases,
        rules: InForce,
        patience: float,
        *,
        clock: Clock,
        metrics: Metrics,
        log: FilteringBoundLogger,
        tasks: Tasks,
    ) -> None:
        self._store = store
        self._here = here
        self._rules = rules
        self._patience = patience
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._tasks = tasks
        self._returning: dict[str, asyncio.Task[None]] = {}
        self._ending: dict[str, Hold] = {}
        self._late: deque[Late] = deque(maxlen=LATE)
        self._troubled = False
        self._slow = False

    @property
    def _lasts(self) -> timedelta:
        return timedelta(seconds=self._rules.book.settings.container.lease_seconds)

    async def take(self, hold: Hold, *, goes_on: bool) -> Refused | None:
        """Ask for a lease; again for a moment where only the end of a request from another turn is waited for.

        `goes_on` says that its conversation is in the middle.
        """
        refused = Refused(State.BUSY)
        for seconds in (0.0, *WAITS):
            await asyncio.sleep(seconds)
            patient = goes_on and hold.ask.way == "lent" and not self._slow
            patience = max(REPEAT_SECONDS, self._patience) if patient else self._patience
            asking = self._tasks.start("lease", self._ask(hold))
            await asyncio.wait({asking}, timeout=patience)
            answer = hold.answer
            if answer is None:
                self._slow = not asking.done()
                self._metrics.fail_open.add(("lease",))
                return Refused(State.IDLE, Reason.ERROR if asking.done() else Reason.TIME_BUDGET)
            if answer.taken:
                return None
            refused = Refused(answer.state)
            if not answer.passing:
                break
        self._hear(hold, refused.state)
        return refused

    def give_back(self, late: Late) -> None:
        """Tell the store of an end; who asks for that container here next waits for it."""
        if not late.hold.kept and not late.hold.claimed:
            return
        container = late.hold.ask.container
        self._ending[late.hold.ask.holder] = late.hold
        before = self._returning.get(container)
        task = self._returning[container] = self._tasks.start("lease", self._returned(late, before))
        task.add_done_callback(lambda done: self._forget_return(container, done))

    async def renew(self, holds: Iterable[Hold]) -> None:
        """Renew leases, get those that the store did not give in time, and tell it of ends that it did not hear.

        A lease goes on until the store has its end: who asks before that would be lent what was gone on from.
        """
        self._tell_again()
        running = list(holds)
        kept = [hold for hold in (*running, *self._ending.values()) if hold.kept]
        if kept:
            try:
                now = self._clock.now()
                alive = await self._store.renew([hold.ask for hold in kept], now + self._lasts, now)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with a store, requests go on
                self._trouble(error)
                return
            for hold in (hold for hold in kept if hold.ask.holder not in alive and not hold.ended):
                hold.kept, hold.answer = False, None
                self._lost()
        for hold in running:
            if hold.ask.way != "lent" and hold.answer is None and not hold.ended and not hold.asking:
                await self._ask(hold)

    async def run(self, holds: Callable[[], Iterable[Hold]]) -> None:
        """Renew the leases of all requests that run, and forget what is long over; for ever."""
        forget_at = self._clock.now()
        while True:
            await self.renew(holds())
            if self._clock.now() >= forget_at:
                forget_at = self._clock.now() + timedelta(days=1)
                await self._forget()
            await asyncio.sleep(self._lasts.total_seconds() / RENEWALS)

    async def finish(self) -> None:
        """Wait, for a moment at most, until the store has the end of every request."""
        self._tell_again()
        if self._returning:
            await asyncio.wait(set(self._returning.values()), timeout=FINISH_SECONDS)

    def _tell_again(self) -> None:
        for _ in range(len(self._late)):
            self.give_back(self._late.popleft())

    async def _ask(self, hold: Hold) -> None:
        """Ask the store for a lease, behind the end of the request before; nothing that goes wrong is raised.

        A lease that comes when nobody wants it any more goes back.
        """
        hold.answer, hold.asking = None, True
        try:
            if (returning := self._returning.get(hold.ask.container)) is not None:
                await asyncio.wait({returning})
            now = self._clock.now()
            answer = await self._store.take(msgspec.structs.replace(hold.ask, until=now + self._lasts), now)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a store, requests go on
            self._trouble(error)
            return
        finally:
            hold.asking = False
        self._answered()
        hold.answer, hold.kept = answer, answer.taken
        hold.claimed = hold.claimed or answer.claimed
        if hold.ended:
            self.give_back(Late(hold, "failed", lambda: None))

    async def _returned(self, late: Late, before: asyncio.Task[None] | None) -> None:
        hold = late.hold
        if before is not None:
            await asyncio.wait({before})
        try:
            ended = await self._store.give_back(hold.ask, late.end, self._clock.now(), claimed=hold.claimed)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with a store, requests go on
            self._trouble(error)
            self._late.append(late)
            return
        finally:
            del self._ending[hold.ask.holder]
        self._answered()
        if not ended.counts:
            self._lost()
            return
        self._hear(hold, ended.state)
        if ended.state in _FINAL:
            late.noted()

    def _forget_return(self, container: str, task: asyncio.Task[None]) -> None:
        if self._returning.get(container) is task:
            del self._returning[container]

    def _hear(self, hold: Hold, state: State) -> None:
        """Remember what the store says of a turn, as far as nothing takes that back."""
        if state in _FINAL:
            self._here.heard(hold.ask.container, hold.ask.turn, state)
            hold.show(state)

    def _lost(self) -> None:
        """A lease ended before its request: what that request says in the end counts for nothing."""
        self._metrics.leases_lost.add()
        self._log.warning("a lease of a container ended before its request")

    def _trouble(self, error: Exception) -> None:
        if not self._troubled:
            self._log.error("containers cannot be leased; requests go without them", error=type(error).__name__)
        self._troubled = True

    def _answered(self) -> None:
        if self._troubled:
            self._log.info("containers can be leased again")
        self._troubled = self._slow = False

    async def _forget(self) -> None:
        try:
            await self._store.forget(self._clock.now() - KEPT)
        except Exception as error:  # noqa: BLE001 - old leases harm nobody: they have ended
            self._log.warning("old leases of containers stay for another day", error=type(error).__name__)
