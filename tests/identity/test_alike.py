"""Many conversations begin in the same words: an edit of one never comes into the middle of another, nor leaves one."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from planner.core.conversations import Turn
from planner.stores import Store
from tests.doubles.proxy import run
from tests.doubles.simulated import Simulated, planning, simulating
from tests.identity.agent import Agent, World, bundled, deciding, within, world

THINKS: dict[str, Any] = {"thinking": {"type": "adaptive"}}
HELLO = "[think] hello"
HOUR = 3600


class Failing:
    """A store in which no turn can be looked up while `slow`, within the time that deciding may take."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.slow = False

    def __getattr__(self, name: str) -> Any:
        """Everything else is the store's."""
        return getattr(self._store, name)

    async def turn(self, key: str) -> Turn | None:
        """The turn under a key, or a wait without an end."""
        if self.slow:
            await asyncio.get_running_loop().create_future()
        return await self._store.turn(key)


def failing(planner: Simulated) -> Failing:
    """Put a store that can fail between a planner and its own."""
    assert planner.app._forward is not None  # noqa: SLF001 - a store that is slow, made for the test
    memory = planner.app._forward._course._planning._memory  # noqa: SLF001 - as above
    store = Failing(memory._store)  # noqa: SLF001 - as above
    memory._store = store  # noqa: SLF001 - as above
    return store


async def left_open(here: World, agent: Agent, text: str) -> None:
    """A first turn that no decision came about for."""
    store = failing(here.planner)
    agent.headers["planner-session"] = "cold"
    store.slow = True
    assert (await agent.say(text)).plan["bundle"] == "failed-open:time-budget"
    store.slow = False


def test_many_agents_of_a_new_key_with_one_prompt(tmp_path: Path) -> None:
    """Those that went before its scope was known stay as they began, those after it keep their edit."""

    async def work(here: World) -> None:
        agents = [here.agent(**THINKS) for _ in range(20)]
        begun = await asyncio.gather(*(agent.say(HELLO) for agent in agents))
        late = here.agent(**THINKS)
        assert (await late.say(HELLO)).edited
        went_on = await asyncio.gather(*(agent.say("[think] more") for agent in (*agents, late)))
        assert Counter(answer.status for answer in went_on) == {200: 21}
        assert [each.edited for each in went_on] == [*(each.edited for each in begun), True]

    within(tmp_path, work)


@pytest.mark.parametrize("text", [HELLO, "[build]"], ids=["thinking", "code"])
def test_a_first_turn_that_failed_open(tmp_path: Path, text: str) -> None:
    """It goes on without the edit that others of its beginning have, known by its thinking or by its calls."""

    async def work(here: World) -> None:
        await here.introduce()
        assert (await here.agent(**THINKS).say(text)).plan["bundle"] == "applied"
        agent = here.agent(**THINKS)
        await left_open(here, agent, text)
        again = await agent.say("go on")
        assert (again.status, again.plan["bundle"]) == (200, "declined:time-budget")
        assert b"web_fetch" not in here.last.body

    within(tmp_path, work)


@pytest.mark.parametrize("setting", ["drain", "observe"])
def test_an_old_beginning_after_a_restart_that_decides_nothing(tmp_path: Path, setting: str) -> None:
    """What begins two hours later is new and is left alone on every turn; what began then keeps its edit."""

    async def main() -> None:
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url):
            async with planning(tmp_path, simulator, url, book=deciding()) as planner, world(planner) as before:
                await before.introduce()
                old = before.agent(**THINKS)
                assert (await old.say(HELLO)).plan["bundle"] == "applied"
            planner.advance(2 * HOUR)
            stopped: dict[str, Any] = {setting: True}
            async with (
                planning(tmp_path, simulator, url, book=deciding(), **stopped) as planner,
                world(planner) as after,
            ):
                new, old = after.agent(**THINKS), after.resumed(old)
                for text in (HELLO, "[think] more"):
                    answer = await new.say(text)
                    assert (answer.status, answer.edited) == (200, False)
                answer = await old.say("[think] more")
                assert (answer.status, answer.plan["bundle"]) == (200, "kept:repeated")

    run(main())


def test_a_beginning_that_is_declined_an_hour_later(tmp_path: Path) -> None:
    """The older conversation keeps its edit, here and after a restart; the younger one gets none."""

    async def main() -> None:
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url):
            async with planning(tmp_path, simulator, url, book=deciding()) as planner, world(planner) as here:
                await here.introduce()
                old = here.agent(**THINKS)
                assert (await old.say(HELLO)).plan["bundle"] == "applied"
                planner.advance(HOUR + 100)
                young = here.agent(tool_choice={"type": "none"}, **THINKS)
                assert (await young.say(HELLO)).plan["bundle"] == "declined:not-worth-it"
                assert (await old.say("[think] more")).plan["bundle"] == "kept:repeated"
                answer = await young.say("[think] more")
                assert (answer.status, answer.edited) == (200, False)
            async with planning(tmp_path, simulator, url, book=deciding()) as planner, world(planner) as here:
                for agent, edited in ((old, True), (young, False)):
                    answer = await here.resumed(agent).say("[think] again")
                    assert (answer.status, answer.edited) == (200, edited)

    run(main())


def test_planning_switched_off_for_a_first_turn(tmp_path: Path) -> None:
    """It is no turn of the conversations that began like it with an edit."""

    async def work(here: World) -> None:
        await here.introduce()
        assert (await here.agent(**THINKS).say(HELLO)).plan["bundle"] == "applied"
        agent = here.agent(**THINKS)
        agent.headers["planner-mode"] = "off"
        assert (await agent.say(HELLO)).plan["bundle"] == "declined:off"
        del agent.headers["planner-mode"]
        answer = await agent.say("[think] more")
        assert (answer.status, answer.edited) == (200, False)

    within(tmp_path, work)


def test_thinking_that_was_never_seen_here(tmp_path: Path) -> None:
    """A conversation from before there was a planner gets no edit, though others begin like it with one."""

    async def work(here: World) -> None:
        await here.introduce()
        agent = here.agent(**THINKS)
        agent.address = here.planner.direct
        await agent.say(HELLO)
        assert (await here.agent(**THINKS).say(HELLO)).plan["bundle"] == "applied"
        agent.address = here.planner.address
        for text in ("[think] more", "and more"):
            answer = await agent.say(text)
            assert (answer.status, answer.edited) == (200, False)

    within(tmp_path, work)


def test_a_turn_without_thinking_behind_one_with(tmp_path: Path) -> None:
    """An earlier turn tells the conversation where the last one has nothing that does."""

    async def work(here: World) -> None:
        await here.introduce()
        edited, plain = here.agent(**THINKS), here.agent(**THINKS)
        assert (await edited.say(HELLO)).plan["bundle"] == "applied"
        plain.headers["planner-mode"] = "off"
        await plain.say(HELLO)
        del plain.headers["planner-mode"]
        for text in ("just words", "[think] more"):
            for agent, is_edited in ((edited, True), (plain, False)):
                answer = await agent.say(text)
                assert (answer.status, answer.edited) == (200, is_edited)

    within(tmp_path, work)


def test_a_container_that_the_caller_names_itself(tmp_path: Path) -> None:
    """It is taken all the same: no fork goes on in it, neither after it nor at once."""

    async def work(here: World) -> None:
        await here.introduce()
        agent = here.agent()
        first = await agent.say("[build]")
        fork, at_once = agent.fork(), agent.fork()
        own, other = await asyncio.gather(agent.say("go on", container=first.container), at_once.say("go on"))
        assert own.plan["container"] == "caller"
        assert own.container == first.container
        assert other.plan["container"] in {"declined:busy", "none:fork"}
        later = await fork.say("another way")
        assert later.plan["container"] == "none:fork"
        assert here.last.body == bundled(later.sent)

    within(tmp_path, work)
