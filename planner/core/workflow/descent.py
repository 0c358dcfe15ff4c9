"""A plan is changed, one move at a time, for as long as a move helps.

Where it begins decides where it ends: a request that leaves a batch alone waits for the others, and one that goes into
it alone leaves the cache that they share. So it begins several times:

    as it is        every step a request of its own, sent at once
    in batches      every step that may wait in a batch does, as far as deadlines allow
    then            the best of both, with all requests of one model and context in batches, or all of them live

and goes on from each. A request whose moves were of no use is not looked at again until one near it has changed.
"""

from collections.abc import Collection, Iterator
from typing import Final

from planner.core.workflow.cost import Costing
from planner.core.workflow.kept import Kept, Reckoned, better
from planner.core.workflow.moves import Neighbourhood, changed
from planner.core.workflow.problem import Plan, Problem, Request

MOST_LOOKS: Final = 12_000
"""Plans that are reckoned, all descents together; some seconds for 200 steps. Ours."""


def descend(costing: Costing, kept: Kept) -> None:
    """Offer every plan on the ways down."""
    start = untouched(costing.problem)
    here = _down(costing, kept, start, MOST_LOOKS // 2)
    if here is None:
        return
    every = range(len(start.requests))
    here = _best(here, _down(costing, kept, batched(costing, start, every), MOST_LOOKS // 2))
    for plan in _flipped(costing, here.plan):
        here = _best(here, _down(costing, kept, plan, MOST_LOOKS // 8))


def _best(one: Reckoned, other: Reckoned | None) -> Reckoned:
    return one if other is None or not better(other.outcome, one.outcome) else other


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


def batched(costing: Costing, plan: Plan, numbers: Collection[int]) -> Plan:
    """A plan with some of its requests in batches, from the first on, as far as deadlines allow."""
    problem, home = costing.problem, {step: n for n, request in enumerate(plan.requests) for step in request.steps}
    outcome = costing.outcome(plan)
    ends = [0.0] * len(plan.requests)
    other = {}
    for number in () if outcome is None else outcome.times.order:
        request = plan.requests[number]
        load = costing.part(request).load
        begin = max((ends[home[step]] for step in load.follows), default=0.0)
        due = min(problem.due[step] for step in request.steps)
        batch = request.batch
        if number in numbers and problem.may_batch(request.steps):
            batch = begin + problem.batch_most <= due
            other[number] = Request(request.steps, batch, request.web)
        ends[number] = begin + (problem.batch_most if batch else load.seconds)
    return changed(plan, other, leave={number for number, request in other.items() if request.batch})


def _flipped(costing: Costing, plan: Plan) -> Iterator[Plan]:
    """All requests of one model and context in batches, or all live."""
    problem = costing.problem
    kinds: dict[tuple[str, str | None], list[int]] = {}
    for number, request in enumerate(plan.requests):
        step = request.steps[0]
        kinds.setdefault((problem.models[step], problem.steps[step].context), []).append(number)
    for numbers in kinds.values():
        yield batched(costing, plan, numbers)
        live = {number: Request(plan.requests[number].steps, False, plan.requests[number].web) for number in numbers}
        yield changed(plan, live)


def _down(costing: Costing, kept: Kept, start: Plan, most: int) -> Reckoned | None:
    """Where the moves lead from a plan, so many looks at most; None where it waits for itself."""
    stop = kept.looked + most
    outcome = costing.outcome(start)
    kept.offer(start, outcome)
    if outcome is None:
        return None
    around, quiet = Neighbourhood(costing, start, outcome), set[tuple[int, ...]]()
    moved = True
    while moved:
        moved = False
        for step in costing.problem.order:
            while (steps := around.plan.requests[around.home[step]].steps) not in quiet and kept.looked < stop:
                after = _moved(costing, kept, around, around.home[step], stop)
                if after is None:
                    quiet.add(steps)
                    break
                moved = True
                _wake(around, after, quiet)
                around = after
    return Reckoned(around.plan, around.outcome)


def _moved(costing: Costing, kept: Kept, around: Neighbourhood, number: int, stop: int) -> Neighbourhood | None:
    """The first move of a request that helps; None where none does."""
    for plan in around.moves(number):
        if kept.looked >= stop:
            return None
        outcome = costing.outcome(plan)
        kept.offer(plan, outcome)
        if outcome is not None and better(outcome, around.outcome):
            return Neighbourhood(costing, plan, outcome)
    return None


def _wake(before: Neighbourhood, after: Neighbourhood, quiet: set[tuple[int, ...]]) -> None:
    """Let those be looked at again that are near a change."""
    known = set(before.plan.requests)
    new = [number for number, request in enumerate(after.plan.requests) if request not in known]
    for number in new:
        for other in (number, *after.near(number)):
            quiet.discard(after.plan.requests[other].steps)
    if not new:
        quiet.clear()
