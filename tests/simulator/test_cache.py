"""The prompt cache: classes are disjoint and conserved, prefixes live as long as they should, changes miss."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.simulator import Key, Switches
from planner.simulator import prompt as prompts
from planner.simulator.cache import PromptCache
from tests.simulator.asgi import BASIC_SEARCH, MODEL, START, WEATHER, Api, request, say

LONG = "word " * 2_000
BREAK = {"type": "ephemeral"}
HOUR = {"type": "ephemeral", "ttl": "1h"}
SYSTEM = [{"type": "text", "text": LONG, "cache_control": BREAK}]


def classes(message: Any) -> tuple[int, int, int, int]:
    """Uncached, 5m writes, 1h writes and reads of a message's usage."""
    usage = message["usage"]
    split = usage["cache_creation"]
    assert (
        split["ephemeral_5m_input_tokens"] + split["ephemeral_1h_input_tokens"] == usage["cache_creation_input_tokens"]
    )
    return (
        usage["input_tokens"],
        split["ephemeral_5m_input_tokens"],
        split["ephemeral_1h_input_tokens"],
        usage["cache_read_input_tokens"],
    )


def test_first_a_write_then_a_read(api: Api) -> None:
    """The marked prefix is written once and read afterwards; the rest is paid in full."""
    first, second = (classes(api.ask("hi", system=SYSTEM).json()) for _ in range(2))
    assert first == (4, 2_500, 0, 0)
    assert second == (4, 0, 0, 2_500)


def test_a_short_prefix_is_not_cached(api: Api) -> None:
    """Below the model's minimum a breakpoint is ignored: 512 tokens for one, 4,096 for another."""
    assert classes(api.ask(system=[{**SYSTEM[0], "text": "short"}]).json())[1:] == (0, 0, 0)
    assert classes(api.ask(system=SYSTEM, model="claude-opus-4-6").json())[1:] == (0, 0, 0)


@pytest.mark.parametrize(("control", "life"), [(BREAK, 300), (HOUR, 3_600)])
def test_lifetimes_are_refreshed_by_hits(api: Api, control: dict[str, str], life: int) -> None:
    """A prefix lives on from its last hit, and is gone at the end of its lifetime."""
    system = [{**SYSTEM[0], "cache_control": control}]
    api.ask(system=system)
    for _ in range(3):
        api.clock.advance(life - 1)
        assert classes(api.ask(system=system).json())[3] == 2_500
    api.clock.advance(life)
    assert classes(api.ask(system=system).json())[3] == 0


def test_both_lifetimes_in_one_request(api: Api) -> None:
    """Each breakpoint's own part is written with its own lifetime."""
    tools = [{**WEATHER, "description": LONG, "cache_control": HOUR}]
    uncached, five, hour, read = classes(api.ask(tools=tools, system=SYSTEM).json())
    assert (five, read) == (2_500, 0)
    assert hour > 2_500
    assert uncached == 4


@pytest.mark.parametrize(
    "changes", [{"tools": [{**WEATHER, "name": "other"}]}, {"model": "claude-sonnet-5-5"}, {"speed": "fast"}]
)
def test_a_changed_prefix_misses(api: Api, changes: dict[str, Any]) -> None:
    """Tools come first in the prefix, and the cache is per model and speed."""
    api.ask(system=SYSTEM, tools=[WEATHER])
    assert classes(api.ask(**{"system": SYSTEM, "tools": [WEATHER], **changes}).json())[3] == 0


def test_caches_are_per_workspace() -> None:
    """Another workspace reads nothing of ours."""
    api = Api(keys=(Key(key="a", workspace="wrkspc_a"), Key(key="b", workspace="wrkspc_b")))
    headers = {"anthropic-version": "2023-06-01"}
    api.ask(system=SYSTEM, headers={**headers, "x-api-key": "a"})
    assert classes(api.ask(system=SYSTEM, headers={**headers, "x-api-key": "b"}).json())[3] == 0
    assert classes(api.ask(system=SYSTEM, headers={**headers, "x-api-key": "a"}).json())[3] == 2_500


def test_an_automatic_breakpoint_grows_with_the_conversation(api: Api) -> None:
    """A top-level `cache_control` marks the last block; each turn reads what the one before wrote."""
    first = api.ask(LONG, cache_control=BREAK).json()
    assert classes(first) == (0, 2_503, 0, 0)
    messages = [*request(LONG)["messages"], *say(first, "and then?")]
    uncached, five, _, read = classes(api.ask(messages=messages, cache_control=BREAK).json())
    assert (uncached, read) == (0, 2_503)
    assert five > 0


def test_later_iterations_read_what_the_first_wrote(api: Api) -> None:
    """Within one request the marked prefix is written once, then read."""
    code = {"type": "code_execution_20250825", "name": "code_execution"}
    headers = {"x-api-key": "k", "anthropic-version": "2023-06-01", "anthropic-beta": "compact-2026-01-12"}
    usage = api.ask("[build]", system=SYSTEM, tools=[code], headers=headers).json()["usage"]
    one, two = usage["iterations"]
    assert two["cache_read_input_tokens"] == one["cache_creation_input_tokens"]
    assert two["cache_creation_input_tokens"] == 0


def test_the_switch_for_web_tools() -> None:
    """Normally a new web tool drops the cached tools; with the switch only what follows is dropped."""
    tools = [{**WEATHER, "description": LONG, "cache_control": BREAK}]
    for kept, read in ((False, 0), (True, 2_500)):
        api = Api(switches=Switches(cache_web_tool_change_keeps_tools=kept))
        api.ask(tools=tools, system=SYSTEM)
        found = classes(api.ask(tools=[*tools, BASIC_SEARCH], system=SYSTEM).json())[3]
        assert (found >= read) is True
        assert (found > 0) is kept


BLOCK = st.tuples(st.integers(0, 3_000), st.sampled_from([None, "5m"]))
CONVERSATION = st.lists(BLOCK, min_size=1, max_size=6)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(CONVERSATION, st.integers(0, 400)), min_size=1, max_size=5), st.sampled_from([0, 512, 4_096]))
def test_classes_are_disjoint_and_conserved(
    turns: list[tuple[list[tuple[int, str | None]], int]], minimum: int
) -> None:
    """Whatever is sent and when: uncached + writes + reads is the prompt, and nothing is negative."""
    cache, now = PromptCache(), START
    for sizes, pause in turns:
        marked = 0
        content = []
        for size, ttl in sizes:
            block: dict[str, Any] = {"type": "text", "text": "x" * size}
            if ttl is not None and marked < 4:
                block["cache_control"] = {"type": "ephemeral", "ttl": ttl}
                marked += 1
            content.append(block)
        prompt = prompts.read({"messages": [{"role": "user", "content": content}]}, Switches())
        split = cache.use(prompt, MODEL, minimum, now)
        assert split.uncached + split.write_5m + split.write_1h + split.read == prompt.tokens
        assert min(split.uncached, split.write_5m, split.write_1h, split.read) >= 0
        again = cache.use(prompt, MODEL, minimum, now)
        assert again.write_5m + again.write_1h == 0
        assert again.uncached == split.uncached
        now += timedelta(seconds=pause)
