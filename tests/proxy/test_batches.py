"""What a batch was counted to is asked of the store once, kept up to date, and never guessed."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from planner.core.batch.results import tally
from planner.core.ledger.entry import Batch, Entry, batch_digest
from planner.core.records import EntryRecord
from planner.proxy.batches import Batches
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from tests.core.batch.test_results import MIXED, WHOLE, entry
from tests.doubles.client import request
from tests.doubles.proxy import Proxied, proxied, run
from tests.doubles.stored import MemoryStore
from tests.doubles.upstream import Turn, always, answer, chunk

FETCH = request("GET", "/v1/messages/batches/msgbatch_1/results", body=None)
DIGEST = batch_digest("msgbatch_1")
COUNTED = msgspec.structs.replace(entry(WHOLE), batch=Batch(DIGEST, 4))
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-jsonl\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def priced(entries: list[Entry]) -> int:
    """What entries cost in all but for the free hours, which each fetch uses up as it finds them."""
    return sum(line.nano for each in entries for line in each.lines if line.kind != "allowance_credit")


async def fetch(proxy: Proxied) -> bytes:
    """The results as the caller gets them."""
    async with proxy.client() as client:
        return (await client.ask(FETCH)).body


def test_the_store_is_asked_once() -> None:
    """What is settled here afterwards is added; what was never asked for is left to the store."""

    async def scenario() -> None:
        store = MemoryStore()
        await store.apply([EntryRecord(COUNTED)])
        batches = Batches(store)
        batches.settled(COUNTED)
        assert batches.counted("msgbatch_1") is batches.counted(None) is None
        for _ in range(2):
            await batches.recall("msgbatch_1")
        assert store.reads == 1
        assert batches.counted("msgbatch_1") == tally([COUNTED])
        batches.settled(COUNTED)
        assert batches.counted("msgbatch_1") == tally([COUNTED, COUNTED])
        batches.settled(msgspec.structs.replace(COUNTED, batch=None))
        await batches.recall("msgbatch_2")
        assert batches.counted("msgbatch_2") == tally(())

    run(scenario())


def test_a_store_that_others_write_to_is_asked_each_time() -> None:
    """What another process has counted since is counted; what is settled here and not stored yet is not forgotten."""

    async def scenario() -> None:
        store = MemoryStore()
        batches = Batches(store, shared=True)
        await batches.recall("msgbatch_1")
        assert batches.counted("msgbatch_1") == tally(())
        await store.apply([EntryRecord(COUNTED)])
        await batches.recall("msgbatch_1")
        assert batches.counted("msgbatch_1") == tally([COUNTED])
        other = msgspec.structs.replace(COUNTED, request_id="other")
        batches.settled(other)
        await batches.recall("msgbatch_1")
        assert batches.counted("msgbatch_1") == tally([COUNTED, other])

    run(scenario())


@pytest.mark.parametrize("trouble", ["broken", "hanging"])
def test_a_store_that_does_not_tell(monkeypatch: pytest.MonkeyPatch, trouble: str) -> None:
    """Nothing is remembered as known, and the next request asks again."""
    monkeypatch.setattr("planner.proxy.batches.RECALL_SECONDS", 0.01)

    async def scenario() -> None:
        store = MemoryStore()
        setattr(store, trouble, True)
        batches = Batches(store)
        with pytest.raises((StoreError, TimeoutError)):
            await batches.recall("msgbatch_1")
        assert batches.counted("msgbatch_1") is None

    run(scenario())


def test_two_at_once(tmp_path: Path) -> None:
    """Both pass whole; one of them is counted."""
    both = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        if len(proxies[0].upstream.requests) == 2:
            both.set()
        await both.wait()
        await turn.write(answer(MIXED))

    proxies: list[Proxied] = []

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            proxies.append(proxy)
            assert set(await asyncio.gather(fetch(proxy), fetch(proxy))) == {MIXED}
            entries = await proxy.entries(2)
            assert priced(entries) == WHOLE.money.cost
            assert {each.cost_nano == 0 for each in entries} == {True, False}
            assert {each.batch for each in entries} == {Batch(DIGEST, 4, 0), Batch(DIGEST, 4, 4)}

    run(scenario())


def test_broken_off_and_fetched_again(tmp_path: Path) -> None:
    """The second fetch adds what the first did not see."""

    async def script(turn: Turn) -> None:
        await turn.body()
        if len(proxies[0].upstream.requests) == 1:
            await turn.write(HEAD + chunk(MIXED[: len(MIXED) // 2]))
            turn.close()
        else:
            await turn.write(HEAD + chunk(MIXED) + END)

    proxies: list[Proxied] = []

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            proxies.append(proxy)
            async with proxy.client() as client:
                assert not (await client.ask(FETCH)).whole
            await proxy.entries(1)
            assert await fetch(proxy) == MIXED
            entries = {each.outcome: each for each in await proxy.entries(2)}
            assert set(entries) == {"error", "ok"}
            assert priced(list(entries.values())) == WHOLE.money.cost
            assert 0 < priced([entries["error"]]) < priced([entries["ok"]])
            assert entries["ok"].batch is not None
            assert 0 < entries["ok"].batch.settled_before < entries["ok"].batch.results == 4

    run(scenario())


def test_a_caller_gets_results_whatever_the_store_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes pass, the cost is unknown, and both are counted."""

    async def fails(*_: object) -> None:
        raise StoreError("gone")

    monkeypatch.setattr(SqliteStore, "batch", fails)

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(MIXED))) as proxy:
            assert await fetch(proxy) == MIXED
            one = await proxy.entry()
            assert (one.outcome, one.cost_nano, one.unpriced) == ("ok", None, "store-unavailable")
            found = await proxy.metrics()
            assert found['planner_fail_open_total{cause="store"}'] == 1.0
            assert found['planner_unpriced_requests_total{reason="store-unavailable"}'] == 1.0

    run(scenario())
