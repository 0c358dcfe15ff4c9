"""`python -m tests.bench.replay [--lines N]`: how long a trace takes to be read, billed as it came, and planned.

The three are measured in turn on the same lines in one run; only their ratio means something on a busy machine. What
the project wants is 100,000 lines in a minute, all three together.
"""

import argparse
import time
from collections.abc import Callable

import msgspec

from planner.core.replay.player import Player, called
from planner.core.replay.staging import stage
from planner.core.replay.trace import TraceLine, read_trace
from planner.rulesource import load_rules
from tests.bench.regret.workloads import WORKLOADS, trace

LINES = 100_000


def seconds(work: Callable[[], object]) -> float:
    """Processor seconds of one piece of work."""
    started = time.process_time()
    work()
    return time.process_time() - started


def main() -> None:
    """Measure it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.replay", description=__doc__)
    parser.add_argument("--lines", type=int, default=LINES)
    wanted = parser.parse_args().lines
    workload = msgspec.structs.replace(WORKLOADS[-1], requests=wanted)
    book = load_rules(None, workload.settings).required()
    raw = trace(workload)
    lines: list[TraceLine] = []

    def read() -> None:
        lines.extend(line for line in read_trace(raw) if isinstance(line, TraceLine))

    def bill() -> None:
        world = stage(book)
        for line in lines:
            world.call(called(line, None))

    def plan() -> None:
        player = Player(book, stage(book))
        for line in lines:
            player.play(line)

    parts = {name: seconds(work) for name, work in (("read", read), ("bill as it came", bill), ("plan and bill", plan))}
    whole = sum(parts.values())
    for name, spent in parts.items():
        print(
            f"{name:<16} {spent:8.2f} s  {1e6 * spent / len(lines):7.1f} µs a line  {spent / parts['read']:6.1f} x read"
        )
    print(f"{'together':<16} {whole:8.2f} s  of processor time for {len(lines):,} lines; wanted: 60 s for 100,000")


if __name__ == "__main__":
    main()
