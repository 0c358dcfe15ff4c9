"""A journal that cannot be written never stops a request, and loses as little as can be."""

import errno
import io
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from planner import log as logs
from planner.clock import VirtualClock
from planner.metrics import Metrics
from planner.proxy.recorder import KEPT_WHILE_UNWRITABLE, Recorder
from planner.stores.journal import Journal
from planner.stores.writer import Writer
from tests.stores.test_sqlite import entry
from tests.stores.test_writer import Shelf


class Bench:
    """A recorder on a disk that can be full."""

    def __init__(self, directory: Path) -> None:
        self.full = False
        self.journal = Journal(directory, write=self._write)
        self.metrics = Metrics()
        self.log = io.StringIO()
        clock = VirtualClock(datetime(2026, 11, 22, tzinfo=UTC))
        self.writer = Writer(
            self.journal,
            Shelf(),
            clock,
            on_write=lambda _: None,
            on_trouble=lambda _: None,
            on_refused=lambda: None,
        )
        self.recorder = Recorder(self.journal, self.writer, self.metrics, logs.build(self.log))

    def _write(self, descriptor: int, data: bytes) -> int:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(descriptor, data)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A fresh bench."""
    return Bench(tmp_path)


def test_full_disk_is_counted_and_caught_up(bench: Bench) -> None:
    """While the disk is full nothing raises and each record is counted; afterwards all are written, in order."""
    bench.recorder.intend(entry(1))
    bench.full = True
    for number in range(2, 5):
        bench.recorder.intend(entry(number))
    bench.recorder.settle(entry(1, "ok", 5))
    assert bench.metrics.fail_open.values == {("journal",): 4}
    assert bench.journal.pending == 1
    assert bench.log.getvalue().count("journal unwritable") == 1
    bench.full = False
    bench.recorder.intend(entry(5))
    batch = bench.journal.read(100)
    assert batch is not None
    for line, number in zip(batch.lines, (1, 2, 3, 4, 1, 5), strict=True):
        assert b"%024x" % number in line


def test_an_unknown_cost_is_an_alarm(bench: Bench) -> None:
    """It is a warning of its own beside the request's line, and counted."""
    unknown = msgspec.structs.replace(entry(1, "ok"), model="claude-new", unpriced="unknown-model", cost_nano=None)
    bench.recorder.settle(unknown)
    lines = [msgspec.json.decode(line) for line in bench.log.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [("request", "info"), ("cost unknown", "warning")]
    assert (lines[1]["reason"], lines[1]["model"]) == ("unknown-model", "claude-new")
    assert bench.metrics.unpriced.values == {("unknown-model",): 1}


def test_memory_is_bounded(bench: Bench) -> None:
    """However long the disk stays full, what is kept for it is bounded."""
    bench.full = True
    for number in range(KEPT_WHILE_UNWRITABLE + 10):
        bench.recorder.intend(entry(number))
    assert bench.metrics.fail_open.values[("record",)] == 10
    bench.full = False
    bench.recorder.close()
    assert bench.journal.pending == KEPT_WHILE_UNWRITABLE


def test_closing_writes_what_is_left(bench: Bench) -> None:
    """What the disk did not take is offered once more at the end; what is lost then is said."""
    bench.full = True
    bench.recorder.intend(entry(1))
    bench.recorder.close()
    assert '"records":1' in bench.log.getvalue()
    bench.full = False
    bench.recorder.close()
    assert bench.journal.pending == 1
