"""What is told of a planned workflow adds up, and says why."""

from datetime import UTC, datetime

import pytest

from planner.core.allowance import Allowance
from planner.core.workflow.problem import UnpricedError
from planner.core.workflow.steps import Step, Workflow
from planner.core.workflow.told import left, tell
from tests.doubles.deciding import BOOK, book

AT = datetime(2026, 11, 25, tzinfo=UTC)
STEPS = (
    Step(name="look", prompt=2_000, output=400, tools=("code_execution_20250825",), code_seconds=20),
    Step(name="say", prompt=3_000, output=900, after=("look",)),
)


def test_what_is_told_adds_up() -> None:
    """Every step is sent once, money by what it is paid for is all of it, and the second plan is no better."""
    told = tell("w.yaml", Workflow(workflow="w", model="claude-haiku-5-5", steps=STEPS), BOOK, AT, 0.0)
    assert sorted(name for each in told.requests for name in each.steps) == ["look", "say"]
    assert abs(told.money.tokens + told.money.searches + told.money.code_execution - told.money.total) <= 2
    assert told.cost_nano.likely <= told.untouched_nano.likely
    assert told.second is not None
    assert told.second.money.total >= told.money.total
    assert told.second.because
    assert (told.at, told.digests["rules"]) == ("2026-11-25T00:00:00Z", BOOK.digest)


def test_the_second_plan_that_misses_a_deadline_says_which() -> None:
    """Made one request with a longer step, the hurried one ends with it: that is why it lost, and not its cost."""
    steps = (
        Step(name="hurry", prompt=10, output=60, deadline="10s", live=True),
        Step(name="long", prompt=10, output=6_000, live=True),
    )
    told = tell("w.yaml", Workflow(workflow="w", model="claude-haiku-5-5", steps=steps), BOOK, AT, 0.0)
    assert told.second is not None
    assert (told.sound, told.second.because) == (True, "In it, hurry may end after its deadline.")


def test_what_has_no_price_is_not_told() -> None:
    """It raises, since an amount without it would be wrong."""
    rows = type(BOOK.prices)(rows=(), tools=BOOK.prices.tools)
    with pytest.raises(UnpricedError):
        tell("w", Workflow(workflow="w", model="claude-haiku-5-5", steps=STEPS), book(prices=rows), AT, 0.0)


def test_free_hours_are_the_workflows_or_what_the_forecast_leaves() -> None:
    """The file's number wins; else the limit less what is expected; less what was used where nothing is forecast."""
    workflow = Workflow(workflow="w", steps=(Step(name="a", prompt=1, output=1),))
    own = Workflow(workflow="w", steps=workflow.steps, free_hours_left=7)
    known = Allowance(used=100, forecast=1_500, limit=1_550, probability=0.0, known=True)
    unknown = Allowance(used=100, forecast=0, limit=1_550, probability=0.0, known=False)
    assert [left(own, known), left(workflow, known), left(workflow, unknown)] == [7, 50, 1_450]
