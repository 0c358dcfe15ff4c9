"""What plans and learns in one process of several, over one store of any kind, without a socket; it can be killed."""

import io
from pathlib import Path

from planner import log as logs
from planner.clock import Clock
from planner.core.learning.experience import Experience
from planner.core.learning.sizes import Sizes
from planner.core.rulebook.book import RuleBook
from planner.metrics import Metrics
from planner.proxy.callers import Caller
from planner.proxy.hours import Hours
from planner.proxy.inforce import InForce
from planner.proxy.learning import Learning
from planner.proxy.lending import Lending
from planner.proxy.lessons import Lessons
from planner.proxy.memory import Memory
from planner.proxy.planning import Planned, Planning
from planner.proxy.recorder import Recorder
from planner.proxy.sharing import Sharing
from planner.stores import Store
from planner.stores.journal import Journal
from planner.stores.leases import LeaseStore
from planner.stores.writer import Writer
from planner.tasks import Tasks


class Replica:
    """One process: `leases` are what it shares, None where it is the only one. `failures` are tasks that failed."""

    def __init__(
        self,
        directory: Path,
        book: RuleBook,
        store: Store,
        leases: LeaseStore | None,
        clock: Clock,
        *,
        owner: str,
        patience: float = 5.0,
    ) -> None:
        self.book, self.clock, self.metrics, self.said = book, clock, Metrics(), io.StringIO()
        self.failures: list[str] = []
        log = logs.build(self.said)
        self.tasks = Tasks(lambda name, error: self.failures.append(f"{name}: {error!r}"))
        self.memory = Memory(store, shared=leases is not None)
        self.journal = Journal(directory)
        self._writer = Writer(
            self.journal,
            store,
            clock,
            on_write=lambda _: None,
            on_trouble=self.failures.append,
            on_refused=lambda: self.failures.append("a record was refused"),
        )
        self._recorder = Recorder(self.journal, self._writer, self.metrics, log)
        shared = None
        if leases is not None:
            shared = Sharing(
                leases,
                self.memory.lent,
                InForce(book, clock),
                patience,
                clock=clock,
                metrics=self.metrics,
                log=log,
                tasks=self.tasks,
            )
        self.lending = Lending(self.memory.lent, shared, owner)
        self.shared = shared
        hours, experience = Hours(), Experience(Sizes())
        lessons = Lessons(experience, self._recorder)
        self.learning = Learning(self.memory, self.lending, hours, self._recorder, lessons)
        self.planning = Planning(
            memory=self.memory,
            lending=self.lending,
            hours=hours,
            experience=experience,
            metrics=self.metrics,
            log=log,
            stop=None,
            budget=patience,
        )

    async def start(self) -> None:
        """Store what the process before left in the journal, and read what is needed."""
        await self._writer.drain()
        await self.memory.load()

    async def send(self, body: bytes, caller: Caller) -> Planned:
        """Plan a request, and send it."""
        now = self.clock.now()
        planned = await self.planning.plan(body, caller, now, self.book)
        self.learning.sending(planned, now)
        return planned

    async def flush(self) -> None:
        """Let the store have what was written down."""
        await self._writer.drain()

    async def renew(self) -> None:
        """What the process does a few times in the life of a lease."""
        if self.shared is not None:
            await self.shared.renew(self.lending.out)
