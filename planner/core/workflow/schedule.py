"""When the requests of a plan begin and end: each as soon as what it follows has ended, and its container is free."""

from collections.abc import Sequence
from itertools import pairwise

import msgspec

from planner.core.workflow.problem import Plan, Problem
from planner.core.workflow.requests import Load
from planner.core.workflow.steps import seconds


class Times(msgspec.Struct, frozen=True):
    """Seconds from the begin of the workflow, by request; `order` are the requests so that none precedes its cause.

    `latest` are the ends if every batch takes as long as it may.
    """

    order: tuple[int, ...]
    begins: tuple[float, ...]
    ends: tuple[float, ...]
    latest: tuple[float, ...]

    @property
    def whole(self) -> float:
        """Seconds until everything has ended."""
        return max(self.ends)


def schedule(problem: Problem, plan: Plan, loads: Sequence[Load]) -> Times | None:
    """Begin everything as early as can be; None for a plan whose requests wait for each other in a circle."""
    causes, warm = _causes(problem, plan)
    order = _order(causes)
    if order is None:
        return None
    assume = problem.workflow.assume
    usual, longest = seconds(assume.batch_likely), seconds(assume.batch_most)
    count = len(plan.requests)
    begins, ends, latest = [0.0] * count, [0.0] * count, [0.0] * count
    for number in order:
        request = plan.requests[number]
        begin = max((ends[cause] for cause in causes[number]), default=0.0)
        late = max((latest[cause] for cause in causes[number]), default=0.0)
        lasts = loads[number].seconds
        if number not in warm and any(map(problem.runs_code, request.steps)):
            lasts += assume.container_start_seconds
        begins[number] = begin
        ends[number] = begin + (usual if request.batch else lasts)
        latest[number] = late + (longest if request.batch else lasts)
    return Times(order, tuple(begins), tuple(ends), tuple(latest))


def late(problem: Problem, plan: Plan, times: Times) -> tuple[int, ...]:
    """The steps that miss their deadlines if every batch takes as long as it may."""
    return tuple(
        step
        for request, end in zip(plan.requests, times.latest, strict=True)
        for step in request.steps
        if end > problem.deadlines[step]
    )


def waits(problem: Problem, plan: Plan) -> list[set[int]]:
    """What each request waits for: those with a step that it follows, and the one before it in its container."""
    return _causes(problem, plan)[0]


def _causes(problem: Problem, plan: Plan) -> tuple[list[set[int]], set[int]]:
    """What each request waits for, and which requests find their container warm."""
    home = {step: number for number, request in enumerate(plan.requests) for step in request.steps}
    causes = [
        {home[before] for step in request.steps for before in problem.before[step]} - {number}
        for number, request in enumerate(plan.requests)
    ]
    warm = set()
    for chain in plan.chains:
        for earlier, later in pairwise(chain):
            causes[later].add(earlier)
            warm.add(later)
    return causes, warm


def _order(causes: Sequence[set[int]]) -> tuple[int, ...] | None:
    left = [set(each) for each in causes]
    followers: list[list[int]] = [[] for _ in causes]
    for number, each in enumerate(causes):
        for cause in each:
            followers[cause].append(number)
    ready = [number for number, each in enumerate(left) if not each]
    order = []
    for number in ready:  # grows while it is walked
        order.append(number)
        for follower in followers[number]:
            left[follower].discard(number)
            if not left[follower]:
                ready.append(follower)
    return tuple(order) if len(order) == len(causes) else None
