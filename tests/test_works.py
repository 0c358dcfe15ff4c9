"""What a process is made of runs without any HTTP: it opens, takes requests, and closes with everything written."""

import io
from pathlib import Path

import pytest

from planner import log as logs
from planner.clock import CountedIds, VirtualClock
from planner.proxy.arrive import Head, arrive
from planner.settings import Settings
from planner.stores import StoreError
from planner.works import Works
from tests.doubles.messages import ASKED, COST_NANO, message
from tests.doubles.proxy import read_ledger, run, shipped_rules
from tests.doubles.simulated import START


def works(store: str, said: io.StringIO | None = None) -> Works:
    """A process's parts on a clock that stands still."""
    log = logs.build(said or io.StringIO())
    return Works(Settings(store=store), shipped_rules(), clock=VirtualClock(START), ids=CountedIds(), log=log)


def test_a_request_is_settled_without_http(tmp_path: Path) -> None:
    """Whoever carries its bytes: prepared, written down, answered, settled; the ledger is whole when it has closed."""
    path = tmp_path / "ledger.db"

    async def scenario() -> None:
        parts = works(f"sqlite:///{path}")
        async with parts.running() as running:
            head = Head("POST", b"/v1/messages", ((b"x-api-key", b"sk-one"),))
            arrived = arrive(head, parts.rules.book, parts.ids.new(), parts.clock.now(), parts.clock.monotonic())
            underway = await running.course.prepare(arrived, ASKED)
            assert underway is not None
            assert running.course.refusal(underway) is None
            await running.course.depart(underway)
            underway.exchange.begin(200, [(b"content-type", b"application/json")])
            underway.exchange.feed(message())
            underway.progress.ending = "ok"
            running.course.settle(underway)
        (entry,) = await read_ledger(path)
        assert (entry.outcome, entry.cost_nano, entry.attempts) == ("ok", COST_NANO, 1)
        assert parts.digests == {"rules": entry.digests.rules, "prices": entry.digests.prices}

    run(scenario())


def test_it_opens_again_after_it_could_not(tmp_path: Path) -> None:
    """What was opened before the trouble is closed, and the second time it runs."""
    (tmp_path / "file").write_text("no directory")

    async def scenario() -> None:
        parts = works(f"sqlite:///{tmp_path / 'file' / 'ledger.db'}")
        with pytest.raises(StoreError):
            async with parts.running():
                pass
        (tmp_path / "file").unlink()
        async with parts.running() as running:
            assert running.lessons is not None

    run(scenario())


def test_a_task_that_fails_is_heard() -> None:
    """By its name and the kind of error; never by its words, which may be a caller's."""
    said = io.StringIO()
    works("sqlite:///planner.db", said)._task_failed("writer", ValueError("what somebody said"))  # noqa: SLF001 - heard
    assert '"task":"writer","error":"ValueError"' in said.getvalue()
    assert "somebody" not in said.getvalue()
