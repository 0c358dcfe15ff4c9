"""What a trace costs under habits that decide nothing, and under the best that could have been decided in hindsight.

`always` and `never` bundle every conversation that may be bundled, or none. `B` is the cheapest assignment of the two
to prefixes, played jointly. The clairvoyant knows each conversation's future and chooses for each by itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from typing import Final

import msgspec

from planner.core.facts import Facts
from planner.core.plan import Plan, make_plan
from planner.core.replay.nature import Nature
from planner.core.replay.player import Played, Player
from planner.core.replay.staging import stage
from planner.core.replay.trace import TraceLine
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import BundleRule, Then

EXHAUSTIVE: Final = 10
"""Prefixes up to which every assignment is tried; beyond, each is changed in turn until no change helps."""


class Cost(msgspec.Struct, frozen=True):
    """Nano-dollars of a whole trace, and of all but its first twentieth."""

    whole: int
    warm: int


class Run(msgspec.Struct, frozen=True):
    """One play of a trace."""

    played: tuple[Played, ...]

    @property
    def cost(self) -> Cost:
        """What it cost."""
        return cost([bill(each) for each in self.played])


def bill(played: Played) -> int:
    """The true nano-dollars of one line."""
    return sum((played.response.bill or {}).values())


def cost(bills: Sequence[int]) -> Cost:
    """The cost of a trace by the bills of its lines."""
    return Cost(sum(bills), sum(bills[len(bills) // 20 :]))


def acting(book: RuleBook, act: str) -> RuleBook:
    """The rule book with another habit in the place of its bundle policy."""
    rule = msgspec.convert({"act": act}, BundleRule)
    policies = tuple(
        msgspec.structs.replace(policy, then=Then(bundle=rule)) if policy.name == "shipped-bundle" else policy
        for policy in book.policies
    )
    return replace(book, policies=policies)


def play(lines: Iterable[TraceLine], book: RuleBook, nature: Nature) -> Run:
    """The planner, or a habit, in a world."""
    player = Player(book, stage(book, nature))
    return Run(tuple(map(player.play, lines)))


class Assigned(Player):
    """Bundles the conversations that are chosen, wherever they may be bundled, and no other."""

    def __init__(self, book: RuleBook, nature: Nature, chosen: Callable[[TraceLine, str], bool]) -> None:
        super().__init__(book, stage(book, nature))
        self._chosen = chosen
        self._books = {True: acting(book, "always"), False: acting(book, "never")}

    def plan(self, line: TraceLine, facts: Facts) -> Plan:
        """Plan by what was chosen."""
        return make_plan(line.request, facts, self._books[self._chosen(line, facts.prefix)])


def assigned(
    lines: Iterable[TraceLine], book: RuleBook, nature: Nature, chosen: Callable[[TraceLine, str], bool]
) -> Run:
    """A play of what was chosen."""
    player = Assigned(book, nature, chosen)
    return Run(tuple(map(player.play, lines)))


class Hindsight:
    """The best assignments of a trace in a world, found with its future known.

    Lines of different prefixes meet only in the month's free hours, so the bills of any assignment follow from the two
    plays in which all or none are bundled, and from who uses the free hours first. That this is so is checked: the
    cheapest assignment is played, and must cost what was reckoned.
    """

    def __init__(self, lines: Sequence[TraceLine], book: RuleBook, nature: Nature, always: Run, never: Run) -> None:
        self._lines, self._book, self._nature = lines, book, nature
        self._sides = {True: always.played, False: never.played}
        self.prefixes = tuple(dict.fromkeys(played.prefix for played in never.played))

    def by_prefix(self, measure: Callable[[Cost], int]) -> tuple[dict[str, bool], Cost]:
        """The cheapest assignment to prefixes by a measure, played jointly."""
        best = self._exhaust(measure) if len(self.prefixes) <= EXHAUSTIVE else self._descend(measure)
        reckoned = self._reckon(best)
        run = assigned(self._lines, self._book, self._nature, lambda _, prefix: best[prefix])
        if run.cost != reckoned:
            raise ValueError(f"an assignment was reckoned at {reckoned} and cost {run.cost}")
        return best, reckoned

    def clairvoyant(self, by_prefix: dict[str, bool]) -> Cost:
        """Each conversation by its own future, where that is better than by its prefix."""
        sums: dict[tuple[str, str], list[int]] = {}
        for on, off in zip(self._sides[True], self._sides[False], strict=True):
            both = sums.setdefault((on.line.principal, on.line.conversation), [0, 0])
            both[0] += bill(on)
            both[1] += bill(off)

        def own(line: TraceLine, _: str) -> bool:
            on, off = sums[line.principal, line.conversation]
            return on < off

        found = [assigned(self._lines, self._book, self._nature, own).cost, self._reckon(by_prefix)]
        return min(found, key=lambda each: each.whole)

    def _exhaust(self, measure: Callable[[Cost], int]) -> dict[str, bool]:
        sides = product((False, True), repeat=len(self.prefixes))
        every = (dict(zip(self.prefixes, choice, strict=True)) for choice in sides)
        return min(every, key=lambda choice: measure(self._reckon(choice)))

    def _descend(self, measure: Callable[[Cost], int]) -> dict[str, bool]:
        best = min(
            (dict.fromkeys(self.prefixes, side) for side in (False, True)),
            key=lambda choice: measure(self._reckon(choice)),
        )
        better = True
        while better:
            better = False
            for prefix in self.prefixes:
                other = best | {prefix: not best[prefix]}
                if measure(self._reckon(other)) < measure(self._reckon(best)):
                    best, better = other, True
        return best

    def _reckon(self, choice: dict[str, bool]) -> Cost:
        """The cost of an assignment: tokens as they were in its play, hours as the free ones last."""
        world = stage(self._book, self._nature)
        bills = []
        for on, off in zip(self._sides[True], self._sides[False], strict=True):
            played = on if choice[on.prefix] else off
            lines = played.response.bill or {}
            money = sum(nano for kind, nano in lines.items() if kind != "code_execution")
            if played.response.billed_ms:
                money += world.hour_cost(played.line.organization, played.line.at, played.response.billed_ms)
            bills.append(money)
        return cost(bills)
