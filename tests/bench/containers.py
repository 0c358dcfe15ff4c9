"""Conversations over several proxies on one PostgreSQL, one of which is killed: is a container ever in two hands?

    python -m tests.bench.containers                          # 300 conversations over 3 proxies
    python -m tests.bench.containers --conversations 24       # some seconds

Every turn goes through a proxy at random, some turns are gone on from by two or three requests at once, and some wait
for a call from code. What ran where and when is the simulator's own record. Not part of the test suite but for a short
run; needs PostgreSQL, which it looks for as the tests do, or is told where one is (`--address`).
"""

import argparse
import asyncio
import random
import tempfile
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec

from planner.clock import SystemClock
from planner.simulator import Simulator, serve
from tests.doubles.postgres import serving as database_server
from tests.doubles.process import Process, serving
from tests.doubles.proxy import settled
from tests.doubles.simulated import config
from tests.identity.agent import CODE, CODE_WEATHER, Agent, Answer, results
from tests.parts import postgres

LEASE_SECONDS: Final = 3
KEYS: Final = tuple(f"sk-ant-{number}" for number in range(6))
AT_ONCE: Final = 6
"""Conversations that are held at a time."""
TURNS: Final = 5
FACTOR: Final = 0.005
"""Seconds that the simulator takes for a second of code: a response takes a tenth of a second."""
SCENARIOS: Final = """
scenarios:
  - name: works
    match: {marker: "[work]"}
    after: repeat
    turns:
      - steps: [code: {command: make, seconds: 20}, say: Done.]
  - name: pends
    match: {marker: "[pend]"}
    after: repeat
    turns:
      - steps: [programmatic: {code: "x = await get_weather()", calls: [{tool: get_weather}], seconds: 1}]
      - steps: [code: {command: make, seconds: 20}, say: Done.]
      - steps: [code: {command: make, seconds: 20}, say: Done.]
      - steps: [code: {command: make, seconds: 20}, say: Done.]
      - steps: [code: {command: make, seconds: 20}, say: Done.]
      - steps: [code: {command: make, seconds: 20}, say: Done.]
      - steps: [code: {command: make, seconds: 20}, say: Done.]
"""
"""Every turn runs code, so that the next one can be found by the ids of its calls; some begin with a pending call."""


class Recording(Simulator):
    """A simulator that writes down which container each request names while it runs, by the request's own bytes."""

    def __init__(self) -> None:
        super().__init__(config(SystemClock(), scenarios=(SCENARIOS,), time_factor=FACTOR))
        self.running: Counter[str] = Counter()
        self.shared: list[str] = []
        self.named = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer a request, and note when it begins and ends."""
        if scope["type"] != "http" or scope["path"] != "/v1/messages":
            await super().__call__(scope, receive, send)
            return
        parts, more = list[bytes](), True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        again: list[Any] = [{"type": "http.request", "body": b"".join(parts), "more_body": False}]
        named = msgspec.json.decode(b"".join(parts)).get("container")

        async def replay() -> Any:
            return again.pop() if again else await receive()

        if named is None:
            await super().__call__(scope, replay, send)
            return
        self.named += 1
        self.running[named] += 1
        if self.running[named] > 1:
            self.shared.append(named)
        try:
            await super().__call__(scope, replay, send)
        finally:
            self.running[named] -= 1


class Tally(msgspec.Struct):
    """What came of the run.

    A *step* is a turn that is gone on from, by one request or several at once; `warm` counts those of which one went on
    in the container, `twice` those of which more did. `cold` are the reasons of the others; those that the killed proxy
    had a hand in are counted apart.
    """

    conversations: int = 0
    requests: int = 0
    steps: int = 0
    warm: int = 0
    twice: int = 0
    cold: Counter[str] = msgspec.field(default_factory=Counter)
    struck: int = 0
    struck_warm: int = 0
    forks: Counter[str] = msgspec.field(default_factory=Counter)
    pending: Counter[str] = msgspec.field(default_factory=Counter)
    failed: list[str] = msgspec.field(default_factory=list)


class Branch(msgspec.Struct):
    """A conversation as its client holds it; `struck` says that the killed proxy had a hand in its last step."""

    agent: Agent
    answer: Answer | None = None
    struck: bool = False


class Load:
    """Clients that talk through proxies of their choice, by a seed."""

    def __init__(self, http: aiohttp.ClientSession, processes: Sequence[Process], seed: int) -> None:
        self.tally = Tally()
        self._http = http
        self._alive = list(processes)
        self._chance = random.Random(seed)  # noqa: S311 - an order, no secret
        self._places = asyncio.Semaphore(AT_ONCE)
        self._killed = ""
        self._over = 0
        self._sent: Counter[str] = Counter()

    async def run(self, conversations: int) -> None:
        """Hold them all; half way through, one proxy is killed."""
        async with asyncio.TaskGroup() as group:
            for number in range(conversations):
                group.create_task(self._converse(number))
            group.create_task(self._kill(conversations))

    async def _kill(self, conversations: int) -> None:
        """Kill one proxy half way through, while a request runs through it."""
        first = self._alive[0].address
        await settled(
            lambda: self._over == conversations or (self._over >= conversations // 2 and bool(self._sent[first]))
        )
        process = self._alive.pop(0)
        self._killed = process.address
        await process.kill()

    async def _converse(self, number: int) -> None:
        async with self._places:
            self.tally.conversations += 1
            tools = [CODE, CODE_WEATHER] if number % 5 == 0 else [CODE]
            agent = Agent(self._http, "", KEYS[number % len(KEYS)], tick=lambda _: None, tools=tools)
            agent.fields["system"] = f"Conversation {number}."
            branches = [Branch(agent)]
            await self._say(branches[0], "[pend]" if number % 5 == 0 else "[work]")
            if number % 5 == 0:
                await self._pend(branches[0])
            for _ in range(TURNS - 1):
                branch = self._chance.choice(branches)
                forks = [Branch(self._copy(branch.agent), branch.answer, branch.struck) for _ in range(self._forks())]
                await self._step([branch, *forks], patient=number % 2 == 0)
                branches.extend(forks)
            self._over += 1

    def _forks(self) -> int:
        return self._chance.choice((0, 0, 0, 0, 1, 2))

    async def _pend(self, branch: Branch) -> None:
        """Send what a call from code waits for, without the container that it waits in."""
        answer = branch.answer
        if answer is None:
            return
        await self._say(branch, results(answer))
        if branch.answer is not None:
            self.tally.pending[branch.answer.plan["container"]] += 1

    async def _step(self, branches: list[Branch], *, patient: bool) -> None:
        """Go on from one turn, by one request or several at once."""
        before = branches[0].answer
        await asyncio.gather(*(self._say(branch, f"go on {at}", patient=patient) for at, branch in enumerate(branches)))
        if before is None or before.container is None:
            return
        ends = [branch.answer.plan["container"] for branch in branches if branch.answer is not None]
        lent = ends.count("threaded")
        struck = any(branch.struck for branch in branches)
        tally = self.tally
        tally.steps += not struck
        tally.struck += struck
        tally.warm += lent > 0 and not struck
        tally.struck_warm += lent > 0 and struck
        tally.twice += lent > 1
        if len(branches) > 1:
            tally.forks.update(end for end in ends if end != "threaded")
        if not lent and not struck:
            tally.cold["; ".join(sorted(ends))] += 1

    async def _say(self, branch: Branch, content: Any, *, patient: bool = False) -> None:
        """One turn through any proxy; again where that is killed, at once or when its lease has ended."""
        await asyncio.sleep(self._chance.random() * 0.05)
        branch.struck = branch.answer is not None and branch.agent.address == self._killed
        before = list(branch.agent.messages)
        while True:
            address = branch.agent.address = self._chance.choice(self._alive).address
            branch.agent.messages = list(before)
            self.tally.requests += 1
            self._sent[address] += 1
            try:
                branch.answer = await branch.agent.say(content)
                break
            except aiohttp.ClientError:
                branch.struck = True
                await asyncio.sleep(LEASE_SECONDS + 1 if patient else 0.05)
            finally:
                self._sent[address] -= 1
        if branch.answer.status != 200:
            self.tally.failed.append(f"{branch.answer.status}: {branch.answer.message}")
            branch.answer = None

    def _copy(self, agent: Agent) -> Agent:
        other = agent.fork()
        other.address = agent.address
        return other


class Outcome(msgspec.Struct, frozen=True):
    """A tally, what the simulator recorded, and how often the living proxies got no word of a lease in time."""

    tally: Tally
    shared: list[str]
    named: int
    late: float
    lost: float


async def measure(database: str, directory: Path, conversations: int, proxies: int = 3, seed: int = 1) -> Outcome:
    """Hold so many conversations over so many proxies, each a process of its own."""
    simulator = Recording()
    async with AsyncExitStack() as opened:
        url = await opened.enter_async_context(serve(simulator))
        http = await opened.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        processes = []
        for place in range(proxies):
            told = ("--journal", str(directory / f"journal-{place}"), f"--set=container.lease_seconds={LEASE_SECONDS}")
            processes.append(await opened.enter_async_context(serving(database, url, *told)))
            for key in KEYS:
                async with http.get(f"{processes[-1].address}/v1/models", headers={"x-api-key": key}) as got:
                    assert got.status == 200
        load = Load(http, processes, seed)
        await load.run(conversations)
        late = lost = 0.0
        for process in processes[1:]:
            async with http.get(f"{process.address}/metrics") as got:
                lines = (await got.text()).splitlines()
            late += _value(lines, 'planner_fail_open_total{cause="lease"}')
            lost += _value(lines, "planner_container_leases_lost_total")
    assert simulator.failures == []
    return Outcome(load.tally, simulator.shared, simulator.named, late, lost)


def _value(lines: Sequence[str], series: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{series} "))


def report(found: Outcome) -> str:
    """What there is to say of a run."""
    tally = found.tally
    cold = ", ".join(f"{number} {why}" for why, number in tally.cold.most_common()) or "none"
    lines = (
        ("conversations", f"{tally.conversations:,}"),
        ("requests", f"{tally.requests:,}, of which {found.named:,} went on in a container"),
        ("containers that two requests used at once", f"{len(found.shared):,}"),
        ("turns that could be gone on from warm", f"{tally.steps:,}"),
        ("… of which one request went on warm", f"{tally.warm:,} ({tally.warm / max(tally.steps, 1):.2%})"),
        ("… of which two did", f"{tally.twice:,}"),
        ("… cold", cold),
        ("forks without a container", ", ".join(f"{number} {end}" for end, number in tally.forks.most_common())),
        ("pending calls", ", ".join(f"{number} {end}" for end, number in tally.pending.most_common())),
        ("steps that the killed proxy had a hand in", f"{tally.struck:,}, of which {tally.struck_warm:,} went on warm"),
        ("leases that the database did not give in time", f"{found.late:,.0f}"),
        ("leases that ended before their request", f"{found.lost:,.0f}"),
        ("answers that failed", f"{len(tally.failed):,}"),
    )
    return "\n".join(f"| {name} | {value} |" for name, value in lines)


def main() -> None:
    """Measure once and print it as rows of a table."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--conversations", type=int, default=300)
    words.add_argument("--proxies", type=int, default=3)
    words.add_argument("--seed", type=int, default=1)
    words.add_argument("--address", help="of an empty PostgreSQL database")
    told = words.parse_args()
    with ExitStack() as held:
        directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="planner-bench-")))
        address = told.address
        if address is None:
            program = postgres()
            if program is None:
                raise SystemExit("there is no PostgreSQL here: apt-get install postgresql, or --address")
            address = held.enter_context(database_server(program)).address
        found = asyncio.run(measure(address, directory, told.conversations, told.proxies, told.seed))
        print(report(found))
        for each in found.tally.failed[:5]:
            print(each)


if __name__ == "__main__":
    main()
