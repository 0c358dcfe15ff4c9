"""Sizes of edits as a running process learns and keeps them."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.core.agents import profile_key
from planner.core.conversations import ToolEdit
from planner.core.learning.sizes import Combination, LearntScale, LearntSize, Sizes
from planner.core.learning.starts import FEWEST
from planner.proxy.lessons import KEEP_EVERY, group_of
from planner.stores.sqlite import SqliteStore
from tests.doubles.deciding import CLIENT_TOOL, NEWER_CODE, USER, ask, body
from tests.doubles.messages import event, usage
from tests.doubles.proxy import run
from tests.doubles.simulated import planning, rules, simulating
from tests.identity.agent import world
from tests.proxy.test_learning import FRESH, GOING_ON, WHERE, Told, ran, told
from tests.proxy.test_planning import BOOK, CALLER

ALWAYS = {
    "policies/shipped.yaml": (
        "policies:\n  - name: always\n    why: A test.\n    mode: enforce\n"
        "    then: {bundle: always, tool_version: keep, container: conversation}\n"
    )
}
WATCHED = msgspec.structs.replace(CALLER, mode="observe")
IMAGE = [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/i"}}]}]


async def answered(here: Told, sent: bytes, **members: Any) -> None:
    """A request and its answer of one iteration."""
    here.answer(await here.send(sent), **({"usage": usage(input_tokens=4_000)} | members))


def scales(sizes: Sizes) -> int:
    """How many groups have taught their scale."""
    return sum(not isinstance(each, LearntSize) for each in sizes.snapshot())


def samples(sizes: Sizes) -> int:
    """How many edited requests have taught."""
    return sum(len(each.samples) for each in sizes.snapshot() if isinstance(each, LearntSize))


def test_untouched_and_edited_requests_teach(tmp_path: Path) -> None:
    """A group and its model learn their scale, an edit its size."""

    async def scenario() -> None:
        here = await told(tmp_path)
        sizes = here.mind.lessons.sizes
        planned = await here.send(FRESH)
        assert not planned.plan.tool_edit.empty
        here.answer(planned)
        assert (scales(sizes), samples(sizes)) == (0, 1)
        here.answer(await here.send(body(tools=[NEWER_CODE], system="Wait."), WATCHED))
        assert (scales(sizes), samples(sizes)) == (2, 1)

    run(scenario())


@pytest.mark.parametrize(
    ("sent", "members"),
    [
        (body(tools=[CLIENT_TOOL]), {}),
        (body(tools=[NEWER_CODE], model="claude-of-tomorrow"), {}),
        (body(tools=[NEWER_CODE], messages=IMAGE), {}),
        (body(tools=[NEWER_CODE], thread={"type": "continue", "previous_message_id": "msg_0"}), {}),
        (FRESH, {"status": 500}),
        (FRESH, {"usage": None}),
    ],
    ids=["no code", "unknown model", "image", "thread", "error", "no usage"],
)
def test_what_tells_nothing_of_sizes(tmp_path: Path, sent: bytes, members: dict[str, Any]) -> None:
    """It is left out."""

    async def scenario() -> None:
        here = await told(tmp_path)
        await answered(here, sent, **members)
        assert here.mind.lessons.sizes.snapshot() == ()

    run(scenario())


def test_it_is_written_down_at_a_bounded_rate(tmp_path: Path) -> None:
    """At once, then once a minute; the rest when the process ends."""

    async def scenario() -> None:
        here = await told(tmp_path)
        store, lessons = here.mind.store, here.mind.lessons

        async def kept() -> list[Any]:
            await here.mind.flush()
            return list(store.kept.values())

        await answered(here, FRESH)
        first = await kept()
        assert first != []
        here.at += timedelta(seconds=5)
        await answered(here, GOING_ON)
        assert await kept() == first
        here.at += KEEP_EVERY
        await answered(here, FRESH)
        later = await kept()
        assert later != first
        here.at += timedelta(seconds=5)
        await answered(here, FRESH)
        lessons.keep(here.at)
        again = (await here.restarted(tmp_path)).mind.lessons
        again.restore(await kept())
        assert sorted(map(repr, again.sizes.snapshot())) == sorted(map(repr, lessons.sizes.snapshot()))
        agent, profiles = profile_key(ask(tools=[NEWER_CODE]), "key-1"), again.experience.profiles
        believed = [msgspec.structs.astuple(each.learnt(agent)) for each in (profiles, lessons.experience.profiles)]
        assert believed[0] == believed[1]
        assert profiles.learnt(agent).begun > 2

    run(scenario())


def test_nothing_is_believed_of_what_has_no_combination(tmp_path: Path) -> None:
    """The rules alone price such a request without its edit."""

    async def scenario() -> None:
        here = await told(tmp_path)
        assert here.mind.lessons.added(None, BOOK) is None
        assert here.mind.lessons.added(await here.send(body(tools=[CLIENT_TOOL])), BOOK) is None
        assert here.mind.learning.added(await here.send(FRESH), BOOK) == 40  # as a setting of these rules says

    run(scenario())


def test_a_group_is_who_asks_which_model_with_which_kinds_of_tools() -> None:
    """Not what is said."""
    one = ask(tools=[NEWER_CODE, CLIENT_TOOL], messages=[USER, USER])
    other = ask(tools=[CLIENT_TOOL, NEWER_CODE, CLIENT_TOOL])
    assert group_of(one, "a") == group_of(other, "a")
    assert group_of(one, "a") != group_of(one, "b")
    assert group_of(one, "a") != group_of(ask(tools=[NEWER_CODE]), "a")
    assert len(group_of(one, "a")) == 16


def test_traffic_alone_teaches_the_size(tmp_path: Path) -> None:
    """Against the simulator, without a key: what is learnt is near what its tool has, and outlives the process."""

    async def main() -> None:
        book = rules(ALWAYS)
        async with simulating() as (simulator, url):
            async with planning(tmp_path, simulator, url, book=book) as planner, world(planner) as here:
                await here.introduce()
                for number in range(12):
                    agent = here.agent(system=f"Line {number}. " * (100 + 90 * number))
                    agent.headers["planner-mode"] = "observe" if number < 6 else "plan"
                    assert (await agent.say("hello")).edited == (number >= 6)
                await planner.entries(12)
            reader = await SqliteStore.read(planner.store)
            sizes = Sizes()
            sizes.restore(each for each in (await reader.learnt()).learnt if isinstance(each, LearntSize | LearntScale))
            await reader.close()
            (key,) = [each.key for each in sizes.snapshot() if isinstance(each, LearntSize)]
            size = sizes.of(key, ToolEdit(append=key.append), book)
            assert size.source == "traffic"
            assert sizes.measured(key) == 6
            assert size.interval.likely == pytest.approx(4_930, rel=0.03)
            assert size.interval.high - size.interval.low < 1_000
            assert json.loads(key.append or "")["type"] == "web_fetch_20260318"
            assert Combination(key.model, key.declared, key.append) == key

    run(main())


STREAMED = [(b"content-type", b"text/event-stream"), *WHERE[1:]]


def timed(seconds: float, container: str, call: str) -> list[tuple[float, bytes]]:
    """A stream whose first code takes so long."""
    there = {"id": container, "expires_at": "2026-11-22T12:05:00Z"}
    told = {"stop_reason": "end_turn", "container": there}
    made, result = ran(call)
    return [
        (0.0, event("message_start", message={"id": f"msg_{call}", "model": "claude-haiku-5-5", "usage": usage()})),
        (1.0, event("content_block_start", index=0, content_block=made)),
        (1.0, event("content_block_stop", index=0)),
        (1.0 + seconds, event("content_block_start", index=1, content_block=result)),
        (9.0, event("message_delta", delta=told, usage=usage())),
        (9.0, event("message_stop")),
    ]


def test_starts_are_learnt_from_streams(tmp_path: Path) -> None:
    """New containers are compared with warm ones, and one that came in place of another is new.

    Until enough was seen, the settings hold.
    """
    here = BOOK.settings.container
    believed = replace(
        BOOK,
        settings=msgspec.structs.replace(
            BOOK.settings, container=msgspec.structs.replace(here, cold_start_seconds=0.7)
        ),
    )

    async def scenario() -> None:
        here = await told(tmp_path)
        lessons = here.mind.lessons
        assert (lessons.cold_start_ms(BOOK), lessons.cold_start_ms(believed)) == (0, 700)
        for number in range(FEWEST):
            first, second, third = (f"srvtoolu_{number}_{turn}" for turn in range(3))
            fresh = body(tools=[NEWER_CODE], system=f"{number}")
            here.answer(await here.send(fresh), where=STREAMED, stream=timed(2.5, f"c{number}", first))
            for call, after, container, seconds in (
                (first, second, f"c{number}", 0.5),
                (second, third, f"d{number}", 2.5),
            ):
                history = [USER, {"role": "assistant", "content": ran(call)}, {"role": "user", "content": "Go on."}]
                planned = await here.send(body(tools=[NEWER_CODE], system=f"{number}", messages=history))
                assert planned.plan.threaded
                assert planned.warm
                spared = here.mind.learning.spared_start_ms(planned, container, believed)
                assert (spared > 0) is (container == planned.container)
                entry = here.answer(planned, where=STREAMED, stream=timed(seconds, container, after))
                assert entry.warm is (container == f"c{number}")
        assert lessons.cold_start_ms(believed) == 2_000

    run(scenario())
