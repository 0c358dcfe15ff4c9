"""What the planner says of a workflow: the plan, what it is worth, why each request goes out so, what came second."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from planner.core.allowance import Allowance
from planner.core.reports.wording import rounded, spell
from planner.core.rulebook.book import RuleBook
from planner.core.workflow.kept import Reckoned
from planner.core.workflow.planned import Spread, plan_workflow
from planner.core.workflow.problem import Problem, Request
from planner.core.workflow.steps import Workflow

PICO_PER_NANO: Final = 1_000


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


def left(workflow: Workflow, hours: Allowance) -> float:
    """Container hours of the month that are free for a workflow: what it says, else what the forecast leaves."""
    if workflow.free_hours_left is not None:
        return workflow.free_hours_left
    return max(hours.limit - (hours.forecast if hours.known else hours.used), 0.0)


def tell(file: str, workflow: Workflow, book: RuleBook, at: datetime, free_hours: float) -> WorkflowPlan:
    """Plan a workflow and say what came out. Raises UnpricedError where something that it needs has no price."""
    problem = Problem(workflow, book, at, free_hours)
    planned = plan_workflow(problem)
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
        else Lost(
            requests=_requests(problem, second), money=_money(second), because=_lost(problem, planned.chosen, second)
        ),
        proven=planned.proven,
        distance=round(planned.distance, 4),
        looked=planned.looked,
        digests={"rules": book.digest, "prices": book.prices.digest},
    )


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
        yield "a cache breakpoint at the end of its prompt: further iterations read it"


def _lost(problem: Problem, best: Reckoned, second: Reckoned) -> str:
    """Why the second plan lost: more goes wrong in it, or it costs more, or takes longer."""
    late, lost = (
        [problem.steps[step].name for step in steps if step not in known]
        for steps, known in (
            (second.outcome.late, best.outcome.late),
            (second.outcome.lost, best.outcome.lost),
        )
    )
    more = len(second.outcome.late) + len(second.outcome.lost) > len(best.outcome.late) + len(best.outcome.lost)
    if more and late:
        return f"In it, {', '.join(late)} may end after its deadline."
    if more and lost:
        return f"In it, {', '.join(lost)} would not find the files of an earlier step."
    parts = []
    for name, label in (("tokens", "tokens"), ("searches", "searches"), ("container", "code execution")):
        more = round((getattr(second.outcome, name) - getattr(best.outcome, name)) / PICO_PER_NANO)
        if more:
            parts.append(f"{label} {'+' if more > 0 else '-'}${rounded(abs(more))}")
    money = round((second.outcome.money - best.outcome.money) / PICO_PER_NANO)
    longer = second.outcome.times.whole - best.outcome.times.whole
    if money == 0:
        if not round(longer):
            return "It costs the same and takes as long."
        return f"It costs the same, and takes {spell(abs(longer))} {'longer' if longer > 0 else 'less'}."
    what = f"It costs ${rounded(abs(money))} {'more' if money > 0 else 'less'} ({', '.join(parts)})"
    if round(longer):
        what += f" and takes {spell(abs(longer))} {'longer' if longer > 0 else 'less'}"
    return f"{what}."


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
