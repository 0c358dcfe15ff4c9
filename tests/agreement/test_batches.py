"""Batches through the official SDK: the ledger says what the bill says, however often the results are fetched."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anthropic
import pytest

from planner.core.ledger.entry import Entry
from tests.agreement.mix import BASIC_SEARCH, CODE, HAIKU, HEADERS, OLD_HAIKU, OPUS, SONNET
from tests.doubles.client import connected, request
from tests.doubles.proxy import run
from tests.doubles.simulated import Simulated, planning, rules, simulated, simulating

Work = Callable[[Simulated, anthropic.AsyncAnthropic], Awaitable[None]]
KEY = HEADERS["x-api-key"]


def asked(words: str, model: str = OPUS, **fields: Any) -> Any:
    """One request of a batch."""
    return {"model": model, "max_tokens": 4096, "messages": [{"role": "user", "content": words}]} | fields


REQUESTS: Any = {
    "plain": asked("Hello."),
    "other model": asked("Hello.", SONNET),
    "beyond a tier": asked("word " * 110_000, HAIKU),
    "searched": asked("[research]", SONNET, tools=[BASIC_SEARCH]),
    "ran": asked("[short]", OLD_HAIKU, tools=[CODE]),
    "ran too": asked("[short]", SONNET, tools=[CODE]),
    "bad": asked("Hello.", "claude-unheard-of"),
}


def through(directory: Path, work: Work, *, limit: int = 1550) -> None:
    """Run work with the SDK through a planner; batches come to name its address for their results."""

    async def main() -> None:
        book = rules(None, {"free_hours.limit": str(limit)})
        async with (
            simulated(directory, book=book, simulator={"settings": {"free_hours.limit": limit}}) as planner,
            anthropic.AsyncAnthropic(base_url=planner.address, api_key=KEY, max_retries=0) as client,
        ):
            await work(planner, client)

    run(main())


async def processed(planner: Simulated, client: anthropic.AsyncAnthropic) -> str:
    """A batch that has ended: its id."""
    wanted: Any = [{"custom_id": name.replace(" ", "-"), "params": params} for name, params in REQUESTS.items()]
    batch = await client.messages.batches.create(requests=wanted)
    planner.advance(61)
    assert (await client.messages.batches.retrieve(batch.id)).processing_status == "ended"
    return batch.id


async def fetched(planner: Simulated, client: anthropic.AsyncAnthropic, batch_id: str) -> int:
    """How many results there are; the SDK asks for the batch first, and then at the address that it names."""
    planner.advance(1)
    return len([item async for item in await client.messages.batches.results(batch_id)])


def of_results(entries: list[Entry]) -> list[Entry]:
    """The entries of results, in order of arrival."""
    return [entry for entry in entries if entry.endpoint == "batch_results"]


def sums(lines: Any) -> dict[str, int]:
    """Nano-dollars by kind."""
    found: dict[str, int] = {}
    for line in lines:
        found[line.kind] = found.get(line.kind, 0) + (line.nano or 0)
    return found


@pytest.mark.parametrize("limit", [0, 1550])
def test_ledger_and_bill_agree_about_a_batch(tmp_path: Path, limit: int) -> None:
    """Kind by kind, to the nano-dollar, within the free hours and beyond; a second fetch adds nothing to either."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        batch_id = await processed(planner, client)
        for _ in range(2):
            assert await fetched(planner, client, batch_id) == len(REQUESTS)
        entries = await planner.entries(6)
        first, second = of_results(entries)
        bill = sums(line for charge in planner.simulator.bill.charges for line in charge.lines)
        assert sums(first.lines) == bill
        assert ("allowance_credit" in bill) == (limit > 0)
        assert {"web_search", "code_execution", "input", "output"} <= set(bill)
        assert first.batch is not None
        assert second.batch is not None
        assert (first.batch.results, first.batch.settled_before) == (6, 0)
        assert (second.cost_nano, second.lines, second.untouched_nano) == (0, (), 0)
        assert (second.batch.results, second.batch.settled_before) == (6, 6)
        made = [entry for entry in entries if entry.endpoint == "batches"]
        assert [(entry.cost_nano, entry.unpriced) for entry in made] == [(0, None)] * 4

    through(tmp_path, work, limit=limit)


def test_no_batch_counts_as_unknown(tmp_path: Path) -> None:
    """Neither when it is made nor when its results pass."""

    async def work(planner: Simulated, client: anthropic.AsyncAnthropic) -> None:
        await fetched(planner, client, await processed(planner, client))
        await planner.entries(4)
        async with connected(planner.address) as own:
            text = (await own.ask(request("GET", "/metrics", body=None))).body.decode()
        unpriced = [line for line in text.splitlines() if line.startswith("planner_unpriced_requests_total{")]
        assert unpriced
        assert all(line.endswith(" 0.0") for line in unpriced)
        assert 'planner_cost_usd_total{kind="web_search"' in text

    through(tmp_path, work)


def test_a_restart_does_not_count_a_batch_again(tmp_path: Path) -> None:
    """Another process finds in the store what the first one counted."""

    async def main() -> None:
        async with simulating() as (behind, url):
            batch_id = ""
            for again in (False, True):
                async with (
                    planning(tmp_path, behind, url) as planner,
                    anthropic.AsyncAnthropic(base_url=planner.address, api_key=KEY, max_retries=0) as client,
                ):
                    batch_id = batch_id or await processed(planner, client)
                    await fetched(planner, client, batch_id)
                    entry = of_results(await planner.entries(6 if again else 4))[-1]
                    assert (entry.cost_nano == 0) == again
                    assert entry.batch is not None
                    assert entry.batch.settled_before == (6 if again else 0)

    run(main())
