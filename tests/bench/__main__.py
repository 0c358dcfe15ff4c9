"""`python -m tests.bench [--quick]`: the planner against direct and nginx, in one run, interleaved, medians of rounds.

Only ratios within one run mean something; a busy machine moves all figures of a run together.
"""

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import msgspec
import uvloop
from rich.console import Console
from rich.table import Table

from tests.bench.candidates import Candidate, cores, nginx, on_core, planner, upstream
from tests.bench.load import closed_loop, open_loop
from tests.bench.workloads import WORKLOADS, Workload

CONNECTIONS = 32
RATE = 300


class Effort(msgspec.Struct, frozen=True):
    """How long to measure: rounds of every workload and candidate in turn, each so many seconds."""

    rounds: int
    seconds: float


FULL, QUICK = Effort(7, 2.0), Effort(3, 0.5)


class Sample(msgspec.Struct, frozen=True):
    """One measurement: requests per second, and CPU microseconds per request of what was measured."""

    per_second: float
    cpu_us: float | None


class Latency(msgspec.Struct, frozen=True):
    """Milliseconds at a fixed rate."""

    p50: float
    p99: float


Samples = dict[tuple[str, str], list[Sample]]
Latencies = dict[str, list[Latency]]


class WrongAnswerError(Exception):
    """A candidate answered wrongly, so its figures mean nothing."""


async def measure(candidate: Candidate, workload: Workload, seconds: float) -> Sample:
    """One candidate under one workload. Raises WrongAnswerError."""
    before = candidate.cpu_seconds()
    got = await closed_loop(candidate.port, workload.request, connections=CONNECTIONS, seconds=seconds)
    after = candidate.cpu_seconds()
    unedited = candidate.name == "planner" and workload.edited and got.edited < got.answered
    if got.wrong or not got.answered or unedited:
        raise WrongAnswerError(f"{candidate.name}, {workload.name}: {got}")
    cpu = None if before is None or after is None else (after - before) / got.answered * 1e6
    return Sample(got.answered / got.seconds, cpu)


async def fixed_rate(candidate: Candidate, seconds: float) -> Latency:
    """Latency of the small workload at a fixed rate."""
    took = await open_loop(candidate.port, WORKLOADS[0].request, per_second=RATE, seconds=seconds)
    return Latency(took[len(took) // 2] * 1e3, took[len(took) * 99 // 100] * 1e3)


async def run(effort: Effort) -> tuple[Samples, Latencies]:
    """All rounds."""
    measured, other = cores()
    samples: Samples = defaultdict(list)
    latencies: Latencies = defaultdict(list)
    async with AsyncExitStack() as stack:
        stack.enter_context(on_core(other))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = await stack.enter_async_context(upstream(other))
        found = [
            Candidate("direct", port),
            await stack.enter_async_context(nginx(folder, port, measured)),
            await stack.enter_async_context(planner(folder, port, measured)),
        ]
        candidates = [candidate for candidate in found if candidate is not None]
        await warm(candidates)
        for _ in range(effort.rounds):
            for workload in WORKLOADS:
                for candidate in candidates:
                    samples[workload.name, candidate.name].append(await measure(candidate, workload, effort.seconds))
            for candidate in candidates:
                latencies[candidate.name].append(await fixed_rate(candidate, effort.seconds))
    return samples, latencies


async def warm(candidates: Sequence[Candidate]) -> None:
    """One short run of each, which also teaches the planner who is asking."""
    for candidate in candidates:
        for workload in WORKLOADS:
            await closed_loop(candidate.port, workload.request, connections=CONNECTIONS, seconds=0.2)


def throughput_table(samples: Samples) -> Table:
    """Medians, and what they are of nginx's."""
    table = Table("workload", "candidate", title="closed loop, 32 connections, one core for what is measured")
    for column in ("req/s", "of nginx's", "CPU µs/req", "of nginx's"):
        table.add_column(column, justify="right")
    for (workload, name), found in samples.items():
        speed, cpu = median(each.per_second for each in found), _cpu(found)
        base = samples.get((workload, "nginx"))
        share = "" if base is None else f"{speed / median(each.per_second for each in base):.3f}"
        base_cpu = None if base is None else _cpu(base)
        times = f"{cpu / base_cpu:.1f}" if cpu is not None and base_cpu else ""
        table.add_row(workload, name, f"{speed:,.0f}", share, "" if cpu is None else f"{cpu:.0f}", times)
    return table


def latency_table(latencies: Latencies) -> Table:
    """Medians of the percentiles, and what a candidate adds to the direct way."""
    table = Table("candidate", title=f"open loop, {RATE} small requests a second, from the time each was due")
    for column in ("p50 ms", "p99 ms", "added p50", "added p99"):
        table.add_column(column, justify="right")
    direct = latencies["direct"]
    for name, found in latencies.items():
        p50, p99 = median(each.p50 for each in found), median(each.p99 for each in found)
        more = p50 - median(each.p50 for each in direct), p99 - median(each.p99 for each in direct)
        table.add_row(name, f"{p50:.3f}", f"{p99:.3f}", *("" if name == "direct" else f"{each:.3f}" for each in more))
    return table


def _cpu(found: Sequence[Sample]) -> float | None:
    known = [each.cpu_us for each in found if each.cpu_us is not None]
    return median(known) if known else None


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under half a minute, for a first look")
    effort = QUICK if parser.parse_args().quick else FULL
    samples, latencies = uvloop.run(run(effort))
    console = Console(width=110)
    console.print(throughput_table(samples))
    console.print(latency_table(latencies))
    console.print(f"medians of {effort.rounds} interleaved rounds of {effort.seconds} s")
    if "nginx" not in latencies:
        console.print("nginx is not there, so there is nothing to compare with. Get it: apt-get install nginx-light")


if __name__ == "__main__":
    main()
