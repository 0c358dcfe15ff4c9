"""Clients that are programs of their own: run against the API itself and through the planner, they print the same."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.doubles.simulated import Simulated, assert_reconciled, simulated, simulating


async def printed(command: Sequence[str], address: str, environment: Mapping[str, str]) -> str:
    """What a program prints when it talks to an address."""
    process = await asyncio.create_subprocess_exec(
        *command, address, env=dict(environment), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


def decoded(text: str, address: str) -> Any:
    """A printed result without the address that was asked, the only thing in it that differs from run to run."""
    return msgspec.json.decode(text.replace(address, "http://api"))


async def compared(
    directory: Path, command: Sequence[str], environment: Mapping[str, str]
) -> tuple[dict[str, Any], Simulated]:
    """Run a program both ways; what it got is the same, and the ledger has every charge."""
    async with simulating() as (_, url), simulated(directory) as planner:
        direct, ours = await asyncio.gather(*(printed(command, at, environment) for at in (url, planner.address)))
        expected, got = decoded(direct, url), decoded(ours, planner.address)
        for name, value in expected.items():
            assert got[name] == value, name
        entries = await planner.entries(len(planner.simulator.heard))
        assert len(entries) == len(planner.simulator.heard), "results of a batch too went through the planner"
        assert [entry.cost_nano for entry in entries if entry.endpoint == "batch_results"] > [0]
        assert_reconciled(entries, planner.simulator)
        return got, planner
