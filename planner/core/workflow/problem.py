"""What a search for plans works on: a workflow under a rule book at one time, with every lookup done once.

steps that share model and context may become one request    unless one is `alone`
a request is a set of steps with no path out of it and back in
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

import msgspec

from planner.core.money import parse_millionths
from planner.core.pricing.prices import CODE, PriceRow, Rates
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Interval
from planner.core.workflow.definitions import INERT, UPGRADE, Definitions, Web, define
from planner.core.workflow.steps import MOST_SKILLS, Draw, Step, Workflow, likely, seconds

SEARCH: Final = "web_search"
PICO_PER_MILLIONTH: Final = 1_000_000
DAY: Final = 86_400.0
CLASSES: Final = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")


class Request(msgspec.Struct, frozen=True):
    """Steps that go out together, by their place in the workflow and in the order of their work."""

    steps: tuple[int, ...]
    batch: bool = False
    web: Web = "declared"


class Plan(msgspec.Struct, frozen=True):
    """Requests, and which of them go on in one container, one after the other; all others start one of their own."""

    requests: tuple[Request, ...]
    chains: tuple[tuple[int, ...], ...] = ()


class Price(msgspec.Struct, frozen=True):
    """What a model costs: contracted pico-dollars a token of each class, and so above the threshold of a tier.

    `batch` is what a batch multiplies them with, `least_prefix` the fewest tokens that a prompt cache holds.
    """

    rates: tuple[float, float, float, float, float]
    over: tuple[float, tuple[float, float, float, float, float]] | None
    batch: float | None
    least_prefix: int


@dataclass(frozen=True)
class Problem:
    """A workflow, the rule book and time that price it, and the container hours of the month that are still free.

    Raises UnpricedError for a model, search or container time that has no price.
    """

    workflow: Workflow
    book: RuleBook
    at: datetime
    free_hours_left: float
    _definitions: dict[tuple[str, frozenset[str], Web], Definitions | None] = field(default_factory=dict, repr=False)

    @cached_property
    def steps(self) -> tuple[Step, ...]:
        """The steps, in the order of the file."""
        return self.workflow.steps

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Each step's model."""
        return tuple(step.model or self.workflow.model or "" for step in self.steps)

    @cached_property
    def before(self) -> tuple[frozenset[int], ...]:
        """The steps that each step follows directly."""
        place = {step.name: number for number, step in enumerate(self.steps)}
        return tuple(frozenset(place[name] for name in step.follows) for step in self.steps)

    @cached_property
    def files_from(self) -> tuple[frozenset[int], ...]:
        """The steps whose container each step needs."""
        place = {step.name: number for number, step in enumerate(self.steps)}
        return tuple(frozenset(place[name] for name in step.files_from) for step in self.steps)

    @cached_property
    def left_files(self) -> frozenset[int]:
        """The steps whose files a later one needs."""
        return frozenset().union(*self.files_from)

    @cached_property
    def order(self) -> tuple[int, ...]:
        """The steps so that none stands before one that it follows; among equals in the order of the file."""
        done: list[int] = []
        left = list(range(len(self.steps)))
        while left:
            ready = next(step for step in left if self.before[step] <= set(done))
            left.remove(ready)
            done.append(ready)
        return tuple(done)

    @cached_property
    def rank(self) -> tuple[int, ...]:
        """Each step's place in that order."""
        ranks = {step: rank for rank, step in enumerate(self.order)}
        return tuple(ranks[step] for step in range(len(self.steps)))

    @cached_property
    def ancestors(self) -> tuple[frozenset[int], ...]:
        """All steps that must have ended before each step."""
        known: dict[int, frozenset[int]] = {}
        for step in self.order:
            known[step] = frozenset(self.before[step]).union(*(known[each] for each in self.before[step]))
        return tuple(known[step] for step in range(len(self.steps)))

    @cached_property
    def prices(self) -> dict[str, Price]:
        """What each model costs."""
        return {model: self._price(model) for model in dict.fromkeys(self.models)}

    @cached_property
    def search_pico(self) -> float:
        """Contracted pico-dollars of a web search."""
        row = self.book.prices.tool(SEARCH, self.at)
        pico = None if row is None else row.pico_per_use
        if pico is None:
            if not any(step.searches for step in self.steps):
                return 0.0
            raise UnpricedError("web searches have no price on that day")
        return pico * float(self.book.prices.factor(SEARCH, None, self.at))

    @cached_property
    def hour_pico(self) -> float:
        """Contracted pico-dollars of a container hour beyond the free ones."""
        row = self.book.prices.tool(CODE, self.at)
        if row is None or row.pico_per_hour is None:
            raise UnpricedError("container time has no price on that day")
        return row.pico_per_hour * float(self.book.prices.factor(CODE, None, self.at))

    @cached_property
    def minimum_seconds(self) -> float:
        """What a container session bills at least."""
        row = self.book.prices.tool(CODE, self.at)
        return 0.0 if row is None else row.minimum_ms / 1_000

    @cached_property
    def waiting_pico(self) -> float:
        """What a second of waiting is worth, in pico-dollars."""
        return parse_millionths(self.workflow.hour_worth) * PICO_PER_MILLIONTH / 3_600

    @cached_property
    def spacing(self) -> float:
        """Seconds from the begin of one repetition to that of the next."""
        return DAY / self.workflow.repetitions

    @cached_property
    def repetitions(self) -> int:
        """Repetitions a month."""
        return self.workflow.repetitions * self.workflow.days

    @cached_property
    def deadlines(self) -> tuple[float, ...]:
        """Seconds after which each step must have ended; infinite where nothing says so."""
        whole = self.workflow.deadline
        return tuple(
            min((seconds(each) for each in (step.deadline, whole) if each is not None), default=float("inf"))
            for step in self.steps
        )

    @cached_property
    def due(self) -> tuple[float, ...]:
        """Seconds after which each step must have ended so that those that follow it can meet their deadlines too."""
        due = list(self.deadlines)
        for step in reversed(self.order):
            for before in self.before[step]:
                due[before] = min(due[before], due[step])
        return tuple(due)

    @cached_property
    def batch_most(self) -> float:
        """Seconds after which a batch has ended at the latest."""
        return seconds(self.workflow.assume.batch_most)

    @cached_property
    def first_deadline(self) -> float:
        """The first of them."""
        return min(self.deadlines)

    @cached_property
    def sizes(self) -> dict[str, Interval]:
        """Tokens of every tool version that a plan of these steps may declare."""
        declared = {type_ for step in self.steps for type_ in step.tools}
        families = {each.family for type_ in declared if (each := self.book.catalog.tool(type_)) is not None}
        template = self.book.catalog.template(INERT)
        types = {each.type for each in self.book.catalog.tools if each.family in families}
        types |= {template.type} if template is not None else set()
        found = {type_: size for type_ in types if (size := self.book.tool_tokens(type_)) is not None}
        return found | {UPGRADE: self.book.catalog.priors.upgrade_tokens.interval}

    @cached_property
    def likely(self) -> Draw:
        """What is expected of everything."""
        return likely(self.workflow, self.sizes)

    @cached_property
    def futile(self) -> float:
        """Expected tokens of output that an added tool which reaches nothing costs a request."""
        priors = self.book.catalog.priors
        return priors.futile_call_probability.likely * priors.futile_call_tokens.likely

    def runs_code(self, step: int) -> bool:
        """Whether a step needs a container."""
        return self._runs_code[step]

    @cached_property
    def _runs_code(self) -> tuple[bool, ...]:
        drawn = self.likely.steps
        return tuple(
            bool(drawn[step].code_seconds or needs.loads or needs.files_from or needs.skills)
            for step, needs in enumerate(self.steps)
        )

    def preloads(self, step: int) -> bool:
        """Whether what is loaded into a step's container bills even if no code runs."""
        needs = self.steps[step]
        return bool(needs.loads or (needs.skills and self.book.settings.code.skills_preload_bills))

    def may_join(self, one: int, other: int) -> bool:
        """Whether two steps may ever be in one request."""
        first, second = self.steps[one], self.steps[other]
        same = self.models[one] == self.models[other] and first.context == second.context
        return same and not first.alone and not second.alone

    def whole(self, steps: Iterable[int]) -> bool:
        """Whether no path leads out of these steps and back into them."""
        inside = frozenset(steps)
        return not any(self.ancestors[between] & inside for step in inside for between in self.ancestors[step] - inside)

    def definitions(self, steps: tuple[int, ...], web: Web) -> Definitions | None:
        """The tools of a request with these steps, None where such a request cannot be."""
        types = frozenset(type_ for step in steps for type_ in self.steps[step].tools)
        key = self.models[steps[0]], types, web
        if key not in self._definitions:
            self._definitions[key] = define(self.book, self.models[steps[0]], types, web)
        if self._skilled and len({skill for step in steps for skill in self.steps[step].skills}) > MOST_SKILLS:
            return None
        return self._definitions[key]

    @cached_property
    def _skilled(self) -> bool:
        return any(step.skills for step in self.steps)

    def webs(self, steps: tuple[int, ...]) -> tuple[Web, ...]:
        """What may become of the web tools of a request with these steps; the first is what was declared."""
        found: list[Web] = [
            web for web in ("declared", "inert", "upgraded") if self.definitions(steps, web) is not None
        ]
        return tuple(found)

    def may_batch(self, steps: Iterable[int]) -> bool:
        """Whether steps may go out as part of a batch, so far as their own deadlines and those behind them go."""
        return all(map(self._batchable.__getitem__, steps))

    @cached_property
    def _batchable(self) -> tuple[bool, ...]:
        def may(step: int) -> bool:
            live = self.steps[step].live or self.steps[step].files_from or step in self.left_files
            return not live and self.prices[self.models[step]].batch is not None and self.due[step] >= self.batch_most

        return tuple(map(may, range(len(self.steps))))

    def _price(self, model: str) -> Price:
        row: PriceRow | None = self.book.prices.lookup(model, self.at)
        if row is None:
            raise UnpricedError(f"{model} has no price on that day")
        known = self.book.catalog.model(model)
        over = None if row.over is None else (float(row.over.prompt_tokens), self._rates(model, row.over.rates))
        batch = None if row.multipliers.batch is None else float(row.multipliers.batch)
        return Price(self._rates(model, row.rates), over, batch, 0 if known is None else known.min_cache_prefix)

    def _rates(self, model: str, rates: Rates) -> tuple[float, float, float, float, float]:
        prices = self.book.prices
        found = tuple(getattr(rates, kind) * float(prices.factor(kind, model, self.at)) for kind in CLASSES)
        return found[0], found[1], found[2], found[3], found[4]


class UnpricedError(ValueError):
    """A workflow needs what has no price; the text says what."""
