"""`python -m tests.bench.policies`: what 200 policies, 30 of them with an expression, add to the plan of one request.

The same request is planned in turn under no policies, under the shipped ones, and under 200 more in front of them, of
which none decides. Either they are parted by team, as rule files are, so that the index leaves one of them; or all of
them match, so that each is looked at and cut by its roll-out, and all 30 expressions are asked: the worst there is.
Wanted: less than 150 µs more at the median.
"""

import argparse
import statistics
import time
from typing import Final

from planner.core.plan import make_plan
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Match, Policy, Portion, Range, Then
from tests.doubles.deciding import CLIENT_TOOL, CODE, ask, book, cached, facts

POLICIES, EVERY, ASKED = 200, 20, 3
"""Three of every twenty have an expression: 30 of 200."""
WANTED: Final = 150.0
ROUNDS: Final = 3_000

REQUEST = ask(tools=[CLIENT_TOOL] * 12 + [CODE], system=cached(), stream=True)
FACTS = facts(REQUEST, team="team-40", project="month-end", tags={"feature": "reports"})


def crowded(*, parted: bool) -> RuleBook:
    """The shipped policies behind 200 others."""
    rows = tuple(
        Policy(
            name=f"policy-{number}",
            why="To be measured.",
            mode="enforce",
            match=Match(
                team=(f"team-{number}", f"crew-{number}-*") if parted else ("team-*",),
                model=("claude-*",),
                tags={"feature": ("rep*",)},
                prompt_tokens=Range(below=1_000_000),
            ),
            when=f"tools_count > {number + 50} && profile_cached_share > 0.5" if number % EVERY < ASKED else None,
            then=Then(container="never"),
            rollout=Portion(1e-9),
        )
        for number in range(POLICIES)
    )
    assert sum(each.when is not None for each in rows) == POLICIES // EVERY * ASKED
    return book(policies=(*rows, *book().policies))


def microseconds(rules: RuleBook) -> float:
    """How long one plan takes."""
    started = time.perf_counter_ns()
    make_plan(REQUEST, FACTS, rules)
    return (time.perf_counter_ns() - started) / 1_000


def main() -> None:
    """Measure it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.policies", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    books = {
        "no policies": book(policies=()),
        "shipped": book(),
        "200 more, by team": crowded(parted=True),
        "200 more, all match": crowded(parted=False),
    }
    seen: dict[str, list[float]] = {name: [] for name in books}
    for _ in range(rounds):
        for name, rules in books.items():
            seen[name].append(microseconds(rules))
    middle = {name: statistics.median(each) for name, each in seen.items()}
    print(f"{'':<22} {'p50 µs':>8} {'x none':>8} {'added to shipped, µs':>22}")
    for name, found in middle.items():
        added = f"{found - middle['shipped']:.1f}" if name.startswith("200") else ""
        print(f"{name:<22} {found:8.1f} {found / middle['no policies']:8.2f} {added:>22}")
    print(f"wanted: less than {WANTED:g} µs added")


if __name__ == "__main__":
    main()
