"""What the API answers, as bytes with the moments at which they come: events of a stream, whole messages, results.

The usage is that of the replay's world. There are as many blocks as tell runs, searches and sampling iterations, and
where the model would speak there are dots.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from planner.core.replay.calls import Counts, Response
from planner.traffic.script import Ask

Chunk = tuple[float, bytes]
"""Seconds since arrival, and what came then."""

CODE_STARTS: Final = 0.1
"""Seconds from the first byte until code runs; an answer takes a second longer than its code at least."""

DOTS: Final = "...."
_encode = msgspec.json.Encoder().encode


class Told(msgspec.Struct, frozen=True):
    """The ids of an answer."""

    message: str
    request: str


def headers(ask: Ask, told: Told) -> list[tuple[bytes, bytes]]:
    """The header fields of an answer."""
    kind = b"text/event-stream; charset=utf-8" if ask.stream else b"application/json"
    return [
        (b"content-type", kind),
        (b"request-id", told.request.encode()),
        (b"anthropic-organization-id", ask.agent.organization.encode()),
        (b"anthropic-workspace-id", ask.agent.workspace.encode()),
    ]


def answer(ask: Ask, told: Told, response: Response) -> Iterator[Chunk]:
    """The whole answer, or what came of it before the caller hung up."""
    if not ask.stream:
        yield response.elapsed, _encode(_message(ask, told, response))
        return
    start = {"type": "message_start", "message": _begun(ask, told, response)}
    yield ask.first_byte, _event(start)
    at, index = ask.first_byte + (ask.work.code_seconds if ask.resumes else CODE_STARTS), 0
    for block, seconds in _blocks(ask, told):
        opened = {"type": "content_block_start", "index": index, "content_block": block}
        yield at, _event(opened) + _event({"type": "content_block_stop", "index": index})
        at, index = at + seconds, index + 1
    size = round(response.whole.output * ask.bytes_a_token) if ask.fate == "cut" else len(DOTS)
    if ask.fate == "cut" or not ask.awaits:
        yield from _said(at, index, size)
    if ask.fate == "cut":
        return
    delta: dict[str, Any] = {"stop_reason": "tool_use" if ask.awaits else "end_turn"} | _container(response)
    usage = _totals(response.whole) | _served(ask)
    end = _event({"type": "message_delta", "delta": delta, "usage": usage}) + _event({"type": "message_stop"})
    yield response.elapsed, end


def refused(status: int) -> bytes:
    """The body of an answer that is an error."""
    return _encode({"type": "error", "error": {"type": _ERRORS[status], "message": DOTS}})


def batch_results(answered: Iterable[tuple[str, Response]], model: str, name: str) -> bytes:
    """The results of a message batch, in JSON Lines; each answer with the id of its message."""
    lines = []
    for number, (message, response) in enumerate(answered):
        usage = _totals(response.whole) | {"service_tier": "batch"}
        content = [{"type": "text", "text": DOTS}]
        told = {"id": message, "type": "message", "role": "assistant", "model": model, "content": content}
        result = {"type": "succeeded", "message": told | {"stop_reason": "end_turn", "usage": usage}}
        lines.append(_encode({"custom_id": f"{name}-{number}", "result": result}))
    return b"\n".join(lines) + b"\n"


_ERRORS: Final = {400: "invalid_request_error", 429: "rate_limit_error", 529: "overloaded_error"}


def _blocks(ask: Ask, told: Told) -> Iterator[tuple[dict[str, Any], float]]:
    """Every call and its result, each with the seconds until the next block."""
    work = ask.work
    for number in range(work.web_searches):
        call = f"srvtoolu_{told.message}_s{number}"
        yield {"type": "server_tool_use", "id": call, "name": "web_search", "input": {}}, 0.0
        yield {"type": "web_search_tool_result", "tool_use_id": call, "content": []}, 0.0
    if ask.programmatic_turn:
        yield from _programmatic(ask, told)
        return
    left = round(work.code_seconds * 1_000)
    for number in range(work.code_runs):
        spent = left // (work.code_runs - number)
        left -= spent
        call = f"srvtoolu_{told.message}_c{number}"
        yield {"type": "server_tool_use", "id": call, "name": "bash_code_execution", "input": {}}, spent / 1_000
        inner = {"type": "bash_code_execution_result", "stdout": "", "stderr": "", "return_code": 0}
        yield {"type": "bash_code_execution_tool_result", "tool_use_id": call, "content": inner}, 0.0


def _programmatic(ask: Ask, told: Told) -> Iterator[tuple[dict[str, Any], float]]:
    """Code that calls a client's tool and waits, or goes on with what the client has sent."""
    seconds = ask.work.code_seconds
    call = f"srvtoolu_{ask.conversation}-{ask.turn - ask.resumes}"
    if ask.resumes:
        inner = {"type": "code_execution_result", "stdout": "", "stderr": "", "return_code": 0}
        yield {"type": "code_execution_tool_result", "tool_use_id": call, "content": inner}, 0.0
        return
    yield {"type": "server_tool_use", "id": call, "name": "code_execution", "input": {}}, seconds
    caller = {"type": "code_execution_20260120", "tool_id": call}
    waits = {"type": "tool_use", "id": f"toolu_{told.message}", "name": "query", "input": {}, "caller": caller}
    yield waits, 0.0


def _said(at: float, index: int, size: int) -> Iterator[Chunk]:
    """A block of text of so many bytes."""
    yield at, _event({"type": "content_block_start", "index": index, "content_block": {"type": "text", "text": ""}})
    delta = {"type": "text_delta", "text": "." * size}
    yield at, _event({"type": "content_block_delta", "index": index, "delta": delta})
    yield at, _event({"type": "content_block_stop", "index": index})


def _message(ask: Ask, told: Told, response: Response) -> dict[str, Any]:
    content = [block for block, _ in _blocks(ask, told)]
    usage = _totals(response.whole) | _split(response.whole) | _served(ask) | _setting(ask)
    whole = {"stop_reason": "end_turn", "usage": usage, "content": [*content, {"type": "text", "text": DOTS}]}
    return _head(ask, told) | whole | _container(response)


def _begun(ask: Ask, told: Told, response: Response) -> dict[str, Any]:
    """The message of `message_start`: its usage is that of the first iteration, its output a placeholder."""
    usage = _totals(response.first) | {"output_tokens": 1} | _split(response.first) | _setting(ask)
    return _head(ask, told) | {"content": [], "stop_reason": None, "usage": usage}


def _head(ask: Ask, told: Told) -> dict[str, Any]:
    return {"id": told.message, "type": "message", "role": "assistant", "model": ask.model}


def _totals(counts: Counts) -> dict[str, Any]:
    return {
        "input_tokens": counts.input,
        "cache_creation_input_tokens": counts.cache_write_5m + counts.cache_write_1h,
        "cache_read_input_tokens": counts.cache_read,
        "output_tokens": counts.output,
    }


def _split(counts: Counts) -> dict[str, Any]:
    short, long = counts.cache_write_5m, counts.cache_write_1h
    return {"cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long}}


def _setting(ask: Ask) -> dict[str, Any]:
    place = "us" if ask.us else "global"
    return {"service_tier": "standard", "inference_geo": place, "speed": "fast" if ask.fast else "standard"}


def _served(ask: Ask) -> dict[str, Any]:
    if not ask.work.web_searches:
        return {}
    return {"server_tool_use": {"web_search_requests": ask.work.web_searches, "web_fetch_requests": 0}}


def _container(response: Response) -> dict[str, Any]:
    if response.container is None or response.expires_at is None:
        return {}
    return {"container": {"id": response.container, "expires_at": _text(response.expires_at)}}


def _text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _event(data: dict[str, Any]) -> bytes:
    return b"event: " + str(data["type"]).encode() + b"\ndata: " + _encode(data) + b"\n\n"
