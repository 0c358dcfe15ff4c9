"""`planner plan WORKFLOW.yaml`: the cheapest way through a workflow, what it is worth, and what came second."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from planner.cli.options import FINDINGS, USAGE, fail, show
from planner.cli.plan import columns
from planner.cli.timeline import Bar, picture
from planner.cli.timeline import lines as drawn
from planner.core.findings import errors
from planner.core.reports.wording import rounded, spell
from planner.core.rulebook.book import RuleBook
from planner.core.workflow.file import read_workflow
from planner.core.workflow.problem import UnpricedError
from planner.core.workflow.steps import Workflow
from planner.core.workflow.told import Range, Sent, WorkflowPlan, tell

WORLDS: Final = 101


def read(file: Path, book: RuleBook, *, to_run: bool = False) -> Workflow:
    """The workflow in a file; what is wrong with it is printed, all of it, and ends the command."""
    try:
        text = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", USAGE)
    reading = read_workflow(str(file), text, book.catalog, to_run=to_run)
    show(reading.findings)
    if reading.workflow is None or errors(reading.findings):
        raise SystemExit(FINDINGS)
    return reading.workflow


def told(file: str, workflow: Workflow, book: RuleBook, at: datetime, free_hours: float) -> WorkflowPlan:
    """Plan a workflow and say what came out; what has no price ends the command."""
    try:
        return tell(file, workflow, book, at, free_hours)
    except UnpricedError as error:
        fail(f"{file}: {error}.", FINDINGS)


def bars(plan: WorkflowPlan) -> list[Bar]:
    """The requests of a plan in time."""
    return [
        Bar(" + ".join(each.steps), each.begins, each.ends, each.batch, each.container or 0) for each in plan.requests
    ]


def svg(plan: WorkflowPlan) -> str:
    """The plan as a picture."""
    cost, before = rounded(plan.cost_nano.likely), rounded(plan.untouched_nano.likely)
    return picture(bars(plan), f"{plan.workflow}: ${cost} each time, ${before} as it is")


def lines(plan: WorkflowPlan) -> Iterator[str]:
    """The plan for people: what it is worth first, then what is done and why, and what came second."""
    steps = sum(len(each.steps) for each in plan.requests)
    yield f"{plan.workflow}: {steps} steps in {len(plan.requests)} requests, {plan.repetitions} times a month"
    yield ""
    yield f"  planned  ${_spread(plan.cost_nano)} each time, ${_month(plan, plan.cost_nano)} a month"
    yield f"  as it is ${_spread(plan.untouched_nano)} each time, ${_month(plan, plan.untouched_nano)} a month"
    yield f"  {_verdict(plan)}"
    yield f"  {_sure(plan)}"
    if not plan.sound:
        yield from _unsound(plan)
    yield "\nRequests"
    for number, each in enumerate(plan.requests, 1):
        yield f"  {number}. {' + '.join(each.steps)}  [{each.model}]"
        if each.tools:
            yield f"     {', '.join(each.tools)}"
        for sentence in each.because:
            yield f"     {sentence}"
    yield "\nIn time"
    yield from drawn(bars(plan))
    yield "\nWhat is paid for, in dollars each time"
    yield from _table(plan)
    if plan.second is not None:
        yield f"\nThe plan that came second sends instead: {_ways(plan.second.requests, plan.requests)}."
        yield f"  {plan.second.because}"
    yield f"\nFree hours left this month: {plan.free_hours_left:g}. All amounts are estimates; time rests on `assume`."
    yield f"Rule book {plan.digests['rules']}, price book {plan.digests['prices']}"


def _verdict(plan: WorkflowPlan) -> str:
    saved, before = plan.saving_nano.likely, plan.untouched_nano.likely
    if saved <= 0:
        return "saves nothing: leave it as it is"
    share = f" ({saved / before:.0%})" if before else ""
    return f"saves    ${_spread(plan.saving_nano)}{share}; cheaper in {plan.probability:.0%} of {WORLDS} worlds"


def _sure(plan: WorkflowPlan) -> str:
    if plan.proven:
        return f"no plan is expected to cost less ({plan.looked:,} reckoned)"
    return (
        f"the best of {plan.looked:,} plans; no plan can save more than another {plan.distance:.0%} of it"
        " (by a relaxation in which each step chooses with what it is merged, and caches stay warm)"
    )


def _unsound(plan: WorkflowPlan) -> Iterator[str]:
    if plan.late:
        yield f"  WARNING: no plan was found in which {', '.join(plan.late)} surely keeps its deadline"
    if plan.without_files:
        yield f"  WARNING: no plan was found in which {', '.join(plan.without_files)} finds the files it needs"


def _table(plan: WorkflowPlan) -> Iterator[str]:
    sides = [("as it is", plan.untouched_money), ("planned", plan.money)]
    if plan.second is not None:
        sides.append(("second", plan.second.money))
    rows: list[tuple[str, ...]] = [("", *(name for name, _ in sides))]
    for name, label in (
        ("tokens", "tokens"),
        ("searches", "web searches"),
        ("code_execution", "code execution"),
        ("total", "together"),
    ):
        rows.append((label, *(rounded(getattr(money, name)) for _, money in sides)))
    rows.append(("ends after", *(spell(money.seconds) for _, money in sides)))
    yield from columns(rows)


def _ways(requests: Sequence[Sent], chosen: Sequence[Sent]) -> str:
    """What another plan does otherwise, in words."""
    known = {(each.steps, each.batch, each.web) for each in chosen}
    other = [
        f"{' + '.join(each.steps)}"
        f"{' in a batch' if each.batch else ''}"
        f"{'' if each.web == 'declared' else f' with {each.web} web tools'}"
        for each in requests
        if (each.steps, each.batch, each.web) not in known
    ]
    return "; ".join(other) if other else "the same requests, in other containers"


def _spread(nano: Range) -> str:
    return f"{rounded(nano.likely)} ({rounded(nano.low)} to {rounded(nano.high)})"


def _month(plan: WorkflowPlan, nano: Range) -> str:
    return rounded(nano.likely * plan.repetitions)
