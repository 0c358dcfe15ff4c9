"""The usage of a stream: the last authoritative event wins, and what was cut is estimated and says so."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.counts import UsageError
from planner.core.metering.usage import Extra, Metered, Modifiers, StreamUsage, TokenClasses
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

GOLDEN = Path(__file__).parent.parent / "golden"
COUNTS = st.integers(0, 10**8)
TOTALS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


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
