"""A caller that hangs up, whenever it does, leaves one entry, no open connection and no task."""

import asyncio
from pathlib import Path

import pytest

from tests.doubles.client import request
from tests.doubles.messages import ASKED, SSE_END, SSE_HEAD, events
from tests.doubles.proxy import proxied, run, settled
from tests.doubles.upstream import Turn, always, answer, chunk


def test_before_the_body_is_whole(tmp_path: Path) -> None:
    """A message whose caller left while sending it never goes upstream."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(b"ok"))) as proxy:
            async with proxy.client() as client:
                await client.send(request("POST", "/v1/messages", (b"Content-Length", b"100"), body=None) + b"{")
            async with proxy.client() as client:
                await client.ask(request(body=ASKED))
            assert len(await proxy.entries()) == len(proxy.upstream.requests) == 1

    run(scenario())


def test_while_uploading(tmp_path: Path) -> None:
    """A caller that leaves in the middle of an upload ends it upstream; that is no fault of the upstream."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.piece()
        begun.set()
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            async with proxy.client() as client:
                length = (b"Content-Length", b"1000000")
                await client.send(request("POST", "/v1/files", length, body=None) + b"x" * 1000)
                await begun.wait()
            await gone.wait()
            entry = await proxy.entry()
            assert entry.outcome == "cancelled"
            counted = await proxy.metrics()
        assert not [series for series, count in counted.items() if series.startswith("planner_upstream") and count]

    run(scenario())


def test_before_the_answer(tmp_path: Path) -> None:
    """A caller that leaves while the upstream thinks closes that connection too; the cost is unknown."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        begun.set()
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            async with proxy.client() as client:
                await client.send(request(body=ASKED))
                await begun.wait()
            await gone.wait()
            entry = await proxy.entry()
            assert (entry.outcome, entry.cost_nano, entry.unpriced) == ("cancelled", None, "no-answer")

    run(scenario())


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/files"])
def test_behind_a_large_body(tmp_path: Path, path: str) -> None:
    """So it is where the body, read whole or passed on, is more than is read ahead of whoever takes it."""
    begun, gone = asyncio.Event(), asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        begun.set()
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            async with proxy.client() as client:
                await client.send(request("POST", path, body=ASKED[:-1] + b',"pad":"' + b"y" * 500_000 + b'"}'))
                await begun.wait()
            await gone.wait()
            assert (await proxy.entry()).outcome == "cancelled"

    run(scenario())


def test_during_the_answer(tmp_path: Path) -> None:
    """A caller that leaves a stream closes it upstream; what it had used by then is estimated."""
    gone = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + b"".join(map(chunk, events()[:4])))
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            async with proxy.client() as client:
                await client.send(request(body=ASKED))
                head = await client.head()
                await client.piece(head)
                client.cut()
            await gone.wait()
            entry = await proxy.entry()
            assert (entry.outcome, entry.status) == ("cancelled", 200)
            assert {line.basis for line in entry.lines} == {"estimated"}

    run(scenario())


def test_after_the_last_event(tmp_path: Path) -> None:
    """A caller that has its `message_stop` and leaves before the framing ends has a whole answer."""
    gone = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + chunk(b"".join(events())))
        await turn.gone()
        gone.set()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            async with proxy.client() as client:
                await client.send(request(body=ASKED))
                await client.piece(await client.head())
            await gone.wait()
            entry = await proxy.entry()
            assert (entry.outcome, {line.basis for line in entry.lines}) == ("ok", {"measured"})

    run(scenario())


def test_after_the_answer(tmp_path: Path) -> None:
    """Leaving after the end is not hanging up."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(SSE_HEAD + chunk(b"".join(events())) + SSE_END)) as proxy:
            async with proxy.client() as client:
                await client.ask(request(body=ASKED))
                client.cut()
            assert (await proxy.entry()).outcome == "ok"

    run(scenario())


def test_two_hundred_at_once(tmp_path: Path) -> None:
    """200 callers that leave at every stage leave 200 entries, no connection upstream and no task."""
    count = 200
    running: set[int] = set()

    async def script(turn: Turn) -> None:
        running.add(id(turn))
        try:
            await turn.body()
            stage = int(turn.request.target.partition(b"?")[2]) % 4
            if stage:
                await turn.write(SSE_HEAD)
                await turn.write(b"".join(chunk(event) for event in events()[: 2 * stage]))
            await turn.gone()
        finally:
            running.discard(id(turn))

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:

            async def leave(number: int) -> None:
                async with proxy.client() as client:
                    await client.send(request("POST", f"/v1/messages?{number}", body=ASKED))
                    if number % 4:
                        await client.piece(await client.head())
                    else:
                        await settled(lambda: any(r.target.endswith(b"?%d" % number) for r in proxy.upstream.requests))
                    client.cut()

            await asyncio.gather(*map(leave, range(count)))
            entries = await proxy.entries(count)
            assert len(entries) == count == len({entry.request_id for entry in entries})
            assert {entry.outcome for entry in entries} == {"cancelled"}
            await settled(lambda: not running)
            names = {task.get_name() for task in asyncio.all_tasks()}
            assert "watch" not in names

    run(scenario())
