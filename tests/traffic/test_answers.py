"""Answers have the form of the API's: the readers of the proxy find in them what the world said."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import pytest

from planner.core.metering.readers import StreamReader, WholeReader
from planner.core.metering.usage import TokenClasses
from planner.core.replay.calls import Counts, Response, Work
from planner.traffic.answers import Told, answer, batch_results, headers, refused
from planner.traffic.script import Ask
from planner.traffic.teams import AGENTS

TOLD = Told("msg_1", "req_1")
WHOLE = Counts(input=900, cache_write_5m=0, cache_write_1h=40, cache_read=70, output=80)
FIRST = Counts(input=300, cache_write_5m=0, cache_write_1h=40, cache_read=10, output=0)
AGENT = AGENTS[0]


def ask(**changes: object) -> Ask:
    """A request that runs code twice and searches once."""
    work = Work(prompt_tokens=350, output_tokens=80, iterations=4, code_runs=2, code_seconds=9.001, web_searches=1)
    usual = Ask(
        at=datetime(2026, 10, 1, tzinfo=UTC), agent=AGENT, kind="message", model="m", conversation="c", work=work
    )
    return msgspec.structs.replace(usual, **changes)


def response(container: str | None = "container_1", elapsed: float = 14.001) -> Response:
    """What the world says of it."""
    return Response(
        first=FIRST,
        whole=WHOLE,
        iterations=4,
        container=container,
        expires_at=datetime(2026, 10, 1, 0, 5, tzinfo=UTC),
        started=True,
        elapsed=elapsed,
        bill={},
        billed_ms=300_000,
    )


def read(asked: Ask) -> StreamReader | WholeReader:
    """What the proxy's own reader makes of the answer."""
    reader = StreamReader() if asked.stream else WholeReader()
    last = 0.0
    for last, data in answer(asked, TOLD, response()):
        reader.feed(data, last)
    reader.end(last)
    return reader


CLASSES = TokenClasses(input=900, cache_write_1h=40, cache_read=70, output=80)


@pytest.mark.parametrize("stream", [False, True])
def test_it_tells_what_was_used(stream: bool) -> None:  # noqa: FBT001 - a column of the table
    """Tokens by class, searches, runs, iterations, the container; a stream also the time of code, and its first one."""
    reader = read(ask(stream=stream))
    metered, told = reader.metered(), reader.told
    assert metered is not None
    assert (metered.classes, metered.web_searches) == (CLASSES, 1)
    told = reader.told
    assert (told.code_runs, told.rounds, told.finished) == (2, 4, True)
    assert told.container is not None
    assert told.container.id == "container_1"
    assert told.code_ms == (9_001 if stream else None)
    assert metered.first == (TokenClasses(input=300, cache_write_1h=40, cache_read=10) if stream else None)


def test_a_cut_stream_tells_its_prompt_and_what_was_written() -> None:
    """Four bytes are taken for a token, whatever they were."""
    plain = Work(prompt_tokens=350, output_tokens=80)
    metered = read(ask(stream=True, fate="cut", work=plain, bytes_a_token=4.5)).metered()
    assert metered is not None
    assert metered.estimated
    assert metered.classes == TokenClasses(input=300, cache_write_1h=40, cache_read=10, output=90)


def test_code_that_waits_for_a_client_is_timed_in_both_answers() -> None:
    """In the one until it calls, in the other until its result comes."""
    for changes, runs, resumed in (({"awaits": True}, 1, False), ({"resumes": True, "turn": 2}, 0, True)):
        work = Work(prompt_tokens=350, output_tokens=80, code_runs=1, code_seconds=6.5)
        told = read(ask(stream=True, work=work, **changes)).told
        assert (told.code_runs, told.code_resumed, told.code_ms) == (runs, resumed, 6_500)
        assert told.finished


def test_the_rest_is_as_the_api_words_it() -> None:
    """Headers, errors, results."""
    assert dict(headers(ask(), TOLD))[b"anthropic-workspace-id"] == AGENT.workspace.encode()
    assert dict(headers(ask(stream=True), TOLD))[b"content-type"].startswith(b"text/event-stream")
    assert [msgspec.json.decode(refused(status))["error"]["type"] for status in (400, 429, 529)] == [
        "invalid_request_error",
        "rate_limit_error",
        "overloaded_error",
    ]
    results = [msgspec.json.decode(line) for line in _lines(batch_results([("msg_1", response())], "m", "b"))]
    assert [each["custom_id"] for each in results] == ["b-0"]
    assert results[0]["result"]["message"]["usage"]["output_tokens"] == 80


def _lines(data: bytes) -> Iterator[bytes]:
    yield from data.splitlines()
