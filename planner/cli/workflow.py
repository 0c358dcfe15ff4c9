"""`planner plan WORKFLOW.yaml`: the cheapest way through a workflow, what it is worth, and what came second."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from planner.cli.options import FINDINGS, USAGE, fail, show
from planner.cli.plan import columns, rounded
from planner.cli.timeline import Bar, picture, spell
from planner.cli.timeline import lines as drawn
from planner.core.allowance import Allowance
from planner.core.findings import errors
from planner.core.rulebook.book import RuleBook
from planner.core.workflow.file import read_workflow
from planner.core.workflow.planned import Spread, plan_workflow
from planner.core.workflow.problem import Problem, Request, UnpricedError
from planner.core.workflow.search import Reckoned
from planner.core.workflow.steps import Workflow

PICO_PER_NANO: Final = 1_000
WORLDS: Final = 101


class Range(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-dollars: expected, and between which 80 % of the worlds lie."""

    low: int
    likely: int
    high: int


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """Expected nano-dollars of one repetition by what they are paid for, and seconds until everything has ended."""

    tokens: int
    searches: int
    code_execution: int
    total: int
    seconds: float


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a plan.

    Attributes:
        steps: which steps it carries, in the order of their work.
        model: its model.
        tools: the versions that it declares.
        batch: whether it goes out as part of a batch.
        web: `declared`, or `inert` or `upgraded` where a web tool is added or raised so that code is free.
        context_cache: lifetime of the cache breakpoint behind its context: `none`, `5m` or `1h`.
        prompt_cache: whether a breakpoint stands at the end of its prompt.
        container: the number of the container that it shares; null for one of its own, or none.
        begins, ends: seconds from the begin.
        because: why it goes out so, a sentence a change.
    """

    steps: tuple[str, ...]
    model: str
    tools: tuple[str, ...]
    batch: bool
    web: str
    context_cache: str
    prompt_cache: bool
    container: int | None
    begins: float
    ends: float
    because: tuple[str, ...]


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """The plan that came second: what it does otherwise, what it comes to, and why it lost."""

    requests: tuple[Sent, ...]
    money: Money
    because: str


class WorkflowPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `planner plan` says of a workflow, as `--format json` writes it.

    Attributes:
        file, workflow: where it stands, and its name.
        at: when it is planned.
        repetitions: how often a month it runs.
        free_hours_left: container hours of the month that are free.
        sound: whether every deadline is kept and all files are found.
        late: steps that may miss their deadlines.
        without_files: steps that do not find the files they need.
        cost_nano: of one repetition, under the plan.
        untouched_nano: the same for the workflow as it is.
        saving_nano: the difference.
        probability: in what share of the worlds the plan costs less.
        requests: the plan.
        money, untouched_money: what is paid for what.
        second: the plan that came second; null where there is no other.
        proven: whether no plan can be better.
        distance: how far the plan may be from the best at most, as a share of its cost, by a relaxation.
        looked: how many plans were reckoned.
        digests: of the rule book and the price book.
    """

    file: str
    workflow: str
    at: str
    repetitions: int
    free_hours_left: float
    sound: bool
    late: tuple[str, ...]
    without_files: tuple[str, ...]
    cost_nano: Range
    untouched_nano: Range
    saving_nano: Range
    probability: float
    requests: tuple[Sent, ...]
    money: Money
    untouched_money: Money
    second: Lost | None
    proven: bool
    distance: float
    looked: int
    digests: dict[str, str]


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


def left(workflow: Workflow, hours: Allowance) -> float:
    """Container hours of the month that are free for a workflow: what it says, else what the forecast leaves."""
    if workflow.free_hours_left is not None:
        return workflow.free_hours_left
    return max(hours.limit - (hours.forecast if hours.known else hours.used), 0.0)


def told(file: str, workflow: Workflow, book: RuleBook, at: datetime, free_hours: float) -> WorkflowPlan:
    """Plan a workflow and say what came out; what has no price ends the command."""
    problem = Problem(workflow, book, at, free_hours)
    try:
        planned = plan_workflow(problem)
    except UnpricedError as error:
        fail(f"{file}: {error}.", FINDINGS)
    names = [step.name for step in workflow.steps]
    outcome = planned.chosen.outcome
    second = planned.second
    return WorkflowPlan(
        file=file,
        workflow=workflow.workflow,
        at=at.isoformat(timespec="seconds").replace("+00:00", "Z"),
        repetitions=problem.repetitions,
        free_hours_left=round(free_hours, 3),
        sound=outcome.sound,
        late=tuple(names[step] for step in outcome.late),
        without_files=tuple(names[step] for step in outcome.lost),
        cost_nano=_range(planned.cost),
        untouched_nano=_range(planned.before),
        saving_nano=_range(planned.saving),
        probability=round(planned.probability, 3),
        requests=_requests(problem, planned.chosen),
        money=_money(planned.chosen),
        untouched_money=_money(planned.untouched),
        second=None
        if second is None
        else Lost(requests=_requests(problem, second), money=_money(second), because=_lost(planned.chosen, second)),
        proven=planned.proven,
        distance=round(planned.distance, 4),
        looked=planned.looked,
        digests={"rules": book.digest, "prices": book.prices.digest},
    )


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
        " (by a relaxation that leaves out containers, waiting and what steps hand on)"
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


def _requests(problem: Problem, reckoned: Reckoned) -> tuple[Sent, ...]:
    outcome, plan = reckoned.outcome, reckoned.plan
    shared = {number: place for place, chain in enumerate(plan.chains, 1) for number in chain}
    sent = []
    for number, request in enumerate(plan.requests):
        definitions = problem.definitions(request.steps, request.web)
        sent.append(
            Sent(
                steps=tuple(problem.steps[step].name for step in request.steps),
                model=problem.models[request.steps[0]],
                tools=() if definitions is None else definitions.types,
                batch=request.batch,
                web=request.web,
                context_cache=outcome.lives[number],
                prompt_cache=outcome.marked[number],
                container=shared.get(number),
                begins=round(outcome.times.begins[number], 1),
                ends=round(outcome.times.ends[number], 1),
                because=tuple(_because(problem, reckoned, number, request)),
            )
        )
    order = sorted(range(len(sent)), key=lambda number: (sent[number].begins, number))
    return tuple(sent[number] for number in order)


def _because(problem: Problem, reckoned: Reckoned, number: int, request: Request) -> Iterator[str]:
    """Why a request goes out as it does, a sentence a change."""
    definitions = problem.definitions(request.steps, request.web)
    declared = {type_ for step in request.steps for type_ in problem.steps[step].tools}
    types = () if definitions is None else definitions.types
    new = [type_ for type_ in types if type_ not in declared]
    if len(request.steps) > 1:
        yield f"{len(request.steps)} steps in one request: definitions, context and iterations are shared"
    free = definitions is not None and definitions.free and any(map(problem.runs_code, request.steps))
    if request.web == "inert":
        yield f"{', '.join(new)}: a web tool that can reach nothing makes the code free"
    elif request.web == "upgraded":
        yield f"{', '.join(new)}: the newer web tool makes the code free"
    elif free:
        yield "its code is free beside the web tool" + (f"; {', '.join(new)} may stand beside it" if new else "")
    elif new:
        yield f"{', '.join(new)}: the nearest version that the model takes"
    if request.batch:
        yield "in a batch: tokens at half price, ended within " + problem.workflow.assume.batch_most
    chain = next((chain for chain in reckoned.plan.chains if number in chain), ())
    if chain and chain[0] != number:
        before = reckoned.plan.requests[chain[chain.index(number) - 1]]
        names = " + ".join(problem.steps[step].name for step in before.steps)
        yield f"goes on in the container of {names}"
    if reckoned.outcome.lives[number] != "none":
        yield f"its context is cached for {reckoned.outcome.lives[number]}"
    if reckoned.outcome.marked[number]:
        yield "a breakpoint at the end of its prompt: further iterations read it from the cache"


def _lost(best: Reckoned, second: Reckoned) -> str:
    """Why the second plan lost."""
    parts = []
    for name, label in (("tokens", "tokens"), ("searches", "searches"), ("container", "code execution")):
        more = round((getattr(second.outcome, name) - getattr(best.outcome, name)) / PICO_PER_NANO)
        if more:
            parts.append(f"{label} {'+' if more > 0 else '-'}${rounded(abs(more))}")
    money = round((second.outcome.money - best.outcome.money) / PICO_PER_NANO)
    longer = second.outcome.times.whole - best.outcome.times.whole
    if second.outcome.late or second.outcome.lost:
        return "It may miss a deadline, or does not find its files."
    if money == 0:
        if not round(longer):
            return "It costs the same and takes as long."
        return f"It costs the same, and takes {spell(abs(longer))} {'longer' if longer > 0 else 'less'}."
    what = f"It costs ${rounded(abs(money))} {'more' if money > 0 else 'less'} ({', '.join(parts)})"
    if round(longer):
        what += f" and takes {spell(abs(longer))} {'longer' if longer > 0 else 'less'}"
    return f"{what}."


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


def _money(reckoned: Reckoned) -> Money:
    nano = {
        name: round(getattr(reckoned.outcome, name) / PICO_PER_NANO) for name in ("tokens", "searches", "container")
    }
    return Money(
        tokens=nano["tokens"],
        searches=nano["searches"],
        code_execution=nano["container"],
        total=round(reckoned.outcome.money / PICO_PER_NANO),
        seconds=round(reckoned.outcome.times.whole, 1),
    )


def _range(spread: Spread) -> Range:
    return Range(low=round(spread.low), likely=round(spread.likely), high=round(spread.high))


def _spread(nano: Range) -> str:
    return f"{rounded(nano.likely)} ({rounded(nano.low)} to {rounded(nano.high)})"


def _month(plan: WorkflowPlan, nano: Range) -> str:
    return rounded(nano.likely * plan.repetitions)
