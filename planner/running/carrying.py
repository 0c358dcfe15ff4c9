"""A plan carried out: each request as soon as what it follows is done, its container is free, and there is room."""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from planner.clock import Clock
from planner.core.metering.counts import UsageError
from planner.core.metering.usage import Metered, meter
from planner.core.settlement import Sessions, Terms, settle
from planner.core.workflow.bodies import Parts, body, split
from planner.core.workflow.problem import Problem, Request
from planner.core.workflow.schedule import waits
from planner.running.sending import RefusedError, Turn, batch, batched, live, upload
from planner.running.state import Answer, State, save

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

ENDED: Final = frozenset({"end_turn", "stop_sequence", "max_tokens", "model_context_window_exceeded"})
"""How a turn ends that has a result; what ran into a limit is kept, and told."""


class Watcher(Protocol):
    """Who hears how a run goes."""

    def begun(self, number: int) -> None:
        """A request was sent."""
        ...

    def ended(self, number: int) -> None:
        """It was answered, or refused."""
        ...


class Job(msgspec.Struct, frozen=True):
    """What is run: the plan's problem, its shared texts and files by step, and where the state is kept."""

    problem: Problem
    contexts: Mapping[str, str]
    files: Mapping[str, Mapping[str, bytes]]
    state: State
    path: Path
    at_once: int


class Carrier:
    """Carries one plan out; what is done already is not done again."""

    def __init__(self, job: Job, client: "AsyncAnthropic", clock: Clock, watcher: Watcher) -> None:
        self._job = job
        self._client = client
        self._clock = clock
        self._watcher = watcher
        self._room = asyncio.Semaphore(job.at_once)
        self._over = [asyncio.Event() for _ in job.state.records]
        self._sessions: dict[str, Sessions] = {}
        self._free_ms = round(job.problem.free_hours_left * 3_600_000)

    async def run(self) -> None:
        """Send all that can be sent; what a refused request holds up stays waiting. Raises StateError."""
        causes = waits(self._job.problem, self._job.state.plan)
        await self._upload()
        await asyncio.gather(*(self._request(number, wanted) for number, wanted in enumerate(causes)))

    async def _upload(self) -> None:
        state = self._job.state
        for step, files in self._job.files.items():
            known = state.uploads.setdefault(step, [])
            for name, content in list(files.items())[len(known) :]:
                known.append(await upload(self._client, name, content))
                self._save()

    async def _request(self, number: int, causes: set[int]) -> None:
        record = self._job.state.records[number]
        try:
            for cause in causes:
                await self._over[cause].wait()
            if record.status == "done" or any(self._job.state.records[each].status != "done" for each in causes):
                return
            async with self._room:
                await self._carry(number)
        finally:
            self._over[number].set()

    async def _carry(self, number: int) -> None:
        """Send one request and keep what comes back; a refusal is kept too, and what follows it stays waiting."""
        state, record = self._job.state, self._job.state.records[number]
        request = state.plan.requests[number]
        begun, at = self._clock.monotonic(), self._clock.now()
        self._watcher.begun(number)
        try:
            turns = await self._turns(number, request)
            record.answer = self._answer(request, ended(turns), at, self._clock.monotonic() - begun)
            record.apply("answered")
        except RefusedError as error:
            record.apply("refused")
            record.error = str(error)
        self._save()
        self._watcher.ended(number)

    async def _turns(self, number: int, request: Request) -> list[Turn]:
        """Send a request, unless it waits in a batch already, and read what comes back. Raises RefusedError."""
        record = self._job.state.records[number]
        made = body(self._job.problem, request, self._parts(number))
        if record.status != "batched":
            record.apply("send")
            record.sends, record.error = record.sends + 1, None
            self._save()
            if not request.batch:
                return await live(self._client, made)
            record.batch = await batch(self._client, made, f"request-{number}")
            record.apply("accepted")
            self._save()
        return [await batched(self._client, record.batch or "", self._clock)]

    def _parts(self, number: int) -> Parts:
        state = self._job.state
        return Parts(
            results=state.results,
            contexts=self._job.contexts,
            uploads=state.uploads,
            container=self._container(number),
            life=state.lives[number],
            marked=state.marked[number],
        )

    def _container(self, number: int) -> str | None:
        """The container of the request in front of this one in its chain."""
        for chain in self._job.state.plan.chains:
            if number in chain:
                earlier = [self._job.state.records[each].answer for each in chain[: chain.index(number)]]
                return next((each.container for each in reversed(earlier) if each and each.container), None)
        return None

    def _answer(self, request: Request, turns: list[Turn], at: datetime, seconds: float) -> Answer:
        names = [self._job.problem.steps[step].name for step in request.steps]
        text = "".join(turn.text for turn in turns)
        costs = [self._cost(request, turn, at, seconds / len(turns)) for turn in turns]
        used: dict[str, float] = {}
        for _, metered in costs:
            for name, value in ({} if metered is None else _used(metered)).items():
                used[name] = used.get(name, 0) + value
        used["code_runs"] = sum(turn.code_runs for turn in turns)
        nano = [cost for cost, _ in costs]
        return Answer(
            results=split(names, text),
            nano=None if None in nano else sum(cost or 0 for cost in nano),
            used=used,
            seconds=round(seconds, 3),
            stop_reason=turns[-1].stop_reason,
            container=next((turn.container for turn in reversed(turns) if turn.container), None),
        )

    def _cost(self, request: Request, turn: Turn, at: datetime, seconds: float) -> tuple[int | None, Metered | None]:
        """Nano-dollars of one response, container time as the ledger estimates it; None where nobody knows."""
        problem = self._job.problem
        definitions = problem.definitions(request.steps, request.web)
        try:
            metered = meter(turn.usage)
        except UsageError:
            return None, None
        terms = Terms(
            at=at,
            model=turn.model,
            free=definitions is not None and definitions.free,
            frees=definitions is not None and definitions.free,
            sessions=self._sessions.get(turn.container or "", Sessions()),
            free_ms=max(self._free_ms, 0),
            runs=turn.code_runs,
            likely_ms=round(sum(problem.likely.steps[step].code_seconds for step in request.steps) * 1_000),
            preloaded=any(map(problem.preloads, request.steps)),
            elapsed_ms=round(seconds * 1_000),
        )
        settled = settle(metered, terms, problem.book)
        if turn.container is not None:
            self._sessions[turn.container] = settled.sessions
        self._free_ms -= settled.hours_ms
        return settled.cost, metered

    def _save(self) -> None:
        save(self._job.path, self._job.state)


def ended(turns: list[Turn]) -> list[Turn]:
    """The turns, if the last of them has a result. Raises RefusedError."""
    if turns[-1].stop_reason not in ENDED:
        raise RefusedError(f"the model ended its turn with {turns[-1].stop_reason}")
    return turns


def _used(metered: Metered) -> dict[str, float]:
    classes = metered.classes
    return {
        "input": classes.input,
        "cache_writes": classes.cache_write_5m + classes.cache_write_1h,
        "cache_reads": classes.cache_read,
        "output": classes.output,
        "searches": metered.web_searches,
    }
