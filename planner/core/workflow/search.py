"""The search for a plan: which steps become one request, how each goes out, and which share a container.

    up to EXACT steps   every plan is looked at, unless what it pays at least is more than what the second best comes to
    beyond              a plan is changed, one move at a time, for as long as a move helps; how far it may be from the
                        best is told by the relaxation of `bound`

Both begin with the workflow as it is and are deterministic: same workflow, same rule book, same plan.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from planner.core.workflow.cost import Costing
from planner.core.workflow.descent import descend
from planner.core.workflow.kept import CLOSE, Kept, Reckoned
from planner.core.workflow.moves import options, users
from planner.core.workflow.problem import Plan, Problem, Request

EXACT: Final = 8
"""Steps up to which every plan is looked at."""
MOST_LOOKS: Final = 60_000
"""Plans that an exact search reckons before it gives up to be exact; some seconds. Ours."""


class Found(msgspec.Struct, frozen=True):
    """The end of a search: the best plan, the next best that does something else, and whether none can be better."""

    best: Reckoned
    second: Reckoned | None
    proven: bool
    looked: int


def search(problem: Problem) -> Found:
    """Find the plan that costs least. Raises UnpricedError."""
    costing, kept = Costing(problem, problem.likely), Kept()
    descend(costing, kept)
    proven = False
    if len(problem.steps) <= EXACT:
        proven = _everything(costing, kept)
    if kept.best is None:
        raise ValueError("the steps of a workflow wait for each other in a circle")
    return Found(kept.best, kept.second, proven and kept.best.outcome.sound, kept.looked)


# ---------------------------------------------------------------- every plan


def _everything(costing: Costing, kept: Kept) -> bool:
    """Look at every plan that could be kept; False where there were too many."""
    problem = costing.problem
    ranked = []
    for groups in _partitions(problem):
        ways = [options(costing, group) for group in groups]
        if all(ways):
            ranked.append((sum(each[0][0] for each in ways), groups, ways))
    ranked.sort(key=lambda each: (each[0], len(each[1]), each[1]))
    for least, _, ways in ranked:
        if least >= kept.limit:
            break
        for requests in _choices(costing, kept, ways):
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


def _choices(
    costing: Costing, kept: Kept, ways: Sequence[Sequence[tuple[float, Request]]]
) -> Iterator[tuple[Request, ...]]:
    """Every way to send the requests that could still be kept."""
    rest = [0.0]
    for each in reversed(ways):
        rest.append(rest[-1] + each[0][0])
    rest.reverse()

    def choose(number: int, paid: float, chosen: tuple[Request, ...]) -> Iterator[tuple[Request, ...]]:
        if number == len(ways):
            if costing.least(chosen) < kept.limit:
                yield chosen
            return
        for least, request in ways[number]:
            if paid + least + rest[number + 1] >= kept.limit:
                break
            yield from choose(number + 1, paid + least, (*chosen, request))

    yield from choose(0, 0.0, ())


def _containers(costing: Costing, kept: Kept, requests: tuple[Request, ...]) -> bool:
    """Look at every way to share containers; False where there were too many plans altogether."""
    problem = costing.problem
    least = costing.least(requests)
    for chains in _lists(users(problem, requests)):
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
