"""What the API says, as bytes: a whole message, and the same as a stream."""

from typing import Any

import msgspec

from tests.doubles.upstream import chunk

MODEL = "claude-opus-5-5"
ASKED = msgspec.json.encode({"model": MODEL, "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]})
INPUT_TOKENS, OUTPUT_TOKENS = 1_000, 50
COST_NANO = INPUT_TOKENS * 4_000 + OUTPUT_TOKENS * 20_000
"""At $4 and $20 per million tokens."""

SSE_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
SSE_END = b"0\r\n\r\n"


def usage(**members: Any) -> dict[str, Any]:
    """The usage of a small message."""
    return {"input_tokens": INPUT_TOKENS, "output_tokens": OUTPUT_TOKENS} | members


def message(**members: Any) -> bytes:
    """A whole message."""
    body = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "hi"}],
        "stop_reason": "end_turn",
        "usage": usage(),
    }
    return msgspec.json.encode(body | members)


def event(kind: str, **members: Any) -> bytes:
    """One server-sent event, as the API writes it."""
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind} | members))


def events(*, text: str = "hi", model: str = MODEL) -> list[bytes]:
    """The events of a small streamed message."""
    started = {"id": "msg_01", "model": model, "content": [], "usage": usage(output_tokens=1)}
    return [
        event("message_start", message=started),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": text}),
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn"}, usage=usage()),
        event("message_stop"),
    ]


def chunked(pieces: list[bytes]) -> bytes:
    """A streamed response, each piece a chunk."""
    return SSE_HEAD + b"".join(chunk(piece) for piece in pieces) + SSE_END
