"""One line of JSON per event; nothing that a caller says, or is told, is ever in one."""

import errno
import io
import logging
import os
from pathlib import Path

import msgspec
import pytest

from planner import log as logs
from tests.doubles.client import request
from tests.doubles.deciding import NEWER_CODE, body
from tests.doubles.messages import ASKED, message
from tests.doubles.proxy import proxied, run
from tests.doubles.upstream import Turn, always, answer

SECRETS = ("sk-ant-api03-the-key", "what the user said", "what the model said", "what the tool printed", "secret-tag")


def test_a_line_is_json() -> None:
    """With its level and time, whatever is in the values."""
    said = io.StringIO()
    logs.build(said).info("request", request_id="1", text='new\nline "quoted" é')
    (line,) = said.getvalue().splitlines()
    event = msgspec.json.decode(line)
    assert (event["event"], event["level"], event["request_id"]) == ("request", "info", "1")
    assert event["text"] == 'new\nline "quoted" é'
    assert event["timestamp"].endswith("Z")


def test_lines_go_through_the_standard_library(caplog: pytest.LogCaptureFixture) -> None:
    """Where the planner is a guest: the program says which lines it wants, and where they go."""
    log = logs.through(logging.getLogger("planner.test"))
    with caplog.at_level(logging.WARNING):
        log.info("request", request_id="1")
        log.error("failed open", cause="100%")
    (record,) = caplog.records
    assert record.name == "planner.test"
    assert msgspec.json.decode(record.getMessage()) == {"event": "failed open", "cause": "100%"}


@pytest.mark.parametrize(("level", "lines"), [("debug", 3), ("info", 2), ("error", 1), ("critical", 0)])
def test_levels(level: str, lines: int) -> None:
    """What is below is not said."""
    said = io.StringIO()
    log = logs.build(said, level=level)
    log.debug("x")
    log.info("x")
    log.error("x")
    assert len(said.getvalue().splitlines()) == lines


def test_nothing_that_passes_is_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither prompts nor answers, keys, headers or errors, however a request ends; nothing goes to the terminal."""
    content = [{"type": "text", "text": "what the model said"}, {"type": "x", "stdout": "what the tool printed"}]
    answers = [
        answer(message(content=content), (b"content-type", b"application/json")),
        answer(b'{"error": {"message": "what the user said"}}', status=400),
        answer(b"what the model said, which is no JSON"),
        b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: 900\r\n\r\ndata: what the model said",
        b"this is no HTTP: what the model said\r\n\r\n",
    ]

    async def script(turn: Turn) -> None:
        await turn.body()
        await turn.write(answers.pop(0))
        if len(answers) < 2:
            turn.cut()

    async def scenario() -> str:
        said = body(tools=[NEWER_CODE], messages=[{"role": "user", "content": "what the user said"}])
        async with proxied(tmp_path, script) as proxy:
            for sent in (said, said, b"what the user said", said, said):
                async with proxy.client() as client:
                    fields = ((b"x-api-key", b"sk-ant-api03-the-key"), (b"planner-session", b"secret-tag"))
                    await client.send(request("POST", "/v1/messages?what-the-user-asked", *fields, body=sent))
                    await client.answer()
            await proxy.entries(5)
        return proxy.log.getvalue()

    log = run(scenario())
    assert [msgspec.json.decode(line)["event"] for line in log.splitlines()].count("request") == 5
    shown = log + "".join(capfd.readouterr())
    assert [secret for secret in (*SECRETS, "what-the-user-asked") if secret in shown] == []


class Full(io.StringIO):
    """A stream on a disk that can be full."""

    full = False

    def write(self, text: str) -> int:
        """Write, or say that there is no room."""
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


def test_a_log_that_cannot_be_written(tmp_path: Path) -> None:
    """It drops lines and nothing else: answers, ledger and metrics stay whole, and later lines come again."""
    said = Full()

    async def scenario() -> None:
        script = always(answer(message(), (b"content-type", b"application/json")))
        async with proxied(tmp_path, script, log=said) as proxy, proxy.client() as client:
            for full in (True, False):
                said.full = full
                assert (await client.ask(request(body=ASKED))).body == message()
            assert [entry.outcome for entry in await proxy.entries(2)] == ["ok", "ok"]
            assert (await proxy.metrics())['planner_fail_open_total{cause="record"}'] == 0

    run(scenario())
    assert said.getvalue().count('"event":"request"') == 1


def test_a_log_that_is_closed() -> None:
    """Nothing is raised for it."""
    said = io.StringIO()
    log = logs.build(said)
    said.close()
    log.error("x")
