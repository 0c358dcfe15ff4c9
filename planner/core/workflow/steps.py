"""A workflow is what its owner says of it: steps, what each would need as a request of its own, and what follows what.

Quantities are estimates, so each is a number or an interval of which 80 % of cases lie between `low` and `high`. From
them come the numbers that a plan is reckoned with: those that are likely, or one draw of all of them at once.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import cycle
from typing import Annotated, Final, Literal, NamedTuple

import msgspec

from planner.core.learning.expectation import WORLDS, draws
from planner.core.rulebook.catalog import Amount, Interval, Text
from planner.core.rulefile.read import Usd

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Duration = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?[smhd]$")]
Quantity = Amount | Interval
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]

PLACE: Final = re.compile(r"\{\{\s*([a-z0-9][a-z0-9_-]{0,63})\s*\}\}")
"""Where the result of an earlier step is put into what a step asks."""

LEAST_MOST: Final = 1_024
"""The least that `max_tokens` is where a step does not say it. Ours."""

MOST_SKILLS: Final = 20
"""Skills of one request: https://platform.claude.com/docs/en/build-with-claude/skills-guide, 2026-11-22 [B]."""

SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One step, described as if it went out as a request of its own.

    Attributes:
        name: by which other steps and the plan speak of it.
        why: what it is for.
        model: the model it wants; without one, the workflow's.
        context: the shared text that stands in front of its prompt.
        prompt: tokens of its own prompt, without that context, tool definitions, and what earlier steps hand on.
        output: tokens it writes.
        iterations: sampling iterations on the server: 1, and one more for each round of server tools.
        growth: tokens that each iteration adds to the next one's prompt.
        hands_on: tokens of its result that a step which follows it reads in its own prompt.
        tools: versions of server tools that it needs, such as code_execution_20260120.
        code_seconds: seconds that its code runs.
        searches: web searches it makes.
        files: files that are loaded into its container.
        skills: Skills that are loaded into its container, such as xlsx.
        after: steps that must have ended before it begins.
        files_from: steps whose container it goes on in, for the files they left.
        deadline: when it must have ended, counted from the begin of the workflow.
        marked: whether its prompt ends in a cache breakpoint as things are today; a plan chooses for itself.
        alone: never made one request with others.
        live: never sent as part of a batch.
        ask: what the model is told, for `planner run`; `{{name}}` stands for the result of a step that it follows.
        attach: files, beside the workflow file, that are uploaded into its container.
        max_tokens: the most that it may write; without it, four times what is likely, and 1,024 at least.
    """

    name: Name
    why: str = ""
    model: Text | None = None
    context: Text | None = None
    prompt: Quantity
    output: Quantity
    iterations: Quantity = 1.0
    growth: Quantity = 0.0
    hands_on: Quantity = 0.0
    tools: tuple[Text, ...] = ()
    code_seconds: Quantity = 0.0
    searches: Quantity = 0.0
    files: Annotated[int, msgspec.Meta(ge=0, le=1_000)] = 0
    skills: tuple[Text, ...] = ()
    after: tuple[Text, ...] = ()
    files_from: tuple[Text, ...] = ()
    deadline: Duration | None = None
    marked: bool = False
    alone: bool = False
    live: bool = False
    ask: Text | None = None
    attach: tuple[Text, ...] = ()
    max_tokens: Count | None = None

    @property
    def follows(self) -> tuple[str, ...]:
        """Every step that must have ended before this one."""
        return tuple(dict.fromkeys((*self.after, *self.files_from)))

    @property
    def loads(self) -> bool:
        """Whether files are loaded into its container."""
        return bool(self.files or self.attach)

    @property
    def most_tokens(self) -> int:
        """The most that it may write."""
        return self.max_tokens or max(4 * round(interval(self.output).likely), LEAST_MOST)


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """A text that several steps have in front of their prompts, word for word.

    Attributes:
        tokens: how long it is.
        cache: the lifetime of the cache breakpoint behind it as things are today; a plan chooses its own.
        text: the text itself, for `planner run`.
        file: a file, beside the workflow file, that holds it.
    """

    tokens: Quantity
    cache: Literal["none", "5m", "1h"] = "none"
    text: Text | None = None
    file: Text | None = None


class Assumptions(msgspec.Struct, frozen=True, kw_only=True):
    """What no page says of time. The defaults are ours, and round; a plan by money alone does not rest on them.

    Attributes:
        output_tokens_per_second: how fast a model writes.
        iteration_seconds: until the first token of each sampling iteration.
        search_seconds: of one web search.
        container_start_seconds: what a new container takes longer than a warm one.
        batch_likely: how long a batch is expected to take.
        batch_most: when it has ended at the latest; deadlines are held to this.
    """

    output_tokens_per_second: Annotated[float, msgspec.Meta(ge=1)] = 60.0
    iteration_seconds: Amount = 2.0
    search_seconds: Amount = 2.0
    container_start_seconds: Amount = 5.0
    batch_likely: Duration = "1h"
    batch_most: Duration = "24h"


class Workflow(msgspec.Struct, frozen=True, kw_only=True):
    """Steps that belong together, and what holds for all of them.

    `batch_most` is that of https://platform.claude.com/docs/en/build-with-claude/batch-processing [B].

    Attributes:
        workflow: its name.
        why: what it is for.
        model: the model of steps that name none.
        contexts: shared texts by name.
        steps: in any order.
        repetitions: how often a day it runs, evenly spread.
        days: days of a month on which it runs.
        hour_worth: dollars that an hour less to wait is worth; 0 plans by money alone.
        deadline: when every step must have ended, counted from the begin.
        free_hours_left: container hours of the month that are still free; without it, what the ledger knows.
        assume: what is assumed of time.
    """

    workflow: Text
    why: str = ""
    model: Text | None = None
    contexts: dict[str, Context] = {}
    steps: Annotated[tuple[Step, ...], msgspec.Meta(min_length=1)]
    repetitions: Count = 1
    days: Annotated[int, msgspec.Meta(ge=1, le=31)] = 30
    hour_worth: Usd = "0"
    deadline: Duration | None = None
    free_hours_left: Amount | None = None
    assume: Assumptions = Assumptions()


class Needs(NamedTuple):
    """What one step needs, in one draw: tokens, iterations, seconds, uses."""

    prompt: float
    output: float
    iterations: float
    growth: float
    hands_on: float
    code_seconds: float
    searches: float


class Draw(msgspec.Struct, frozen=True):
    """One draw of everything that is estimated: by step, by context, by tool version."""

    steps: tuple[Needs, ...]
    contexts: Mapping[str, float]
    tools: Mapping[str, float]


def asked(text: str) -> tuple[str, ...]:
    """The steps whose results a text asks for."""
    return tuple(dict.fromkeys(PLACE.findall(text)))


def seconds(duration: str) -> float:
    """A duration such as `90s`, `10m`, `2h` or `1d` in seconds."""
    return float(duration[:-1]) * SECONDS[duration[-1]]


def interval(quantity: Quantity) -> Interval:
    """A quantity as an interval; a number is sure."""
    return quantity if isinstance(quantity, Interval) else Interval(quantity, quantity, quantity)


def likely(workflow: Workflow, tools: Mapping[str, Interval]) -> Draw:
    """What is expected of everything."""
    steps = tuple(_needs([each.likely for each in _intervals(step)]) for step in workflow.steps)
    contexts = {name: interval(each.tokens).likely for name, each in workflow.contexts.items()}
    return Draw(steps, contexts, {type_: each.likely for type_, each in tools.items()})


def drawn(workflow: Workflow, tools: Mapping[str, Interval]) -> list[Draw]:
    """Every quantity in each of the worlds that expectations are reckoned in, a column of their lattice a quantity.

    There are 100 columns; where more quantities than that are not sure, some are drawn in step.
    """
    columns = cycle(range(WORLDS - 1))

    def column(quantity: Interval) -> tuple[float, ...]:
        return draws(quantity, next(columns) if quantity.low < quantity.high else 0)

    steps = [[column(each) for each in _intervals(step)] for step in workflow.steps]
    contexts = {name: column(interval(each.tokens)) for name, each in workflow.contexts.items()}
    sizes = {type_: column(each) for type_, each in sorted(tools.items())}
    return [
        Draw(
            tuple(_needs([values[world] for values in step]) for step in steps),
            {name: values[world] for name, values in contexts.items()},
            {type_: values[world] for type_, values in sizes.items()},
        )
        for world in range(WORLDS)
    ]


def _intervals(step: Step) -> Iterator[Interval]:
    for name in Needs._fields:
        yield interval(getattr(step, name))


def _needs(values: list[float]) -> Needs:
    needs = Needs(*values)
    return needs if needs.iterations >= 1 else needs._replace(iterations=1.0)
