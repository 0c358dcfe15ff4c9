"""A response as server-sent events, in the order and shape of the SDK's types."""

from collections.abc import Iterator

import msgspec

from planner.simulator.canonical import Json

PIECE = 24
PING = b'event: ping\ndata: {"type": "ping"}\n\n'
STREAMED_INPUT = frozenset({"tool_use", "server_tool_use"})

_encode = msgspec.json.Encoder().encode


def event(value: Json) -> bytes:
    """One event, named after its type."""
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + _encode(value) + b"\n\n"


def block_events(index: int, block: Json) -> Iterator[bytes]:
    """The start, deltas and stop of a content block."""
    kind = block["type"]
    yield event({"type": "content_block_start", "index": index, "content_block": _opening(kind, block)})
    for delta in _deltas(kind, block):
        yield event({"type": "content_block_delta", "index": index, "delta": delta})
    yield event({"type": "content_block_stop", "index": index})


def _opening(kind: str, block: Json) -> Json:
    if kind == "text":
        return {**block, "text": "", **({"citations": []} if "citations" in block else {})}
    if kind == "thinking":
        return {**block, "thinking": "", "signature": ""}
    if kind in STREAMED_INPUT:
        return {**block, "input": {}}
    return block


def _deltas(kind: str, block: Json) -> Iterator[Json]:
    if kind == "text":
        for citation in block.get("citations") or ():
            yield {"type": "citations_delta", "citation": citation}
        for piece in _pieces(block["text"]):
            yield {"type": "text_delta", "text": piece}
    elif kind == "thinking":
        for piece in _pieces(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind in STREAMED_INPUT:
        yield {"type": "input_json_delta", "partial_json": ""}
        for piece in _pieces(msgspec.json.encode(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]
