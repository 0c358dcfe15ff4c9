"""The plans that are one move of a request away from another, those that promise most first.

    another way     the request is sent in a batch or live, with other web tools
    merge           it and another become one
    hand over       one of its steps goes to another request
    split           one of its steps goes out by itself
    share           it goes on in the container of another, or in one of its own

A move promises what the requests that it changes pay now, less what they would pay if their caches were as warm as they
are now, and containers there to go on in. One that promises nothing is left out, since it could only help through the
time of others; but not where it may mend what goes wrong.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Final

from planner.core.learning.expectation import SESSION_SECONDS
from planner.core.workflow.cost import SECONDS_PER_HOUR, Costing, Key, Outcome
from planner.core.workflow.problem import Plan, Problem, Request
from planner.core.workflow.steps import seconds

NEIGHBOURS: Final = 6
"""How many requests on either side each may be merged with where there are many."""
MANY: Final = 24
"""Requests beyond which only neighbours are merged, or share a container."""


Move = tuple[float, Callable[[], Plan]]
"""What a move promises, and the plan that it makes."""


class Neighbourhood:
    """A plan, what it comes to, and the moves of its requests."""

    def __init__(self, costing: Costing, plan: Plan, outcome: Outcome) -> None:
        self.costing, self.plan, self.outcome = costing, plan, outcome
        self.problem: Problem = costing.problem
        free = self.problem.free_hours_left > 0 and not outcome.container
        self.second_pico = 0.0 if free else self.problem.hour_pico / SECONDS_PER_HOUR
        self.home = {step: number for number, request in enumerate(plan.requests) for step in request.steps}

    def moves(self, number: int) -> Iterator[Plan]:
        """The plans that one move of a request leads to, what promises most first."""
        found = [*self._other_ways(number), *self._splits(number), *self._shares(number)]
        mends = number in self._late or number in self._lost
        found = [move for move in found if move[0] > 0 or mends]
        moves = [*self._merges(number), *self._handed_over(number)]
        found += [move for move in moves if move[0] > 0 or number in self._lost]
        for _, place in sorted((-promise, place) for place, (promise, _) in enumerate(found)):
            yield found[place][1]()

    def near(self, number: int) -> list[int]:
        """The requests that one may be merged with: those that follow it or it follows, and some before and after."""
        alike = self._alike[self._kind(number)]
        if len(alike) <= MANY:
            return [other for other in alike if other != number]
        place = alike.index(number)
        close = {*alike[max(0, place - NEIGHBOURS) : place], *alike[place + 1 : place + 1 + NEIGHBOURS]}
        inside, follows = set(self.plan.requests[number].steps), self._follows(number)
        before = [other for other in alike[:place] if follows.intersection(self.plan.requests[other].steps)]
        after = [other for other in alike[place + 1 :] if self._follows(other) & inside]
        return sorted(close.union(before[-NEIGHBOURS:], after[:NEIGHBOURS]))

    # ------------------------------------------------------------ what moves promise

    @cached_property
    def _prefixes(self) -> list[float]:
        return self.costing.prefixes(self.plan, self.outcome)

    @cached_property
    def _paid(self) -> list[float]:
        """By request, what it pays now, and what the plan would save of its container without it."""
        paid = [self.costing.alone(request) for request in self.plan.requests]
        minimum = self.problem.minimum_seconds
        for session in self.outcome.sessions:
            for number in session.requests:
                own = self.costing.part(self.plan.requests[number]).load.code_seconds
                left = max(session.seconds - own, minimum) if len(session.requests) > 1 else 0.0
                paid[number] += self.second_pico * max(session.seconds - left, own)
        return [own + prefix for own, prefix in zip(paid, self._prefixes, strict=True)]

    @cached_property
    def _warm(self) -> dict[Key, bool]:
        """The caches of the plan, and whether each is kept at all."""
        parts = map(self.costing.part, self.plan.requests)
        return {
            part.key: life != "none"
            for part, life in zip(parts, self.outcome.lives, strict=True)
            if part.key is not None
        }

    def _promise(self, before: tuple[int, ...], after: Sequence[Request]) -> float:
        """What changing requests into others saves, but for what others gain or lose by their times."""
        saved = sum(self._paid[number] for number in before) - sum(self._pays(request, before) for request in after)
        if self.problem.waiting_pico:
            now = sum(self.outcome.times.ends[number] - self.outcome.times.begins[number] for number in before)
            saved += self.problem.waiting_pico * max(now - max(map(self._lasts, after)), 0.0)
        return saved

    def _pays(self, request: Request, before: tuple[int, ...]) -> float:
        """What a request would pay in the place of others, and in a container that is there if that can be."""
        part = self.costing.part(request)
        total = self.costing.alone(request)
        if part.key is not None:
            total += self._prefix(request, part.key, before)
        if part.bills:
            alone = request.batch or self.problem.book.settings.code.minimum_per == "request"
            least = self.problem.minimum_seconds if alone else 0.0
            total += self.second_pico * max(part.load.code_seconds, least)
        return total

    def _prefix(self, request: Request, key: Key, before: tuple[int, ...]) -> float:
        """What a request would pay for its prefix: its cache is as warm as it is for those whose place it takes."""
        costing, part = self.costing, self.costing.part(request)
        cold = min(part.prefix, costing.written(request))
        if not self._warm.get(key, False):
            return cold
        users = [number for number in before if costing.part(self.plan.requests[number]).key == key]
        reads = any(self._prefixes[number] <= costing.warm(self.plan.requests[number]) for number in users)
        return costing.warm(request) if reads or not users else cold

    def _lasts(self, request: Request) -> float:
        likely = seconds(self.problem.workflow.assume.batch_likely)
        return likely if request.batch else self.costing.part(request).load.seconds

    @cached_property
    def _late(self) -> set[int]:
        """The requests that may be late, and the batches that these wait for."""
        late = self.outcome.late
        before = frozenset[int]().union(*(self.problem.ancestors[step] for step in late))
        slow = {self.home[step] for step in before if self.plan.requests[self.home[step]].batch}
        return slow | {self.home[step] for step in late}

    @cached_property
    def _lost(self) -> set[int]:
        """The requests that do not find their files, and those that left them."""
        lost = self.outcome.lost
        return {self.home[step] for step in {*lost, *(each for step in lost for each in self.problem.files_from[step])}}

    # ------------------------------------------------------------ moves

    def _other_ways(self, number: int) -> Iterator[Move]:
        """The request goes out otherwise; what becomes part of a batch leaves its container."""
        request = self.plan.requests[number]
        for _, other in options(self.costing, request.steps):
            if other != request:
                leave = {number} if other.batch else ()
                yield self._promise((number,), (other,)), partial(changed, self.plan, {number: other}, leave=leave)

    def _merges(self, number: int) -> Iterator[Move]:
        """The request and another become one, in the container of the request, or of the other if it shares none."""
        first = self.plan.requests[number]
        for other in self.near(number):
            if (steps := self._joined((*first.steps, *self.plan.requests[other].steps))) is None:
                continue
            batches = {first.batch, self.plan.requests[other].batch}
            for _, request in options(self.costing, steps, batches):
                leave = {number} if request.batch else ()
                promise = self._promise((number, other), (request,))
                yield promise, partial(changed, self.plan, {number: request}, gone=other, leave=leave)

    def _handed_over(self, number: int) -> Iterator[Move]:
        """One step of the request goes to another, which goes out as it did."""
        request, problem = self.plan.requests[number], self.problem
        for step in request.steps if len(request.steps) > 1 else ():
            if (rest := self._rest(request, step)) is None:
                continue
            for other in self.near(number):
                if (steps := self._joined((*self.plan.requests[other].steps, step))) is None:
                    continue
                taker = self.plan.requests[other]
                more = Request(steps, taker.batch, taker.web)
                if problem.definitions(steps, taker.web) is None or (taker.batch and not problem.may_batch((step,))):
                    continue
                leave = {other} if more.batch else ()
                promise = self._promise((number, other), (rest, more))
                yield promise, partial(changed, self.plan, {number: rest, other: more}, leave=leave)

    def _splits(self, number: int) -> Iterator[Move]:
        """One step of the request goes out by itself."""
        request = self.plan.requests[number]
        for step in request.steps if len(request.steps) > 1 else ():
            if (rest := self._rest(request, step)) is None:
                continue
            for _, single in options(self.costing, (step,)):
                yield self._promise((number,), (rest, single)), partial(changed, self.plan, {number: rest}, new=single)

    def _shares(self, number: int) -> Iterator[Move]:
        """The request goes on in the container of another, or in one of its own."""
        plan, times = self.plan, self.outcome.times
        if number not in self._users:
            return
        part = self.costing.part(plan.requests[number])
        few = 1.0 if len(self._users) <= MANY else 0.0  # then all are tried, whatever they promise
        if any(number in chain for chain in plan.chains):
            yield max(self._start(), few), partial(changed, plan, {}, leave={number})
        saved = self._promise((number,), (plan.requests[number],)) + self._start()
        others = [other for other in self._users if other != number]
        if len(others) > MANY:
            gaps = {other: times.begins[number] - times.ends[other] for other in others}
            others = [other for other in others if gaps[other] < SESSION_SECONDS]
            others = sorted(sorted(others, key=lambda other: (abs(gaps[other]), other))[: 2 * NEIGHBOURS])
        if part.load.container:
            for other in others:
                yield max(saved, few), partial(_behind, plan, other, number)

    def _start(self) -> float:
        """What it may be worth not to wait for a container."""
        return self.problem.waiting_pico * self.problem.workflow.assume.container_start_seconds

    # ------------------------------------------------------------ looked up once a plan

    @cached_property
    def _users(self) -> list[int]:
        return users(self.problem, self.plan.requests)

    @cached_property
    def _alike(self) -> dict[tuple[str, str | None, bool], list[int]]:
        """The requests that may be merged, as far as models and contexts go, in the order of their work."""
        found: dict[tuple[str, str | None, bool], list[int]] = {}
        rank, requests = self.problem.rank, self.plan.requests
        for number in sorted(range(len(requests)), key=lambda number: rank[requests[number].steps[0]]):
            found.setdefault(self._kind(number), []).append(number)
        return found

    def _kind(self, number: int) -> tuple[str, str | None, bool]:
        step = self.plan.requests[number].steps[0]
        needs = self.problem.steps[step]
        return self.problem.models[step], needs.context, needs.alone

    def _follows(self, number: int) -> frozenset[int]:
        return self.costing.part(self.plan.requests[number]).load.follows

    def _joined(self, steps: tuple[int, ...]) -> tuple[int, ...] | None:
        """Steps in the order of their work; None where they cannot be one request."""
        problem = self.problem
        if any(problem.steps[step].alone for step in steps) or not problem.whole(steps):
            return None
        return tuple(sorted(steps, key=problem.rank.__getitem__))

    def _rest(self, request: Request, step: int) -> Request | None:
        """What is left of a request without one of its steps; None where that cannot be a request."""
        problem, rest = self.problem, tuple(each for each in request.steps if each != step)
        if not problem.whole(rest) or problem.definitions(rest, "declared") is None:
            return None
        web = request.web if request.web in problem.webs(rest) else "declared"
        return Request(rest, request.batch and problem.may_batch(rest), web)


def options(
    costing: Costing, group: tuple[int, ...], batches: Collection[bool] = (False, True)
) -> list[tuple[float, Request]]:
    """How the steps may go out as one request, each with what it costs at least, the cheapest first."""
    problem = costing.problem
    ways = [batch for batch in batches if not batch or problem.may_batch(group)]
    requests = [Request(group, batch, web) for web in problem.webs(group) for batch in ways]
    return sorted(
        ((costing.alone(request), request) for request in requests),
        key=lambda each: (each[0], each[1].batch, each[1].web),
    )


def users(problem: Problem, requests: Sequence[Request]) -> list[int]:
    """The requests that may share a container.

    Those whose code is free do so only for files, or where waiting for a new container is worth something.
    """
    found = []
    for number, request in enumerate(requests):
        if request.batch or not any(map(problem.runs_code, request.steps)):
            continue
        definitions = problem.definitions(request.steps, request.web)
        bills = definitions is not None and not definitions.free
        files = any(problem.files_from[step] or step in problem.left_files for step in request.steps)
        if bills or files or problem.waiting_pico:
            found.append(number)
    return found


def changed(
    plan: Plan,
    other: Mapping[int, Request],
    *,
    gone: int | None = None,
    new: Request | None = None,
    leave: Iterable[int] = (),
) -> Plan:
    """A plan with some requests changed, one gone, one new, and some out of the container that they shared.

    Where what took in the one that is gone shares no container, it takes its place there too.
    """
    requests, out = list(plan.requests), set(leave)
    for number, request in other.items():
        requests[number] = request
    if new is not None:
        requests.append(new)
    if gone is None and not out:
        return Plan(tuple(requests), plan.chains)
    heir = None
    if gone is not None:
        del requests[gone]
        (heir,) = other
        if heir in out or any(heir in chain for chain in plan.chains):
            heir = None
            out.add(gone)

    def place(number: int) -> int:
        number = heir if number == gone and heir is not None else number
        return number - 1 if gone is not None and number > gone else number

    chains = (tuple(place(number) for number in chain if number not in out) for chain in plan.chains)
    return Plan(tuple(requests), tuple(chain for chain in chains if len(chain) > 1))


def _behind(plan: Plan, other: int, number: int) -> Plan:
    """A request goes on in the container of another, right after it."""
    chains = [[each for each in chain if each != number] for chain in plan.chains]
    home = next((chain for chain in chains if other in chain), None)
    if home is None:
        chains.append([other, number])
    else:
        home.insert(home.index(other) + 1, number)
    return Plan(plan.requests, tuple(tuple(chain) for chain in chains if len(chain) > 1))
