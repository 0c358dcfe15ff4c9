"""`python -m tests.bench.regret [--quick] [--markdown FILE]`: what deciding costs against the best in hindsight.

Every workload is played by the planner, by both naive habits, by the cheapest assignment of the two to prefixes, and by
a clairvoyant; then again in worlds that differ from what the planner believes. Nothing here is timed.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from planner.core.replay.nature import Nature
from planner.core.replay.staging import nature_of
from planner.core.replay.trace import TraceLine, read_trace
from planner.rulesource import load_rules
from tests.bench.regret.habits import Cost, Hindsight, acting, play
from tests.bench.regret.workloads import WORKLOADS, Workload, trace

BEGIN, END = "<!-- regret -->", "<!-- /regret -->"
WARM_BAR, WHOLE_BAR, SUM_BAR = 1.03, 1.10, 1.01


class Variant(msgspec.Struct, frozen=True):
    """A world that differs from belief; `drift` makes agents change their habits."""

    name: str
    alter: Callable[[Nature], Nature]
    drift: bool = False


VARIANTS = (
    Variant("as believed", lambda nature: nature),
    Variant("tool tokens - 50 %", lambda nature: msgspec.structs.replace(nature, tool_tokens_scale=0.5)),
    Variant("tool tokens + 50 %", lambda nature: msgspec.structs.replace(nature, tool_tokens_scale=1.5)),
    Variant("minimum a request", lambda nature: msgspec.structs.replace(nature, code_minimum_per="request")),
    Variant("drifting P(code)", lambda nature: nature, drift=True),
)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One workload in one world; `best` is B by the whole trace, `best_warm` by its warm part."""

    workload: str
    planner: Cost
    always: Cost
    never: Cost
    best: Cost
    best_warm: Cost
    clairvoyant: Cost

    @property
    def whole(self) -> float:
        """The planner against B on the whole trace."""
        return self.planner.whole / self.best.whole

    @property
    def warm(self) -> float:
        """The planner against B behind the first twentieth."""
        return self.planner.warm / self.best_warm.warm

    @property
    def holds(self) -> bool:
        """Whether both are within their bars."""
        return self.whole <= WHOLE_BAR and self.warm <= WARM_BAR


def examine(workload: Workload, variant: Variant, *, seed: int = 1) -> Result:
    """Play one workload in one world, in every way."""
    book = load_rules(None, workload.settings).required()
    nature = variant.alter(nature_of(book))
    lines = [
        line for line in read_trace(trace(workload, seed=seed, drift=variant.drift)) if isinstance(line, TraceLine)
    ]
    always, never = (play(lines, acting(book, act), nature) for act in ("always", "never"))
    hindsight = Hindsight(lines, book, nature, always, never)
    choice, best = hindsight.by_prefix(lambda each: each.whole)
    _, best_warm = hindsight.by_prefix(lambda each: each.warm)
    return Result(
        workload=workload.name,
        planner=play(lines, book, nature).cost,
        always=always.cost,
        never=never.cost,
        best=best,
        best_warm=best_warm,
        clairvoyant=hindsight.clairvoyant(choice),
    )


def summed(results: Sequence[Result]) -> tuple[float, bool]:
    """The planner's sum against the better habit's, and whether it is below both."""
    mine, always, never = (
        sum(getattr(each, name).whole for each in results) for name in ("planner", "always", "never")
    )
    return mine / min(always, never), mine < min(always, never)


def rows(results: Sequence[Result]) -> Iterator[tuple[str, ...]]:
    """The table of one world."""
    for each in results:
        costs = (each.always, each.never, each.best, each.clairvoyant, each.planner)
        dollars = (f"{one.whole / 1e9:.3f}" for one in costs)
        yield (each.workload, *dollars, f"{each.warm:.4f}", f"{each.whole:.4f}", "" if each.holds else "no")


HEAD = ("workload", "always", "never", "B", "clairvoyant", "planner", "warm", "whole", "holds")


def write(path: Path, tables: str) -> None:
    """Put tables into a page between its two marks, or make a file of them where there is no such page."""
    page = path.read_text(encoding="utf-8") if path.exists() else ""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    marked = f"{before}{begin}\n\n{tables}\n{end}{after}" if end else tables
    path.write_text(marked, encoding="utf-8")


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.regret", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="the world as believed alone")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="workloads whose name holds this")
    parser.add_argument(
        "--markdown", type=Path, help="write the tables into a file as well, or into a page between its marks"
    )
    chosen = parser.parse_args()
    console = Console()
    written = []
    for variant in VARIANTS[:1] if chosen.quick else VARIANTS:
        results = [examine(each, variant, seed=chosen.seed) for each in WORKLOADS if chosen.only in each.name]
        table = Table(*HEAD, title=variant.name)
        for row in rows(results):
            table.add_row(*row)
        console.print(table)
        ratio, below = summed(results)
        said = f"Summed over all, the planner costs {ratio:.4f} of the better habit{', below both' if below else ''}."
        console.print(said)
        written += [f"### {variant.name.capitalize()}", "", "| " + " | ".join(HEAD[:-1]) + " |"]
        written += ["|---|" + "---:|" * (len(HEAD) - 2)]
        written += ["| " + " | ".join(row[:-1]) + " |" for row in rows(results)] + ["", said, ""]
    if chosen.markdown:
        write(chosen.markdown, "\n".join(written))


if __name__ == "__main__":
    main()
