"""A planned workflow: the plan, what it costs and how sure that is, the workflow as it is, and the plan that lost."""

import msgspec

from planner.core.workflow.bound import bound
from planner.core.workflow.cost import Costing, Outcome
from planner.core.workflow.descent import untouched
from planner.core.workflow.kept import Reckoned
from planner.core.workflow.problem import Problem
from planner.core.workflow.search import search
from planner.core.workflow.steps import drawn

PICO_PER_NANO = 1_000
LOW, HIGH = 0.1, 0.9


class Spread(msgspec.Struct, frozen=True):
    """Nano-dollars of one repetition: expected, and between which of them 80 % of the worlds lie."""

    low: float
    likely: float
    high: float


class Planned(msgspec.Struct, frozen=True):
    """What planning a workflow comes to.

    Attributes:
        chosen: the plan.
        untouched: the workflow as it is: a request for each step, sent at once, caches as they are marked today.
        second: the next best plan that does something else; None where there is no other.
        cost, before, saving: nano-dollars of one repetition under the plan, as it is, and the difference.
        probability: in what share of the worlds the plan pays less than the workflow as it is.
        proven: whether no plan can be better, so far as expectations go.
        least: nano-dollars that no plan can do with less than, by the relaxation of `bound`.
        looked: how many plans were reckoned.
    """

    chosen: Reckoned
    untouched: Reckoned
    second: Reckoned | None
    cost: Spread
    before: Spread
    saving: Spread
    probability: float
    proven: bool
    least: float
    looked: int

    @property
    def distance(self) -> float:
        """How much of the plan's cost lies above what no plan can do without, as a share; 0 where it is proven."""
        likely = self.chosen.outcome.total / PICO_PER_NANO
        return 0.0 if self.proven or likely <= 0 else max(likely - self.least, 0.0) / likely


def plan_workflow(problem: Problem) -> Planned:
    """Plan a workflow. Raises UnpricedError where something that it needs has no price."""
    found, start = search(problem), untouched(problem)
    as_is = Costing(problem, problem.likely, as_declared=True).outcome(start)
    if as_is is None:
        raise ValueError("the steps of a workflow wait for each other in a circle")
    pairs = [
        (
            _money(Costing(problem, world).outcome(found.best.plan)),
            _money(Costing(problem, world, as_declared=True).outcome(start)),
        )
        for world in drawn(problem.workflow, problem.sizes)
    ]
    planned, before = (sorted(each) for each in zip(*pairs, strict=True))
    savings = sorted(dear - cheap for cheap, dear in pairs)
    likely, was = _money(found.best.outcome), _money(as_is)
    return Planned(
        chosen=found.best,
        untouched=Reckoned(start, as_is),
        second=found.second,
        cost=_spread(planned, likely),
        before=_spread(before, was),
        saving=_spread(savings, was - likely),
        probability=sum(each > 0 for each in savings) / len(savings),
        proven=found.proven,
        least=bound(problem) / PICO_PER_NANO,
        looked=found.looked,
    )


def _money(outcome: Outcome | None) -> float:
    if outcome is None:  # the order of work does not depend on how much of it there is
        raise ValueError("the steps of a workflow wait for each other in a circle")
    return outcome.money / PICO_PER_NANO


def _spread(values: list[float], likely: float) -> Spread:
    last = len(values) - 1
    return Spread(values[round(LOW * last)], likely, values[round(HIGH * last)])
