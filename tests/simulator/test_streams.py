"""Streams: the events are those of the SDK's types, and add up to the JSON response."""

import json
import zlib
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard

from planner.simulator import Config, build
from planner.simulator.encoding import encoder
from tests.simulator.asgi import CODE, KEY, NEW_CODE, SEARCH, WEATHER, Api

GOLDEN = Path(__file__).parent / "golden"


def assembled(events: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """The content blocks that a stream's events add up to."""
    blocks: list[dict[str, Any]] = []
    partial = ""
    for name, data in events:
        if name == "content_block_start":
            blocks.append(dict(data["content_block"]))
            partial = ""
        elif name == "content_block_delta":
            delta, block = data["delta"], blocks[data["index"]]
            if delta["type"] == "input_json_delta":
                partial += delta["partial_json"]
            elif delta["type"] == "citations_delta":
                block["citations"] = [*block["citations"], delta["citation"]]
            else:
                field = delta["type"].removesuffix("_delta")
                block[field] += delta[field]
        elif name == "content_block_stop" and partial:
            blocks[data["index"]]["input"] = json.loads(partial)
    return blocks


def test_a_stream_is_the_golden_file(api: Api) -> None:
    """Every byte of one stream with thinking-free text, code, a container and cumulative usage."""
    response = api.ask("[csv]", tools=[NEW_CODE], stream=True)
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.body == (GOLDEN / "csv.sse").read_bytes()


@pytest.mark.parametrize(
    ("text", "tools"),
    [
        ("hello", []),
        ("[csv]", [CODE]),
        ("[config]", [NEW_CODE]),
        ("[research]", [SEARCH]),
        ("[think]", []),
        ("[tool]", [WEATHER]),
        ("[advisor]", []),
        ("[refuse]", []),
        ("[pause]", [CODE]),
        ("[legacy]", [{"type": "code_execution_20250522", "name": "code_execution"}]),
    ],
)
def test_a_stream_adds_up_to_the_json_response(text: str, tools: list[Any]) -> None:
    """Same seed, same request: streamed and not, the content, stop reason, container and totals are the same."""
    whole = Api().ask(text, tools=tools).json()
    events = Api().ask(text, tools=tools, stream=True).events()
    assert assembled(events) == whole["content"]
    delta = next(data for name, data in events if name == "message_delta")
    assert delta["delta"]["stop_reason"] == whole["stop_reason"]
    assert delta["delta"].get("container") == whole.get("container")
    apart = ("cache_creation", "service_tier", "inference_geo", "speed")
    assert delta["usage"] == {name: value for name, value in whole["usage"].items() if name not in apart}


def test_the_start_tells_the_first_iteration_and_the_split(api: Api) -> None:
    """`message_start.usage` covers the first iteration and has what the delta lacks; its output is a placeholder."""
    events = api.ask("[csv]", tools=[CODE], stream=True).events()
    start = events[0][1]["message"]
    assert events[0][0] == "message_start"
    assert (start["content"], start["stop_reason"]) == ([], None)
    assert "container" not in start
    assert start["usage"]["output_tokens"] == 1
    assert start["usage"]["service_tier"] == "standard"
    assert set(start["usage"]["cache_creation"]) == {"ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"}
    end = events[-2][1]["usage"]
    assert end["input_tokens"] > start["usage"]["input_tokens"]


def test_the_order_of_events(api: Api) -> None:
    """Start, blocks one after the other with a ping among them, delta, stop."""
    names = [name for name, _ in api.ask(stream=True).events()]
    assert names[:3] == ["message_start", "content_block_start", "ping"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(names[3:-3]) == {"content_block_delta"}


def test_an_error_inside_a_stream_comes_after_a_200(api: Api) -> None:
    """What was said stays said; then an `error` event ends the stream."""
    response = api.ask("[midstream-error]", stream=True)
    names = [name for name, _ in response.events()]
    assert response.status == 200
    assert names[-1] == "error"
    assert "message_stop" not in names
    assert response.events()[-1][1]["request_id"] == response.headers["request-id"]
    assert response.events()[-1][1]["error"] == {"type": "overloaded_error", "message": "Overloaded"}
    assert api.ask("[midstream-error]").status == 529


def test_a_cut_connection_is_left_incomplete(api: Api) -> None:
    """The body ends without its end."""
    streamed = api.ask("[cut]", stream=True)
    assert not streamed.complete
    assert streamed.events()[-1][0] == "content_block_stop"
    whole = api.ask("[cut]")
    assert (whole.status, whole.complete) == (200, False)
    assert len(whole.body) < int(whole.headers["content-length"])


def test_pauses_are_taken_on_the_clock_with_pings() -> None:
    """Scripted seconds pass on the simulator's clock when it is told to take them."""
    api = Api(time_factor=1.0)
    names = [name for name, _ in api.ask("[slow]", stream=True).events()]
    assert names.count("ping") == 3
    assert api.clock.monotonic() == pytest.approx(6.0)
    api = Api(event_delay=0.5)
    events = api.ask(stream=True).events()
    blocks = sum(name.startswith("content_block") for name, _ in events)
    assert api.clock.monotonic() == pytest.approx(0.5 * blocks)


def test_a_stream_can_come_in_one_chunk_or_byte_by_byte() -> None:
    """Chunking is a matter of configuration; the bytes are not."""
    whole, events = Api(sse_chunk="whole").ask(stream=True), Api().ask(stream=True)
    assert len(whole.chunks) == 1
    single = Api(sse_chunk=1).ask(stream=True)
    assert max(len(chunk) for chunk in single.chunks) == 1
    assert single.body == events.body
    assert len(events.chunks) > 5
    assert whole.body == events.body


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_compressed_streams_decode_event_by_event(coding: Any) -> None:
    """Each chunk ends on a flush, and the whole decodes to the plain stream."""
    sent = {**KEY, "accept-encoding": f"deflate, {coding};q=1.0"}
    packed = Api(encoding=coding).ask("[csv]", tools=[CODE], stream=True, headers=sent)
    plain = Api().ask("[csv]", tools=[CODE], stream=True)
    assert packed.headers["content-encoding"] == coding
    assert decode(coding, packed.chunks) == plain.body
    assert decode(coding, packed.chunks[:3]).startswith(b"event: message_start")


def decode(coding: str, chunks: list[bytes]) -> bytes:
    """What a streaming decoder has after those chunks."""
    if coding == "gzip":
        unzip = zlib.decompressobj(wbits=31)
        return b"".join(unzip.decompress(chunk) for chunk in chunks)
    if coding == "br":
        unpack = brotli.Decompressor()
        return b"".join(unpack.process(chunk) for chunk in chunks)
    squeeze = zstandard.ZstdDecompressor().decompressobj()
    return b"".join(squeeze.decompress(chunk) for chunk in chunks)


def test_a_client_that_accepts_nothing_gets_it_plain() -> None:
    """Compression is only for those who ask."""
    assert encoder("gzip", "br").name == ""
    assert "content-encoding" not in Api(encoding="gzip").ask().headers


def test_build_without_configuration_is_the_default() -> None:
    """`build()` has the shipped prices and scenarios."""
    assert build().state.config.scenarios == Config.default().scenarios
