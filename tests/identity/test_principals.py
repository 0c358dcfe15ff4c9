"""Who asks: nobody goes on in another's conversation or container, whatever history it sends."""

from pathlib import Path

from planner.core.learning.epochs import SHORT_CACHE
from planner.proxy.callers import fingerprint
from planner.simulator import Key
from tests.doubles.proxy import run
from tests.doubles.simulated import simulated
from tests.identity.agent import World, bundled, deciding, within, world
from tests.identity.test_conversations import BEGUN, LEFT_ALONE, REPEATED

ONE, TWO = "sk-ant-one", "sk-ant-two"
NAMED = f"principals:\n  reports:\n    keys: [{fingerprint(ONE.encode())}, {fingerprint(TWO.encode())}]\n"
APART = (Key(key=ONE, workspace="wrkspc_1"), Key(key=TWO, workspace="wrkspc_2"))


def test_the_same_prompt_from_two_principals(tmp_path: Path) -> None:
    """Each has a conversation of its own, and a container of its own."""

    async def work(world: World) -> None:
        await world.introduce(ONE, TWO)
        one, two = world.agent(ONE), world.agent(TWO)
        firsts = [await one.say("[build]"), await two.say("[build]")]
        assert [answer.plan for answer in firsts] == [BEGUN, BEGUN]
        for agent, first in ((one, firsts[0]), (two, firsts[1])):
            second = await agent.say("go on")
            assert second.plan == REPEATED
            assert world.last.body == bundled(second.sent, first.container)
        assert firsts[0].container != firsts[1].container

    within(tmp_path, work)


def test_a_history_in_foreign_hands(tmp_path: Path) -> None:
    """A principal that sends another's history, ids and all, gets neither its edit nor its container."""

    async def work(world: World) -> None:
        await world.introduce(ONE, TWO)
        one = world.agent(ONE)
        await one.say("[build]")
        thief = one.fork()
        thief.headers["x-api-key"] = TWO
        stolen = await thief.say("go on")
        assert stolen.plan == LEFT_ALONE
        assert world.last.body == stolen.sent
        assert (await one.say("go on")).plan == REPEATED

    within(tmp_path, work)


def test_a_rotated_key_of_a_named_principal(tmp_path: Path) -> None:
    """A name in callers.yaml outlives its keys."""

    async def work(world: World) -> None:
        await world.introduce(ONE, TWO)
        agent = world.agent(ONE)
        first = await agent.say("[build]")
        agent.headers["x-api-key"] = TWO
        second = await agent.say("go on")
        assert second.plan == REPEATED
        assert world.last.body == bundled(second.sent, first.container)

    within(tmp_path, work, book=deciding({"callers.yaml": NAMED}))


def test_a_rotated_key_without_a_name(tmp_path: Path) -> None:
    """It is somebody else: the conversation is first seen in its middle and left alone."""

    async def work(world: World) -> None:
        await world.introduce(ONE, TWO)
        agent = world.agent(ONE)
        await agent.say("[build]")
        agent.headers["x-api-key"] = TWO
        second = await agent.say("go on")
        assert second.plan == LEFT_ALONE
        assert world.last.body == second.sent
        assert second.status == 200

    within(tmp_path, work)


def test_a_name_whose_keys_live_in_two_workspaces(tmp_path: Path) -> None:
    """Containers live in a workspace: the other key's requests never name it."""

    async def main() -> None:
        settings = {"settings": {"free_hours.limit": 0}, "keys": APART}
        book = deciding({"callers.yaml": NAMED})
        async with simulated(tmp_path, book=book, simulator=settings) as planner, world(planner) as here:
            await here.introduce(TWO, ONE)
            agent = here.agent(ONE)
            first = await agent.say("[build]")
            assert first.plan == BEGUN
            agent.headers["x-api-key"] = TWO
            second = await agent.say("go on")
            assert second.status == 200
            assert all((first.container or "").encode() not in heard.body for heard in planner.heard)
            entries = await planner.entries(4)
            assert [entry.attempts for entry in entries] == [1] * 4

    run(main())


def test_a_caller_who_is_not_known_yet(tmp_path: Path) -> None:
    """Before the first answer nobody knows where a key belongs, so nothing is edited; from then on it is.

    But not while the prefix is warm as it was sent untouched: writing it anew would cost more than a container.
    """

    async def work(world: World) -> None:
        stranger = world.agent()
        first = await stranger.say("[build]")
        assert first.plan["bundle"] == "declined:unknown-scope"
        assert world.last.body == first.sent
        assert (await stranger.say("go on")).plan["bundle"] != "applied"
        assert (await world.agent().say("[build] another")).plan["bundle"] == "declined:not-worth-it"
        world.planner.advance(SHORT_CACHE)
        again = await world.agent().say("[build] a third")
        assert again.plan == BEGUN

    within(tmp_path, work)
