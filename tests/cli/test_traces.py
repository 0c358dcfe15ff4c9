"""Traces are read for every command that plays one in the same way: up to the first bad line, all of them told."""

from contextlib import ExitStack
from pathlib import Path

import pytest

from planner.cli.traces import MOST_PROBLEMS, opened_trace, opening, usable
from tests.doubles.traces import encoded, row


def test_good_lines_come_as_they_are_read() -> None:
    """One by one."""
    assert [line.number for line in usable(Path("t"), encoded(row(0), row(1)))] == [0, 1]


def test_behind_a_bad_line_nothing_is_played(capsys: pytest.CaptureFixture[str]) -> None:
    """The others are still looked at, and the command ends."""
    lines = usable(Path("t"), [*encoded(row(0)), b"x", *encoded(row(1)), *([b"y"] * MOST_PROBLEMS)])
    assert next(lines).number == 0
    with pytest.raises(SystemExit) as stop:
        next(lines)
    assert stop.value.code == 1
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("t:2: ")
    assert len(told) == MOST_PROBLEMS + 1


def test_a_file_that_is_not_there_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one sentence, whether it is read or written."""
    with ExitStack() as opened, pytest.raises(SystemExit) as stop:
        opened_trace(tmp_path / "t", opened)
    assert stop.value.code == 2
    with ExitStack() as opened, pytest.raises(SystemExit) as stop:
        opening(tmp_path, "wb", opened)
    assert stop.value.code == 2
    assert len(capsys.readouterr().err.splitlines()) == 2
