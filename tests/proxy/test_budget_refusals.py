"""Budgets through the whole proxy: what is refused and how, and what becomes of holds however a request ends."""

import asyncio
import gzip
import sqlite3
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import anthropic
import msgspec
import pytest

from planner.core.budget import LEASE_LASTS
from planner.core.rulebook.book import RuleBook
from tests.doubles.budgets import KEYS, MAX_TOKENS, WORST, budget, rules, sized
from tests.doubles.client import Answer, connected, request
from tests.doubles.messages import COST_NANO, MODEL, SSE_HEAD, events, message
from tests.doubles.process import serving
from tests.doubles.proxy import Proxied, proxied, read_ledger, run, settled
from tests.doubles.simulated import simulated
from tests.doubles.upstream import RawUpstream, Turn, always, answer, chunk
from tests.proxy.test_crash import wait_for_entries

KEY = (b"x-api-key", KEYS["finance"])
ASK = request("POST", "/v1/messages", KEY, body=sized())
GAUGE = 'planner_budget_usd{amount="%s",budget="finance-month",period="month",value=""}'
RULES = """
budgets:
  - {name: finance-month, why: w, mode: enforce, for: {team: [finance]}, per: month, usd: "0.05", hard: true}
"""
CALLERS = "principals: {agent: {keys: [%s], team: finance}}\n"


def for_ten() -> RuleBook:
    """A hard budget for ten requests."""
    assert WORST == COST_NANO
    return rules(budget(10 * WORST))


async def one(proxy: Proxied, data: bytes = ASK) -> Answer:
    """One request on a connection of its own."""
    async with proxy.client() as client:
        return await client.ask(data)


def test_a_hundred_in_parallel_against_a_budget_for_ten(tmp_path: Path) -> None:
    """Ten go upstream, ninety are refused at once, and the ledger has no cent more than the limit."""
    go = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await go.wait()
        await turn.write(answer(message()))

    async def scenario() -> None:
        async with proxied(tmp_path, script, rules=for_ten()) as proxy:
            asking = [asyncio.get_running_loop().create_task(one(proxy)) for _ in range(100)]
            await settled(lambda: sum(task.done() for task in asking) == 90)  # it takes ten longer to get there
            await settled(lambda: len(proxy.upstream.requests) == 10)
            go.set()
            answers = await asyncio.gather(*asking)
            assert sorted(each.status for each in answers) == [200] * 10 + [429] * 90
            entries = await proxy.entries(100)
            assert sum(entry.cost_nano or 0 for entry in entries) == 10 * WORST
            assert all((entry.cost_nano, entry.attempts) == (0, 0) for entry in entries if entry.outcome == "refused")
            assert len(proxy.upstream.requests) == 10
            counted = await proxy.metrics()
            assert counted[GAUGE % "spent"] == counted[GAUGE % "limit"] == pytest.approx(10 * WORST / 1e9)
            assert counted[GAUGE % "held"] == 0
            assert counted['planner_budget_refusals_total{budget="finance-month"}'] == 90
            assert counted["planner_budget_overspend_usd_total"] == 0

    run(scenario())


@pytest.mark.parametrize("mode", [b"", b"observe", b"off"])
def test_a_refusal_is_shaped_like_a_rate_limit(tmp_path: Path, mode: bytes) -> None:
    """Not to be tried again, with the moment at which the budget begins anew; whatever mode the caller asks for."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(budget(WORST))) as proxy:
            await one(proxy)
            data = request("POST", "/v1/messages", KEY, (b"planner-mode", mode), body=sized())
            got = await one(proxy, data)
            told = msgspec.json.decode(got.body)
            assert (got.status, told["error"]["type"]) == (429, "rate_limit_error")
            assert told["error"]["message"].startswith("planner: the budget finance-month is spent: $0.01 of $0.01.")
            assert got.value(b"x-should-retry") == b"false"
            assert int(got.value(b"retry-after") or 0) > 0
            header = got.value(b"planner-budget") or b""
            assert header.startswith(b'"finance-month";spent="0.005";limit="0.005";percent=100;resets=@')
            assert not [name for name, _ in got.fields if name.lower().startswith(b"anthropic-")]
            left = "version=kept;reason=exhausted, bundle=declined;reason=exhausted, container=none;reason=exhausted"
            assert got.value(b"planner-plan") == left.encode()
            entry = (await proxy.entries(2))[1]
            assert (entry.outcome, entry.status, entry.attempts, entry.cost_nano) == ("refused", 429, 0, 0)
            decision = entry.decisions[-1]
            assert (decision.action, decision.outcome, decision.reason) == ("budget", "applied", "exhausted")
            assert decision.policy == "finance-month"
            assert (entry.spender.team, entry.spender.principal) == ("finance", "finance-agent")

    run(scenario())


def test_the_official_client_raises_at_once(tmp_path: Path) -> None:
    """Its own error for rate limits, without trying again."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(budget(1))) as proxy:
            key = KEYS["finance"].decode()
            async with anthropic.AsyncAnthropic(base_url=proxy.address, api_key=key, max_retries=5) as client:
                asked = [{"role": "user", "content": "hello"}]
                await client.messages.create(model=MODEL, max_tokens=9, messages=asked)  # type: ignore[arg-type]  # plain dicts
                await proxy.entry()
                with pytest.raises(anthropic.RateLimitError, match="finance-month"):
                    await client.messages.create(model=MODEL, max_tokens=9, messages=asked)  # type: ignore[arg-type]  # plain dicts
            assert len(await proxy.entries(2)) == 2
            assert len(proxy.upstream.requests) == 1

    run(scenario())


def test_a_process_that_observes_refuses_nothing(tmp_path: Path) -> None:
    """It says in the ledger what it would have done."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(budget(WORST)), observe=True) as proxy:
            assert [(await one(proxy)).status for _ in range(3)] == [200] * 3
            entry = (await proxy.entries(3))[-1]
            assert [(each.action, each.outcome) for each in entry.decisions][-1] == ("budget", "shadow")

    run(scenario())


def test_a_soft_limit_is_said_in_every_answer(tmp_path: Path) -> None:
    """Beside the answer, which passes as it came."""

    async def scenario() -> None:
        soft = budget(4 * WORST, hard=False, soft_at=(50,))
        async with proxied(tmp_path, always(answer(message())), rules=rules(soft)) as proxy:
            said = []
            for number in range(4):
                got = await one(proxy)
                await proxy.entries(number + 1)
                assert (got.status, got.body) == (200, message())
                said.append(got.value(b"planner-budget"))
            assert said[:2] == [None, None]
            assert all(each is not None and b'limit="0.02";percent=50' in each for each in said[2:])
            counted = await proxy.metrics()
            assert counted['planner_budget_warnings_total{budget="finance-month",percent="50"}'] == 2

    run(scenario())


@pytest.mark.parametrize("ending", ["cancelled", "refused", "reset", "unreachable"])
def test_however_a_request_ends_its_hold_does(tmp_path: Path, ending: str) -> None:
    """By a caller that hangs up, an error of the API, a broken connection, or no connection at all."""

    async def script(turn: Turn) -> None:
        await turn.body()
        if ending == "cancelled":
            await turn.write(SSE_HEAD + chunk(events()[0]))
            await turn.gone()
        elif ending == "refused":
            await turn.write(answer(b"{}", status=400))
        else:
            turn.cut()

    async def scenario() -> None:
        gone: dict[str, Any] = {"upstream": "http://127.0.0.1:1"} if ending == "unreachable" else {}
        async with proxied(tmp_path, script, rules=rules(budget(100 * WORST)), **gone) as proxy:
            for number in range(3):
                async with proxy.client() as client:
                    await client.send(ASK)
                    got = await client.head()
                    assert got.status == {"cancelled": 200, "refused": 400}.get(ending, 502)
                    client.cut()
                await proxy.entries(number + 1)
            counted = await proxy.metrics()
            assert counted[GAUGE % "held"] == 0
            spent = sum(entry.cost_nano or 0 for entry in await proxy.entries(3))
            assert counted[GAUGE % "spent"] == pytest.approx(spent / 1e9)
            assert (spent > 0) is (ending == "cancelled")

    run(scenario())


def test_what_cannot_be_read_does_not_get_past_an_exhausted_budget(tmp_path: Path) -> None:
    """An encoded or unreadable body goes while something is left, a batch likewise; no other path is ever refused."""

    async def scenario() -> None:
        async with proxied(tmp_path, always(answer(message())), rules=rules(budget(WORST))) as proxy:
            squeezed = request("POST", "/v1/messages", KEY, (b"content-encoding", b"gzip"), body=gzip.compress(sized()))
            unreadable = request("POST", "/v1/messages", KEY, body=b"{")
            assert (await one(proxy, unreadable)).status == 200
            await one(proxy)
            await proxy.entries(2)
            assert [(await one(proxy, each)).status for each in (squeezed, unreadable)] == [429, 429]
            for path, status in (("/v1/messages/count_tokens", 200), ("/v1/messages/batches", 429)):
                assert (await one(proxy, request("POST", path, KEY, body=b"{}"))).status == status

    run(scenario())


def test_a_new_month_begins_with_a_new_budget(tmp_path: Path) -> None:
    """At midnight UTC, by the planner's own clock."""

    async def scenario() -> None:
        async with simulated(tmp_path, book=rules(budget(1))) as world:
            answers: list[Answer] = []
            for number in range(3):
                if number == 2:
                    world.advance(int(answers[1].value(b"retry-after") or 0))
                async with connected(world.address) as client:
                    version = (b"anthropic-version", b"2023-06-01")
                    answers.append(await client.ask(request("POST", "/v1/messages", KEY, version, body=sized())))
                await world.entries(number + 1)
            assert [each.status for each in answers] == [200, 429, 200]
            entries = await world.entries(3)
            assert [entry.at[:10] for entry in entries] == ["2026-11-22", "2026-11-22", "2026-12-01"]

    run(scenario())


def test_killed_with_holds_in_flight(tmp_path: Path) -> None:
    """What was settled stays spent over the crash; what was held is kept back until its lease ends, and no longer."""
    store, directory = tmp_path / "ledger.db", tmp_path / "rules"
    directory.mkdir()
    (directory / "budgets.yaml").write_text(RULES)
    fingerprints = [row.keys[0] for row in rules().callers.rows if row.team == "finance"]
    (directory / "callers.yaml").write_text(CALLERS % fingerprints[0])

    async def script(turn: Turn) -> None:
        await turn.body()
        if turn.request.target.endswith(b"?open"):
            await turn.write(SSE_HEAD + chunk(events()[0]))
            await turn.gone()
        else:
            await turn.write(answer(message()))

    async def ask(address: str) -> int:
        async with connected(address) as client:
            return (await client.ask(ASK)).status

    async def scenario() -> None:
        async with RawUpstream(script).listening() as upstream:
            async with AsyncExitStack() as open_streams:
                async with serving(store, upstream.address, rules=directory) as process:
                    assert [await ask(process.address) for _ in range(5)] == [200] * 5
                    await wait_for_entries(store, 5)
                    for _ in range(2):
                        client = await open_streams.enter_async_context(connected(process.address))
                        await client.send(request("POST", "/v1/messages?open", KEY, body=sized(stream=True)))
                        await client.piece(await client.head())
                    await process.kill()
                async with serving(store, upstream.address, rules=directory) as process:
                    statuses = [await ask(process.address) for _ in range(8)]
                    assert statuses.count(200) == 3
                    assert statuses == sorted(statuses)
                    await wait_for_entries(store, 13)
                    with closing(sqlite3.connect(store, timeout=30)) as file:  # a minute passes
                        owned = file.execute("SELECT COUNT(*) FROM budget_leases").fetchone()
                        assert owned[0] >= 1
                        file.execute("UPDATE budget_leases SET until = '2026-01-01T00:00:00.000000+00:00'")
                        file.commit()
                    await asyncio.sleep(1.1)  # nobody asks again sooner where nothing was left
                    assert (await ask(process.address)) == 200
                    await process.stop()
            entries = await read_ledger(store)
            assert sum(entry.cost_nano or 0 for entry in entries) <= 10 * WORST

    assert LEASE_LASTS.total_seconds() == 60
    assert MAX_TOKENS < 100
    run(scenario())
