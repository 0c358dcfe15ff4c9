"""What stops deciding never stops repeating: a restart, `--observe` and `--drain` leave live conversations alone."""

from pathlib import Path
from typing import Any

import pytest

from tests.doubles.proxy import run
from tests.doubles.simulated import planning, simulating
from tests.identity.agent import CODE, CODE_WEATHER, bundled, deciding, results, world
from tests.identity.test_conversations import BEGUN, REPEATED


@pytest.mark.parametrize(
    ("settings", "fresh"),
    [({}, "applied"), ({"observe": True}, "shadow:observe"), ({"drain": True}, "shadow:draining")],
    ids=["restart", "observe", "drain"],
)
def test_a_conversation_outlives_the_process(tmp_path: Path, settings: dict[str, Any], fresh: str) -> None:
    """The next process finds edit and container in the store and repeats both; what it may decide is only the new.

    A container that was never lent is new too, so that the younger conversation keeps its bundle alone.
    """

    async def main() -> None:
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url):
            async with planning(tmp_path, simulator, url, book=deciding()) as planner, world(planner) as before:
                await before.introduce()
                old, young = before.agent(), before.agent(system="Wait.")
                assert (await old.say("[build]")).plan == BEGUN
                lent = await old.say("go on")
                begun = await young.say("[build]")
                assert (lent.plan, begun.plan) == (REPEATED, BEGUN)
            async with (
                planning(tmp_path, simulator, url, book=deciding(), **settings) as planner,
                world(planner) as after,
            ):
                for _ in range(2):
                    answer = await after.resumed(old).say("go on")
                    assert answer.plan == REPEATED
                    assert after.last.body == bundled(answer.sent, lent.container)
                answer = await after.resumed(young).say("go on")
                lends = "shadow:" + fresh.partition(":")[2] if settings else "threaded"
                assert answer.plan == REPEATED | {"container": lends}
                assert after.last.body == bundled(answer.sent, None if settings else begun.container)
                new = await after.agent().say("[build] new")
                assert new.plan["bundle"] == fresh
                assert after.last.body == (new.sent if settings else bundled(new.sent))

    run(main())


def test_an_unedited_conversation_is_only_observed(tmp_path: Path) -> None:
    """`--observe` from the start: nothing is touched, and what would have been done is said."""

    async def main() -> None:
        async with (
            simulating(settings={"free_hours.limit": 0}) as (simulator, url),
            planning(tmp_path, simulator, url, book=deciding(), observe=True) as planner,
            world(planner) as here,
        ):
            await here.introduce()
            agent = here.agent()
            first = await agent.say("[build]")
            assert first.plan["bundle"] == "shadow:observe"
            second = await agent.say("go on")
            assert second.plan["container"] == "shadow:observe"
            assert [heard.body for heard in planner.heard] == [first.sent, second.sent]
            assert first.container != second.container

    run(main())


@pytest.mark.parametrize("edited", [True, False])
def test_a_call_that_waits_gets_its_container_where_we_edited(tmp_path: Path, *, edited: bool) -> None:
    """`--observe` comes while code waits in a container: our bundle goes on whole; what we never edited is reported."""

    async def main() -> None:
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url):
            async with (
                planning(tmp_path, simulator, url, book=deciding(), observe=not edited) as planner,
                world(planner) as before,
            ):
                await before.introduce()
                agent = before.agent(tools=[CODE, CODE_WEATHER])
                first = await agent.say("[pending]")
                assert first.edited is edited
            async with (
                planning(tmp_path, simulator, url, book=deciding(), observe=True) as planner,
                world(planner) as after,
            ):
                second = await after.resumed(agent).say(results(first))
                if edited:
                    assert (second.status, second.plan["container"]) == (200, "threaded:pending-call")
                    assert after.last.json()["container"] == first.container
                else:
                    assert (second.status, second.plan["container"]) == (400, "shadow:pending-call")
                    assert after.last.body == second.sent

    run(main())
