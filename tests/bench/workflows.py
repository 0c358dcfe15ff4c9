"""`python -m tests.bench.workflows`: how long workflows of many steps take to plan, how far from a bound plans are.

Each shape of `shapes` at 20, 50, 100 and 200 steps, planned as `planner plan` does, intervals and all. Times are of the
process, so that others on the machine disturb them little; costs and distances are the same on every run. The second
table is of the recipes in docs/workflows, which are searched whole: there the distance is the bound's alone.
"""

import argparse
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple

from planner.cli import workflow
from planner.core.rulebook.book import RuleBook
from planner.core.workflow.planned import PICO_PER_NANO, plan_workflow
from planner.core.workflow.problem import Problem
from planner.core.workflow.steps import Workflow
from planner.rulesource import load_rules
from tests.bench.shapes import SHAPES, shaped

AT: Final = datetime(2026, 11, 25, 12, tzinfo=UTC)
COUNTS: Final = (20, 50, 100, 200)
RECIPES: Final = Path(__file__).parent.parent.parent / "docs" / "workflows"
WANTED: Final = 10.0
"""Seconds that 200 steps may take."""


class Measured(NamedTuple):
    """One workflow: seconds, plans that were reckoned, dollars as it is and planned, and the share above the bound."""

    name: str
    seconds: float
    looked: int
    before: float
    cost: float
    distance: float


def measure(name: str, planned: Workflow, book: RuleBook) -> Measured:
    """Plan one workflow, in a month without free hours."""
    started = time.process_time()
    found = plan_workflow(Problem(planned, book, AT, 0.0))
    took = time.process_time() - started
    total = found.chosen.outcome.total / PICO_PER_NANO
    above = max(total - found.least, 0.0) / total
    return Measured(name, took, found.looked, found.untouched.outcome.total / 1e12, total / 1e9, above)


def shapes(counts: Iterable[int], book: RuleBook) -> Iterator[Measured]:
    """Every shape at every count."""
    for count in counts:
        for shape in SHAPES:
            yield measure(f"{shape}, {count} steps", shaped(shape, count), book)


def recipes(book: RuleBook) -> Iterator[Measured]:
    """The recipes of docs/workflows."""
    for path in sorted(RECIPES.glob("*.yaml")):
        yield measure(path.stem, workflow.read(path, book), book)


def table(rows: Iterable[Measured]) -> Iterator[str]:
    """A row each."""
    yield "| workflow | seconds | plans reckoned | as it is, $ | planned, $ | distance |"
    yield "|---|---:|---:|---:|---:|---:|"
    for row in rows:
        yield (
            f"| {row.name} | {row.seconds:.2f} | {row.looked:,} | {row.before:.4f} | {row.cost:.4f} "
            f"| {row.distance:.1%} |"
        )


def main() -> None:
    """Measure it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.workflows", description=__doc__)
    parser.add_argument("--steps", type=int, nargs="*", default=COUNTS)
    counts = parser.parse_args().steps
    book = load_rules(None).required()
    for rows in (shapes(counts, book), recipes(book)):
        for line in table(rows):
            print(line, flush=True)
        print()
    print(f"wanted: 200 steps in less than {WANTED:g} seconds")


if __name__ == "__main__":
    main()
