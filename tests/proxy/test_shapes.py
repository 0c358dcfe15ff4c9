"""The proxy keeps a shape of what it read and what was answered, and of nothing else."""

from pathlib import Path

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from tests.doubles.client import request
from tests.doubles.deciding import CODE, body
from tests.doubles.messages import chunked, events, message
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, answer


def settled(directory: Path, sent: bytes, answered: bytes, *fields: tuple[bytes, bytes]) -> Entry:
    """The entry of one request."""
    found: list[Entry] = []

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(answered)
        turn.close()

    async def scenario() -> None:
        async with proxied(directory, script) as proxy:
            async with proxy.client() as client:
                await client.ask(request("POST", "/v1/messages", *fields, body=sent))
            found.append(await proxy.entry())

    run(scenario())
    return found[0]


WHOLE = answer(message(), (b"content-type", b"application/json"))


def test_what_was_planned_has_a_shape(tmp_path: Path) -> None:
    """With its tools, its profile, and what the answer used."""
    sent = body(tools=[CODE])
    entry = settled(tmp_path, sent, WHOLE)
    assert entry.shape is not None
    assert entry.tokens is not None
    assert entry.shape.begins
    assert entry.shape.system is not None
    assert [tool.type for tool in entry.shape.tools] == [CODE["type"]]
    assert (entry.shape.body_bytes, entry.shape.prompt_tokens) == (len(sent), entry.tokens.prompt)
    assert not entry.shape.estimated


def test_what_needs_no_plan_has_one_too(tmp_path: Path) -> None:
    """So that a trace has all that a principal sent."""
    entry = settled(tmp_path, body(tools=None), WHOLE)
    assert entry.shape is not None
    assert entry.shape.system is None


def test_a_stream_has_one(tmp_path: Path) -> None:
    """Its first iteration is told."""
    entry = settled(tmp_path, body(stream=True), chunked(events()))
    assert entry.shape is not None
    assert entry.shape.stream
    assert not entry.shape.estimated


@pytest.mark.parametrize(
    ("sent", "answered", "fields"),
    [
        (body(), answer(b'{"type":"error","error":{"type":"invalid_request_error"}}', status=400), ()),
        (body(), answer(b"{}"), ()),
        (b"{", WHOLE, ()),
        (body(), WHOLE, ((b"content-encoding", b"gzip"),)),
    ],
    ids=["refused", "no-usage", "unreadable", "encoded"],
)
def test_what_cannot_be_played_has_none(
    tmp_path: Path, sent: bytes, answered: bytes, fields: tuple[tuple[bytes, bytes], ...]
) -> None:
    """The entry is written all the same."""
    entry = settled(tmp_path, sent, answered, *fields)
    assert entry.shape is None
    assert b'"shape":null' in msgspec.json.encode(entry)
