"""Ledger entries with shapes, for tests of what is played from a ledger."""

from datetime import timedelta
from typing import Any, Final

import msgspec

from planner.core.ledger.entry import Code, Digests, Entry, Seconds
from planner.core.ledger.shape import Shape, ToolShape
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from tests.doubles.simulated import START

CODE: Final = ToolShape(type="code_execution_20250825", name="code_execution")
CUSTOM: Final = ToolShape(type="custom")

RAN: Final = Shape(
    conversation="c0ffee",
    begins=True,
    prefix="abcd",
    system="5757",
    tools=(CODE, CUSTOM),
    body_bytes=24_000,
    max_tokens=1_024,
    marked=True,
    prompt_tokens=6_000,
    cached_tokens=5_000,
    iterations=2,
    growth_tokens=500,
)
"""A short prompt on a small model, whose code runs once."""


def entry(second: float = 0, shape: dict[str, Any] | None = None, **changes: Any) -> Entry:
    """A settled entry so many seconds after the start, with members of its shape changed."""
    usual = Entry(
        request_id=f"{round(second * 1_000):024x}",
        at=(START + timedelta(seconds=second)).isoformat(timespec="microseconds"),
        principal="key-1",
        organization="o",
        workspace="w",
        team="search",
        endpoint="messages",
        method="POST",
        mode="plan",
        model="claude-haiku-5-5",
        served_model="claude-haiku-5-5",
        outcome="ok",
        status=200,
        lines=(Line("input", 2_500, "token", 250_000, "measured"),),
        cost_nano=250_000,
        tokens=TokenClasses(input=2_500, cache_write_5m=5_000, cache_read=5_000, output=100),
        usage=msgspec.Raw(
            b'{"input_tokens":2500,"cache_creation_input_tokens":5000,"cache_read_input_tokens":5000,"output_tokens":100}'
        ),
        code=Code(1, Seconds(0.0, 10.0, 12.0), "billed", hours_ms=300_000),
        shape=msgspec.structs.replace(RAN, **(shape or {})),
        digests=Digests("0" * 16, "1" * 16),
    )
    return msgspec.structs.replace(usual, **changes)
