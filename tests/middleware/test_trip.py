"""An answer is read beside as it passes: closed early, cut, refused, made by somebody else; it is settled once."""

import asyncio
from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import pytest

from planner.core.ledger.entry import Entry
from planner.core.reasons import Action
from planner.middleware import Planner
from tests.doubles.inside import KEY, NEW_CODE, Hasty, HastySync, asked, inside, quiet, rules_in
from tests.doubles.messages import SSE_HEAD, events, message
from tests.doubles.proxy import read_ledger, run
from tests.doubles.upstream import RawUpstream, Script, Turn, answer, chunk

REFUSAL = (
    b'{"type":"error","error":{"type":"invalid_request_error","message":"tools.1: web_fetch_20260318 is not for you"}}'
)


def refusal() -> bytes:
    """A 400 that names the tool that we added."""
    return answer(REFUSAL, status=400)


@asynccontextmanager
async def before(directory: Path, script: Script, **told: Any) -> Any:
    """A planner inside a client of a scripted API; yields the API, the planner, and what reads the ledger."""
    store = directory / "ledger.db"
    async with RawUpstream(script).listening() as upstream:
        planner = Planner(store=f"sqlite:///{store}", log=quiet(), decide_timeout=5.0, **told)

        async def ledger() -> list[Entry]:
            await asyncio.to_thread(planner.close)
            return await read_ledger(store)

        try:
            yield upstream, planner, ledger
        finally:
            await asyncio.to_thread(planner.close)


async def stall(turn: Turn) -> None:
    """A stream that begins and says no more."""
    await turn.body()
    await turn.write(SSE_HEAD + b"".join(chunk(piece) for piece in events()[:4]))
    await turn.gone()


@pytest.mark.parametrize("left", ["closed", "dropped"])
def test_a_stream_that_is_left_early(tmp_path: Path, left: str) -> None:
    """It ends upstream as well, and is entered as cancelled, with an estimate of what it cost."""

    async def scenario() -> None:
        async with before(tmp_path, stall) as (upstream, planner, ledger):

            def talk() -> None:
                with HastySync(base_url=upstream.address, api_key=KEY, max_retries=0, middleware=[planner]) as client:
                    stream = client.messages.create(**asked(), stream=True)
                    assert next(iter(stream)).type == "message_start"
                    if left == "closed":
                        stream.close()
                    del stream

            await asyncio.to_thread(talk)
            async with (
                Hasty(base_url=upstream.address, api_key=KEY, max_retries=0, middleware=[planner]) as client,
                client.messages.stream(**asked()) as stream,
            ):
                async for event in stream:
                    assert event.type == "message_start"
                    break
            entries = await ledger()
            assert [entry.outcome for entry in entries] == ["cancelled", "cancelled"]
            assert {line.basis for entry in entries for line in entry.lines} == {"estimated"}

    run(scenario())


def test_a_stream_that_is_cut(tmp_path: Path) -> None:
    """The SDK raises what it raises without us; the entry is an error."""

    async def cut(turn: Turn) -> None:
        await turn.body()
        await turn.write(SSE_HEAD + chunk(events()[0]))
        turn.cut()

    async def scenario() -> None:
        async with before(tmp_path, cut) as (upstream, planner, ledger):
            async with Hasty(base_url=upstream.address, api_key=KEY, max_retries=0, middleware=[planner]) as client:
                with pytest.raises(httpx2.TransportError):
                    async for _ in await client.messages.create(**asked(), stream=True):
                        pass
            (entry,) = await ledger()
            assert entry.outcome == "error"
            assert b'planner_upstream_errors_total{type="' in planner.metrics()

    run(scenario())


@pytest.mark.parametrize("streamed", [False, True])
def test_a_refusal_of_our_edit_sends_the_callers_own_bytes(tmp_path: Path, *, streamed: bool) -> None:
    """Once, and by whichever client; the caller gets the answer to its own request."""
    rules = rules_in(tmp_path)

    async def script(turn: Turn) -> None:
        body = await turn.body()
        refuses, streams = b"web_fetch" in body, b'"stream":true' in body
        whole = SSE_HEAD + b"".join(chunk(piece) for piece in events()) + b"0\r\n\r\n"
        await turn.write(refusal() if refuses else whole if streams else answer(message()))

    async def scenario() -> None:
        async with before(tmp_path, script, rules=rules) as (upstream, planner, ledger):
            more: dict[str, Any] = {"stream": True} if streamed else {}

            def talk() -> None:
                with HastySync(base_url=upstream.address, api_key=KEY, max_retries=0, middleware=[planner]) as client:
                    raw = client.messages.with_raw_response.create(**asked("a", tools=[NEW_CODE]), **more)
                    assert raw.headers["planner-body"] == "unchanged"
                    raw.http_response.read()

            await asyncio.to_thread(talk)
            async with Hasty(base_url=upstream.address, api_key=KEY, max_retries=0, middleware=[planner]) as client:
                other = asked("b", tools=[NEW_CODE]) | {"model": "claude-sonnet-5-5"}  # the rule rests for the first
                raw = await client.messages.with_raw_response.create(**other, **more)
                await raw.http_response.aread()
            entries = await ledger()
            assert [(each.outcome, each.attempts, each.replayed) for each in entries] == [("ok", 2, "tools")] * 2
            sent = [(b"web_fetch" in each.body) for each in upstream.requests]
            assert sent == [True, False, True, False]

    run(scenario())


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Nothing was sent, so nothing was billed: the cost is 0, not unknown; each attempt is an entry."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:
            async with Hasty(
                base_url="http://127.0.0.1:9", api_key=KEY, max_retries=1, middleware=[here.planner]
            ) as client:
                with pytest.raises(anthropic.APIConnectionError):
                    await client.messages.create(**asked())
            entries = await here.entries()
            assert [(entry.outcome, entry.cost_nano, entry.unpriced) for entry in entries] == [("error", 0, None)] * 2

    run(scenario())


def test_a_client_that_gives_up(tmp_path: Path) -> None:
    """A call that is cancelled while the API thinks is entered as cancelled; one that times out as an error."""

    async def hold(turn: Turn) -> None:
        await turn.body()
        await turn.gone()

    async def scenario() -> None:
        async with before(tmp_path, hold) as (upstream, planner, ledger):
            async with Hasty(base_url=upstream.address, api_key=KEY, max_retries=0, middleware=[planner]) as client:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(2):
                        await client.messages.create(**asked())
                with pytest.raises(anthropic.APITimeoutError):
                    await client.messages.create(**asked(), timeout=0.2)
            assert [entry.outcome for entry in await ledger()] == ["cancelled", "error"]

    run(scenario())


def test_an_answer_of_another_middleware(tmp_path: Path) -> None:
    """What never reached the API cost nothing, and the caller gets what the other one made."""

    async def scenario() -> None:
        async with inside(tmp_path) as here:

            def cached(_request: anthropic.APIRequest, _call_next: Callable[..., Any]) -> Any:
                return "from a cache"

            def talk() -> None:
                both: Any = [here.planner, cached]
                with HastySync(base_url=here.url, api_key=KEY, max_retries=0, middleware=both) as client:
                    got: Any = client.messages.create(**asked())
                    assert got == "from a cache"

            await asyncio.to_thread(talk)
            (entry,) = await here.entries()
            assert (entry.cost_nano, here.heard) == (0, [])

    run(scenario())


def test_batches_and_files_pass(tmp_path: Path) -> None:
    """What is no message is metered as behind a proxy: results of a batch cost what its lines say, a file nothing."""

    async def scenario() -> None:
        async with inside(tmp_path) as here, here.client() as client:
            sent = await client.files.upload(file=("a.csv", b"1,2\n" * 50_000, "text/csv"))
            params: Any = asked()
            batch = await client.messages.batches.create(requests=[{"custom_id": "one", "params": params}])
            here.advance(61)
            results = [each.custom_id async for each in await client.messages.batches.results(batch.id)]
            await client.files.delete(sent.id)
            assert results == ["one"]
            assert here.failures() == {}
            entries = {entry.endpoint: entry for entry in await here.entries()}
            charged = sum(line.nano or 0 for charge in here.simulator.bill.charges for line in charge.lines)
            assert entries["batch_results"].cost_nano == charged
            assert entries["files"].cost_nano == 0
            decided = {
                name for name, entry in entries.items() if any(each.action is Action.BUNDLE for each in entry.decisions)
            }
            assert decided <= {"batches", "batch_results"}

    run(scenario())
