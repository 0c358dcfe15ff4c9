"""What makes two requests one conversation, and what does not: the right decision each, and no container that crosses.

The first request of a conversation is decided on, a later one repeats that decision or is left alone.
"""

import asyncio
from collections import Counter
from pathlib import Path

from tests.doubles.simulated import assert_reconciled
from tests.identity.agent import CODE, SYSTEM, World, bundled, contained, within

REPEATED = {"version": "kept", "bundle": "kept:repeated", "container": "threaded"}
BEGUN = {"version": "kept", "bundle": "applied", "container": "none"}
LEFT_ALONE = {"version": "kept:mid-conversation", "bundle": "declined:mid-conversation", "container": "none"}


def test_a_breakpoint_that_moves_between_turns(tmp_path: Path) -> None:
    """Clients mark the newest message for caching and unmark the one before: still the same conversation."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        container = None
        for turn in range(4):
            for message in agent.messages:
                if message["role"] == "user":
                    message["content"][0].pop("cache_control", None)
            text = {"type": "text", "text": "[build]" if turn == 0 else "go on", "cache_control": {"type": "ephemeral"}}
            answer = await agent.say([text])
            assert answer.plan == (REPEATED if turn else BEGUN)
            assert world.last.body == bundled(answer.sent, container)
            container = answer.container

    within(tmp_path, work)


def test_a_system_prompt_that_holds_the_time(tmp_path: Path) -> None:
    """Where code ran, its call ids tell the conversation; where none did, it is another one and left alone."""

    async def work(world: World) -> None:
        await world.introduce()
        runs, talks = world.agent(), world.agent()
        for number, agent, marker in ((0, runs, "[build]"), (1, talks, "no code at all")):
            agent.fields["system"] = [*SYSTEM, {"type": "text", "text": f"It is 09:00:0{number}."}]
            first = await agent.say(marker)
            assert first.plan == BEGUN
            agent.fields["system"] = [*SYSTEM, {"type": "text", "text": f"It is 09:01:0{number}."}]
            second = await agent.say("go on")
            if agent is runs:
                assert second.plan == REPEATED
                assert world.last.body == bundled(second.sent, first.container)
            else:
                assert second.plan == LEFT_ALONE
                assert world.last.body == second.sent

    within(tmp_path, work)


def test_a_history_that_was_compacted(tmp_path: Path) -> None:
    """With the last turn kept it goes on as it was; a bare summary begins anew, in a container of its own."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        await agent.say("[build]")
        second = await agent.say("go on")
        summary = {"role": "user", "content": "Summary: it builds. [build]"}
        anew = agent.fork()
        agent.messages = [summary, agent.messages[-1]]
        kept = await agent.say("and now?")
        assert kept.plan == REPEATED
        assert world.last.body == bundled(kept.sent, second.container)
        anew.messages = []
        begun = await anew.say(summary["content"])
        assert begun.plan == BEGUN
        assert world.last.body == bundled(begun.sent)
        assert begun.container != second.container

    within(tmp_path, work)


def test_a_forked_history(tmp_path: Path) -> None:
    """Both branches keep the bundle; only the first to go on from a turn goes on in its container."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        first = await agent.say("[build]")
        fork, later = agent.fork(), agent.fork()
        second = await agent.say("go on")
        assert second.plan == REPEATED
        assert second.container == first.container
        branch = await fork.say("another way")
        assert branch.plan == REPEATED | {"container": "none:fork"}
        assert world.last.body == bundled(branch.sent)
        assert branch.container != first.container
        own = await fork.say("go on")
        assert own.plan == REPEATED
        assert world.last.body == bundled(own.sent, branch.container)
        again = await later.say("a third way")
        assert again.plan["container"] == "none:fork"

    within(tmp_path, work)


def test_many_forks_at_once(tmp_path: Path) -> None:
    """A container serves one request at a time: of eight that go on from one turn together, one gets it."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        first = await agent.say("[build]")
        forks = [agent.fork() for _ in range(8)]
        answers = await asyncio.gather(*(fork.say("go on") for fork in forks))
        ends = Counter(answer.plan["container"] for answer in answers)
        assert ends["threaded"] == 1
        assert ends["threaded"] + ends["declined:busy"] + ends["none:fork"] == len(forks)
        named = [heard for heard in world.planner.heard if heard.json().get("container") == first.container]
        assert len(named) == 1
        assert len({answer.container for answer in answers}) == len(forks)
        assert_reconciled(await world.planner.entries(10), world.planner.simulator)

    within(tmp_path, work)


def test_a_model_that_is_switched(tmp_path: Path) -> None:
    """The bundle is repeated while the model takes it; one that would refuse it gets the caller's own bytes."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent(model="claude-opus-5")
        first = await agent.say("[build]")
        assert first.plan == BEGUN
        agent.fields["model"] = "claude-opus-4-8"
        second = await agent.say("go on")
        assert (second.status, second.plan) == (200, REPEATED)
        assert world.last.body == bundled(second.sent, first.container)
        agent.fields["model"] = "claude-haiku-4-5"
        third = await agent.say("go on")
        assert third.status == 200
        assert third.plan["bundle"] == "declined:conversation-changed"
        assert world.last.body == contained(third.sent, second.container)
        entries = await world.planner.entries(4)
        assert [entry.attempts for entry in entries] == [1, 1, 1, 1]

    within(tmp_path, work)


def test_tools_that_change_in_the_middle(tmp_path: Path) -> None:
    """Where the caller brings its own fetch tool, ours has no place any more; without code there is nothing to free."""

    async def work(world: World) -> None:
        await world.introduce()
        agent = world.agent()
        first = await agent.say("[build]")
        other = agent.fork()
        agent.fields["tools"] = [CODE, {"type": "web_fetch_20260318", "name": "web_fetch"}]
        changed = await agent.say("go on")
        assert changed.plan["bundle"] == "declined:conversation-changed"
        assert world.last.body == contained(changed.sent, first.container)
        other.fields["tools"] = []
        without = await other.say("go on")
        assert without.plan["bundle"] in {"declined:conversation-changed", "declined:no-code-execution"}
        assert world.last.body == without.sent

    within(tmp_path, work)
