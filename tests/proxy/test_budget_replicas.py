"""Two proxies on one PostgreSQL share a hard budget: together they spend all of it and not a nano-dollar more."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from planner.core.ledger.entry import Entry
from planner.opening import read_store
from tests.doubles.budgets import KEYS, WORST, budget, rules, sized
from tests.doubles.client import Answer, request
from tests.doubles.databases import raw
from tests.doubles.messages import COST_NANO, message
from tests.doubles.proxy import Proxied, proxied, run, settled
from tests.doubles.upstream import Script, Turn, always, answer

AFFORDED, ASKED = 12, 60
ASK = request("POST", "/v1/messages", (b"x-api-key", KEYS["finance"]), body=sized())
REFUSALS = 'planner_budget_refusals_total{budget="finance-month"}'


@asynccontextmanager
async def replicas(directory: Path, database: str, script: Script, nano: int) -> AsyncIterator[tuple[Proxied, Proxied]]:
    """Two planners on one database, each with a journal of its own, and a hard budget of so much."""
    book = rules(budget(nano))
    async with (
        proxied(directory, script, rules=book, store=database, journal=directory / "one") as one,
        proxied(directory, script, rules=book, store=database, journal=directory / "other") as other,
    ):
        yield one, other


async def ask(proxy: Proxied) -> Answer:
    """One request on a connection of its own."""
    async with proxy.client() as client:
        return await client.ask(ASK)


async def entries(database: str, number: int) -> list[Entry]:
    """The shared ledger, once that many requests are settled in it."""
    store = await read_store(database)
    try:
        while True:
            found = [each async for each in store.entries() if each.outcome != "unknown"]
            if len(found) >= number:
                return found
            await asyncio.sleep(0.01)
    finally:
        await store.close()


def test_parallel_calls_on_two_replicas_spend_one_budget(tmp_path: Path, database: str) -> None:
    """However the sixty fall, no more than twelve go on, the others get a 429, and the ledger has no cent more."""
    assert WORST == COST_NANO
    go = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.body()
        await go.wait()
        await turn.write(answer(message()))

    async def scenario() -> None:
        async with replicas(tmp_path, database, script, AFFORDED * WORST) as both:
            asking = [asyncio.get_running_loop().create_task(ask(both[number % 2])) for number in range(ASKED)]

            def sent() -> int:
                return sum(len(each.upstream.requests) for each in both)

            await settled(lambda: sum(task.done() for task in asking) + sent() == ASKED)
            assert 0 < sent() <= AFFORDED
            go.set()
            answers = await asyncio.gather(*asking)
            statuses = Counter(each.status for each in answers)
            assert statuses == {200: sent(), 429: ASKED - sent()}
            refused = next(each for each in answers if each.status == 429)
            error = msgspec.json.decode(refused.body)["error"]
            assert (error["type"], refused.value(b"x-should-retry")) == ("rate_limit_error", b"false")
            assert error["message"].startswith("planner: the budget finance-month ")
            told = await entries(database, ASKED)
            assert Counter(each.outcome for each in told) == {"ok": sent(), "refused": ASKED - sent()}
            assert sum(each.cost_nano or 0 for each in told) == sent() * WORST <= AFFORDED * WORST
            counted = [await each.metrics() for each in both]
            assert sum(each.get(REFUSALS, 0) for each in counted) == statuses[429]
            assert [each["planner_budget_overspend_usd_total"] for each in counted] == [0, 0]

    run(scenario())


def test_what_one_has_left_the_other_can_spend(tmp_path: Path, database: str) -> None:
    """Asked by turns until both refuse, they have spent all of it; and the refusal holds on both, by the ledger."""

    async def scenario() -> None:
        async with replicas(tmp_path, database, always(answer(message())), AFFORDED * WORST) as both:
            statuses: list[int] = []
            while statuses.count(429) < 4:
                for each in both:
                    statuses.append((await ask(each)).status)
                    await entries(database, len(statuses))
            assert statuses.count(200) == AFFORDED
            assert sum(each.cost_nano or 0 for each in await entries(database, len(statuses))) == AFFORDED * WORST
            assert await raw(database, "SELECT SUM(nano) FROM spending WHERE field = 'team'") == [(AFFORDED * WORST,)]

    run(scenario())


def test_a_replica_that_starts_later_knows_what_is_spent(tmp_path: Path, database: str) -> None:
    """The first request of a fresh process is refused where another one has spent everything before."""

    async def scenario() -> None:
        book = rules(budget(WORST))
        script = always(answer(message()))
        for place, wanted in (("one", 200), ("other", 429)):
            async with proxied(tmp_path, script, rules=book, store=database, journal=tmp_path / place) as one:
                assert (await ask(one)).status == wanted

    run(scenario())
