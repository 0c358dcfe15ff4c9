"""The benchmark of workflows runs, and its workflows are what they are called; nothing here is timed."""

import pytest

from planner.core.workflow.problem import Problem
from tests.bench.shapes import SHAPES, shaped
from tests.bench.workflows import AT, recipes, shapes, table
from tests.doubles.deciding import BOOK


def test_every_shape_is_planned_and_told() -> None:
    """A row each, at no more than it costs untouched, and no further from the bound than all of it."""
    rows = list(shapes((9,), BOOK))
    assert len(rows) == len(SHAPES)
    assert all(row.cost <= row.before and 0 <= row.distance < 1 and row.looked > 1 for row in rows)
    assert len(list(table(rows))) == len(rows) + 2
    assert next(recipes(BOOK)).name == "config-validation"


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_what_they_are_called(shape: str) -> None:
    """The same again for the same seed, as many steps as were asked for, and those can be worked on in some order."""
    workflow = shaped(shape, 30)
    assert workflow == shaped(shape, 30) != shaped(shape, 30, 1)
    problem = Problem(workflow, BOOK, AT, 0.0)
    assert len(problem.order) == 30
    widest = max(len(each) for each in problem.before)
    assert widest == 29 if shape == "fan" else widest <= 6
    assert any(step.files_from for step in workflow.steps) == (shape == "files")
    assert any(step.deadline for step in workflow.steps) == (shape == "deadlines")
