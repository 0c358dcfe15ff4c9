"""Every token on the wire is billed in exactly one class, and what cannot be is an error with its numbers."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.counts import UsageError
from planner.core.usage import Extra, Metered, Modifiers, StreamUsage, TokenClasses, meter
from planner.core.wire import (
    Block,
    ContentBlockDelta,
    ContentBlockStart,
    Event,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    UnknownEvent,
    parse_event,
)

GOLDEN = Path(__file__).parent / "golden"
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


# ---------------------------------------------------------------- streams

DELTAS = st.dictionaries(st.sampled_from(TOTALS), COUNTS | st.none())
NOISE: list[Event] = [
    Ping(),
    MessageStop(),
    UnknownEvent("x"),
    UnknownEvent(None),
    ContentBlockDelta(7),
    MessageDelta(stop_reason="end_turn"),
    ContentBlockStart(0, Block(type="web_search_tool_result")),
]


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


@pytest.mark.parametrize(
    ("usage", "first"),
    [
        (
            {"input_tokens": 3, "cache_creation_input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1},
            TokenClasses(input=3, cache_write_5m=5, cache_read=7),
        ),
        ({"output_tokens": 1}, None),
        ({"input_tokens": -1}, None),
    ],
)
def test_the_first_iteration_of_a_stream_is_what_its_start_tells(
    usage: dict[str, object], first: TokenClasses | None
) -> None:
    """The deltas sum over the iterations; a start that cannot be read tells nothing, and spoils nothing."""
    stream = StreamUsage()
    stream.feed(start(usage))
    stream.feed(delta({"input_tokens": 90, "output_tokens": 9, "cache_creation_input_tokens": 8}))
    found = stream.metered()
    assert found is not None
    assert (found.first, found.classes.input) == (first, 90)


def start(usage: object) -> MessageStart:
    """A `message_start` with this usage."""
    return MessageStart(Message(usage=msgspec.json.encode(usage)))


def delta(usage: object) -> MessageDelta:
    """A `message_delta` with this usage."""
    return MessageDelta(usage=msgspec.json.encode(usage))


@given(
    st.fixed_dictionaries(dict.fromkeys(TOTALS, COUNTS)),
    st.lists(DELTAS, min_size=1, max_size=3),
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(0, 4), st.sampled_from(NOISE))),
)
def test_the_last_authoritative_event_wins(
    first: dict[str, int], deltas: list[dict[str, int | None]], place: int, noise: list[tuple[int, Event]]
) -> None:
    """Wherever the start comes, each total is that of the last delta that names it: never a maximum."""
    deltas = [*deltas, {"output_tokens": 5}] if all(each.get("output_tokens") is None for each in deltas) else deltas
    events: list[Event] = [delta(each) for each in deltas]
    events.insert(place, start(first))
    for at, event in noise:
        events.insert(at, event)
    stream = StreamUsage()
    for event in events:
        stream.feed(event)
    expected = dict(first)
    for each in deltas:
        expected |= {name: count for name, count in each.items() if count is not None}
    found = stream.metered()
    assert found is not None
    assert found.classes == TokenClasses(
        input=expected["input_tokens"],
        cache_write_5m=expected["cache_creation_input_tokens"],
        cache_read=expected["cache_read_input_tokens"],
        output=expected["output_tokens"],
    )
    assert found.classes.total == sum(expected.values())
    assert json.loads(found.raw) == expected
    assert found.web_searches == 0


def test_a_delta_without_output_leaves_an_estimate() -> None:
    """The start's count of output is a placeholder, and never counts as measured."""
    stream = StreamUsage()
    for event in (start({"input_tokens": 9, "output_tokens": 1}), ContentBlockDelta(40), delta({"input_tokens": 12})):
        stream.feed(event)
    found = stream.metered()
    assert found is not None
    assert (found.classes.input, found.classes.output, found.estimated, stream.final) == (12, 10, True, False)


def test_the_split_comes_from_the_start() -> None:
    """Later iterations write more than the start's split covers; the rest is 5m and flagged."""
    stream = StreamUsage()
    split = {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 90}
    stream.feed(
        start({"input_tokens": 1, "cache_creation_input_tokens": 100, "cache_creation": split, "speed": "fast"})
    )
    stream.feed(delta({"cache_creation_input_tokens": 130, "output_tokens": 4}))
    found = stream.metered()
    assert found is not None
    assert found.classes == TokenClasses(input=1, cache_write_5m=40, cache_write_1h=90, output=4)
    assert (found.estimated, found.modifiers.fast) == (True, True)


def test_a_split_above_the_final_total_is_an_error() -> None:
    """A total that shrinks below the start's split cannot be."""
    stream = StreamUsage()
    stream.feed(start({"input_tokens": 1, "output_tokens": 1, "cache_creation": {"ephemeral_1h_input_tokens": 90}}))
    stream.feed(delta({"cache_creation_input_tokens": 80, "output_tokens": 4}))
    with pytest.raises(UsageError, match=r"90 .* is 80"):
        stream.metered()


def test_a_broken_delta_is_an_error_until_a_later_one_is_whole() -> None:
    """A final usage that cannot be read makes the cost unknown; it never falls back to the start's placeholder."""
    stream = StreamUsage()
    stream.feed(start({"input_tokens": 1, "output_tokens": 1}))
    stream.feed(MessageDelta(usage=b"[]"))
    with pytest.raises(UsageError):
        stream.metered()
    stream.feed(delta({"output_tokens": 9}))
    found = stream.metered()
    assert found is not None
    assert found.classes.output == 9


@pytest.mark.parametrize(("size", "output"), [(0, 3), (13, 3), (14, 4), (17, 4), (18, 5), (400, 100)])
def test_a_cut_stream_is_estimated_from_what_was_written(size: int, output: int) -> None:
    """Four bytes a token, rounded half up, and at least the placeholder."""
    stream = StreamUsage()
    stream.feed(start({"input_tokens": 50, "output_tokens": 3}))
    stream.feed(ContentBlockDelta(size // 2))
    stream.wrote(size - size // 2)
    found = stream.metered()
    assert found is not None
    assert found.classes == TokenClasses(input=50, output=output)
    assert (found.estimated, stream.final) == (True, False)


def test_a_cut_stream_bills_its_prompt_in_every_iteration() -> None:
    """Which the model begins behind each answer of the server; what was written to a cache is then read from it."""
    call, result = (
        Block(type="server_tool_use", name="bash_code_execution"),
        Block(type="bash_code_execution_tool_result"),
    )
    nested = Block(type="web_search_tool_result", caller="code_execution_20260120")
    stream = StreamUsage()
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 50, "cache_read_input_tokens": 400, "output_tokens": 1}
    stream.feed(start(usage))
    counted = []
    for block in (result, call, nested, result, result, call, result, Block(type="text"), Block(type="text")):
        stream.feed(ContentBlockStart(0, block))
        found = stream.metered()
        assert found is not None
        assert found.estimated
        assert found.first == TokenClasses(input=3, cache_write_5m=50, cache_read=400)
        counted.append((found.classes.input, found.classes.cache_write, found.classes.cache_read))
    first, second, third = (3, 50, 400), (6, 50, 850), (9, 50, 1300)
    assert counted == [first] * 5 + [second] * 2 + [third] * 2
    stream.feed(delta({"input_tokens": 7, "output_tokens": 9}))
    last = stream.metered()
    assert last is not None
    assert (last.classes.input, last.classes.cache_read) == (7, 400)


def test_a_stream_that_said_nothing_has_no_usage() -> None:
    """Nothing seen is nothing known, which is not zero."""
    stream = StreamUsage()
    stream.feed(ContentBlockDelta(100))
    assert stream.metered() is None


SPLIT = {"cache_write_5m": 1000, "cache_write_1h": 200}
FIRST = TokenClasses(input=2095, cache_read=5000, **SPLIT)
EXPECTED = {
    "text": Metered(
        classes=TokenClasses(input=2095, cache_read=5000, output=17, **SPLIT),
        modifiers=Modifiers(us=True),
        first=FIRST,
    ),
    "code_run": Metered(
        classes=TokenClasses(input=4300, cache_write_5m=1300, cache_write_1h=200, cache_read=11400, output=88),
        modifiers=Modifiers(us=True),
        first=FIRST,
        estimated=True,
    ),
    "cut": Metered(
        classes=TokenClasses(input=2 * 900, output=5),
        modifiers=Modifiers(fast=True),
        web_searches=1,
        first=TokenClasses(input=900),
        estimated=True,
    ),
    "error": Metered(classes=TokenClasses(input=40, output=3), first=TokenClasses(input=40), estimated=True),
    "unknown_event": Metered(classes=TokenClasses(input=40, output=5), first=TokenClasses(input=40)),
    "advisor": Metered(
        classes=TokenClasses(input=2095, cache_read=5000, output=17, **SPLIT),
        extras=(
            Extra("advisor_message", "claude-fable-5-2", TokenClasses(input=800, output=90)),
            Extra("compaction", None, TokenClasses(input=50, output=10)),
        ),
        modifiers=Modifiers(us=True),
        iterations=1,
        first=FIRST,
    ),
}


@pytest.mark.parametrize("stream", sorted(GOLDEN.glob("*.sse")), ids=lambda path: path.stem)
def test_golden_streams_meter_as_written_down(stream: Path) -> None:
    """Each recorded stream has the usage that was worked out by hand."""
    usage = StreamUsage()
    for line in stream.read_bytes().splitlines():
        if line.startswith(b"data: "):
            usage.feed(parse_event(line.removeprefix(b"data: ")))
    found = usage.metered()
    assert found is not None
    assert msgspec.structs.replace(found, raw=b"") == EXPECTED[stream.stem]
