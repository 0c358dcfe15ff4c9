"""Code time that nothing tells: seen in a stream it is what the bill has, beyond the minimum and to the nano-dollar."""

import asyncio
from pathlib import Path

import aiohttp

from planner.clock import VirtualClock
from planner.core.ledger.entry import Entry
from tests.agreement.mix import HEADERS, NEW_CODE, SONNET
from tests.doubles.proxy import run
from tests.doubles.simulated import START, planning, rules, simulating

LONG = """
scenarios:
  - name: long-runs
    match: {marker: "[hours]"}
    after: repeat
    turns:
      - steps:
          - say: Now.
          - code: {python: "pass", seconds: 401.5}
          - slow: {seconds: 60, pings: 3}
          - code: {python: "pass", seconds: 300.25}
          - say: Done.
"""
BILLED_NANO = 9_746_528
"""701.75 seconds at $0.05 an hour."""
OF_BOTH = {"free_hours.limit": 0}


class Patient(VirtualClock):
    """A clock whose sleepers let what was sent arrive first: both ends of every connection live on this loop."""

    async def sleep(self, seconds: float) -> None:
        """Turn the loop until nothing is under way, then be that much later."""
        for _ in range(100):
            await asyncio.sleep(0)
        self.advance(seconds)


def asked(directory: Path, *, stream: bool) -> tuple[Entry, int]:
    """The entry of a request whose code runs long, and what the bill has for its time."""
    found: list[tuple[Entry, int]] = []

    async def main() -> None:
        behind = simulating(Patient(START), settings=OF_BOTH, scenarios=(LONG,), time_factor=1.0)
        book = rules(None, {name: str(value) for name, value in OF_BOTH.items()})
        async with (
            behind as (simulator, url),
            planning(directory, simulator, url, book=book) as planner,
            aiohttp.ClientSession() as http,
        ):
            body = {"model": SONNET, "max_tokens": 4096, "tools": [NEW_CODE], "stream": stream}
            said = {"messages": [{"role": "user", "content": "[hours]"}]}
            async with http.post(f"{planner.address}/v1/messages", json=body | said, headers=HEADERS) as got:
                await got.read()
            (entry,) = await planner.entries(1)
            lines = [line for charge in planner.simulator.bill.charges for line in charge.lines]
            found.append((entry, sum(line.nano or 0 for line in lines if line.kind == "code_execution")))

    run(main())
    return found[0]


def of_code(entry: Entry) -> int:
    """What the ledger has for container time."""
    return sum(line.nano for line in entry.lines if line.kind == "code_execution")


def test_a_stream_is_measured(tmp_path: Path) -> None:
    """Two runs with a silence in between, which is no code."""
    entry, bill = asked(tmp_path, stream=True)
    assert entry.code is not None
    assert (entry.code.runs, entry.code.seconds.likely) == (2, 701.75)
    assert entry.code.seconds.high >= 761.75
    assert of_code(entry) == bill == BILLED_NANO


def test_a_whole_response_is_believed_and_bounded(tmp_path: Path) -> None:
    """It tells no time, so the ledger has the minimum and says within what bounds the truth lies."""
    entry, bill = asked(tmp_path, stream=False)
    assert entry.code is not None
    assert entry.code.seconds.low <= 701.75 <= entry.code.seconds.high
    assert of_code(entry) < bill
    assert {line.basis for line in entry.lines if line.kind == "code_execution"} == {"estimated"}
