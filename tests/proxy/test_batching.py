"""A batch is planned in time or goes as it came; what the API refuses of it hours later is told, and not done again."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.core.batch.requests import plan_strictly
from planner.core.conversations import ToolEdit
from planner.core.ledger.entry import Batch, Entry, batch_digest
from planner.core.plan import leave
from planner.core.reasons import Outcome, Reason
from planner.core.wire import MessagesRequest
from planner.proxy.batching import Batching
from planner.proxy.callers import fingerprint
from planner.proxy.learning import AT_ONCE
from planner.proxy.memory import Memory
from planner.proxy.planning import Planned
from planner.stores import StoreError
from planner.stores.sqlite import SqliteStore
from tests.doubles.client import request
from tests.doubles.deciding import ANSWER, BOOK, CODE, NOW, USER, conversation
from tests.doubles.messages import message
from tests.doubles.proxy import Proxied, proxied, run
from tests.doubles.simulated import rules
from tests.doubles.stored import MemoryStore, Mind
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
DENIES = """
policies:
  - {name: no, why: w, mode: enforce, match: {max_tokens: {at_least: 5000}}, then: {deny: No.}}
"""
EDIT = ToolEdit(append='{"type":"web_fetch_20260318","name":"web_fetch"}', name="web_fetch", free=True)
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
            for _ in range(2):
                await say(proxy, None, f"{BATCHES}/msgbatch_1/results")
            await proxy.entries(5)
            assert "bundle=shadow;reason=unproven" in await say(proxy, batch(params()))
            async with proxy.client() as client:
                page = (await client.ask(request("GET", "/metrics", body=None))).body.decode()
            assert "planner_batch_edits_refused_total 1.0" in page, "once, however often they are fetched"
            assert "an edit of ours was refused in a batch" in proxy.log.getvalue()
            await say(proxy, msgspec.json.encode(params("live again")), "/v1/messages")
            await proxy.entries(7)
            assert "bundle=applied" in await say(proxy, batch(params()))

    run(scenario())


def test_what_is_refused_where_nothing_tells_the_scope(tmp_path: Path) -> None:
    """The edit was proven where its caller is declared to be, and is so no more."""
    row = f'a: {{keys: ["{fingerprint(KEY[1])}"], organization: o, workspace: w}}'
    callers = {"callers.yaml": f"principals:\n  {row}\n"}

    async def says_nothing(turn: Turn) -> None:
        await turn.body()
        if turn.request.target.endswith(b"/results"):
            await turn.write(answer(msgspec.json.encode(RESULT)))
        elif turn.request.target.endswith(b"/batches"):
            await turn.write(answer(b'{"id":"msgbatch_1","type":"message_batch"}'))
        else:
            await turn.write(answer(message(model="claude-haiku-5-5")))

    async def scenario() -> None:
        async with proxied(tmp_path, says_nothing, rules=rules(callers, EAGER)) as proxy:
            await say(proxy, msgspec.json.encode(params("live")), "/v1/messages")
            assert "bundle=applied" in await say(proxy, batch(params()))
            await proxy.entries(2)
            await say(proxy, None, f"{BATCHES}/msgbatch_1/results")
            await proxy.entries(3)
            assert "bundle=shadow;reason=unproven" in await say(proxy, batch(params()))

    run(scenario())


def test_what_a_live_request_is_refused_for_no_batch_gets(tmp_path: Path) -> None:
    """The API took the edit a moment ago, and does so no more: a batch of another agent would learn it hours later."""
    words = b"live 2"

    async def changes_its_mind(turn: Turn) -> None:
        body = await turn.body()
        if words in body and b"web_fetch" in body:
            await turn.write(answer(msgspec.json.encode(REFUSED), *SCOPE, status=400))
        else:
            await api(turn)

    async def scenario() -> None:
        async with proxied(tmp_path, changes_its_mind, rules=rules(None, EAGER)) as proxy:
            for _ in range(2):
                await say(proxy, msgspec.json.encode(params(f"live {_}")), "/v1/messages")
            other = {"name": "lookup", "input_schema": {"type": "object"}}
            again = batch(params(tools=[CODE, other]))
            assert "bundle=applied" in await say(proxy, again)
            await say(proxy, msgspec.json.encode(params(words.decode())), "/v1/messages")
            await proxy.entries(4)
            assert "bundle=shadow;reason=unproven" in await say(proxy, again)

    run(scenario())


def test_what_cannot_be_remembered_goes_as_it_came(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit that nobody knows of later could not be repeated, so none is made."""

    def forgets(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER)) as proxy:
            for _ in range(2):
                await say(proxy, msgspec.json.encode(params(f"live {_}")), "/v1/messages")
            monkeypatch.setattr(Memory, "begin", forgets)
            body = batch(params())
            assert "bundle=declined;reason=error" in await say(proxy, body)
            assert proxy.upstream.requests[-1].body == body

    run(scenario())


def test_a_thread_that_goes_on_in_a_batch_has_the_tools_from_before(tmp_path: Path) -> None:
    """It brings none, so nothing is put in; but the web tool that began with it frees its code, as the ledger knows."""

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER)) as proxy:
            for _ in range(2):
                await say(proxy, msgspec.json.encode(params(f"live {_}")), "/v1/messages")
            before = msgspec.json.decode(message())["id"]
            goes_on = params("more", thread={"type": "continue", "previous_message_id": before})
            del goes_on["tools"]
            body = batch(goes_on)
            await say(proxy, body)
            assert proxy.upstream.requests[-1].body == body
            entry = next(each for each in await proxy.entries(3) if each.endpoint == "batches")
            assert entry.batch is not None
            assert entry.batch.made is not None
            (kind,) = entry.batch.made.kinds
            assert (kind.free, kind.frees, kind.edit.free) == (True, False, True)

    run(scenario())


def test_a_bug_with_one_request_spoils_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a policy refuses is refused, whatever else is in the batch; what could not be planned goes as it came."""
    denies = {"policies/ours.yaml": DENIES}
    right = plan_strictly

    def breaks(request: MessagesRequest, *facts: Any) -> Any:
        if request.max_tokens == 7:
            raise ZeroDivisionError
        return right(request, *facts)

    monkeypatch.setattr("planner.proxy.batching.plan_strictly", breaks)

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(denies, EAGER)) as proxy:
            await say(proxy, batch(params(), params(max_tokens=7)))
            assert await kinds(proxy, 1) == [
                (1, Outcome.DECLINED, Reason.UNKNOWN_SCOPE),
                (1, Outcome.FAILED_OPEN, Reason.ERROR),
            ]
            assert (await proxy.metrics())['planner_fail_open_total{cause="bug"}'] == 1.0
            async with proxy.client() as client:
                body = batch(params(max_tokens=7), params(max_tokens=9_000))
                heard = await client.ask(request("POST", BATCHES, KEY, body=body))
            assert (heard.status, b"requests.1: No." in heard.body) == (403, True)

    run(scenario())


def test_a_store_that_does_not_tell_of_one_conversation_spoils_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes on goes as it came, and is counted as what it is; what begins is decided all the same."""

    async def fails(*_: Any) -> None:
        raise StoreError("gone")

    async def scenario() -> None:
        async with proxied(tmp_path, api, rules=rules(None, EAGER)) as proxy:
            with monkeypatch.context() as patched:
                patched.setattr(SqliteStore, "conversation", fails)
                await say(proxy, batch(params(), params(messages=[USER, ANSWER, USER])))
            assert await kinds(proxy, 1) == [
                (1, Outcome.DECLINED, Reason.UNKNOWN_SCOPE),
                (1, Outcome.FAILED_OPEN, Reason.ERROR),
            ]
            assert (await proxy.metrics())['planner_fail_open_total{cause="store"}'] == 1.0

    run(scenario())


def test_others_get_on_while_a_batch_is_remembered(tmp_path: Path) -> None:
    """Whoever streams waits for some of its conversations at a time, not for all of them."""
    many = tuple(conversation(root=str(n), edit=EDIT, batched=True) for n in range(10 * AT_ONCE))
    planned = Planned(body=b"", plan=leave(Reason.BATCH), begun=many)

    async def scenario() -> None:
        mind, seen = Mind(tmp_path, BOOK, MemoryStore()), list[int]()

        async def others() -> None:
            while len(seen) < 10:
                seen.append(mind.memory.edited_conversations(NOW))
                await asyncio.sleep(0)

        await asyncio.gather(mind.learning.begin_all(planned, NOW), others())
        assert len(set(seen)) == 10, seen
        assert mind.journal.pending == len(many)

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
