"""`planner plan WORKFLOW.yaml`: the cheapest way through a workflow, what it is worth, and what came second."""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from planner.cli.columns import columns
from planner.cli.options import FINDINGS, USAGE, fail, show
from planner.cli.timeline import LINE, Bar, picture
from planner.cli.timeline import lines as drawn
from planner.core.findings import errors
from planner.core.reports.wording import rounded, several, spell
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
    steps, requests = sum(len(each.steps) for each in plan.requests), len(plan.requests)
    counted = f"{several(steps, 'step')} in {several(requests, 'request')}, {several(plan.repetitions, 'time')} a month"
    yield from wrapped(f"{plan.workflow}: {counted}")
    yield ""
    yield f"  planned  ${_spread(plan.cost_nano)} each time, ${_month(plan, plan.cost_nano)} a month"
    yield f"  as it is ${_spread(plan.untouched_nano)} each time, ${_month(plan, plan.untouched_nano)} a month"
    yield f"  {_verdict(plan)}"
    yield from wrapped(_sure(plan), "  ")
    if not plan.sound:
        yield from _unsound(plan)
    yield "\nRequests"
    for number, each in enumerate(plan.requests, 1):
        yield from wrapped(f"{number}. {' + '.join(each.steps)}  [{each.model}]", "  ", "     ")
        if each.tools:
            yield from wrapped(", ".join(each.tools), "     ")
        for sentence in each.because:
            yield from wrapped(f"- {sentence}", "     ", "       ")
    yield "\nIn time"
    yield from drawn(bars(plan))
    yield "\nWhat is paid for, in dollars each time"
    yield from _table(plan)
    if plan.second is not None:
        yield ""
        yield from wrapped(f"The plan that came second sends instead: {_ways(plan.second.requests, plan.requests)}.")
        yield from wrapped(plan.second.because, "  ")
    yield ""
    yield from wrapped(
        f"Free hours left this month: {plan.free_hours_left:g}. All amounts are estimates; time rests on `assume`."
    )
    yield f"Rule book {plan.digests['rules']}, price book {plan.digests['prices']}"


def wrapped(text: str, first: str = "", more: str | None = None) -> list[str]:
    """A sentence in lines of a terminal's width; what is one word stays one, however long."""
    return textwrap.wrap(
        text,
        LINE,
        initial_indent=first,
        subsequent_indent=first if more is None else more,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _verdict(plan: WorkflowPlan) -> str:
    saved, before = plan.saving_nano.likely, plan.untouched_nano.likely
    if saved <= 0:
        return "saves nothing: leave it as it is"
    share = f" ({saved / before:.0%})" if before else ""
    return f"saves    ${_spread(plan.saving_nano)}{share}; cheaper in {plan.probability:.0%} of {WORLDS} worlds"


def _sure(plan: WorkflowPlan) -> str:
    if plan.proven:
        return f"no plan is expected to cost less ({plan.looked:,} reckoned)"
    best = f"the best of {several(plan.looked, 'plan')} reckoned"
    if not plan.sound:
        return f"{best}: the fewest steps that go wrong, and then the least to pay"
    share = "less than 1%" if round(plan.distance, 2) == 0 else f"{plan.distance:.0%}"
    return (
        f"{best}; no plan can be more than {share} cheaper, by a bound that leaves out some costs, so the true"
        " distance is smaller"
    )


def _unsound(plan: WorkflowPlan) -> Iterator[str]:
    for names, what in ((plan.late, "surely keeps its deadline"), (plan.without_files, "finds the files it needs")):
        if names:
            yield from wrapped(f"WARNING: no plan was found in which {', '.join(names)} {what}", "  ")


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
    known = {each.steps: each for each in chosen}
    other = []
    for each in requests:
        mine = known.get(each.steps)
        if mine is not None and (mine.batch, mine.web) == (each.batch, each.web):
            continue
        sent = " in a batch" if each.batch else " live" if mine is not None and mine.batch else ""
        web = f" with {each.web} web tools" if each.web != "declared" else ""
        own = " with its own tools alone" if mine is not None and mine.web != each.web == "declared" else ""
        other.append(f"{' + '.join(each.steps)}{sent}{web}{own}")
    return "; ".join(other) if other else "the same requests, in other containers"


def _spread(nano: Range) -> str:
    return f"{rounded(nano.likely)} ({rounded(nano.low)} to {rounded(nano.high)})"


def _month(plan: WorkflowPlan, nano: Range) -> str:
    return rounded(nano.likely * plan.repetitions)
