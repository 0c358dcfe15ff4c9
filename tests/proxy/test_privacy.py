"""Nothing but metadata is kept: no prompt, tool output, key or header is in any file, table, log, metric or export."""

import asyncio
import gzip
import json
from pathlib import Path

import msgspec
from click.testing import CliRunner

from planner.cli import main
from planner.opening import read_store
from planner.proxy.callers import fingerprint
from planner.rulesource import Source, Watched
from tests.doubles.client import request
from tests.doubles.messages import MODEL, chunked, event, events, message
from tests.doubles.outgoing import dump
from tests.doubles.proxy import Proxied, proxied, run
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


UPLOAD = b'--b\r\ncontent-disposition: form-data; name="file"; filename="%s.csv"\r\n\r\n%s\r\n--b--\r\n' % (
    (CANARY.encode(),) * 2
)
BATCH = {"requests": [{"custom_id": CANARY, "params": {"model": MODEL, "system": CANARY, "messages": []}}]}
CONTINUED = {
    "model": MODEL,
    "max_tokens": 9,
    "thread": {"type": "continue", "previous_message_id": "msg_01", "note": CANARY},
    "messages": [{"role": "user", "content": CANARY}],
}
RESULTS = b"".join(
    msgspec.json.encode({"custom_id": CANARY, "result": result}) + b"\n"
    for result in (
        {"type": "succeeded", "message": json.loads(message(content=BLOCKS))},
        {"type": "errored", "error": {"type": "error", "error": {"type": "api_error", "message": CANARY}}},
    )
)
OTHERS = (
    ("POST", "/v1/messages/count_tokens?json", b'{"model":"%s","system":"%s"}' % (MODEL.encode(), CANARY.encode())),
    ("POST", "/v1/messages/batches?error", msgspec.json.encode(BATCH)),
    ("GET", "/v1/messages/batches/msgbatch_1/results?results", None),
    ("POST", "/v1/messages?json", msgspec.json.encode(CONTINUED)),
    ("POST", "/v1/files?json", UPLOAD),
    ("GET", f"/v1/files/file_1/content?error&name={CANARY}", None),
    ("PATCH", f"/{CANARY}/of/nobody?none", b"{}"),
)
"""Other addresses, each with the answer that it gets."""

FIELDS = (
    (b"Authorization", f"Bearer {KEY}".encode()),
    (b"x-api-key", KEY.encode()),
    (b"cookie", CANARY.encode()),
    (b"user-agent", CANARY.encode()),
    (b"anthropic-beta", CANARY.encode()),
    (b"x-forwarded-for", CANARY.encode()),
    (b"planner-session", CANARY.encode()),
    (b"planner-tags", b"secret=%s,feature=chat" % CANARY.encode()),
)
FORMS = ("jsonl", "trace", "csv", "focus")


ANSWERS = {
    b"json": lambda: answer(message(content=BLOCKS), (b"content-type", b"application/json"), (b"x-c", CANARY.encode())),
    b"gzip": lambda: answer(gzip.compress(message(content=BLOCKS)), (b"content-encoding", b"gzip")),
    b"sse": lambda: chunked([*events(text=CANARY)[:3], event(CANARY, data=CANARY), *events(text=CANARY)[3:]]),
    b"error": lambda: answer(b'{"type":"error","error":{"message":"%s"}}' % CANARY.encode(), status=400),
    b"odd": lambda: answer(message(usage={"input_tokens": CANARY})),
    b"cut": lambda: answer(message(content=BLOCKS))[:-9],
    b"none": lambda: CANARY.encode() + b" is no HTTP\r\n\r\n",
    b"results": lambda: answer(RESULTS, (b"content-type", b"application/x-jsonl")),
}
MESSAGES = tuple(name for name in ANSWERS if name != b"results")
COUNT = 2 * len(MESSAGES) + len(OTHERS)


def free_of_canary(directory: Path) -> list[bool]:
    """For each file below, whether the canary is not in it."""
    return [CANARY.encode() not in path.read_bytes() for path in directory.rglob("*") if path.is_file()]


async def script(turn: Turn) -> None:
    """Answer as the query asks for."""
    await turn.body()
    await turn.write(ANSWERS[turn.request.target.partition(b"?")[2].partition(b"&")[0]]())
    turn.close()


async def everything(proxy: Proxied) -> None:
    """Every kind of exchange, each with the canary wherever it can stand, tokens in the address as well."""
    asks = [("POST", f"/v1/messages?{name.decode()}", asked(broken=b)) for b in (False, True) for name in MESSAGES]
    for method, target, body in (*asks, *OTHERS):
        form = (b"content-type", b"multipart/form-data; boundary=b") if body is UPLOAD else (b"x-f", CANARY.encode())
        async with proxy.client() as client:
            await client.ask(request(method, f"{target}&token={CANARY}", *FIELDS, form, body=body))


async def settled(address: str) -> list[str]:
    """The endpoints of the ledger, once everything is in it."""
    store = await read_store(address)
    try:
        while True:
            found = [entry async for entry in store.entries() if entry.outcome != "unknown"]
            if len(found) >= COUNT:
                shapes = [entry.shape for entry in found if entry.shape is not None]
                assert len(shapes) >= 4
                assert {shape.files for shape in shapes} == {0, 1}
                assert {entry.principal for entry in found} == {fingerprint(KEY.encode())}
                assert {tuple(entry.tags) for entry in found} == {("feature",)}
                return [entry.endpoint for entry in found]
            await asyncio.sleep(0.005)
    finally:
        await store.close()


def test_canary(tmp_path: Path, address: str) -> None:
    """After every kind of exchange it is in no file, table, log line, metric, export or report; last good rules too."""
    source = Source()
    looked = source.look()
    watched = Watched(source=source, files=looked.files, seen=looked.digest)

    async def scenario() -> None:
        journal = tmp_path / "journal"
        async with proxied(tmp_path, script, watched=watched, store=address, journal=journal) as proxy:
            await everything(proxy)
            endpoints = await settled(address)
            assert {"messages", "count_tokens", "batches", "batch_results", "files", "other"} <= set(endpoints)
            assert all(free_of_canary(tmp_path))
            async with proxy.client() as client:
                assert CANARY.encode() not in (await client.ask(request("GET", "/metrics", body=None))).body
        assert CANARY not in proxy.log.getvalue()
        tables = await dump(address)
        assert sum(len(rows) for rows in tables.values()) > COUNT
        assert CANARY not in str(tables)

    run(scenario())
    assert len(list(tmp_path.rglob("*.rules.json"))) == 1
    assert all(free_of_canary(tmp_path))
    for words in (*(("export", "--format", form) for form in FORMS), ("report", "--by", "principal,model", "--json")):
        told = CliRunner().invoke(main, [*words, "--store", address])
        assert (told.exit_code, CANARY in told.output) == (0, False)
        assert told.output
