"""What no plan that keeps its deadlines can cost less than: the relaxation that a plan found by moves is held against.

Whatever the requests of a plan are, what they cost is shared out among their steps, and each step is charged the least
share that it could have in any request that it may be part of, with every other it may be merged with:

    its own        output · searches · prompt, first as input or cache write, then as cache reads · what grows behind it
                   definitions and context in its further iterations · what earlier steps hand on to it
    the k-th part  of the first iteration's definitions and context, in a request of k steps
    half           of what it and each of the k - 1 others make dearer for each other, in each other's prompts

in a batch if deadlines allow one, or live with every cache warm, but for one write of each context; and its code either
pays for the seconds it runs, or for the definitions of a web tool that makes it free.

Left out: which requests fit together (each step chooses its own company), when caches go cold between requests, the
minimums of containers outside of batches, and that merged steps read each other's definitions. Waiting is
charged for the longest path of steps that follow each other, or for one batch where that is shorter.
"""

from bisect import insort
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from itertools import accumulate
from typing import Final, NamedTuple

from planner.core.workflow.cost import INPUT, LIVES, OUTPUT, READ, SECONDS_PER_HOUR, WRITE_5M, WRITES, Costing
from planner.core.workflow.definitions import UPGRADE
from planner.core.workflow.problem import Problem, Request
from planner.core.workflow.steps import seconds

WEBS: Final = ("web_search", "web_fetch")
SHARES_PAID: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What of an hour's price is charged to seconds of code, while the free hours count against it as much."""


def bound(problem: Problem) -> float:
    """Pico-dollars that one repetition of any plan without late steps comes to at least, waiting included."""
    return max(_Relaxation(problem, paid).least() for paid in (SHARES_PAID if problem.free_hours_left else (1.0,)))


class _Way(NamedTuple):
    """One way in which a request may go out: in a batch, finding its cache warm, its code made free."""

    batch: bool
    warm: bool
    free: bool


class _Relaxation:
    """The relaxation of one problem, with container seconds at a share of their price."""

    def __init__(self, problem: Problem, paid: float) -> None:
        self.problem, self.needs = problem, problem.likely.steps
        self.costing = Costing(problem, problem.likely)
        self.second_pico = paid * problem.hour_pico / SECONDS_PER_HOUR
        self.credit = self.second_pico * SECONDS_PER_HOUR * problem.free_hours_left / problem.repetitions

    def least(self) -> float:
        """The bound: with batches, and the wait for one; or without, and the longest path."""
        longest, waiting = self._path(), self.problem.waiting_pico
        live = self._tokens(batches=False) + waiting * longest
        if not any(self.problem.may_batch((step,)) for step in range(len(self.needs))):
            return live - self.credit
        usual = seconds(self.problem.workflow.assume.batch_likely)
        return min(live, self._tokens(batches=True) + waiting * usual) - self.credit

    def _path(self) -> float:
        """Seconds of the longest path if nothing waits but for what it follows, and iterations begin at once."""
        assume = self.problem.workflow.assume
        ends: dict[int, float] = {}
        for step in self.problem.order:
            needs = self.needs[step]
            lasts = (needs.iterations - 1) * assume.iteration_seconds + needs.output / assume.output_tokens_per_second
            lasts += needs.searches * assume.search_seconds + needs.code_seconds
            ends[step] = max((ends[each] for each in self.problem.before[step]), default=0.0) + lasts
        return max(ends.values()) + assume.iteration_seconds

    def _tokens(self, *, batches: bool) -> float:
        """Everything but waiting, summed over models and contexts: no request has steps of two."""
        return sum(self._class(steps, batches=batches) for steps in self._classes.values())

    def _class(self, steps: list[int], *, batches: bool) -> float:
        """Steps of one model and context: no cache is ever used, or one is, and was written once."""
        first = self._first_write(steps)
        cold = sum(self._step(step, batches=batches, warm=False) for step in steps)
        return min(cold, sum(self._step(step, batches=batches, warm=True) for step in steps) + first)

    def _first_write(self, steps: list[int]) -> float:
        """What the one write costs more than a read; nothing where a cache may live from one repetition to the next."""
        problem, (model, context) = self.problem, self._kind(steps[0])
        if context is None:
            return 0.0
        rates = problem.prices[model].rates
        over = problem.prices[model].over
        tokens = problem.likely.contexts[context]
        found = []
        for life, write in WRITES.items():
            more = min(each[write] - each[READ] for each in ((rates,) if over is None else (rates, over[1])))
            found.append(tokens * more if problem.spacing > LIVES[life] * len(steps) else 0.0)
        return max(min(found), 0.0)

    # ------------------------------------------------------------ one step

    def _step(self, step: int, *, batches: bool, warm: bool) -> float:
        """The least share of a step over all ways in which its request may go out."""
        key = step, batches, warm
        if key not in self._known:
            ways = self._ways(step, batches=batches, warm=warm)
            self._known[key] = min(min(self._single(step, way), self._merged(step, way)) for way in ways)
        return self._known[key]

    @cached_property
    def _known(self) -> dict[tuple[int, bool, bool], float]:
        return {}

    def _ways(self, step: int, *, batches: bool, warm: bool) -> Iterator[_Way]:
        codes = (False, True) if self._bills(step) else (False,)
        context = self.problem.steps[step].context is not None
        for free in codes:
            yield _Way(False, False, free)
            if warm and context:
                yield _Way(False, True, free)
            if batches and self.problem.may_batch((step,)):
                yield _Way(True, False, free)

    def _single(self, step: int, way: _Way) -> float:
        """What a step costs in a request of its own."""
        found = float("inf")
        for web in self.problem.webs((step,)):
            request = Request((step,), way.batch, web)
            part = self.costing.part(request)
            if part.bills == way.free and self._bills(step):
                continue
            total = self.costing.alone(request)
            if part.key is not None:
                total += self.costing.warm(request) if way.warm else part.prefix
            if part.bills:
                least = self.problem.minimum_seconds if self._alone(way) else 0.0
                total += self.second_pico * max(part.load.code_seconds, least)
            found = min(found, total)
        return found

    def _merged(self, step: int, way: _Way) -> float:
        """The least share of a step in a request with others."""
        mates = (self._batch_mates if way.batch else self._mates)[step]
        rates = self._rates(step, batch=way.batch)
        first, own = self._first(step, way, rates), self._own(step, way, rates) + self._handed(step, rates)
        alone = self._alone(way)
        halves = (self._batch_halves if way.batch else self._halves)[step]
        codes = sorted((self.needs[other].code_seconds for _, other in mates), reverse=True)
        bills = self._bills(step) and not way.free
        used = self.needs[step].code_seconds if bills else 0.0
        own += self.second_pico * used
        best, chosen, place, least = float("inf"), list[float](), 0, [0.0, *accumulate(sorted(halves))]
        for count in range(2, len(mates) + 2):
            if own + least[count - 1] >= best and least[count - 1] >= least[count - 2]:
                break
            while place < len(mates) and mates[place][0] <= count - 2:
                insort(chosen, halves[place])
                place += 1
            if len(chosen) < count - 1:
                continue
            total = own + first / count + sum(chosen[: count - 1])
            if bills and alone:
                short = self.problem.minimum_seconds - used - sum(codes[: count - 1])
                total += self.second_pico * max(short, 0.0) / count
            best = min(best, total)
        return best

    def _alone(self, way: _Way) -> bool:
        """Whether a request has a minimum of its own."""
        return way.batch or self.problem.book.settings.code.minimum_per == "request"

    def _first(self, step: int, way: _Way, rates: tuple[float, ...]) -> float:
        """What the first iteration pays for definitions and context at least."""
        rate = rates[INPUT]
        if way.warm:
            rate = rates[READ]
        elif way.batch and self.problem.steps[step].context is not None:
            rate = self._opening(step, rates)
        return self._prefix(step, free=way.free) * min(rate, rates[INPUT] if not way.warm else rate)

    def _opening(self, step: int, rates: tuple[float, ...]) -> float:
        """The rate of a prompt that is read in further iterations, less those reads: written, or never kept."""
        further = self.needs[step].iterations - 1
        return min(rates[WRITE_5M], rates[INPUT] + further * (rates[INPUT] - rates[READ]))

    def _own(self, step: int, way: _Way, rates: tuple[float, ...]) -> float:
        """What is charged to a step whatever company it has, but for code and what is handed on to it."""
        needs = self.needs[step]
        further = needs.iterations - 1
        kept = self.problem.steps[step].context is not None and (way.warm or way.batch)
        total = self._prefix(step, free=way.free) * further * rates[READ if kept else INPUT]
        total += needs.prompt * (self._opening(step, rates) + further * rates[READ])
        total += needs.growth * further * (further + 1) / 2 * rates[INPUT]
        return total + needs.output * rates[OUTPUT] + self.problem.search_pico * needs.searches

    def _handed(self, step: int, rates: tuple[float, ...]) -> float:
        """What earlier steps hand on to it; each pays it to all that follow it, who may be in one request."""
        return sum(self._share(before, step, rates) for before in self.problem.before[step])

    def _share(self, before: int, step: int, rates: tuple[float, ...]) -> float:
        return self.needs[before].hands_on * self._opening(step, rates) / len(self._followers[before])

    def _half(self, step: int, other: int, rates: tuple[float, ...]) -> float:
        """Half of what two steps make dearer for each other in one request, less what is then not handed on."""
        one, two = sorted((step, other), key=self.problem.rank.__getitem__)
        first, second = self.needs[one], self.needs[two]
        before, after = first.iterations - 1, second.iterations - 1
        grown = after * (first.growth * before + first.hands_on) * rates[INPUT]
        half = (grown + (first.prompt * after + second.prompt * before) * rates[READ]) / 2
        return half - (self._share(one, step, rates) if step == two and one in self.problem.before[two] else 0.0)

    def _prefix(self, step: int, *, free: bool) -> float:
        """Tokens of definitions and context in front of a step's prompts at least, whatever it is merged with."""
        problem, catalog = self.problem, self.problem.book.catalog
        families = set()
        for type_ in problem.steps[step].tools:
            row = catalog.tool(type_)
            families.add(type_ if row is None else row.family)
        sizes = {family: self._smallest.get(family, 0.0) for family in families}
        tokens = sum(sizes.values())
        if free:
            web = sum(size for family, size in sizes.items() if family != "code_execution")
            tokens += max(self._freeing - web, 0.0)
        context = problem.steps[step].context
        return tokens + (0.0 if context is None else problem.likely.contexts[context])

    def _rates(self, step: int, *, batch: bool) -> tuple[float, ...]:
        """Rates of the lower tier; in a batch, its factor."""
        price = self.problem.prices[self.problem.models[step]]
        low = price.rates if price.over is None else tuple(map(min, price.rates, price.over[1]))
        return tuple(rate * (price.batch or 1.0) for rate in low) if batch else tuple(low)

    def _bills(self, step: int) -> bool:
        """Whether something runs in its container that bills unless it is free."""
        return bool(self.needs[step].code_seconds or self.problem.preloads(step))

    # ------------------------------------------------------------ looked up once

    @cached_property
    def _smallest(self) -> dict[str, float]:
        """Tokens of the smallest version of each family that a plan may declare for those that steps ask for.

        Web tools are as some step asks for them, or raised and larger; code may be of another version with its blocks.
        """
        catalog, tools = self.problem.book.catalog, self.problem.likely.tools
        asked = {type_ for step in self.problem.steps for type_ in step.tools}
        blocks = {row.blocks for type_ in asked if (row := catalog.tool(type_)) is not None}
        found: dict[str, float] = {}
        for type_, tokens in tools.items():
            row = catalog.tool(type_)
            family = type_ if row is None else row.family
            code = row is not None and family == "code_execution" and row.blocks in blocks
            if code or type_ in asked:
                found[family] = min(found.get(family, tokens), tokens)
        return found

    @cached_property
    def _freeing(self) -> float:
        """Tokens of the smallest web tool that makes code free."""
        catalog, tools = self.problem.book.catalog, self.problem.likely.tools
        whole = [tokens for type_, tokens in tools.items() if catalog.frees_code(type_)]
        webs = [self._smallest[family] + tools[UPGRADE] for family in WEBS if family in self._smallest]
        return min((*whole, *webs), default=0.0)

    @cached_property
    def _classes(self) -> dict[tuple[str, str | None], list[int]]:
        found: dict[tuple[str, str | None], list[int]] = {}
        for step in self.problem.order:
            found.setdefault(self._kind(step), []).append(step)
        return found

    def _kind(self, step: int) -> tuple[str, str | None]:
        return self.problem.models[step], self.problem.steps[step].context

    @cached_property
    def _followers(self) -> list[set[int]]:
        found: list[set[int]] = [set() for _ in self.needs]
        for step, each in enumerate(self.problem.before):
            for before in each:
                found[before].add(step)
        return found

    @cached_property
    def _mates(self) -> list[list[tuple[int, int]]]:
        """By step, those that it may be merged with, each behind the number of steps that must then be with them."""
        return self._fitting(range(len(self.needs)))

    @cached_property
    def _batch_mates(self) -> list[list[tuple[int, int]]]:
        """The same in a batch."""
        return self._fitting([step for step in range(len(self.needs)) if self.problem.may_batch((step,))])

    @cached_property
    def _halves(self) -> list[list[float]]:
        """By step, what it pays for each of those, in their order."""
        return self._paid_halves(self._mates, batch=False)

    @cached_property
    def _batch_halves(self) -> list[list[float]]:
        """The same in a batch."""
        return self._paid_halves(self._batch_mates, batch=True)

    def _paid_halves(self, mates: list[list[tuple[int, int]]], *, batch: bool) -> list[list[float]]:
        return [
            [self._half(step, other, rates) for _, other in each]
            for step, each in enumerate(mates)
            for rates in (self._rates(step, batch=batch),)
        ]

    def _fitting(self, among: Collection[int]) -> list[list[tuple[int, int]]]:
        problem = self.problem
        allowed = _mask(step for step in among if not problem.steps[step].alone)
        found: list[list[tuple[int, int]]] = [[] for _ in self.needs]
        for each in self._classes.values():
            fitting = _mask(each) & allowed
            for step in each if len(each) > 1 else ():
                for other in each if fitting >> step & 1 else ():
                    between = self._between(step, other)
                    if other != step and fitting >> other & 1 and not between & ~fitting:
                        found[step].append((between.bit_count(), other))
                found[step].sort()
        return found

    def _between(self, step: int, other: int) -> int:
        """The steps between two, as bits."""
        above, below = self._above, self._below
        return below[step] & above[other] | below[other] & above[step]

    @cached_property
    def _above(self) -> list[int]:
        return [_mask(each) for each in self.problem.ancestors]

    @cached_property
    def _below(self) -> list[int]:
        found = [0] * len(self.needs)
        for step, each in enumerate(self.problem.ancestors):
            for above in each:
                found[above] |= 1 << step
        return found


def _mask(steps: Iterable[int]) -> int:
    return sum(1 << step for step in steps)
