"""The search against every plan there is, and its laws: never worse than the workflow as it is, always the same."""

from datetime import UTC, datetime
from random import Random
from typing import Final

import pytest

from planner.core.workflow.cost import Costing
from planner.core.workflow.descent import untouched
from planner.core.workflow.problem import Problem
from planner.core.workflow.search import search
from planner.core.workflow.steps import Context, Step, Workflow
from tests.doubles.deciding import BOOK
from tests.doubles.everyplan import cheapest

AT: Final = datetime(2026, 11, 25, tzinfo=UTC)
CODE, SEARCH, FETCH = "code_execution_20250825", "web_search_20250305", "web_fetch_20260209"


def made(seed: int, count: int, code: int) -> Workflow:
    """A workflow of so many steps, at most so many of which run code."""
    draw = Random(seed)  # noqa: S311 - the same workflow each time
    coding = set(draw.sample(range(count), min(code, count)))
    steps = []
    for number in range(count):
        tools: tuple[str, ...] = (CODE,) if number in coding else ()
        tools += (draw.choice((SEARCH, FETCH)),) if draw.random() < 0.4 else ()
        rounds = 1 + (draw.randint(1, 4) if tools else 0)
        before = tuple(f"s{each}" for each in range(number) if draw.random() < 0.25)
        files = tuple(each for each in before if int(each[1:]) in coding and draw.random() < 0.3)
        steps.append(
            Step(
                name=f"s{number}",
                model=draw.choice((None, None, None, "claude-haiku-5-5")),
                prompt=draw.randint(100, 9_000),
                output=draw.randint(50, 3_000),
                iterations=rounds,
                growth=draw.randint(100, 3_000) if rounds > 1 else 0,
                hands_on=draw.randint(0, 900),
                tools=tools,
                code_seconds=draw.choice((3, 40, 200, 400)) if number in coding else 0,
                searches=draw.randint(1, 4) if SEARCH in tools else 0,
                files=draw.choice((0, 0, 1)) if number in coding else 0,
                context="docs" if draw.random() < 0.6 else None,
                after=before,
                files_from=files if number in coding else (),
                deadline=draw.choice((None, None, "20m", "2d")),
                alone=draw.random() < 0.1,
                live=draw.random() < 0.2,
            )
        )
    return Workflow(
        workflow=f"made {seed}",
        model="claude-sonnet-5-5",
        contexts={"docs": Context(tokens=draw.choice((400, 12_000)))},
        steps=tuple(steps),
        repetitions=draw.choice((1, 20, 400)),
        free_hours_left=draw.choice((0, 0, 3, 2_000)),
    )


def problem(workflow: Workflow) -> Problem:
    """What is searched."""
    return Problem(workflow, BOOK, AT, workflow.free_hours_left or 0.0)


@pytest.mark.parametrize(("seed", "count", "code"), [(seed, 2 + seed % 3, 3) for seed in range(36)])
def test_no_plan_costs_less_than_the_one_that_is_found(seed: int, count: int, code: int) -> None:
    """Of all plans, priced by other code; where none keeps the deadlines, what is found says so."""
    workflow = made(seed, count, code)
    found = search(problem(workflow))
    if not found.best.outcome.sound:
        with pytest.raises(ValueError, match="empty"):
            cheapest(workflow, BOOK, AT, workflow.free_hours_left or 0.0)
        return
    dollars = float(cheapest(workflow, BOOK, AT, workflow.free_hours_left or 0.0))
    assert found.best.outcome.money / 1e12 == pytest.approx(dollars, rel=1e-9)
    assert found.proven


@pytest.mark.parametrize("seed", range(100, 108))
def test_the_untouched_workflow_is_never_cheaper(seed: int) -> None:
    """However large it is; and it is found again as the same plan."""
    searched = problem(made(seed, 16, 8))
    found = search(searched)
    before = Costing(searched, searched.likely).outcome(untouched(searched))
    assert before is not None
    assert found.best.outcome.total <= before.total or not before.sound
    assert search(problem(made(seed, 16, 8))).best.plan == found.best.plan
