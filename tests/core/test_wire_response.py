"""What comes back is reduced to what is metered; unknown events and fields pass."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.wire import (
    Block,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    ErrorBody,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    Ping,
    ResponseContainer,
    StreamError,
    UnknownEvent,
    WireError,
    delta_size,
    deltas_size,
    parse_event,
)
from planner.core.wire.blocks import sealed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def test_message_is_reduced_to_what_is_metered() -> None:
    """Ids, usage as raw bytes, the container with its end in UTC, and the blocks' summaries."""
    body = (
        b'{"id":"msg_1","model":"m","stop_reason":"tool_use","usage": {"input_tokens": 1 },"extra":1,'
        b'"container":{"id":"c","expires_at":"2026-11-22T12:00:00+02:00"},"content":[{"type":"text","text":"x"},7]}'
    )
    assert Message.parse(body) == Message(
        id="msg_1",
        model="m",
        stop_reason="tool_use",
        usage=b'{"input_tokens": 1 }',
        container=ResponseContainer("c", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        content=(Block(type="text"),),
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"id":'])
def test_a_response_that_is_no_message_is_an_error(body: bytes) -> None:
    """A proxy's error page is not a message."""
    with pytest.raises(WireError):
        Message.parse(body)


def test_error_body() -> None:
    """The API's own error shape is read; another body is none."""
    body = b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}'
    assert ErrorBody.parse(body) == ErrorBody("overloaded_error", "Overloaded", "req_1")
    assert ErrorBody.parse(b"upstream timed out") is None
    assert ErrorBody.parse(b'{"error":"text"}') is None


@pytest.mark.parametrize(
    ("data", "event"),
    [
        (b'{"type":"message_start","message":{"id":"m","usage":{}}}', MessageStart(Message(id="m", usage=b"{}"))),
        (b'{"type":"message_start"}', UnknownEvent("message_start")),
        (
            b'{"type":"content_block_start","index":0,"content_block":{"type":"text"}}',
            ContentBlockStart(0, Block(type="text")),
        ),
        (b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"h\xc3\xa9"}}', ContentBlockDelta(3)),
        (
            b'{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{"}}',
            ContentBlockDelta(1),
        ),
        (b'{"type":"content_block_delta","delta":{"type":"signature_delta","signature":""}}', ContentBlockDelta(0)),
        (
            b'{"type":"content_block_delta","delta":{"type":"signature_delta","signature":"zz"}}',
            ContentBlockDelta(0, sealed("zz")),
        ),
        (
            b'{"type":"content_block_delta","delta":{"type":"signature_delta","signature":9}}',
            ContentBlockDelta(0),
        ),
        (
            b'{"type":"message_delta","delta":{"stop_reason":"end_turn","container":{"id":"c"}},"usage":{"a":1}}',
            MessageDelta(stop_reason="end_turn", container=ResponseContainer("c"), usage=b'{"a":1}'),
        ),
        (b'{"type":"message_delta","delta":5,"usage":{"a":1}}', MessageDelta(usage=b'{"a":1}')),
        (b'{"type":"content_block_stop","index":2}', ContentBlockStop(2)),
        (b'{"type":"message_stop"}', MessageStop()),
        (b'{"type":"ping"}', Ping()),
        (b'{"type":"error","error":{"type":"api_error","message":"x"}}', StreamError("api_error", "x")),
        (b'{"type":"message_thought","x":1}', UnknownEvent("message_thought")),
        (b"[DONE]", UnknownEvent(None)),
        (b"", UnknownEvent(None)),
    ],
)
def test_stream_events(data: bytes, event: object) -> None:
    """Each event that is known is read, and every other is tolerated."""
    assert parse_event(data) == event


@given(JSON)
def test_any_event_data_is_tolerated(value: object) -> None:
    """No data makes the side parser raise, whatever type it claims."""
    for kind in ("message_start", "message_delta", "content_block_start", "content_block_delta", "error"):
        data = msgspec.json.encode(
            {"type": kind, "delta": value, "message": value, "content_block": value, "error": value}
        )
        parse_event(data)
        delta_size(data)


ODD = (b"", b"[DONE]", b'{"delta":5}', b'{"delta":{"text":"', b'"}}', b"\xff")
SAID = st.text().map(lambda said: msgspec.json.encode({"delta": {"text": said}}))


@given(st.lists(st.one_of(SAID, st.sampled_from(ODD))))
def test_deltas_that_are_read_in_one_go_have_the_size_that_they_have_one_by_one(data: list[bytes]) -> None:
    """Whatever stands between them."""
    assert deltas_size(data) == sum(map(delta_size, data))


GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("stream", sorted(GOLDEN.glob("*.sse")), ids=lambda path: path.stem)
def test_golden_streams_have_only_known_events(stream: Path) -> None:
    """The recorded streams hold the API's events in the API's order."""
    data = [line.removeprefix(b"data: ") for line in stream.read_bytes().splitlines() if line.startswith(b"data: ")]
    events = [parse_event(each) for each in data]
    assert isinstance(events[0], MessageStart)
    unknown = [event for event in events if isinstance(event, UnknownEvent)]
    assert bool(unknown) == (stream.stem == "unknown_event")
