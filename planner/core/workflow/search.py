"""The search for a plan: which steps become one request, how each goes out, and which share a container.

    up to EXACT steps   every plan is looked at, unless what it pays at least is more than what the second best comes to
    beyond              a plan is changed, one move at a time, for as long as a move helps; how far it may be from the
                        best is told by the relaxation of `bound`

Both begin with the workflow as it is and are deterministic: same workflow, same rule book, same plan.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from planner.core.workflow.cost import Costing, Outcome
from planner.core.workflow.problem import Plan, Problem, Request

EXACT: Final = 8
"""Steps up to which every plan is looked at."""
MOST_LOOKS: Final = 60_000
"""Plans that an exact search reckons before it gives up to be exact; some seconds. Ours."""
MOST_MOVES: Final = 8_000
"""Moves that are tried beyond that many steps."""
NEIGHBOURS: Final = 6
"""How many of the requests that come next each request may be merged with where there are many."""
MANY: Final = 24
"""Requests beyond which only neighbours are merged."""
CLOSE: Final = 1e-9
"""What two costs may differ by, as a share, and still be the same: sums of floats in another order."""


class Reckoned(msgspec.Struct, frozen=True):
    """A plan and what it comes to."""

    plan: Plan
    outcome: Outcome


class Found(msgspec.Struct, frozen=True):
    """The end of a search: the best plan, the next best that does something else, and whether none can be better."""

    best: Reckoned
    second: Reckoned | None
    proven: bool
    looked: int


class Kept:
    """The two best plans so far that do not do the same."""

    def __init__(self) -> None:
        self.best: Reckoned | None = None
        self.second: Reckoned | None = None
        self.looked = 0

    @property
    def limit(self) -> float:
        """What a plan must come to less than to be kept."""
        return float("inf") if self.second is None or not self.second.outcome.sound else self.second.outcome.total

    def offer(self, plan: Plan, outcome: Outcome | None) -> bool:
        """Take a plan in, and say whether it is the best now."""
        self.looked += 1
        if outcome is None:
            return False
        found = Reckoned(plan, outcome)
        if self.best is None or _better(outcome, self.best.outcome):
            if self.best is not None and not same(plan, self.best.plan):
                self.second = self.best
            self.best = found
            return True
        if not same(plan, self.best.plan) and (self.second is None or _better(outcome, self.second.outcome)):
            self.second = found
        return False


def search(problem: Problem) -> Found:
    """Find the plan that costs least. Raises UnpricedError."""
    costing, kept = Costing(problem, problem.likely), Kept()
    start = untouched(problem)
    kept.offer(start, costing.outcome(start))
    _descend(costing, kept, start)
    proven = False
    if len(problem.steps) <= EXACT:
        proven = _everything(costing, kept)
    if kept.best is None:
        raise ValueError("the steps of a workflow wait for each other in a circle")
    return Found(kept.best, kept.second, proven and kept.best.outcome.sound, kept.looked)


def untouched(problem: Problem) -> Plan:
    """The workflow as it is: a request for each step, and a container with others only where files are there."""
    requests = tuple(Request((step,)) for step in problem.order)
    place = {request.steps[0]: number for number, request in enumerate(requests)}
    chains: list[list[int]] = []
    for step in problem.order:
        if not problem.files_from[step]:
            continue
        wanted = {place[other] for other in problem.files_from[step]}
        homes = [chain for chain in chains if wanted & set(chain)]
        chain = sorted({place[step], *wanted, *(each for home in homes for each in home)})
        chains = [each for each in chains if each not in homes] + [chain]
    return Plan(requests, tuple(tuple(chain) for chain in chains))


def same(one: Plan, other: Plan) -> bool:
    """Whether two plans send the same requests and share the same containers, in whatever order."""
    return _signature(one) == _signature(other)


def _signature(plan: Plan) -> tuple[frozenset[Request], frozenset[frozenset[tuple[int, ...]]]]:
    shared = (frozenset(plan.requests[number].steps for number in chain) for chain in plan.chains if len(chain) > 1)
    return frozenset(plan.requests), frozenset(shared)


def _better(one: Outcome, other: Outcome) -> bool:
    wrong = len(one.late) + len(one.lost), len(other.late) + len(other.lost)
    if wrong[0] != wrong[1]:
        return wrong[0] < wrong[1]
    if abs(one.total - other.total) > CLOSE * max(one.total, other.total, 1.0):
        return one.total < other.total
    return one.times.whole < other.times.whole - CLOSE


# ---------------------------------------------------------------- every plan


def _everything(costing: Costing, kept: Kept) -> bool:
    """Look at every plan that could be kept; False where there were too many."""
    problem = costing.problem
    ranked = []
    for groups in _partitions(problem):
        options = [_options(costing, group) for group in groups]
        if all(options):
            ranked.append((sum(each[0][0] for each in options), groups, options))
    ranked.sort(key=lambda each: (each[0], len(each[1]), each[1]))
    for least, _, options in ranked:
        if least >= kept.limit:
            break
        for requests in _choices(costing, kept, options):
            if not _containers(costing, kept, requests):
                return False
    return True


def _partitions(problem: Problem) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to make requests of the steps, the steps of each in the order of their work."""

    def place(number: int, groups: list[list[int]]) -> Iterator[tuple[tuple[int, ...], ...]]:
        if number == len(problem.order):
            if all(problem.whole(group) for group in groups):
                yield tuple(tuple(group) for group in groups)
            return
        step = problem.order[number]
        for group in groups:
            if all(problem.may_join(step, other) for other in group):
                group.append(step)
                yield from place(number + 1, groups)
                group.pop()
        groups.append([step])
        yield from place(number + 1, groups)
        groups.pop()

    yield from place(0, [])


def _options(costing: Costing, group: tuple[int, ...]) -> list[tuple[float, Request]]:
    """How the steps may go out as one request, each with what it costs at least, the cheapest first."""
    problem = costing.problem
    batches = (False, True) if problem.may_batch(group) else (False,)
    requests = [Request(group, batch, web) for web in problem.webs(group) for batch in batches]
    return sorted(
        ((costing.alone(request), request) for request in requests),
        key=lambda each: (each[0], each[1].batch, each[1].web),
    )


def _choices(
    costing: Costing, kept: Kept, options: Sequence[Sequence[tuple[float, Request]]]
) -> Iterator[tuple[Request, ...]]:
    """Every way to send the requests that could still be kept."""
    rest = [0.0]
    for each in reversed(options):
        rest.append(rest[-1] + each[0][0])
    rest.reverse()

    def choose(number: int, paid: float, chosen: tuple[Request, ...]) -> Iterator[tuple[Request, ...]]:
        if number == len(options):
            if costing.least(chosen) < kept.limit:
                yield chosen
            return
        for least, request in options[number]:
            if paid + least + rest[number + 1] >= kept.limit:
                break
            yield from choose(number + 1, paid + least, (*chosen, request))

    yield from choose(0, 0.0, ())


def _containers(costing: Costing, kept: Kept, requests: tuple[Request, ...]) -> bool:
    """Look at every way to share containers; False where there were too many plans altogether."""
    problem = costing.problem
    least = costing.least(requests)
    for chains in _lists(_users(problem, requests)):
        if kept.looked >= MOST_LOOKS:
            return False
        plan = Plan(requests, chains)
        outcome = costing.outcome(plan)
        kept.offer(plan, outcome)
        if problem.waiting_pico:
            continue
        if outcome is not None and outcome.sound and outcome.total <= least * (1 + CLOSE):
            break  # no other way to share containers costs less
        if least >= kept.limit:
            break
    return True


def _users(problem: Problem, requests: Sequence[Request]) -> list[int]:
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


def _lists(users: Sequence[int]) -> Iterator[tuple[tuple[int, ...], ...]]:
    """Every way to put some of them one after the other; chains of one are left out."""

    def place(number: int, chains: tuple[tuple[int, ...], ...]) -> Iterator[tuple[tuple[int, ...], ...]]:
        if number == len(users):
            yield tuple(chain for chain in chains if len(chain) > 1)
            return
        for index, chain in enumerate(chains):
            for at in range(len(chain), -1, -1):  # at the end first: in the order of the work
                longer = (*chain[:at], users[number], *chain[at:])
                yield from place(number + 1, (*chains[:index], longer, *chains[index + 1 :]))
        yield from place(number + 1, (*chains, (users[number],)))

    yield from place(0, ())


# ---------------------------------------------------------------- one move at a time


def _descend(costing: Costing, kept: Kept, start: Plan) -> None:
    """Change a plan, request by request, for as long as a move helps or until enough were tried."""
    here = start if kept.best is None else kept.best.plan
    stop = kept.looked + MOST_MOVES
    moved = True
    while moved:
        moved = False
        for step in costing.problem.order:
            while kept.looked < stop and (better := _move(costing, kept, here, step)) is not None:
                here, moved = better, True


def _move(costing: Costing, kept: Kept, plan: Plan, step: int) -> Plan | None:
    """The first move of the request that holds a step which makes the best plan so far; None where none does."""
    number = next(place for place, request in enumerate(plan.requests) if step in request.steps)
    for other in _moves(costing, plan, number):
        if kept.offer(other, costing.outcome(other)):
            return other
    return None


def _moves(costing: Costing, plan: Plan, number: int) -> Iterator[Plan]:
    """Every plan that is one move of a request away, and may cost less."""
    yield from _other_ways(costing, plan, number)
    yield from _merges(costing, plan, number)
    yield from _shares(costing.problem, plan, number)
    yield from _splits(costing.problem, plan, number)


def _other_ways(costing: Costing, plan: Plan, number: int) -> Iterator[Plan]:
    """The request goes out otherwise; what becomes part of a batch leaves its container."""
    request = plan.requests[number]
    for other in _worth_trying(costing, request.steps, (request,)):
        if other != request:
            yield _with(plan, {number: other}, leave={number} if other.batch else ())


def _merges(costing: Costing, plan: Plan, number: int) -> Iterator[Plan]:
    """The request and another become one, in the container of the request."""
    problem, first = costing.problem, plan.requests[number]
    for other in _near(problem, plan, number):
        second = plan.requests[other]
        if not all(problem.may_join(a, b) for a in first.steps for b in second.steps):
            continue
        steps = tuple(sorted((*first.steps, *second.steps), key=problem.rank.__getitem__))
        if not problem.whole(steps):
            continue
        for request in _worth_trying(costing, steps, (first, second)):
            yield _with(plan, {number: request}, gone=other, leave={number} if request.batch else ())


def _worth_trying(costing: Costing, steps: tuple[int, ...], before: Sequence[Request]) -> Iterator[Request]:
    """The ways to send steps that could cost less than these requests do, where waiting is worth nothing."""
    most = sum(costing.most(request) for request in before)
    for least, request in _options(costing, steps):
        if least < most or costing.problem.waiting_pico:
            yield request


def _near(problem: Problem, plan: Plan, number: int) -> list[int]:
    """The requests that one may be merged with: all, or where there are many those it follows and the next few."""
    count = len(plan.requests)
    if count <= MANY:
        return [other for other in range(count) if other != number]
    before = {each for step in plan.requests[number].steps for each in problem.before[step]}
    near = {place for place, request in enumerate(plan.requests) if before & set(request.steps)}
    near |= set(range(number + 1, min(number + 1 + NEIGHBOURS, count)))
    return sorted(near - {number})


def _shares(problem: Problem, plan: Plan, number: int) -> Iterator[Plan]:
    """The request goes on in the container of another, or in one of its own."""
    users = _users(problem, plan.requests)
    if number not in users:
        return
    if any(number in chain for chain in plan.chains):
        yield _with(plan, {}, leave={number})
    place = users.index(number)
    for other in users[max(0, place - NEIGHBOURS) : place] if len(users) > MANY else users:
        if other != number:
            yield _behind(plan, other, number)


def _splits(problem: Problem, plan: Plan, number: int) -> Iterator[Plan]:
    """One step of the request goes out by itself."""
    request = plan.requests[number]
    for step in request.steps if len(request.steps) > 1 else ():
        rest = tuple(each for each in request.steps if each != step)
        if problem.whole(rest) and problem.definitions(rest, "declared") is not None:
            left = request.web if request.web in problem.webs(rest) else "declared"
            kept = Request(rest, request.batch and problem.may_batch(rest), left)
            yield Plan((*_put(plan.requests, {number: kept}), Request((step,))), plan.chains)


def _behind(plan: Plan, other: int, number: int) -> Plan:
    """A request goes on in the container of another, right after it."""
    chains = [[each for each in chain if each != number] for chain in plan.chains]
    home = next((chain for chain in chains if other in chain), None)
    if home is None:
        chains.append([other, number])
    else:
        home.insert(home.index(other) + 1, number)
    return Plan(plan.requests, tuple(tuple(chain) for chain in chains if len(chain) > 1))


def _with(plan: Plan, changed: dict[int, Request], gone: int | None = None, leave: Iterable[int] = ()) -> Plan:
    """A plan with some requests changed, one gone, and some out of the container that they shared."""
    out = {*leave, *(() if gone is None else (gone,))}
    requests = _put(plan.requests, changed)
    if gone is not None:
        requests = (*requests[:gone], *requests[gone + 1 :])
    renumber = {number: number - (gone is not None and number > gone) for number in range(len(plan.requests))}
    chains = (tuple(renumber[number] for number in chain if number not in out) for chain in plan.chains)
    return Plan(requests, tuple(chain for chain in chains if len(chain) > 1))


def _put(requests: tuple[Request, ...], changed: dict[int, Request]) -> tuple[Request, ...]:
    return tuple(changed.get(number, request) for number, request in enumerate(requests))
