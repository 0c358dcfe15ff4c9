"""Where the ways down begin, and that they end no higher than the best plan of a small workflow by much."""

import msgspec
import pytest

from planner.core.workflow.cost import Costing
from planner.core.workflow.descent import MOST_LOOKS, batched, descend, untouched
from planner.core.workflow.kept import Kept
from planner.core.workflow.search import search
from planner.core.workflow.steps import Step, Workflow
from tests.bench.shapes import SHAPES, shaped
from tests.core.workflow.test_search import made, problem


def test_batches_go_as_far_as_deadlines_allow() -> None:
    """Two days hold two batches in a row; the third of three steps must then be live."""
    steps = [Step(name=f"s{n}", prompt=1, output=1, after=(f"s{n - 1}",) if n else ()) for n in range(3)]
    searched = problem(Workflow(workflow="w", model="claude-sonnet-5-5", steps=tuple(steps), deadline="49h"))
    plan = batched(Costing(searched, searched.likely), untouched(searched), range(3))
    assert [request.batch for request in plan.requests] == [True, True, False]
    outcome = Costing(searched, searched.likely).outcome(plan)
    assert outcome is not None
    assert outcome.sound
    live = msgspec.structs.replace(steps[1], live=True)
    searched = problem(Workflow(workflow="w", model="claude-sonnet-5-5", steps=(steps[0], live, steps[2])))
    plan = batched(Costing(searched, searched.likely), untouched(searched), (1, 2))
    assert [request.batch for request in plan.requests] == [False, False, True]


def test_the_way_down_ends_near_the_best_plan() -> None:
    """Of forty workflows of six steps that are searched whole, it ends at the best of most, and near it on average."""
    over = []
    for seed in range(900, 940):
        searched = problem(made(seed, 6, 3))
        kept, found = Kept(), search(searched)
        descend(Costing(searched, searched.likely), kept)
        assert kept.best is not None
        if found.proven and kept.best.outcome.sound:
            over.append(kept.best.outcome.total / found.best.outcome.total - 1)
    assert len(over) > 20
    assert sum(each < 1e-9 for each in over) > 0.7 * len(over)
    assert sum(over) / len(over) < 0.02


@pytest.mark.parametrize("shape", SHAPES)
def test_a_large_workflow_takes_a_bounded_number_of_looks(shape: str) -> None:
    """Fewer than the descents may have together, and what is found keeps deadlines and files as it did untouched."""
    searched = problem(shaped(shape, 40))
    costing, kept = Costing(searched, searched.likely), Kept()
    descend(costing, kept)
    before = costing.outcome(untouched(searched))
    assert before is not None
    assert kept.best is not None
    assert kept.looked <= 2 * MOST_LOOKS
    assert kept.best.outcome.sound
    assert kept.best.outcome.total <= before.total
    assert kept.best.outcome.total < before.total or shape == "files"  # rows that stay as they are
