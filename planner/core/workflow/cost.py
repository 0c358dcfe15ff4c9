"""What one repetition of a plan is expected to cost, in pico-dollars: tokens, searches, container time, and waiting.

    container time = the price of an hour x what a month uses beyond the free hours / the repetitions of a month

Prompt caches are keyed by model, definitions and context. A use of one finds it warm when another began at least one
iteration and at most a lifetime earlier, the last use of the repetition before included. Batches neither find a cache
nor leave one. How long a cache lives is chosen for the plan: whichever lifetime costs least.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Literal, NamedTuple

import msgspec

from planner.core.learning.expectation import SESSION_SECONDS
from planner.core.workflow.problem import Plan, Problem, Request
from planner.core.workflow.requests import Load, load
from planner.core.workflow.schedule import Times, late, schedule
from planner.core.workflow.steps import Draw

Life = Literal["none", "5m", "1h"]
LIVES: Final[dict[Life, float]] = {"none": 0.0, "5m": 300.0, "1h": 3_600.0}
"""Seconds that a cache lives after its last use: https://platform.claude.com/docs/en/build-with-claude/prompt-caching,
2026-11-22 [A]."""

INPUT, WRITE_5M, WRITE_1H, READ, OUTPUT = range(5)
WRITES: Final[dict[Life, int]] = {"5m": WRITE_5M, "1h": WRITE_1H}
SECONDS_PER_HOUR: Final = 3_600.0

Key = tuple[str, tuple[str, ...], str]
"""Model, definitions and context: what a prompt cache holds."""


class Session(msgspec.Struct, frozen=True):
    """Requests that bill one stretch of container time, and how many seconds it bills."""

    requests: tuple[int, ...]
    seconds: float


class Outcome(msgspec.Struct, frozen=True):
    """What a plan comes to.

    Attributes:
        tokens, searches, container: expected pico-dollars of one repetition.
        waiting: what the time until its end is worth, likewise.
        times: when its requests begin and end.
        lives: by request, the cache lifetime of the breakpoint behind its context.
        marked: by request, whether a breakpoint stands at the end of its prompt.
        sessions: what bills container time.
        late: steps that may miss their deadlines.
        lost: steps that cannot have the files of an earlier step's container.
    """

    tokens: float
    searches: float
    container: float
    waiting: float
    times: Times
    lives: tuple[Life, ...]
    marked: tuple[bool, ...]
    sessions: tuple[Session, ...]
    late: tuple[int, ...]
    lost: tuple[int, ...]

    @property
    def money(self) -> float:
        """Pico-dollars that are paid."""
        return self.tokens + self.searches + self.container

    @property
    def total(self) -> float:
        """What a plan is judged by: the money, and what waiting is worth."""
        return self.money + self.waiting

    @property
    def sound(self) -> bool:
        """Whether it can be carried out as it should."""
        return not self.late and not self.lost


class Part(NamedTuple):
    """What a request comes to whatever else is in the plan.

    Attributes:
        load: what it needs.
        rates: pico-dollars a token of each class.
        key: the cache that its prefix is held in; None where none is shared, and `prefix` then says what it costs.
        prefix: pico-dollars of its prefix without a shared cache, all its iterations together.
        reads: pico-dollars of the prefix of its further iterations where it is cached.
        rest: pico-dollars of its other prompt tokens and its output.
        marked: whether a breakpoint stands at the end of its prompt.
        searches: pico-dollars.
        bills: whether what runs there is billed.
    """

    load: Load
    rates: tuple[float, ...]
    key: Key | None
    prefix: float
    reads: float
    rest: float
    marked: bool
    searches: float
    bills: bool


class Costing:
    """Reckons plans of one problem in one draw; what a request comes to by itself is reckoned once.

    `as_declared` leaves cache breakpoints as the workflow says that they are today.
    """

    def __init__(self, problem: Problem, draw: Draw, *, as_declared: bool = False) -> None:
        self.problem = problem
        self.draw = draw
        self._as_declared = as_declared
        self._parts: dict[Request, Part] = {}

    def part(self, request: Request) -> Part:
        """What a request comes to by itself."""
        found = self._parts.get(request)
        if found is None:
            found = self._parts[request] = self._part(request)
        return found

    def outcome(self, plan: Plan) -> Outcome | None:
        """Reckon a plan; None where its requests wait for each other in a circle."""
        problem = self.problem
        parts = [self.part(request) for request in plan.requests]
        times = schedule(problem, plan, [part.load for part in parts])
        if times is None:
            return None
        prefixes, lives = self._prefixes(parts, times, plan)
        sessions, counted = self._sessions(plan, parts, times)
        return Outcome(
            prefixes + sum(part.rest for part in parts),
            sum(part.searches for part in parts),
            self._container(sum(each.seconds for each in sessions), counted),
            problem.waiting_pico * times.whole,
            times,
            lives,
            tuple(part.marked for part in parts),
            sessions,
            late(problem, plan, times),
            self._lost(plan, times),
        )

    def least(self, requests: Iterable[Request]) -> float:
        """Pico-dollars that plans of these requests pay at least, whatever runs when and in which container.

        As if every use of a cache were warm that can be, and all billed code that is not in a batch ran in one
        container session, or, where each request has its own minimum, by itself.
        """
        problem, total = self.problem, 0.0
        each_alone = problem.book.settings.code.minimum_per == "request"
        shared: dict[Key, list[Part]] = {}
        billed, used = 0.0, 0.0
        for request in requests:
            part = self.part(request)
            total += part.rest + part.searches
            if part.key is None:
                total += part.prefix
            else:
                shared.setdefault(part.key, []).append(part)
            if not part.bills or not part.load.code_seconds:
                continue
            if request.batch or each_alone:
                billed += max(part.load.code_seconds, problem.minimum_seconds)
            else:
                used += part.load.code_seconds
        total += sum(min(self._warmest(users, life) for life in LIVES) for users in shared.values())
        return total + self._container(billed + (max(used, problem.minimum_seconds) if used else 0.0), 0.0)

    def alone(self, request: Request) -> float:
        """Pico-dollars of a request but for its container, and for a prefix that it may share a cache of."""
        part = self.part(request)
        return part.rest + part.searches + (part.prefix if part.key is None else 0.0)

    def warm(self, request: Request) -> float:
        """Pico-dollars of a request's prefix if it finds it in a cache."""
        part = self.part(request)
        return part.reads + part.load.prefix * part.rates[READ]

    def written(self, request: Request) -> float:
        """Pico-dollars of a request's prefix if it writes it into a cache."""
        part = self.part(request)
        return part.reads + part.load.prefix * part.rates[WRITE_5M]

    def prefixes(self, plan: Plan, outcome: Outcome) -> list[float]:
        """By request, the pico-dollars of a prefix that it may share a cache of, under the lifetimes of an outcome."""
        paid = [0.0] * len(plan.requests)
        for users in self._sharing([self.part(request) for request in plan.requests], outcome.times).values():
            uses = [(self.part(plan.requests[number]), outcome.times.begins[number]) for number in users]
            for number, each in zip(users, self._uses(uses, outcome.lives[users[0]]), strict=True):
                paid[number] = each
        return paid

    def shares(self, plan: Plan, outcome: Outcome) -> list[float]:
        """By request, what of the money of an outcome is its own, in pico-dollars; container time by what bills it."""
        paid = [
            self.alone(each) + prefix for each, prefix in zip(plan.requests, self.prefixes(plan, outcome), strict=True)
        ]
        whole = sum(session.seconds for session in outcome.sessions)
        for session in outcome.sessions:
            for number in session.requests if whole else ():
                paid[number] += outcome.container * session.seconds / whole / len(session.requests)
        return paid

    def _part(self, request: Request) -> Part:
        problem, needs = self.problem, load(self.problem, self.draw, request)
        model, context = problem.models[request.steps[0]], problem.steps[request.steps[0]].context
        definitions, price = problem.definitions(request.steps, request.web), problem.prices[model]
        rates: Sequence[float] = price.rates
        if price.over is not None:
            summed = problem.book.settings.haiku55_tier_on == "summed_prompt"
            rates = price.over[1] if (needs.prompts if summed else needs.longest) > price.over[0] else rates
        rates = tuple(rate * (price.batch or 1.0) for rate in rates) if request.batch else tuple(rates)
        plain, kept = needs.iterations * rates[INPUT], rates[WRITE_5M] + (needs.iterations - 1) * rates[READ]
        wanted = all(problem.steps[step].marked for step in request.steps) if self._as_declared else kept < plain
        marked = wanted and needs.prefix + needs.own >= price.least_prefix
        rest = needs.own * (kept if marked else plain) + needs.grown * rates[INPUT]
        cached = context is not None and needs.prefix >= price.least_prefix
        free = definitions is not None and definitions.free
        files = any(map(problem.preloads, request.steps))
        key = None
        if cached and context is not None and definitions is not None and not request.batch:
            key = model, definitions.types, context
        return Part(
            load=needs,
            rates=rates,
            key=key,
            prefix=needs.prefix * (min(plain, kept) if cached and request.batch else plain),
            reads=needs.prefix * (needs.iterations - 1) * rates[READ],
            rest=rest + (needs.output + needs.futile) * rates[OUTPUT],
            marked=marked,
            searches=problem.search_pico * needs.searches,
            bills=not free and bool(needs.code_seconds or files),
        )

    def _prefixes(self, parts: Sequence[Part], times: Times, plan: Plan) -> tuple[float, tuple[Life, ...]]:
        """Definitions and contexts: every use of one cache is priced under each lifetime, and the cheapest taken."""
        lives: list[Life] = ["none"] * len(parts)
        total = 0.0
        for number, part in enumerate(parts):
            if part.key is None:
                total += part.prefix
                plain = part.load.iterations * part.load.prefix * part.rates[INPUT]
                lives[number] = "5m" if plan.requests[number].batch and part.prefix < plain else "none"
        for (_, _, context), users in self._sharing(parts, times).items():
            choices: Sequence[Life] = list(LIVES)
            if self._as_declared:
                choices = [self.problem.workflow.contexts[context].cache]
            used = [(parts[number], times.begins[number]) for number in users]
            cost, _, life = min((sum(self._uses(used, life)), LIVES[life], life) for life in choices)
            total += cost
            for number in users:
                lives[number] = life
        return total, tuple(lives)

    def _sharing(self, parts: Sequence[Part], times: Times) -> dict[Key, list[int]]:
        """The requests that use each cache, in the order of their begins."""
        shared: dict[Key, list[int]] = {}
        for number, part in enumerate(parts):
            if part.key is not None:
                shared.setdefault(part.key, []).append(number)
        for users in shared.values():
            users.sort(key=times.begins.__getitem__)
        return shared

    def _uses(self, users: Sequence[tuple[Part, float]], life: Life) -> list[float]:
        """What each use of one cache costs, in the order of their begins, if it lives so long."""
        if life == "none":
            return [part.prefix for part, _ in users]
        lives, write = LIVES[life], WRITES[life]
        iteration = self.problem.workflow.assume.iteration_seconds
        paid: list[float] = []
        last, ready = users[-1][1] - self.problem.spacing, 0
        for place, (part, begin) in enumerate(users):
            while ready < place and users[ready][1] <= begin - iteration:  # the newest that is written by now
                last, ready = users[ready][1], ready + 1
            warm = iteration <= begin - last <= lives
            paid.append(part.reads + part.load.prefix * part.rates[READ if warm else write])
        return paid

    def _warmest(self, users: Sequence[Part], life: Life) -> float:
        """What the uses of one cache cost if all are warm, or all but one where a repetition is too long for that.

        The times between uses add up to the time from one repetition to the next, and none may exceed a lifetime.
        """
        if life == "none":
            return sum(part.prefix for part in users)
        total = sum(part.reads + part.load.prefix * part.rates[READ] for part in users)
        if self.problem.spacing > LIVES[life] * len(users):
            total += min(part.load.prefix * (part.rates[WRITES[life]] - part.rates[READ]) for part in users)
        return total

    def _sessions(self, plan: Plan, parts: Sequence[Part], times: Times) -> tuple[tuple[Session, ...], float]:
        """What bills container time, and seconds of free code that use up free hours where the settings say so."""
        problem, settings = self.problem, self.problem.book.settings.code
        chained = {number for chain in plan.chains for number in chain}
        alone = ((number,) for number, part in enumerate(parts) if part.bills and number not in chained)
        sessions: list[Session] = []
        for chain in (*plan.chains, *alone):
            used = 0.0
            inside: list[int] = []
            end: float | None = None
            for number in chain:
                gap = None if end is None else times.begins[number] - end
                apart = gap is None or gap >= SESSION_SECONDS or settings.minimum_per == "request"
                if apart and inside:
                    sessions.append(self._session(inside, used))
                    used, inside = 0.0, []
                elif inside and settings.idle_bills and gap is not None:
                    used += gap
                end = times.ends[number]
                if parts[number].bills:
                    used += parts[number].load.code_seconds
                    inside.append(number)
            if inside:
                sessions.append(self._session(inside, used))
        counted = 0.0
        if settings.free_use_counts:
            free = (part.load.code_seconds for part in parts if part.load.container and not part.bills)
            counted = sum(max(each, problem.minimum_seconds) for each in free if each)
        return tuple(sessions), counted

    def _session(self, inside: Sequence[int], used: float) -> Session:
        return Session(tuple(inside), max(used, self.problem.minimum_seconds))

    def _container(self, billed: float, counted: float) -> float:
        """Pico-dollars a repetition pays for container time: what the month bills beyond the hours that are free."""
        problem = self.problem
        month = billed * problem.repetitions / SECONDS_PER_HOUR
        left = max(problem.free_hours_left - counted * problem.repetitions / SECONDS_PER_HOUR, 0.0)
        return problem.hour_pico * max(month - left, 0.0) / problem.repetitions

    def _lost(self, plan: Plan, times: Times) -> tuple[int, ...]:
        """Steps that need the files of an earlier step, and do not go on in its container while it is there."""
        if not self.problem.left_files:
            return ()
        home = {step: number for number, request in enumerate(plan.requests) for step in request.steps}
        return tuple(
            step
            for step, wanted in enumerate(self.problem.files_from)
            if any(not self._found(plan, times, home[other], home[step]) for other in wanted)
        )

    def _found(self, plan: Plan, times: Times, earlier: int, later: int) -> bool:
        """Whether a request finds the files of an earlier one: in the same request, or a container kept warm."""
        if earlier == later:
            return True
        chain = next((chain for chain in plan.chains if earlier in chain and later in chain), ())
        if not chain or chain.index(earlier) > chain.index(later):
            return False
        way = chain[chain.index(earlier) : chain.index(later) + 1]
        gaps = (times.begins[after] - times.ends[before] for before, after in pairwise(way))
        restores = self.problem.book.settings.container.after_idle == "restore"
        return restores or all(gap < SESSION_SECONDS for gap in gaps)
