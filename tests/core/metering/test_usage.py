"""Every token on the wire is billed in exactly one class, and what cannot be is an error with its numbers."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.counts import UsageError
from planner.core.metering.usage import Extra, Metered, Modifiers, TokenClasses, meter

GOLDEN = Path(__file__).parent.parent / "golden"
COUNTS = st.integers(0, 10**8)
TOTALS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


def metered(**usage: object) -> Metered:
    """The usage of a whole message of one token each way, but for what is given."""
    return meter(json.dumps({"input_tokens": 1, "output_tokens": 1, **usage}).encode())


@given(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)
def test_billed_tokens_are_wire_tokens(tokens: int, short: int, long: int, rest: int, read: int, output: int) -> None:
    """The classes are disjoint and conserve the wire's totals; what the split leaves over is 5m, and estimated."""
    written = short + long + rest
    found = metered(
        input_tokens=tokens,
        output_tokens=output,
        cache_read_input_tokens=read,
        cache_creation_input_tokens=written,
        cache_creation={"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
    )
    assert found.classes == TokenClasses(
        input=tokens, cache_write_5m=short + rest, cache_write_1h=long, cache_read=read, output=output
    )
    assert found.classes.total == tokens + written + read + output
    assert found.classes.prompt == tokens + written + read
    assert found.estimated == (rest > 0)


@pytest.mark.parametrize(
    ("usage", "numbers"),
    [
        ({"input_tokens": -1}, "-1"),
        ({"output_tokens": None}, "lacks output_tokens"),
        ({"cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 10}}, "10 tokens.* is 9"),
        ({"iterations": 3}, "iterations is no array"),
        ({"iterations": [{"type": "message", "input_tokens": 1}]}, r"iterations\[0\] lacks output_tokens"),
        ({"iterations": [{"type": "advisor_message", "input_tokens": 1, "output_tokens": 1}]}, "no model"),
        ({"server_tool_use": {"web_search_requests": -2}}, "-2"),
    ],
)
def test_an_impossible_usage_is_an_error_that_names_its_numbers(usage: dict[str, object], numbers: str) -> None:
    """Nothing is clamped, defaulted or dropped where money depends on it."""
    with pytest.raises(UsageError, match=numbers):
        metered(**usage)


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'{"input_tokens":1'])
def test_usage_that_is_no_object_is_an_error(raw: bytes) -> None:
    """A usage of another shape leaves the cost unknown instead of zero."""
    with pytest.raises(UsageError):
        meter(raw)


def test_all_that_changes_a_price_is_kept() -> None:
    """Searches, tier, speed and place as served; the raw bytes stay for the ledger."""
    found = metered(
        server_tool_use={"web_search_requests": 3, "web_fetch_requests": 2, "code_execution_requests": 1},
        service_tier="batch",
        speed="fast",
        inference_geo="us",
        later={"x": 1},
    )
    assert (found.web_searches, found.web_fetches) == (3, 2)
    assert found.modifiers == Modifiers(batch=True, fast=True, us=True)
    assert json.loads(found.raw)["later"] == {"x": 1}
    assert not found.estimated


def test_a_value_without_a_known_price_is_named() -> None:
    """An unknown speed or place is neither the standard one nor an error: it is named, so that nobody guesses."""
    found = metered(speed="warp", inference_geo="moon", service_tier="priority").modifiers
    assert found == Modifiers(priority=True, unknown=("speed=warp", "inference_geo=moon"))
    assert metered(speed="standard", inference_geo="global", service_tier="standard").modifiers == Modifiers()


def iteration(kind: str, model: str | None, tokens: int, output: int = 1) -> dict[str, object]:
    """One entry of `iterations`."""
    return {"type": kind, "model": model, "input_tokens": tokens, "output_tokens": output}


def test_iterations_of_other_models_are_priced_apart() -> None:
    """Advisor and compaction lie outside the totals and keep their own models."""
    found = metered(
        input_tokens=10,
        output_tokens=2,
        iterations=[
            iteration("message", None, 4),
            iteration("message", None, 6),
            iteration("advisor_message", "fable", 70, 9),
            iteration("compaction", None, 20),
        ],
    )
    assert found.classes == TokenClasses(input=10, output=2)
    assert found.extras == (
        Extra("advisor_message", "fable", TokenClasses(input=70, output=9)),
        Extra("compaction", None, TokenClasses(input=20, output=1)),
    )
    assert (found.iterations, found.model, found.estimated) == (2, None, False)


def test_several_iterations_are_kept() -> None:
    """Of each model as they are listed; a single one is what the totals tell anyway."""
    both = [iteration("message", None, 1), iteration("message", None, 2, 2)]
    found = metered(input_tokens=3, output_tokens=3, iterations=both)
    assert found.each == (TokenClasses(input=1, output=1), TokenClasses(input=2, output=2))
    assert metered(input_tokens=1, output_tokens=2, iterations=[iteration("message", None, 1, 2)]).each == ()
    hops = [iteration("message", "fable", each) for each in (3, 4)] + [iteration("fallback_message", "opus", 6)]
    fallen = metered(input_tokens=13, output_tokens=3, iterations=hops)
    assert [extra.each for extra in fallen.extras] == [
        (TokenClasses(input=3, output=1), TokenClasses(input=4, output=1))
    ]


@pytest.mark.parametrize(("tokens", "output"), [(15, 3), (10, 2)], ids=["totals-are-sums", "totals-are-the-last"])
def test_a_fallback_bills_each_model_its_own_tokens(tokens: int, output: int) -> None:
    """Whether the totals tell of all hops or of the one that answered, no token is billed twice or lost."""
    found = metered(
        input_tokens=tokens,
        output_tokens=output,
        iterations=[
            iteration("message", "fable", 5),
            iteration("message", "opus", 4),
            iteration("fallback_message", "opus", 6),
        ],
    )
    assert (found.model, found.classes) == ("opus", TokenClasses(input=10, output=2))
    assert found.extras == (Extra("message", "fable", TokenClasses(input=5, output=1)),)
    assert not found.estimated


def test_iterations_that_do_not_explain_the_totals_leave_them() -> None:
    """The totals stand, at the model that answered, and are marked as estimated."""
    found = metered(input_tokens=99, iterations=[iteration("message", "a", 5), iteration("fallback_message", "b", 6)])
    assert (found.model, found.classes.input, found.extras, found.estimated) == ("b", 99, (), True)


def test_an_iteration_of_an_unknown_kind_is_marked() -> None:
    """What it costs is unknown, so the sum is an estimate; its shape cannot break anything."""
    found = metered(iterations=[iteration("message", None, 1), {"type": "dream"}, {}])
    assert (found.classes, found.extras, found.estimated) == (TokenClasses(input=1, output=1), (), True)


def test_the_first_iteration_of_a_whole_message_is_the_first_that_usage_lists() -> None:
    """Its prompt alone, in its classes; what was compacted or advised before it is another call."""
    listed = [iteration("compaction", None, 4), iteration("message", None, 10), iteration("message", None, 30)]
    found = metered(input_tokens=40, output_tokens=2, iterations=listed)
    assert found.first == TokenClasses(input=10)


@pytest.mark.parametrize(
    ("single", "usage", "first"),
    [
        (True, {"cache_read_input_tokens": 7}, TokenClasses(input=1, cache_read=7)),
        (False, {"cache_read_input_tokens": 7}, None),
        (True, {"server_tool_use": {"web_search_requests": 1}}, None),
        (True, {"server_tool_use": {"web_fetch_requests": 1}}, None),
    ],
)
def test_a_sum_over_several_iterations_is_no_first(
    *, single: bool, usage: dict[str, object], first: TokenClasses | None
) -> None:
    """Without a list of iterations the totals are the first one's only where there was exactly one."""
    found = meter(json.dumps({"input_tokens": 1, "output_tokens": 1, **usage}).encode(), single=single)
    assert found.first == first
