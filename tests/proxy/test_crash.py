"""A process that dies, or whose disk does, loses no request that went upstream."""

import asyncio
import resource
import sqlite3
import sys
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from tests.doubles.client import RawClient, connected, request
from tests.doubles.messages import ASKED, SSE_HEAD, events, message
from tests.doubles.process import serving
from tests.doubles.proxy import proxied, read_ledger, run
from tests.doubles.upstream import RawUpstream, Turn, always, answer, chunk


async def wait_for_entries(store: Path, count: int) -> None:
    """Wait until the ledger holds that many settled requests."""
    while sum(entry.outcome != "unknown" for entry in await read_ledger(store)) < count:
        pass


async def refused(address: str) -> None:
    """Wait until nobody listens there any more."""
    while True:
        try:
            async with connected(address):
                await asyncio.sleep(0.01)
        except ConnectionRefusedError:
            return


def test_killed_under_open_streams(tmp_path: Path) -> None:
    """After SIGKILL under 100 streams, every request that reached the upstream is in the ledger, once."""
    count = 100
    store = tmp_path / "ledger.db"

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + b"".join(chunk(event) for event in events()[:3]))
        if turn.request.target.endswith(b"?whole"):
            await turn.write(b"".join(chunk(event) for event in events()[3:]) + b"0\r\n\r\n")
        else:
            await turn.gone()

    async def begin(client: RawClient, number: int) -> None:
        target = "/v1/messages?" + ("whole" if number % 4 == 0 else "open")
        await client.send(request("POST", target, (b"x-api-key", b"k%d" % number), body=ASKED))
        await client.piece(await client.head())

    async def scenario() -> None:
        async with RawUpstream(script).listening() as upstream:
            async with serving(store, upstream.address) as process, AsyncExitStack() as open_streams:
                clients = [await open_streams.enter_async_context(connected(process.address)) for _ in range(count)]
                await asyncio.gather(*map(begin, clients, range(count)))
                await process.kill()
            async with serving(store, upstream.address) as process:
                async with connected(process.address) as client:
                    await client.ask(request("POST", "/v1/messages?whole", body=ASKED))
                assert await process.stop() == 0
            entries = await read_ledger(store)
            assert len(upstream.requests) == count + 1 == len(entries)
            assert {entry.outcome for entry in entries} <= {"ok", "unknown"}
            assert all(entry.cost_nano is None for entry in entries if entry.outcome == "unknown")
            assert sum(entry.outcome == "unknown" for entry in entries) >= count * 3 // 4
        assert not list((tmp_path / "ledger.db.intents").iterdir())

    run(scenario())


def test_second_process_is_refused(tmp_path: Path) -> None:
    """A second process on one SQLite file ends at once, with a sentence and exit code 3."""
    store = tmp_path / "ledger.db"

    async def scenario() -> None:
        async with serving(store, "http://127.0.0.1:1") as first, serving(store, "http://127.0.0.1:1") as second:
            assert first.address
            assert not second.address
            assert await second.stop() == 3
            said = b"".join(second.log)
            assert b"in use by another planner process" in said
            assert b"Traceback" not in said
            assert await first.stop() == 0

    run(scenario())


def test_stopped_in_order(tmp_path: Path) -> None:
    """SIGTERM lets a running answer finish, and the ledger is whole before the process ends."""
    store = tmp_path / "ledger.db"
    going_on = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + chunk(events()[0]))
        await going_on.wait()
        await turn.write(b"".join(chunk(event) for event in events()[1:]) + b"0\r\n\r\n")

    async def scenario() -> None:
        async with RawUpstream(script).listening() as upstream, serving(store, upstream.address) as process:
            async with connected(process.address) as client:
                await client.send(request(body=ASKED))
                head = await client.head()
                await client.piece(head)
                stopping = asyncio.get_running_loop().create_task(process.stop())
                await refused(process.address)
                going_on.set()
                body = b""
                while data := await client.piece(head):
                    body += data
                assert body == b"".join(events()[1:])
            assert await stopping == 0
            (entry,) = await read_ledger(store)
            assert entry.outcome == "ok"

    run(scenario())


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of another process can be lifted on Linux alone")
def test_full_disk(tmp_path: Path) -> None:
    """On a full disk requests are served and counted; once there is room, nothing is missing but what was counted."""
    store = tmp_path / "ledger.db"
    count = 600
    room = 640 * 1024

    async def scenario() -> None:
        async with (
            RawUpstream(always(answer(message(), (b"content-type", b"application/json")))).listening() as upstream,
            serving(store, upstream.address, largest_file=room) as process,
            connected(process.address) as client,
        ):
            for _ in range(count):
                assert (await client.ask(request(body=ASKED))).body == message()
            got = await client.ask(request("GET", "/metrics", body=None))
            assert b'planner_fail_open_total{cause="journal"}' in got.body
            assert b"planner_ledger_oldest_pending_seconds 0.0\n" not in got.body
            infinity = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            resource.prlimit(process.pid, resource.RLIMIT_FSIZE, infinity)
            assert (await client.ask(request(body=ASKED))).status == 200
            await wait_for_entries(store, count + 1)
            client.close()
            assert await process.stop() == 0
            entries = await read_ledger(store)
            assert len(entries) == count + 1
            assert {entry.outcome for entry in entries} == {"ok"}

    run(scenario())


def test_ledger_that_is_locked(tmp_path: Path) -> None:
    """While another program holds the file, requests are served and what waits has an age; then all arrives."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message()))) as proxy:
            with closing(sqlite3.connect(proxy.store, isolation_level=None)) as other:
                other.execute("BEGIN EXCLUSIVE")
                async with proxy.client() as client:
                    for _ in range(20):
                        assert (await client.ask(request(body=ASKED))).status == 200
                waiting = 0.0
                while not waiting:
                    waiting = (await proxy.metrics())["planner_ledger_oldest_pending_seconds"]
                assert (await proxy.metrics())["planner_ledger_pending"] >= 20
                other.execute("COMMIT")
            assert len(await proxy.entries(20)) == 20
            while (await proxy.metrics())["planner_ledger_pending"]:
                pass
            assert (await proxy.metrics())["planner_ledger_oldest_pending_seconds"] == 0

    run(scenario())
