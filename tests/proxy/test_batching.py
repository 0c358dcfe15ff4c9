"""A batch is planned in time or goes as it came; what the API refuses of it hours later is told, and not done again."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.core.ledger.entry import Batch, Entry, batch_digest
from planner.core.reasons import Outcome, Reason
from planner.proxy.batching import Batching
from planner.stores.sqlite import SqliteStore
from tests.doubles.client import request
from tests.doubles.deciding import ANSWER, CODE, USER
from tests.doubles.messages import message
from tests.doubles.proxy import Proxied, proxied, run
from tests.doubles.simulated import rules
from tests.doubles.upstream import Turn, answer

BATCHES = "/v1/messages/batches"
SCOPE = ((b"anthropic-organization-id", b"o"), (b"anthropic-workspace-id", b"w"))
KEY = (b"x-api-key", b"sk-ant-one")
EAGER = {
    "free_hours.limit": "0",
    "batches.edits": "enforce",
    "batches.confidence": "0.5",
    "decision.confidence": "0.5",
}
REFUSED = {
    "type": "error",
    "error": {"type": "invalid_request_error", "message": "tools.1.web_fetch_20260318: not for you"},
}
RESULT = {"custom_id": "r0", "result": {"type": "errored", "error": REFUSED}}


def params(words: str = "Add up.", **members: Any) -> dict[str, Any]:
    """The parameters of one request."""
    said = [{"role": "user", "content": words}]
    return {"model": "claude-haiku-5-5", "max_tokens": 1024, "tools": [CODE], "messages": said} | members


def batch(*each: dict[str, Any]) -> bytes:
    """A batch."""
    return msgspec.json.encode({"requests": [{"custom_id": f"r{n}", "params": one} for n, one in enumerate(each)]})


async def api(turn: Turn) -> None:
    """Answers messages, makes batches, and has the first request of each refused by what we had put into it."""
    await turn.body()
    if turn.request.target.endswith(b"/results"):
        await turn.write(answer(msgspec.json.encode(RESULT), *SCOPE))
    elif turn.request.target.endswith(b"/batches"):
        await turn.write(answer(b'{"id":"msgbatch_1","type":"message_batch"}', *SCOPE))
    else:
        await turn.write(answer(message(model="claude-haiku-5-5"), *SCOPE))


async def say(proxy: Proxied, body: bytes | None, target: str = BATCHES) -> str:
    """Send something; what the planner says of it."""
    async with proxy.client() as client:
        method = "GET" if body is None else "POST"
        heard = await client.ask(request(method, target, KEY, body=body))
        assert heard.status == 200
        return (heard.value(b"planner-plan") or b"").decode()


async def kinds(proxy: Proxied, count: int) -> list[tuple[int, Outcome, Reason | None]]:
    """How the requests of the last batch were decided on."""
    entries: list[Entry] = [each for each in await proxy.entries(count) if each.endpoint == "batches"]
    made = None if entries[-1].batch is None else entries[-1].batch.made
    assert made is not None
    return sorted((kind.requests, kind.decisions[1].outcome, kind.decisions[1].reason) for kind in made.kinds)


def test_what_a_batch_is_refused_for_is_not_done_again(tmp_path: Path) -> None:
    """It is counted and logged, and the next batch has to wait for another live request that proves it."""

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER)) as proxy:
            for _ in range(2):  # the first answer tells the scope, the second one takes the edit
                await say(proxy, msgspec.json.encode(params(f"live {_}")), "/v1/messages")
            assert "bundle=applied" in await say(proxy, batch(params()))
            await proxy.entries(3)
            await say(proxy, None, f"{BATCHES}/msgbatch_1/results")
            await proxy.entries(4)
            assert "bundle=shadow;reason=unproven" in await say(proxy, batch(params()))
            async with proxy.client() as client:
                page = (await client.ask(request("GET", "/metrics", body=None))).body.decode()
            assert "planner_batch_edits_refused_total 1.0" in page
            assert "an edit of ours was refused in a batch" in proxy.log.getvalue()
            await say(proxy, msgspec.json.encode(params("live again")), "/v1/messages")
            await proxy.entries(6)
            assert "bundle=applied" in await say(proxy, batch(params()))

    run(scenario())


def test_beyond_many_groups_requests_go_as_they_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided by then holds, and the rest is counted."""
    monkeypatch.setattr("planner.proxy.batching.MOST_GROUPS", 1)

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER)) as proxy:
            await say(proxy, batch(params(), params(), params(system="x")))
            assert await kinds(proxy, 1) == [
                (1, Outcome.FAILED_OPEN, Reason.TIME_BUDGET),
                (2, Outcome.DECLINED, Reason.UNKNOWN_SCOPE),
            ]

    run(scenario())


def test_looking_up_what_goes_on_takes_its_time_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Conversations that are not found in time go as they came; those that begin are decided all the same."""
    monkeypatch.setattr("planner.proxy.batching.LOOKING_SECONDS", 0.01)

    async def hangs(_store: SqliteStore, _root: str) -> None:
        await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER)) as proxy:
            with monkeypatch.context() as patched:
                patched.setattr(SqliteStore, "conversation", hangs)
                await say(proxy, batch(params(), params(messages=[USER, ANSWER, USER])))
            assert await kinds(proxy, 1) == [
                (1, Outcome.DECLINED, Reason.UNKNOWN_SCOPE),
                (1, Outcome.FAILED_OPEN, Reason.TIME_BUDGET),
            ]

    run(scenario())


def test_a_bug_of_ours_is_not_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch goes as it came, and says so; so does one that is none."""

    async def breaks(*_: Any) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER)) as proxy:
            for body in (b'{"requests":7}', b'{"requests":[]}', b"["):
                assert "bundle=declined;reason=unparsable" in await say(proxy, body)
            monkeypatch.setattr(Batching, "_facts", breaks)
            body = batch(params())
            assert "bundle=failed-open;reason=error" in await say(proxy, body)
            assert proxy.upstream.requests[-1].body == body
            assert "planning a batch failed" in proxy.log.getvalue()

    run(scenario())


def test_a_batch_that_is_not_read_passes(tmp_path: Path) -> None:
    """Too large to be planned, or of a length that nobody announced: byte for byte, and with its reason."""

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER), body_limit=1000) as proxy:
            body = batch(params("x" * 2000))
            assert "reason=too-large" in await say(proxy, body)
            assert proxy.upstream.requests[-1].body == body
            (entry,) = [each for each in await proxy.entries(1) if each.endpoint == "batches"]
            assert (entry.outcome, entry.cost_nano, entry.batch) == ("ok", 0, Batch(batch_digest("msgbatch_1")))

    run(scenario())
