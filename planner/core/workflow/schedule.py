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

    @property
    def slowest(self) -> float:
        """Seconds until everything has ended if every batch takes as long as it may."""
        return max(self.latest)


def schedule(problem: Problem, plan: Plan, loads: Sequence[Load]) -> Times | None:
    """Begin everything as early as can be; None for a plan whose requests wait for each other in a circle."""
    assume = problem.workflow.assume
    usual, longest = seconds(assume.batch_likely), seconds(assume.batch_most)
    causes, warm = _causes(problem, plan, [load.follows for load in loads])
    count = len(causes)
    followers: list[list[int]] = [[] for _ in causes]
    for number, each in enumerate(causes):
        for cause in each:
            followers[cause].append(number)
    left = [len(each) for each in causes]
    begins, ends, starts, latest = [0.0] * count, [0.0] * count, [0.0] * count, [0.0] * count
    order = [number for number in range(count) if not left[number]]
    for number in order:  # grows while it is walked
        load = loads[number]
        lasts = load.seconds
        if load.container and number not in warm:
            lasts += assume.container_start_seconds
        batch = plan.requests[number].batch
        end = ends[number] = begins[number] + (usual if batch else lasts)
        last = latest[number] = starts[number] + (longest if batch else lasts)
        for follower in followers[number]:
            begins[follower] = max(begins[follower], end)
            starts[follower] = max(starts[follower], last)
            left[follower] -= 1
            if not left[follower]:
                order.append(follower)
    if len(order) < count:
        return None
    return Times(tuple(order), tuple(begins), tuple(ends), tuple(latest))


def late(problem: Problem, plan: Plan, times: Times) -> tuple[int, ...]:
    """The steps that miss their deadlines if every batch takes as long as it may."""
    if times.slowest <= problem.first_deadline:
        return ()
    return tuple(
        step
        for request, end in zip(plan.requests, times.latest, strict=True)
        for step in request.steps
        if end > problem.deadlines[step]
    )


def waits(problem: Problem, plan: Plan) -> list[set[int]]:
    """What each request waits for: those with a step that it follows, and the one before it in its container."""
    follows = [
        frozenset().union(*(problem.before[step] for step in request.steps)).difference(request.steps)
        for request in plan.requests
    ]
    return _causes(problem, plan, follows)[0]


def _causes(problem: Problem, plan: Plan, follows: Sequence[frozenset[int]]) -> tuple[list[set[int]], set[int]]:
    """What each request waits for, and which requests find their container warm."""
    home = [0] * len(problem.steps)
    for number, request in enumerate(plan.requests):
        for step in request.steps:
            home[step] = number
    causes = [{home[step] for step in each} for each in follows]
    warm = set()
    for chain in plan.chains:
        for earlier, later in pairwise(chain):
            causes[later].add(earlier)
            warm.add(later)
    return causes, warm
