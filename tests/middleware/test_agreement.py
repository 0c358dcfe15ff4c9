"""The same agents once through the proxy and once with the planner inside: the same decisions, lines and answers."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.rulesource import load_rules
from tests.clients.talks import TALKS, Talk, programmatic, streamed, whole
from tests.doubles.inside import KEY, Hasty, inside, rules_in
from tests.doubles.proxy import run
from tests.doubles.simulated import assert_reconciled, simulated


def without(value: Any, *addresses: str) -> Any:
    """What came of a talk, or was written of it, without what differs from run to run."""
    text = msgspec.json.encode(value)
    for address in addresses:
        text = text.replace(address.encode(), b"http://api")
    return msgspec.json.decode(text)


def told(entries: list[Entry]) -> list[Any]:
    """The ledger in the order of its requests, without ids and durations, which are each run's own."""
    found = []
    for entry in entries:
        plain = msgspec.json.decode(msgspec.json.encode(entry))
        for name in ("request_id", "latency"):
            del plain[name]
        found.append(plain)
    return sorted(found, key=lambda each: (each["at"], each["upstream_request_id"] or ""))


async def by_proxy(directory: Path, talk: Talk, rules: Path | None) -> tuple[Any, list[Entry]]:
    """A talk through the proxy, and its ledger."""
    async with (
        simulated(directory, book=load_rules(rules).required(), decide_timeout=5.0) as planner,
        Hasty(base_url=planner.address, api_key=KEY, max_retries=0) as client,
    ):
        got = await talk(client, planner.advance)
        return without(got, planner.address), await planner.entries(len(planner.simulator.heard))


async def by_middleware(directory: Path, talk: Talk, rules: Path | None) -> tuple[Any, list[Entry]]:
    """The same with the planner in the client, whose ledger agrees with the bill."""
    async with inside(directory, rules=rules) as here, here.client() as client:
        got = await talk(client, here.advance)
        assert here.failures() == {}
        entries = await here.entries()
        assert len(entries) == len(here.simulator.heard)
        assert_reconciled(entries, here.simulator)
        return without(got, here.url), entries


@pytest.mark.parametrize(
    ("talk", "policies"),
    [*((talk, "shipped") for talk in TALKS), *((talk, "bundled") for talk in (whole, streamed, programmatic))],
    ids=lambda each: each if isinstance(each, str) else each.__name__,
)
def test_the_ledger_is_the_proxys(tmp_path: Path, talk: Talk, policies: str) -> None:
    """To the line, digests included, and so is what the caller gets."""
    rules = rules_in(tmp_path) if policies == "bundled" else None
    for ledger in ("proxy", "inside"):
        (tmp_path / ledger).mkdir()

    async def scenario() -> None:
        got, expected = await by_proxy(tmp_path / "proxy", talk, rules)
        ours, entries = await by_middleware(tmp_path / "inside", talk, rules)
        assert ours == got
        assert told(entries) == told(expected)

    run(scenario(), longest=40)
