"""No prompt, no tool output and no key ever reaches journal, ledger, log or metrics."""

import gzip
from pathlib import Path

import msgspec

from tests.doubles.client import request
from tests.doubles.messages import MODEL, chunked, event, events, message
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, answer

CANARY = "c4n4ry"
KEY = "sk-ant-api03-" + CANARY
BLOCKS = [
    {"type": "text", "text": f"{CANARY} in text"},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "code_execution", "input": {"code": CANARY}},
    {
        "type": "code_execution_tool_result",
        "tool_use_id": "srvtoolu_1",
        "content": {"type": "code_execution_result", "stdout": CANARY, "stderr": CANARY, "return_code": 0},
    },
]


def asked(*, broken: bool) -> bytes:
    """A request with the canary wherever people put text; one that cannot be read has it too."""
    body = msgspec.json.encode(
        {
            "model": MODEL,
            "max_tokens": 9,
            "system": CANARY,
            "speed": CANARY,
            "inference_geo": CANARY,
            "tool_choice": {"type": CANARY, "name": CANARY},
            "container": {"skills": [{"type": "custom", "skill_id": CANARY}]},
            "metadata": {"user_id": CANARY},
            "tools": [
                {"type": "code_execution_20250825", "name": "code_execution"},
                {"name": CANARY, "description": CANARY, "input_schema": {"title": CANARY}, "allowed_callers": [CANARY]},
                {"type": CANARY, "name": CANARY},
            ],
            "messages": [
                {"role": "user", "content": CANARY},
                {"role": "assistant", "content": BLOCKS},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": CANARY}]},
                {"role": "user", "content": [{"type": "container_upload", "file_id": CANARY}]},
            ],
            CANARY: CANARY,
        }
    )
    return body[:-1] if broken else body


ANSWERS = {
    b"json": lambda: answer(message(content=BLOCKS), (b"content-type", b"application/json"), (b"x-c", CANARY.encode())),
    b"gzip": lambda: answer(gzip.compress(message(content=BLOCKS)), (b"content-encoding", b"gzip")),
    b"sse": lambda: chunked([*events(text=CANARY)[:3], event(CANARY, data=CANARY), *events(text=CANARY)[3:]]),
    b"error": lambda: answer(b'{"type":"error","error":{"message":"%s"}}' % CANARY.encode(), status=400),
    b"odd": lambda: answer(message(usage={"input_tokens": CANARY})),
    b"cut": lambda: answer(message(content=BLOCKS))[:-9],
    b"none": lambda: CANARY.encode() + b" is no HTTP\r\n\r\n",
}


def free_of_canary(directory: Path) -> list[bool]:
    """For each file below, whether the canary is not in it."""
    return [CANARY.encode() not in path.read_bytes() for path in directory.rglob("*") if path.is_file()]


def test_canary(tmp_path: Path) -> None:
    """After every kind of exchange the canary is in no file, no log line and no metric."""

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(ANSWERS[turn.request.target.partition(b"?")[2]]())
        turn.close()

    async def scenario() -> None:
        async with proxied(tmp_path, script) as proxy:
            for broken in (False, True):
                for name in ANSWERS:
                    async with proxy.client() as client:
                        fields = ((b"Authorization", f"Bearer {KEY}".encode()), (b"x-api-key", KEY.encode()))
                        target = f"/v1/messages?{name.decode()}"
                        await client.ask(request("POST", target, *fields, body=asked(broken=broken)))
            shapes = [entry.shape for entry in await proxy.entries(2 * len(ANSWERS)) if entry.shape is not None]
            assert len(shapes) >= 3
            assert {shape.files for shape in shapes} == {1}
            files = free_of_canary(tmp_path)
            assert len(files) >= 3
            assert all(files)
            async with proxy.client() as client:
                assert CANARY.encode() not in (await client.ask(request("GET", "/metrics", body=None))).body
        assert CANARY not in proxy.log.getvalue()

    run(scenario())
    assert all(free_of_canary(tmp_path))
