"""`python -m tests.bench.containers_worth`: what warm containers are worth on the end-to-end cases, by the bill.

Each case is held twice with the official SDK through the planner in front of the simulator, by a client that sends a
container back only where the API would refuse it otherwise: once with threading, once with `container: never`. Hours
cost from the first second on (`free_hours.limit=0`), nothing is bundled, and money is what the simulator bills. Time is
virtual: scripted seconds of code, and for a container that has to start so many as `--start` says. Those are assumed,
since nobody publishes them; nothing is counted for the work that an agent does again where its files are gone.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import uvloop

from planner.clock import VirtualClock
from planner.core.money import format_nano
from tests.doubles.simulated import Simulated, rules, simulated
from tests.endtoend.cases import CASES, PATIENT, UPSTREAM, Case, outputs, spoken
from tests.endtoend.client import Talk

START: Final = 2.0
"""Seconds until a container is there: an assumption."""
PAUSE: Final = 40.0
"""Seconds that a user takes between two messages."""
POLICY: Final = "policies: [{name: measured, why: W., mode: enforce, then: {bundle: {act: never}, container: %s}}]"


class Worth(msgspec.Struct, frozen=True):
    """What a conversation came to: requests, containers started, seconds billed of them, nano-dollars, and time."""

    requests: int
    starts: int
    billed: int
    code_nano: int
    nano: int
    waited: float


async def held(case: Case, *, threading: bool, start: float = START) -> Worth:
    """Hold a case's conversation, and see what it came to."""
    book = rules(
        {"policies/shipped.yaml": POLICY % ("conversation" if threading else "never")}, {"free_hours.limit": "0"}
    )
    api = UPSTREAM | {"time_factor": 1.0, "container_start": start, "settings": {"free_hours.limit": 0}}
    with tempfile.TemporaryDirectory() as folder:
        async with simulated(Path(folder), book=book, simulator=api, **PATIENT) as planner:
            return await _held(case, planner)


async def _held(case: Case, planner: Simulated) -> Worth:
    clock, bill = planner.clock, planner.simulator.bill
    assert isinstance(clock, VirtualClock)
    async with Talk(planner.address, "sk-ant-bench", clock, keeps="pending", **case.fields) as talk:
        await talk.client.models.list()
        began = clock.monotonic()
        for content in await spoken(talk, case):
            await talk.say(content)
            clock.advance(PAUSE)
        for name in outputs(talk):
            await talk.client.files.download(name)
    thought = len(talk.answers) + PAUSE * len(case.says)  # a second before each request, and what users took
    seconds = (line.quantity for charge in bill.charges for line in charge.lines if line.kind == "code_execution")
    return Worth(
        requests=len(talk.answers),
        starts=len(planner.simulator.state.containers),
        billed=round(sum(seconds)),
        code_nano=bill.totals["code_execution"],
        nano=bill.nano,
        waited=round(clock.monotonic() - began - thought, 3),
    )


async def measured(cases: Sequence[Case] = CASES, start: float = START) -> list[tuple[str, Worth, Worth]]:
    """Every case by its name, without and with threading."""
    return [
        (case.name, await held(case, threading=False, start=start), await held(case, threading=True, start=start))
        for case in cases
    ]


def table(found: Sequence[tuple[str, Worth, Worth]]) -> str:
    """The figures as a table in Markdown, without → with threading."""
    lines = [
        "| case | requests | containers started | container seconds billed | code execution | whole bill | waited |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    both = [*found, ("all", _sum([each[1] for each in found]), _sum([each[2] for each in found]))]
    for name, without, warm in both:
        pairs = [
            (f"{worth.starts}", f"{worth.billed:,}", _usd(worth.code_nano), _usd(worth.nano), f"{worth.waited:.1f} s")
            for worth in (without, warm)
        ]
        cells = [before if before == after else f"{before} → {after}" for before, after in zip(*pairs, strict=True)]
        lines.append(f"| {name} | {without.requests} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _sum(found: Sequence[Worth]) -> Worth:
    return Worth(*(sum(column) for column in zip(*map(msgspec.structs.astuple, found), strict=True)))


def _usd(nano: int) -> str:
    return f"${float(format_nano(nano)):.4f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.containers_worth", description=__doc__)
    parser.add_argument("--start", type=float, default=START, help="assumed seconds until a container is there")
    start = parser.parse_args().start
    print(table(uvloop.run(measured(start=start))))
    print(f"\nwithout → with threading; a container is assumed to take {start:g} s to start")


if __name__ == "__main__":
    main()
