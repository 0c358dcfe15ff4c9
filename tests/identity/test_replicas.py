"""Two proxies on one PostgreSQL are one planner: a conversation keeps edit and container whichever it meets next."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from planner.core.ledger.rollup import Key, cost_nano
from planner.opening import open_store
from planner.stores import StoreError
from tests.doubles.databases import raw
from tests.doubles.process import serving
from tests.doubles.proxy import run
from tests.doubles.simulated import planning, simulating
from tests.identity.agent import (
    CODE,
    CODE_WEATHER,
    NO_FREE_HOURS,
    Agent,
    Answer,
    World,
    bundled,
    deciding,
    results,
    world,
)
from tests.identity.test_conversations import BEGUN, REPEATED


@asynccontextmanager
async def replicas(directory: Path, database: str, number: int = 2, **settings: Any) -> AsyncIterator[list[World]]:
    """So many proxies in front of one simulator, each with a journal of its own; their keys are known."""
    async with simulating(settings={"free_hours.limit": 0}) as (simulator, url), AsyncExitStack() as opened:
        worlds = []
        for place in range(number):
            chosen = {"store": database, "journal": directory / f"journal-{place}"} | settings
            planner = await opened.enter_async_context(planning(directory, simulator, url, book=deciding(), **chosen))
            worlds.append(await opened.enter_async_context(world(planner)))
            await worlds[-1].introduce()
        yield worlds


def test_a_conversation_goes_on_through_another_replica(tmp_path: Path, database: str) -> None:
    """At once, turn by turn to and fro: the edit is repeated byte by byte, and the container goes along."""

    async def main() -> None:
        async with replicas(tmp_path, database) as (one, other):
            agent = one.agent()
            begun = await agent.say("[build]")
            assert begun.plan == BEGUN
            container = begun.container
            for turn in range(3):
                here = (other, one)[turn % 2]
                answer = await here.resumed(agent).say("go on")
                assert answer.plan == REPEATED
                assert here.last.body == bundled(answer.sent, container)
                assert answer.container == container

    run(main())


def test_a_pending_call_goes_on_through_another_replica(tmp_path: Path, database: str) -> None:
    """A client that forgets the container finds it there too."""

    async def main() -> None:
        async with replicas(tmp_path, database) as (one, other):
            agent = one.agent(tools=[CODE, CODE_WEATHER])
            first = await agent.say("[pending]")
            assert first.edited
            second = await other.resumed(agent).say(results(first))
            assert (second.status, second.plan["container"]) == (200, "threaded:pending-call")
            assert other.last.json()["container"] == first.container

    run(main())


def test_what_began_on_one_after_the_other_had_looked(tmp_path: Path, database: str) -> None:
    """Nothing but its words tells a conversation, and the other replica asked the store for them before it began."""

    async def main() -> None:
        async with replicas(tmp_path, database) as (one, other):
            agent = one.agent()
            stranger = other.resumed(agent).fork()
            stranger.messages = [{"role": "user", "content": "[plain]"}, {"role": "assistant", "content": "Yes."}]
            assert not (await stranger.say("go on")).edited
            agent.messages = []
            begun = await agent.say("[plain]")
            assert begun.plan["bundle"] == "applied"
            await settled_in(database, 1)
            follower = other.resumed(agent)
            follower.messages = [*stranger.messages[:2]]
            follower.messages[1] = {"role": "assistant", "content": "Another answer."}
            assert (await follower.say("go on")).plan["bundle"] == "kept:repeated"

    run(main())


async def is_there(database: str, begun: Answer, before: int) -> bool:
    """Whether an answer has an edit that is in the database by now, besides as many before it."""
    edited = begun.plan["bundle"] != "failed-open:time-budget"
    return edited and await raw(database, "SELECT COUNT(*) FROM conversations") == [(before + 1,)]


async def settled_in(database: str, conversations: int) -> None:
    """Wait until that many edited conversations are in the database."""
    while await raw(database, "SELECT COUNT(*) FROM conversations") < [(conversations,)]:
        pass


def test_the_first_replica_is_gone(tmp_path: Path, database: str) -> None:
    """It ended right after its answer: what it wrote down goes on elsewhere."""

    async def main() -> None:
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url):
            chosen = {"store": database, "journal": tmp_path / "one"}
            async with planning(tmp_path, simulator, url, book=deciding(), **chosen) as planner, world(planner) as one:
                await one.introduce()
                agent = one.agent()
                begun = await agent.say("[build]")
            chosen["journal"] = tmp_path / "other"
            async with planning(tmp_path, simulator, url, book=deciding(), **chosen) as planner, world(planner) as two:
                answer = await two.resumed(agent).say("go on")
                assert answer.plan == REPEATED
                assert two.last.body == bundled(answer.sent, begun.container)

    run(main())


def test_the_first_replica_is_killed(tmp_path: Path, database: str) -> None:
    """Right after its answer, which nothing waits for: the edit is there all the same, since it was written before."""
    told = [f"--set={name}={value}" for name, value in NO_FREE_HOURS.items()]

    async def main() -> None:
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url), aiohttp.ClientSession() as http:
            journal = ("--journal", str(tmp_path / "killed"))
            async with serving(database, url, *journal, *told) as process:
                agent = Agent(http, process.address, tick=lambda _: None)
                async with http.get(f"{process.address}/v1/models", headers={"x-api-key": "sk-ant-one"}) as got:
                    assert got.status == 200
                begun, edited = await agent.say("[build]"), 0
                while not await is_there(database, begun, edited):  # it has no more time than it ever has
                    edited += begun.plan == BEGUN
                    await settled_in(database, edited)
                    agent = Agent(http, process.address, tick=lambda _: None)
                    begun = await agent.say(f"[build] {edited}")
                await process.kill()
            assert begun.plan == BEGUN
            chosen = {"store": database, "journal": tmp_path / "other"}
            async with planning(tmp_path, simulator, url, book=deciding(), **chosen) as planner, world(planner) as two:
                answer = await two.resumed(agent).say("go on")
                assert answer.plan["bundle"] == "kept:repeated"
                threaded = answer.plan["container"] == "threaded"
                assert two.last.body == bundled(answer.sent, begun.container if threaded else None)

    run(main())


def test_no_row_is_written_by_every_request(tmp_path: Path, database: str) -> None:
    """Twenty turns of one agent: its scope, its conversation and what is learnt of it are written now and then."""

    async def main() -> None:
        async with replicas(tmp_path, database) as (one, other):
            agent = one.agent()
            for turn in range(20):
                await (one, other)[turn % 2].resumed(agent).say("go on" if turn else "[build]")
        written: dict[str, int] = {}
        while written.get("turns", 0) < 20:  # a connection tells what it did when it ends
            rows = await raw(database, "SELECT relname, n_tup_ins + n_tup_upd FROM pg_stat_user_tables")
            written = {name: int(number) for name, number in rows}
        assert max(written[name] for name in ("scopes", "conversations")) <= 4
        assert written["learnt"] <= 20

    run(main())


def test_one_ledger_of_all(tmp_path: Path, database: str) -> None:
    """Each request stands in it once, whichever replica carried it, and the sums are those of all."""

    async def main() -> None:
        async with replicas(tmp_path, database, 3) as worlds:
            agents = [each.agent() for each in worlds]
            for agent in agents:
                await agent.say("[build]")
                await agent.say("go on")
        store = await open_store(database)
        entries = [entry async for entry in store.entries() if entry.endpoint == "messages"]
        sums = {key: cell async for key, cell in store.cells(Key) if key.endpoint == "messages"}
        await store.close()
        assert [entry.outcome for entry in entries] == ["ok"] * 6
        assert sum(map(cost_nano, sums.values())) == sum(entry.cost_nano or 0 for entry in entries) > 0

    run(main())


def test_two_replicas_do_not_share_a_journal(tmp_path: Path, database: str) -> None:
    """The second is told to take another one; that it waits for nothing is worth a sentence."""

    async def main() -> None:
        async with replicas(tmp_path, database, 1):
            with pytest.raises(StoreError, match=r"the journal of another planner process.*--journal"):
                async with replicas(tmp_path, database, 1):
                    pass

    run(main())
