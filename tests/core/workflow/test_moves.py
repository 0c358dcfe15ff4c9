"""Moves make plans that are whole, promise what they keep, and stay near."""

from collections import Counter

import pytest

from planner.core.workflow.cost import Costing
from planner.core.workflow.descent import untouched
from planner.core.workflow.moves import MANY, NEIGHBOURS, Neighbourhood, changed
from planner.core.workflow.problem import Plan, Request
from tests.bench.shapes import SHAPES, shaped
from tests.core.workflow.test_search import made, problem


def around(seed: int, count: int) -> Neighbourhood:
    """What surrounds a workflow as it is."""
    searched = problem(made(seed, count, count // 2))
    costing, plan = Costing(searched, searched.likely), untouched(searched)
    outcome = costing.outcome(plan)
    assert outcome is not None
    return Neighbourhood(costing, plan, outcome)


@pytest.mark.parametrize("seed", range(700, 706))
def test_every_move_sends_each_step_once(seed: int) -> None:
    """Whatever is merged, handed over, split or shared; and no request is twice in a container."""
    here = around(seed, 9)
    for _ in range(4):  # moves of moves
        plans = [plan for number in range(len(here.plan.requests)) for plan in here.moves(number)]
        for plan in plans:
            assert Counter(step for request in plan.requests for step in request.steps) == Counter(range(9))
            inside = [number for chain in plan.chains for number in chain]
            assert len(inside) == len(set(inside))
            assert all(0 <= number < len(plan.requests) and not plan.requests[number].batch for number in inside)
        merged = [plan for plan in plans if any(len(request.steps) > 1 for request in plan.requests)]
        for plan in merged or plans:
            if (outcome := here.costing.outcome(plan)) is not None:
                here = Neighbourhood(here.costing, plan, outcome)
                break


@pytest.mark.parametrize("shape", SHAPES)
def test_large_plans_have_small_neighbourhoods(shape: str) -> None:
    """As many as there are neighbours on either side, and of those that follow or are followed."""
    searched = problem(shaped(shape, 120))
    costing, plan = Costing(searched, searched.likely), untouched(searched)
    outcome = costing.outcome(plan)
    assert outcome is not None
    here = Neighbourhood(costing, plan, outcome)
    assert all(len(here.near(number)) <= max(MANY, 4 * NEIGHBOURS) for number in range(120))


def test_who_takes_a_request_in_takes_its_place_in_the_container() -> None:
    """Unless it is in one itself, or goes into a batch."""
    plan = Plan(tuple(Request((step,)) for step in range(4)), ((1, 2),))
    merged = {0: Request((0, 1))}
    assert changed(plan, merged, gone=1).chains == ((0, 1),)
    assert changed(plan, {0: Request((0, 1), True)}, gone=1, leave=(0,)).chains == ()
    assert changed(plan, {2: Request((1, 2))}, gone=1).chains == ()
    assert changed(plan, {3: Request((0, 3))}, gone=0).chains == ((0, 1),)
