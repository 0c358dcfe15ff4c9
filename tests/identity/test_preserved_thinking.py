"""Models that bind thinking to its prefix see the same edit on every turn: no signature breaks, no cache is lost."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from planner.simulator import Key
from tests.doubles.proxy import run
from tests.doubles.simulated import assert_reconciled, simulated
from tests.identity.agent import OLD_CODE, World, deciding, within, world

TURNS = 20


async def converse(here: World, **fields: Any) -> None:
    """Twenty turns that think, the same edit in each, and nothing lost between them."""
    await here.introduce()
    agent = here.agent(thinking={"type": "adaptive"}, **fields)
    previous = None
    for turn in range(TURNS):
        answer = await agent.say(f"[think] {turn}", diagnostics={"previous_message_id": previous})
        assert answer.status == 200, answer.message
        assert answer.plan["bundle"] == ("kept:repeated" if turn else "applied")
        assert answer.message["diagnostics"] is None
        previous = answer.message["id"]
    bodies = [heard.body for heard in here.planner.heard]
    assert len(bodies) == TURNS
    for before, after in pairwise(bodies):
        assert after.startswith(before[: before.rindex(b"]")])
    entries = sorted(await here.planner.entries(TURNS + 1), key=lambda entry: entry.at)
    assert_reconciled(entries, here.planner.simulator)
    reads = [entry.tokens.cache_read for entry in entries if entry.tokens is not None]
    assert reads == sorted(reads)
    assert reads[-1] > 0


@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-fable-5-2"])
def test_twenty_turns_of_thinking_keep_one_prefix(tmp_path: Path, model: str) -> None:
    """The API never answers the signature 400, `tools_changed` never appears, and the common prefix only grows."""

    async def work(here: World) -> None:
        await converse(here, model=model)

    within(tmp_path, work)


def test_twenty_turns_under_a_lifted_version(tmp_path: Path) -> None:
    """A version that was lifted for the bundle is lifted on every turn."""

    async def work(here: World) -> None:
        await converse(here, tools=[OLD_CODE])
        assert {heard.json()["tools"][0]["type"] for heard in here.planner.heard} == {"code_execution_20260120"}

    within(tmp_path, work)


def test_an_edit_in_the_middle_would_break_it(tmp_path: Path) -> None:
    """The counter-proof: the simulator does refuse what this planner never does."""

    async def main() -> None:
        keys = (Key(key="sk-ant-one"),)
        async with simulated(tmp_path, book=deciding(), simulator={"keys": keys}) as planner, world(planner) as here:
            agent = here.agent(thinking={"type": "adaptive"})
            agent.address = planner.direct
            assert (await agent.say("[think] 1")).status == 200
            agent.fields["tools"] = [*agent.fields["tools"], {"type": "web_fetch_20260318", "name": "web_fetch"}]
            broken = await agent.say("[think] 2")
            assert broken.status == 400
            assert "Invalid signature in thinking block" in broken.message["error"]["message"]

    run(main())
