"""Laws of reckoning workflows: bounds hold, and what is sure has no spread."""

from random import Random

import msgspec
import pytest

from planner.core.rulebook.catalog import Interval
from planner.core.workflow.bound import bound
from planner.core.workflow.cost import Costing
from planner.core.workflow.planned import plan_workflow
from planner.core.workflow.problem import Plan, Problem, Request
from planner.core.workflow.search import search
from planner.core.workflow.steps import Workflow, likely
from tests.core.workflow.test_search import AT, made, problem
from tests.doubles.deciding import BOOK

SEEDS = range(500, 512)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_plan_costs_less_than_its_bounds(seed: int) -> None:
    """The relaxation over all plans, `least` over all ways to run the same requests: on random plans."""
    searched = problem(made(seed, 6, 3))
    costing, draw = Costing(searched, searched.likely), Random(seed)  # noqa: S311 - the same plans each time
    for _ in range(40):
        requests = []
        for step in searched.order:
            web = draw.choice(searched.webs((step,)))
            requests.append(Request((step,), searched.may_batch((step,)) and draw.random() < 0.3, web))
        users = [number for number, request in enumerate(requests) if searched.runs_code(request.steps[0])]
        users = [number for number in users if not requests[number].batch]
        plan = Plan(tuple(requests), (tuple(users),) if len(users) > 1 and draw.random() < 0.7 else ())
        outcome = costing.outcome(plan)
        if outcome is None:
            continue
        assert costing.least(plan.requests) <= outcome.money * (1 + 1e-9)
        if not outcome.late:
            assert bound(searched) <= outcome.money * (1 + 1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_found_lies_above_the_relaxation(seed: int) -> None:
    """And the distance is what lies between, unless the plan is proven to be the best."""
    planned = plan_workflow(problem(made(seed, 5, 2)))
    assert planned.least <= planned.chosen.outcome.money / 1_000 * (1 + 1e-9)
    assert planned.distance == 0 or not planned.proven


def test_what_is_sure_has_no_spread() -> None:
    """Numbers without an interval, tools whose sizes are known: one cost in every world."""
    workflow = made(501, 4, 0)
    sure = msgspec.structs.replace(
        workflow, steps=tuple(msgspec.structs.replace(step, tools=(), searches=0) for step in workflow.steps)
    )
    planned = plan_workflow(problem(sure))
    assert planned.cost.low == planned.cost.high == pytest.approx(planned.cost.likely)
    assert planned.probability in (0.0, 1.0)


def test_an_interval_spreads_the_cost_and_not_what_is_likely() -> None:
    """The search goes by the likely numbers; the spread by the worlds."""
    workflow = made(502, 4, 2)
    first, *others = workflow.steps
    wide = msgspec.structs.replace(first, output=Interval(0, 1_000, 9_000))
    narrow = msgspec.structs.replace(first, output=1_000)
    plans = [
        plan_workflow(problem(msgspec.structs.replace(workflow, steps=(step, *others)))) for step in (narrow, wide)
    ]
    assert plans[0].cost.likely == plans[1].cost.likely
    assert plans[1].cost.high - plans[1].cost.low > plans[0].cost.high - plans[0].cost.low


def test_the_likely_draw_is_the_likely_numbers() -> None:
    """Iterations are one at least."""
    workflow: Workflow = made(503, 3, 2)
    draw = likely(workflow, {})
    assert [needs.iterations for needs in draw.steps] == [step.iterations for step in workflow.steps]


def test_more_free_hours_never_cost_more() -> None:
    """Nor does a smaller model price."""
    workflow = made(504, 5, 3)
    costs = [search(Problem(workflow, BOOK, AT, hours)).best.outcome.total for hours in (0.0, 5.0, 50.0, 5_000.0)]
    assert costs == sorted(costs, reverse=True)
