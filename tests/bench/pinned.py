"""`python -m tests.bench.pinned CPU PROGRAM …` becomes a program that keeps to one core, where the system has that."""

import os
import sys

if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {int(sys.argv[1])})
    os.execv(sys.argv[2], sys.argv[2:])  # noqa: S606 - a shell has no place between the benchmark and what it measures
