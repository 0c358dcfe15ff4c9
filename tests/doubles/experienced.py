"""Requests and answers as experience takes them, with usual values for what a test does not say."""

from datetime import timedelta
from typing import Any, Final

import msgspec

from planner.core.agents import ProfileKey
from planner.core.conversations import ToolEdit
from planner.core.learning.experience import Answer, Sent
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import Combination
from planner.core.metering.usage import TokenClasses
from tests.doubles.deciding import NOW

MODEL: Final = "claude-sonnet-5-5"
KEY: Final = ProfileKey("own", "parent")
ADDED: Final = ToolEdit(append='{"type":"web_fetch_20260318","name":"web_fetch"}', name="web_fetch", free=True)
LONG_PROMPT: Final = Prompt(tokens=10_000, fewest=7_000, most=16_000, marked=True, cached=9_000)


def sent(seconds: float = 0, **changes: Any) -> Sent:
    """A request that begins a conversation, so many seconds from now."""
    usual = Sent(
        at=NOW + timedelta(seconds=seconds),
        model=MODEL,
        prefix="p",
        profile=KEY,
        prompt=LONG_PROMPT,
        opens=True,
        edit=ToolEdit(),
        combination=Combination(MODEL),
    )
    return msgspec.structs.replace(usual, **changes)


def edited(seconds: float = 0, **changes: Any) -> Sent:
    """The same with our tool."""
    return sent(seconds, edit=ADDED, combination=Combination(MODEL, (), ADDED.append), **changes)


def answer(**changes: Any) -> Answer:
    """Code ran for ten seconds in a container; the answer took twenty."""
    usual = Answer(
        first=TokenClasses(input=1_000, cache_read=9_000),
        whole=TokenClasses(input=2_000, cache_read=18_000, output=500),
        iterations=2,
        runs=1,
        code_ms=10_000,
        elapsed_ms=20_000,
        container="container_1",
    )
    return msgspec.structs.replace(usual, **changes)
