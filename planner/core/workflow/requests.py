"""What a request of a plan comes to: its tokens by what a cache can hold of them, and how long it takes.

    prompt of an iteration = definitions + context | prompts of its steps + what others hand on + what has grown so far

What stands left of the bar is the prefix that a cache can hold for others as well; what stands right of it is held, if
at all, for further iterations of the same request. Its steps are worked on in turn: the first iteration serves
all of them, each further one its own step, and what a step hands on grows the prompt of those after it.
"""

from typing import NamedTuple

from planner.core.workflow.problem import Problem, Request
from planner.core.workflow.steps import Draw


class Load(NamedTuple):
    """What a request needs, in one draw.

    Attributes:
        prefix: tokens of definitions and context, in front of each of its prompts.
        own: tokens of the prompts of its steps and of what others hand on, in each of its prompts as well.
        grown: tokens that have grown behind these, in all of its prompts together.
        longest: tokens of its longest prompt.
        iterations: sampling iterations.
        output: tokens written.
        searches: web searches made.
        code_seconds: seconds that its code runs.
        seconds: from sending it to its end when it goes out live, in a warm container.
        futile: expected tokens of tries of an added tool that reaches nothing.
        follows: the steps of other requests that must have ended before it.
        container: whether it needs a container.
    """

    prefix: float
    own: float
    grown: float
    longest: float
    iterations: float
    output: float
    searches: float
    code_seconds: float
    seconds: float
    futile: float
    follows: frozenset[int]
    container: bool

    @property
    def prompts(self) -> float:
        """Tokens of all its prompts."""
        return self.iterations * (self.prefix + self.own) + self.grown


def load(problem: Problem, draw: Draw, request: Request) -> Load:
    """Add up what a request needs. Its steps stand in the order of their work."""
    steps, inside = request.steps, frozenset(request.steps)
    definitions = problem.definitions(steps, request.web)
    if definitions is None:
        raise ValueError(f"steps {steps} cannot be one request")
    context = problem.steps[steps[0]].context
    prefix = sum(draw.tools.get(type_, 0.0) for type_ in definitions.sizes)
    prefix += 0.0 if context is None else draw.contexts[context]
    handing = frozenset().union(*(problem.before[step] for step in steps)) - inside
    own = sum(draw.steps[step].prompt for step in steps) + sum(draw.steps[step].hands_on for step in handing)
    behind, grown, iterations = 0.0, 0.0, 1.0
    for step in steps:
        needs = draw.steps[step]
        further = needs.iterations - 1
        grown += further * behind + needs.growth * further * (further + 1) / 2
        behind += needs.growth * further + (needs.hands_on if step != steps[-1] else 0.0)
        iterations += further
    output = sum(draw.steps[step].output for step in steps)
    code = sum(draw.steps[step].code_seconds for step in steps)
    searches = sum(draw.steps[step].searches for step in steps)
    assume = problem.workflow.assume
    spent = iterations * assume.iteration_seconds + output / assume.output_tokens_per_second
    spent += searches * assume.search_seconds + code
    futile = problem.futile if request.web == "inert" else 0.0
    container = any(map(problem.runs_code, steps))
    return Load(
        prefix, own, grown, prefix + own + behind, iterations, output, searches, code, spent, futile, handing, container
    )
