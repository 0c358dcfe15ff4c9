"""What plans come to, by hand: tokens, caches, batches, sessions, free hours, waiting."""

from typing import Any

import msgspec
import pytest

from planner.core.workflow.cost import Costing, Outcome
from planner.core.workflow.problem import Plan, Problem, Request
from planner.core.workflow.steps import Assumptions, Context, Step, Workflow
from tests.doubles.deciding import BOOK, NOW, book, settings

SONNET = "claude-sonnet-5-5"
"""2 dollars a million input tokens, 10 of output, 2.50 and 4 of cache writes, 0.10 of cache reads."""
CODE, FETCH = "code_execution_20250825", "web_fetch_20260209"
SIZE = 1_200
"""Tokens of that code execution: the catalog's prior."""


def coding(name: str, seconds: float = 10.0, **more: Any) -> Step:
    """A step that runs code."""
    return Step(name=name, prompt=1_000, output=100, tools=(CODE,), code_seconds=seconds, **more)


def reckon(
    plan: Plan, *steps: Step, rules: Any = BOOK, free: float = 0.0, as_declared: bool = False, **more: Any
) -> Outcome:
    """What a plan of these steps comes to."""
    workflow = Workflow(workflow="w", model=SONNET, steps=steps, **more)
    problem = Problem(workflow, rules, NOW, free)
    outcome = Costing(problem, problem.likely, as_declared=as_declared).outcome(plan)
    assert outcome is not None
    return outcome


def alone(*places: int, **more: Any) -> tuple[Request, ...]:
    """Each step by itself."""
    return tuple(Request((place,), **more) for place in places)


def test_tokens_of_a_plain_request() -> None:
    """Prompt and output at list price: 1,000 x 2 + 100 x 10 dollars a million."""
    outcome = reckon(Plan(alone(0)), Step(name="a", prompt=1_000, output=100))
    assert outcome.tokens == pytest.approx(3_000 * 1e6)
    assert outcome.money == outcome.tokens


def test_iterations_read_what_stands_in_front_of_them() -> None:
    """The prompt is written once and read twice; what grows is plain input, 200 once and 400 once."""
    step = Step(name="a", prompt=2_000, output=0, iterations=3, growth=200)
    outcome = reckon(Plan(alone(0)), step)
    assert outcome.marked == (True,)
    assert outcome.tokens == pytest.approx((2_000 * (2.5 + 2 * 0.1) + 600 * 2) * 1e6)
    declared = reckon(Plan(alone(0)), step, as_declared=True)
    assert declared.tokens == pytest.approx((3 * 2_000 + 600) * 2 * 1e6)


def test_merged_steps_share_their_first_iteration_and_hand_nothing_on() -> None:
    """1 + 1 + 2 iterations; what the first hands on is in the prompts of the second's further iterations alone."""
    steps = (
        Step(name="a", prompt=300, output=10, iterations=2, growth=50, hands_on=40),
        Step(name="b", prompt=100, output=20, iterations=3, growth=30, after=("a",)),
    )
    outcome = reckon(Plan((Request((0, 1)),)), *steps)
    own, grown = 4 * 400, 50 + (2 * (50 + 40) + 30 + 60)  # four prompts; too short for a cache
    assert outcome.tokens == pytest.approx(((own + grown) * 2 + 30 * 10) * 1e6)
    apart = reckon(Plan(alone(0, 1)), *steps)
    assert apart.tokens == pytest.approx(((2 * 300 + 50 + 3 * 140 + 90) * 2 + 30 * 10) * 1e6)


def test_a_batch_costs_half_and_may_be_late() -> None:
    """Tokens at half price; the deadline is held to the most that a batch can take."""
    step = Step(name="a", prompt=1_000, output=100, deadline="23h")
    outcome = reckon(Plan(alone(0, batch=True)), step)
    assert outcome.tokens == pytest.approx(1_500 * 1e6)
    assert outcome.times.ends == (3_600.0,)
    assert (outcome.late, outcome.sound) == ((0,), False)
    assert reckon(Plan(alone(0, batch=True)), Step(name="a", prompt=1, output=1, deadline="1d")).sound


def test_contexts_are_cached_as_long_as_it_pays() -> None:
    """Two in a row: one write, one read. At once: both write, which costs more than no cache, so none is kept."""
    steps = [Step(name=name, context="docs", prompt=0, output=120) for name in ("a", "b")]
    after = Step(name="b", context="docs", prompt=0, output=120, after=("a",))
    context = {"docs": Context(tokens=10_000)}
    row = reckon(Plan(alone(0, 1)), steps[0], after, contexts=context)
    assert row.lives == ("5m", "5m")
    assert row.tokens == pytest.approx((10_000 * 2.6 + 240 * 10) * 1e6)
    at_once = reckon(Plan(alone(0, 1)), *steps, contexts=context)
    assert at_once.lives == ("none", "none")
    assert at_once.tokens == pytest.approx((20_000 * 2 + 240 * 10) * 1e6)


def test_a_context_may_live_until_the_next_time() -> None:
    """Every half hour, for an hour: it is only ever read."""
    step = Step(name="a", context="docs", prompt=0, output=0)
    context = {"docs": Context(tokens=10_000)}
    often = reckon(Plan(alone(0)), step, contexts=context, repetitions=48)
    assert often.lives == ("1h",)
    assert often.tokens == pytest.approx(10_000 * 0.1 * 1e6)
    assert reckon(Plan(alone(0)), step, contexts=context, repetitions=20).lives == ("none",)
    declared = reckon(Plan(alone(0)), step, contexts=context, repetitions=48, as_declared=True)
    assert declared.lives == ("none",)


def test_requests_of_one_container_share_a_minimum() -> None:
    """Two of ten seconds: five minutes once, or twice; of two hundred each: what they used."""
    short = coding("a"), coding("b", after=("a",))
    apart, shared = Plan(alone(0, 1)), Plan(alone(0, 1), ((0, 1),))
    assert [each.seconds for each in reckon(apart, *short).sessions] == [300, 300]
    together = reckon(shared, *short)
    assert [(each.requests, each.seconds) for each in together.sessions] == [((0, 1), 300)]
    assert together.container == pytest.approx(0.05 / 12 * 1e12)
    long = coding("a", 200), coding("b", 200, after=("a",))
    assert [each.seconds for each in reckon(shared, *long).sessions] == [400]
    each_alone = book(settings=settings(code={"minimum_per": "request"}))
    assert [each.seconds for each in reckon(shared, *short, rules=each_alone).sessions] == [300, 300]


def test_a_session_ends_when_its_container_waits_too_long() -> None:
    """A batch lies between the two, and files that the second needs are lost."""
    steps = coding("a"), Step(name="b", prompt=1, output=1, after=("a",)), coding("c", after=("b",), files_from=("a",))
    outcome = reckon(Plan((Request((0,)), Request((1,), True), Request((2,))), ((0, 2),)), *steps)
    assert len(outcome.sessions) == 2
    assert outcome.lost == (2,)
    restores = book(settings=settings(container={"after_idle": "restore"}))
    assert reckon(Plan((Request((0,)), Request((1,), True), Request((2,))), ((0, 2),)), *steps, rules=restores).sound
    assert reckon(Plan(alone(0, 1, 2)), *steps).lost == (2,)


def test_code_beside_a_newer_web_tool_bills_nothing() -> None:
    """And uses up free hours only where the settings say so."""
    step = Step(name="a", prompt=1_000, output=0, tools=(CODE, FETCH), code_seconds=900)
    assert reckon(Plan(alone(0)), step).container == 0
    counts = book(settings=settings(code={"free_use_counts": True}))
    billed = coding("b", 3_600)
    both = reckon(Plan(alone(0, 1)), step, billed, rules=counts, free=30.0)
    assert both.container == pytest.approx(0.05 / 4 * 1e12)  # 30 x 1.25 hours are used of 30, and 1 of each bills


def test_free_hours_are_a_months() -> None:
    """30 times an hour against 15 free ones: half of it is paid for."""
    assert reckon(Plan(alone(0)), coding("a", 3_600), free=15.0).container == pytest.approx(0.025e12)
    assert reckon(Plan(alone(0)), coding("a", 3_600), free=30.0).container == 0


def test_preloaded_files_bill_though_no_code_runs() -> None:
    """A minimum; Skills do only where the settings say so."""
    files = Step(name="a", prompt=1, output=1, tools=(CODE,), files=1)
    skills = Step(name="a", prompt=1, output=1, tools=(CODE,), skills=("xlsx",))
    assert [each.seconds for each in reckon(Plan(alone(0)), files).sessions] == [300]
    assert reckon(Plan(alone(0)), skills).sessions == ()
    bill = book(settings=settings(code={"skills_preload_bills": True}))
    assert [each.seconds for each in reckon(Plan(alone(0)), skills, rules=bill).sessions] == [300]


def test_waiting_is_worth_what_the_workflow_says() -> None:
    """3.60 dollars an hour for 20 seconds; a cold container is waited for, a warm one is not."""
    assume = Assumptions(output_tokens_per_second=10, iteration_seconds=10, container_start_seconds=4)
    step = Step(name="a", prompt=1, output=100)
    assert reckon(Plan(alone(0)), step, assume=assume, hour_worth="3.6").waiting == pytest.approx(0.02e12)
    two = coding("a", 1), coding("b", 1, after=("a",))
    cold, warm = (reckon(Plan(alone(0, 1), chains), *two, assume=assume).times.whole for chains in ((), ((0, 1),)))
    assert cold - warm == pytest.approx(4)


def test_what_waits_for_itself_cannot_be() -> None:
    """Merged requests that follow each other both ways, or a chain against the order of the work."""
    steps = (
        Step(name="a", prompt=1, output=1),
        Step(name="b", prompt=1, output=1),
        Step(name="c", prompt=1, output=1, after=("a",)),
        Step(name="d", prompt=1, output=1, after=("b",)),
    )
    problem = Problem(Workflow(workflow="w", model=SONNET, steps=steps), BOOK, NOW, 0.0)
    costing = Costing(problem, problem.likely)
    assert costing.outcome(Plan((Request((0, 3)), Request((1, 2))))) is None
    two = Problem(Workflow(workflow="w", model=SONNET, steps=(coding("a"), coding("b", after=("a",)))), BOOK, NOW, 0.0)
    assert Costing(two, two.likely).outcome(Plan(alone(0, 1), ((1, 0),))) is None


def test_long_prompts_have_the_rates_of_their_tier() -> None:
    """Haiku 5.5 above 100,000 tokens, by the sum of its iterations or by each one, as the setting says."""
    step = Step(name="a", model="claude-haiku-5-5", prompt=60_000, output=1_000, iterations=2)
    summed = reckon(Plan(alone(0)), step)
    each = reckon(
        Plan(alone(0)),
        step,
        rules=book(settings=msgspec.structs.replace(BOOK.settings, haiku55_tier_on="iteration_prompt")),
    )
    assert summed.tokens == pytest.approx(5 * each.tokens)


@pytest.mark.parametrize("declared", [False, True])
def test_shares_add_up_to_the_money(declared: bool) -> None:  # noqa: FBT001 - a column
    """Shared caches, a shared session, a batch, a search: each is some request's, and all of it is told."""
    book_ = {"book": Context(tokens=9_000, cache="5m")}
    steps = (
        coding("a", context="book"),
        coding("b", 400.0, context="book", files_from=("a",)),
        Step(name="c", prompt=10, output=50, context="book", tools=("web_search_20250305",), searches=2),
        Step(name="d", prompt=10, output=50),
    )
    plan = Plan((*alone(0, 1, 2), Request((3,), batch=True)), chains=((0, 1),))
    workflow = Workflow(workflow="w", model=SONNET, steps=steps, contexts=book_)
    problem = Problem(workflow, BOOK, NOW, 0.0)
    costing = Costing(problem, problem.likely, as_declared=declared)
    outcome = costing.outcome(plan)
    assert outcome is not None
    shares = costing.shares(plan, outcome)
    assert sum(shares) == pytest.approx(outcome.money)
    assert outcome.container > 0
    assert min(shares) > 0
