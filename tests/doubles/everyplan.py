"""Every plan of a small workflow, priced by code of its own: what the planner's search is held against.

Nothing here comes from `planner.core.workflow` but the words of a workflow file. Money is exact (`Fraction` dollars);
prices, tool versions and sizes are read from the rule book row by row.
"""

from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from itertools import pairwise, product
from typing import Any

from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Interval
from planner.core.workflow.steps import Step, Workflow

UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
PICO = Fraction(1, 10**12)


def cheapest(workflow: Workflow, book: RuleBook, at: datetime, free_hours: float) -> Fraction:
    """Dollars of one repetition of the cheapest plan that keeps every deadline and finds all files."""
    world = World(workflow, book, at, Fraction(free_hours))
    costs = [cost for plan in world.plans() if (cost := world.cost(*plan)) is not None]
    return min(costs)


def number(quantity: Any) -> Fraction:
    """The likely number."""
    return Fraction(quantity.likely if isinstance(quantity, Interval) else quantity)


def time(text: str | None) -> Fraction | None:
    """A duration in seconds."""
    return None if text is None else Fraction(text[:-1]) * UNITS[text[-1]]


class World:
    """One workflow under one rule book."""

    def __init__(self, workflow: Workflow, book: RuleBook, at: datetime, free_hours: Fraction) -> None:
        self.workflow, self.book, self.at, self.free_hours = workflow, book, at, free_hours
        self.steps = {step.name: step for step in workflow.steps}
        self.earlier: dict[str, set[str]] = {}
        for step in self.sorted():
            direct = {*step.after, *step.files_from}
            self.earlier[step.name] = direct.union(*(self.earlier[each] for each in direct))
        self.order = {step.name: place for place, step in enumerate(self.sorted())}

    def sorted(self) -> list[Step]:
        """The steps, each behind all that it follows, the first of the file first."""
        left, done = list(self.workflow.steps), list[Step]()
        while left:
            names = {step.name for step in done}
            following = next(step for step in left if {*step.after, *step.files_from} <= names)
            left.remove(following)
            done.append(following)
        return done

    # ------------------------------------------------------------ plans

    def plans(self) -> Iterator[tuple[list[tuple[list[Step], bool, str]], list[list[int]]]]:
        """Requests (steps, whether in a batch, what becomes of web tools), and the chains that share a container."""
        for groups in self.groups([], list(self.sorted())):
            ways = [list(self.ways(group)) for group in groups]
            for chosen in product(*ways):
                requests = [(group, batch, web) for group, (batch, web) in zip(groups, chosen, strict=True)]
                for chains in self.chains([], self.sharing(requests)):
                    yield requests, [chain for chain in chains if len(chain) > 1]

    def groups(self, done: list[list[Step]], left: list[Step]) -> Iterator[list[list[Step]]]:
        """Every way to make requests of the steps that may be made one."""
        if not left:
            if all(self.closed(group) for group in done):
                yield [list(group) for group in done]
            return
        step, *rest = left
        for group in done:
            if all(self.model(step) == self.model(each) and step.context == each.context for each in group) and not (
                step.alone or any(each.alone for each in group)
            ):
                group.append(step)
                yield from self.groups(done, rest)
                group.pop()
        yield from self.groups([*done, [step]], rest)

    def closed(self, group: list[Step]) -> bool:
        """No step outside stands between two inside."""
        names = {step.name for step in group}
        outside = [step for step in self.workflow.steps if step.name not in names]
        return not any(
            self.earlier[step.name] & names and any(step.name in self.earlier[each] for each in names)
            for step in outside
        )

    def ways(self, group: list[Step]) -> Iterator[tuple[bool, str]]:
        """How a group may go out."""
        wanted = {name for step in self.workflow.steps for name in step.files_from}
        batches = [False]
        if not any(step.live or step.files_from or step.name in wanted for step in group):
            batches.append(True)
        for batch, web in product(batches, ("declared", "inert", "upgraded")):
            if self.tools(group, web) is not None:
                yield batch, web

    def sharing(self, requests: list[tuple[list[Step], bool, str]]) -> list[int]:
        """The requests that may share a container."""
        wanted = {name for step in self.workflow.steps for name in step.files_from}
        found = []
        for place, (group, batch, web) in enumerate(requests):
            tools = self.tools(group, web)
            runs = any(number(step.code_seconds) or step.files or step.files_from for step in group)
            files = any(step.files_from or step.name in wanted for step in group)
            if not batch and runs and tools is not None and (not tools[1] or files):
                found.append(place)
        return found

    def chains(self, done: list[list[int]], left: list[int]) -> Iterator[list[list[int]]]:
        """Every way to put requests one behind the other."""
        if not left:
            yield done
            return
        first, *rest = left
        for index, chain in enumerate(done):
            for at in range(len(chain) + 1):
                yield from self.chains([*done[:index], [*chain[:at], first, *chain[at:]], *done[index + 1 :]], rest)
        yield from self.chains([*done, [first]], rest)

    # ------------------------------------------------------------ cost

    def model(self, step: Step) -> str:
        """The model of a step."""
        return step.model or self.workflow.model or ""

    def tools(self, group: list[Step], web: str) -> tuple[dict[str, str], bool, Fraction] | None:
        """Tools by family, whether code is free, and their tokens; None where the group cannot go out so."""
        rows = {row.type: row for row in self.book.catalog.tools}
        tools: dict[str, str] = {}
        for type_ in sorted(type_ for step in group for type_ in step.tools):
            tools[rows[type_].family] = type_
        if web != "declared" and (
            "code_execution" not in tools or any(rows[each].frees_code for each in tools.values())
        ):
            return None
        added = {} if web == "declared" else self.freeing(group, tools, web)
        if added is None:
            return None
        priors = self.book.catalog.priors
        raised = [family for family in added if family in tools]
        size = sum((Fraction(priors.tool_tokens[tools[family]].likely) for family in raised), Fraction(0))
        size += len(raised) * Fraction(priors.upgrade_tokens.likely)
        tools |= added
        if "code_execution" in tools:
            code = self.code(group, tools)
            if code is None:
                return None
            tools["code_execution"] = code
        size += sum(
            Fraction(priors.tool_tokens[type_].likely) for family, type_ in tools.items() if family not in raised
        )
        return tools, any(rows[type_].frees_code for type_ in tools.values()), size

    def freeing(self, group: list[Step], tools: dict[str, str], web: str) -> dict[str, str] | None:
        """The web tools that would make code free, by family; None where there are none."""
        catalog, model = self.book.catalog, self.model(group[0])
        if web == "inert":
            template = next(each for each in catalog.templates if each.name == "inert_web_fetch")
            return None if "web_fetch" in tools else {"web_fetch": template.type}
        newer = {
            family: [
                row.type
                for row in catalog.tools
                if row.family == family and row.frees_code and catalog.takes(model, row.type)
            ]
            for family in ("web_search", "web_fetch")
            if family in tools
        }
        return {family: min(types) for family, types in newer.items() if types} or None

    def code(self, group: list[Step], tools: dict[str, str]) -> str | None:
        """The nearest code execution, not older, that may stand beside the web tools."""
        catalog = self.book.catalog
        rows = {row.type: row for row in catalog.tools}
        least = max((rows[type_].min_code_with or "" for type_ in tools.values()), default="")
        declared = rows[tools["code_execution"]]
        fitting = [
            row.type
            for row in catalog.tools
            if (row.family, row.blocks) == ("code_execution", declared.blocks)
            and row.type >= max(least, declared.type)
            and catalog.takes(self.model(group[0]), row.type)
        ]
        return min(fitting, default=None)

    def cost(self, requests: list[tuple[list[Step], bool, str]], chains: list[list[int]]) -> Fraction | None:
        """Dollars of one repetition; None for a plan that cannot be, is late, or loses files."""
        spans = self.times(requests, chains, batch=time(self.workflow.assume.batch_likely) or Fraction(0))
        late = self.times(requests, chains, batch=time(self.workflow.assume.batch_most) or Fraction(0))
        if spans is None or late is None or self.breaks(requests, chains, spans, late):
            return None
        total = Fraction(0)
        shared: dict[tuple[Any, ...], list[tuple[Fraction, Fraction, Fraction, dict[str, Fraction]]]] = {}
        for place, (group, batch, web) in enumerate(requests):
            tools = self.tools(group, web)
            assert tools is not None
            prefix, own, grown, rounds = self.prompt(group, tools[2])
            rates = self.rates(group, batch, rounds * (prefix + own) + grown)
            least = next(row for row in [self.book.catalog.model(self.model(group[0]))] if row).min_cache_prefix
            kept = rates["cache_write_5m"] + (rounds - 1) * rates["cache_read"]
            plain = rounds * rates["input"]
            total += own * (min(kept, plain) if prefix + own >= least else plain) + grown * rates["input"]
            output = sum((number(step.output) for step in group), Fraction(0))
            if web == "inert":
                priors = self.book.catalog.priors
                output += Fraction(priors.futile_call_probability.likely) * Fraction(priors.futile_call_tokens.likely)
            total += output * rates["output"]
            searched = next(row for row in self.book.prices.tools if row.component == "web_search").pico_per_use or 0
            total += sum((number(step.searches) for step in group), Fraction(0)) * searched * PICO
            context = group[0].context
            if context is None or prefix < least:
                total += prefix * plain
            elif batch:
                total += prefix * min(plain, kept)
            else:
                key = (self.model(group[0]), tuple(sorted(tools[0].values())), context)
                shared.setdefault(key, []).append((spans[place][0], prefix, rounds, rates))
        for uses in shared.values():
            total += min(self.cached(sorted(uses, key=lambda use: use[0]), life) for life in (0, 300, 3_600))
        return total + self.hours(requests, chains, spans)

    def prompt(self, group: list[Step], sizes: Fraction) -> tuple[Fraction, Fraction, Fraction, Fraction]:
        """Prefix, own prompt, tokens grown behind them over all rounds, and rounds."""
        names = {step.name for step in group}
        handing = {name for step in group for name in (*step.after, *step.files_from)} - names
        prefix = sizes
        if group[0].context is not None:
            prefix += number(self.workflow.contexts[group[0].context].tokens)
        own = sum((number(step.prompt) for step in group), Fraction(0))
        own += sum((number(self.steps[name].hands_on) for name in handing), Fraction(0))
        grown, depth, rounds = Fraction(0), Fraction(0), Fraction(1)
        for place, step in enumerate(group):
            further, growth = number(step.iterations) - 1, number(step.growth)
            grown += further * depth + growth * further * (further + 1) / 2
            depth += growth * further
            if place < len(group) - 1:
                depth += number(step.hands_on)
            rounds += further
        return prefix, own, grown, rounds

    def rates(self, group: list[Step], batch: bool, prompts: Fraction) -> dict[str, Fraction]:  # noqa: FBT001 - one of two
        """Dollars a token by class; tiers go by the sum of all prompts, as the shipped setting says."""
        row = self.book.prices.lookup(self.model(group[0]), self.at)
        assert row is not None
        rates = row.over.rates if row.over is not None and prompts > row.over.prompt_tokens else row.rates
        factor = row.multipliers.batch if batch else Fraction(1)
        assert factor is not None
        kinds = ("input", "cache_write_5m", "cache_write_1h", "cache_read", "output")
        return {kind: getattr(rates, kind) * factor * PICO for kind in kinds}

    def cached(self, uses: list[tuple[Fraction, Fraction, Fraction, dict[str, Fraction]]], life: int) -> Fraction:
        """Dollars of the prefixes in one cache of so many seconds, 0 for none."""
        if life == 0:
            return sum((prefix * rounds * rates["input"] for _, prefix, rounds, rates in uses), Fraction(0))
        first = Fraction(self.workflow.assume.iteration_seconds)
        begins = [use[0] for use in uses]
        earlier = [begins[-1] - Fraction(86_400, self.workflow.repetitions)]
        total = Fraction(0)
        for place, (begin, prefix, rounds, rates) in enumerate(uses):
            ages = [begin - at for at in (*earlier, *begins[:place])]
            warm = any(first <= age <= life for age in ages)
            fresh = rates["cache_read"] if warm else rates["cache_write_5m" if life == 300 else "cache_write_1h"]
            total += prefix * (fresh + (rounds - 1) * rates["cache_read"])
        return total

    def hours(
        self,
        requests: list[tuple[list[Step], bool, str]],
        chains: list[list[int]],
        spans: list[tuple[Fraction, Fraction]],
    ) -> Fraction:
        """Dollars of container time, beyond the free hours of the month."""
        row = next(row for row in self.book.prices.tools if row.component == "code_execution")
        minimum, billed = Fraction(row.minimum_ms, 1_000), Fraction(0)
        inside = {place for chain in chains for place in chain}
        for chain in (*chains, *([place] for place in range(len(requests)) if place not in inside)):
            used: list[Fraction] = []
            for index, place in enumerate(chain):
                if index and spans[place][0] - spans[chain[index - 1]][1] >= 300:
                    billed += max(sum(used), minimum) if used else 0
                    used = []
                group, _, web = requests[place]
                tools = self.tools(group, web)
                ran = sum((number(step.code_seconds) for step in group), Fraction(0))
                if tools is not None and not tools[1] and (ran or any(step.files for step in group)):
                    used.append(ran)
            billed += max(sum(used), minimum) if used else 0
        month = self.workflow.repetitions * self.workflow.days
        beyond = max(billed * month / 3_600 - self.free_hours, Fraction(0))
        return beyond * (row.pico_per_hour or 0) * PICO / month

    def times(
        self, requests: list[tuple[list[Step], bool, str]], chains: list[list[int]], batch: Fraction
    ) -> list[tuple[Fraction, Fraction]] | None:
        """When requests begin and end; None where they wait for each other."""
        assume = self.workflow.assume
        home = {step.name: place for place, (group, _, _) in enumerate(requests) for step in group}
        waits = {
            place: {home[name] for step in group for name in (*step.after, *step.files_from)} - {place}
            for place, (group, _, _) in enumerate(requests)
        }
        warm = set()
        for chain in chains:
            for one, other in pairwise(chain):
                waits[other].add(one)
                warm.add(other)
        spans: dict[int, tuple[Fraction, Fraction]] = {}
        while len(spans) < len(requests):
            ready = [place for place in waits if place not in spans and waits[place] <= set(spans)]
            if not ready:
                return None
            for place in ready:
                group, batched, _ = requests[place]
                begin = max((spans[each][1] for each in waits[place]), default=Fraction(0))
                rounds = 1 + sum((number(step.iterations) - 1 for step in group), Fraction(0))
                lasts = rounds * Fraction(assume.iteration_seconds)
                for step in group:
                    lasts += number(step.output) / Fraction(assume.output_tokens_per_second)
                    lasts += number(step.searches) * Fraction(assume.search_seconds) + number(step.code_seconds)
                if place not in warm and any(
                    number(step.code_seconds) or step.files or step.files_from for step in group
                ):
                    lasts += Fraction(assume.container_start_seconds)
                spans[place] = begin, begin + (batch if batched else lasts)
        return [spans[place] for place in range(len(requests))]

    def breaks(
        self,
        requests: list[tuple[list[Step], bool, str]],
        chains: list[list[int]],
        spans: list[tuple[Fraction, Fraction]],
        late: list[tuple[Fraction, Fraction]],
    ) -> bool:
        """Whether a deadline may be missed, or files are not there."""
        home = {step.name: place for place, (group, _, _) in enumerate(requests) for step in group}
        for step in self.workflow.steps:
            limits = [each for each in (time(step.deadline), time(self.workflow.deadline)) if each is not None]
            if any(late[home[step.name]][1] > each for each in limits):
                return True
            for name in step.files_from:
                one, other = home[name], home[step.name]
                chain = next((each for each in chains if one in each and other in each), None)
                if one == other:
                    continue
                if chain is None or chain.index(one) > chain.index(other):
                    return True
                way = chain[chain.index(one) : chain.index(other) + 1]
                if any(spans[b][0] - spans[a][1] >= 300 for a, b in pairwise(way)):
                    return True
        return False
