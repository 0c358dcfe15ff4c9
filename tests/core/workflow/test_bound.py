"""The relaxation against every plan there is, priced by other code, and against what the search finds beyond."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.workflow.bound import bound
from planner.core.workflow.cost import Costing
from planner.core.workflow.problem import Plan, Problem, Request
from planner.core.workflow.search import search
from planner.core.workflow.steps import Step, Workflow
from tests.bench.shapes import SHAPES, shaped
from tests.core.workflow.test_search import AT, made, problem
from tests.doubles.deciding import BOOK, book
from tests.doubles.deciding import settings as set_rules
from tests.doubles.everyplan import cheapest

CLOSE = 1 + 1e-9
CODE = "code_execution_20250825"


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(1, 4), hours=st.sampled_from((0.0, 0.5, 3.0, 40.0)))
def test_no_plan_at_all_costs_less(seed: int, count: int, hours: float) -> None:
    """Every plan of up to four steps is enumerated and priced by code that shares nothing with the bound."""
    workflow = made(seed, count, 3)
    least = bound(Problem(workflow, BOOK, AT, hours))
    try:
        dollars = float(cheapest(workflow, BOOK, AT, hours))
    except ValueError:  # none keeps the deadlines
        return
    assert least / 1e12 <= dollars * CLOSE


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(5, 8),
    worth=st.sampled_from(("0", "0.02", "0.5", "20")),
    minimum=st.sampled_from(("session", "request")),
)
def test_no_plan_that_is_looked_at_costs_less(seed: int, count: int, worth: str, minimum: str) -> None:
    """Up to eight steps, waiting included, whether a minimum is a session's or a request's."""
    workflow = msgspec.structs.replace(made(seed, count, 2), hour_worth=worth)
    searched = Problem(workflow, book(settings=set_rules(code={"minimum_per": minimum})), AT, 0.0)
    found = search(searched).best.outcome
    assert not found.sound or bound(searched) <= found.total * CLOSE


@settings(max_examples=12, deadline=None)
@given(shape=st.sampled_from(SHAPES), count=st.integers(9, 24), seed=st.integers(0, 1_000))
def test_nothing_that_is_found_costs_less(shape: str, count: int, seed: int) -> None:
    """Of any shape; and what lies between is a part of the cost that does not grow without end."""
    searched = problem(shaped(shape, count, seed))
    found = search(searched).best.outcome
    least = bound(searched)
    assert least > 0
    assert not found.sound or 0.5 * found.total < least <= found.total * CLOSE


def test_a_step_by_itself_is_its_own_bound() -> None:
    """Nothing is left out where there is nothing to share: tokens and searches, in a batch where that may be."""
    step = Step(
        name="a", prompt=2_000, output=500, iterations=3, growth=100, tools=("web_search_20250305",), searches=2
    )
    searched = problem(Workflow(workflow="w", model="claude-sonnet-5-5", steps=(step,)))
    costing = Costing(searched, searched.likely)
    batch = costing.outcome(Plan((Request((0,), True),)))
    assert batch is not None
    assert bound(searched) == pytest.approx(batch.total)
    live = problem(Workflow(workflow="w", model="claude-sonnet-5-5", steps=(msgspec.structs.replace(step, live=True),)))
    assert bound(live) == pytest.approx(search(live).best.outcome.total)
    assert bound(live) > bound(searched)


def test_free_hours_are_charged_at_the_share_that_bounds_best() -> None:
    """Ten hours of code that can be had free for tokens only: all of them billed, half of them, none."""
    steps = tuple(
        Step(name=f"s{n}", prompt=10, output=10, tools=(CODE,), code_seconds=3_600, live=True, alone=True)
        for n in range(10)
    )
    workflow = Workflow(workflow="w", model="claude-sonnet-5-5", steps=steps, days=1)
    tokens = bound(Problem(workflow, BOOK, AT, 1_000.0))
    for hours in (0.0, 5.0, 20.0):
        searched = Problem(workflow, BOOK, AT, hours)
        assert tokens <= bound(searched) <= search(searched).best.outcome.total * CLOSE
    assert bound(Problem(workflow, BOOK, AT, 0.0)) > bound(Problem(workflow, BOOK, AT, 5.0)) > tokens
    assert bound(Problem(workflow, BOOK, AT, 20.0)) == pytest.approx(tokens)


def test_a_deadline_behind_a_step_keeps_it_from_a_batch() -> None:
    """What follows it would be late; so it is charged at the rates of a live request."""
    first = Step(name="a", prompt=5_000, output=2_000)
    after = Step(name="b", prompt=5_000, output=2_000, after=("a",), live=True)
    free = Workflow(workflow="w", model="claude-sonnet-5-5", steps=(first, after))
    bounds = [bound(problem(each)) for each in (free, msgspec.structs.replace(free, deadline="2h"))]
    assert bounds[0] == pytest.approx(1.5 * 30_000e6)
    assert bounds[1] == pytest.approx(2.0 * 30_000e6)
