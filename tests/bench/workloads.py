"""What is sent and what is answered, as bytes that are made once."""

import msgspec

MODEL = "claude-opus-5-5"
HEADERS = (
    b"host: bench\r\nx-api-key: sk-ant-bench\r\nanthropic-version: 2023-06-01\r\ncontent-type: application/json\r\n"
)
ACCOUNT = b"request-id: req_bench\r\nanthropic-organization-id: bench\r\nanthropic-workspace-id: bench\r\n"
SSE_TEXTS = 50


class Workload(msgspec.Struct, frozen=True):
    """One kind of traffic: the whole request, and the path that makes the upstream answer in kind."""

    name: str
    request: bytes
    edited: bool = False


def post(body: object, query: str = "") -> bytes:
    """A request to create a message."""
    data = msgspec.json.encode(body)
    return b"POST /v1/messages%s HTTP/1.1\r\n%scontent-length: %d\r\n\r\n%s" % (
        query.encode(),
        HEADERS,
        len(data),
        data,
    )


def prose(size: int) -> str:
    """So many characters of something like English, since runs of one letter are unlike what is searched in life."""
    words = ["the", "agent", "reads", "a", "table", "of", "sales", "and", "writes", "totals", "by", "region", "daily"]
    sentence = " ".join(words[number * number % len(words)] for number in range(97)).capitalize() + ". "
    return (sentence * (size // len(sentence) + 1))[:size]


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


SMALL = {"model": MODEL, "max_tokens": 64, "messages": [_user("hello")]}
TWENTY_KB = {
    "model": MODEL,
    "max_tokens": 4096,
    "system": [{"type": "text", "text": prose(6_000), "cache_control": {"type": "ephemeral"}}],
    "tools": [
        {"name": f"tool_{index}", "description": prose(600), "input_schema": {"type": "object", "properties": {}}}
        for index in range(8)
    ]
    + [{"type": "code_execution_20260521", "name": "code_execution"}],
    "messages": [_user(prose(8_500))],
}
WORKLOADS = (
    Workload("small JSON", post(SMALL)),
    Workload("20 kB with an edit", post(TWENTY_KB), edited=True),
    Workload("SSE, 56 events", post(SMALL | {"stream": True}, "?stream")),
)

_USAGE = {
    "input_tokens": 1_000,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 4_000,
    "output_tokens": 60,
    "service_tier": "standard",
}
_MESSAGE = {
    "id": "msg_bench",
    "type": "message",
    "role": "assistant",
    "model": MODEL,
    "content": [{"type": "text", "text": "hello " * 12}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": _USAGE,
}


def _event(kind: str, **members: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))


def _json() -> bytes:
    body = msgspec.json.encode(_MESSAGE)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n"
    return head % (ACCOUNT, len(body)) + body


def _sse() -> bytes:
    events = [
        _event("message_start", message=_MESSAGE | {"content": [], "usage": _USAGE | {"output_tokens": 1}}),
        _event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        _event("ping"),
        *(
            _event("content_block_delta", index=0, delta={"type": "text_delta", "text": f"word {number} "})
            for number in range(SSE_TEXTS)
        ),
        _event("content_block_stop", index=0),
        _event("message_delta", delta={"stop_reason": "end_turn"}, usage=_USAGE),
        _event("message_stop"),
    ]
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(event), event) for event in events)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
    return head + ACCOUNT + b"\r\n" + chunks + b"0\r\n\r\n"


JSON_ANSWER = _json()
SSE_ANSWER = _sse()
