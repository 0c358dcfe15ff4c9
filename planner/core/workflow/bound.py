"""What no plan can cost less than: the relaxation that a plan found by moves is held against.

Each step is priced as if it shared everything that could be shared, and paid only for what is its own:

    its output · its own prompt, once as input and in each further iteration as a cache read · what grows behind it
    definitions and context, read from a warm cache in each of its further iterations

at the rates of a batch wherever its deadline would allow one, and at the lower rates of a tier; its searches; and no
container time, since code can be free. First iterations, what is handed on, cache writes and waiting are left out.
"""

from planner.core.workflow.cost import INPUT, OUTPUT, READ
from planner.core.workflow.problem import Problem
from planner.core.workflow.steps import seconds


def bound(problem: Problem) -> float:
    """Pico-dollars that one repetition of any plan comes to at least."""
    return sum(_step(problem, step) for step in range(len(problem.steps)))


def _step(problem: Problem, step: int) -> float:
    needs, price = problem.likely.steps[step], problem.prices[problem.models[step]]
    low = price.rates if price.over is None else tuple(map(min, price.rates, price.over[1]))
    batched = problem.deadlines[step] >= seconds(problem.workflow.assume.batch_most)
    factor = price.batch if price.batch is not None and problem.may_batch((step,)) and batched else 1.0
    further = needs.iterations - 1
    sizes = [
        sum(problem.likely.tools.get(type_, 0.0) for type_ in definitions.sizes)
        for web in problem.webs((step,))
        if (definitions := problem.definitions((step,), web)) is not None
    ]
    context = problem.steps[step].context
    prefix = min(sizes, default=0.0) + (0.0 if context is None else problem.likely.contexts[context])
    repeated = further * (needs.prompt + prefix)
    once = needs.prompt + needs.growth * further * (further + 1) / 2
    tokens = once * low[INPUT] + repeated * min(low[READ], low[INPUT]) + needs.output * low[OUTPUT]
    return tokens * min(factor or 1.0, 1.0) + problem.search_pico * needs.searches
