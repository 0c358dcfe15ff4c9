"""`planner demo` says in one sentence why it cannot play; what it shows is tested in tests/demo."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from planner.cli import main


def demo(*arguments: str) -> Result:
    """Try to run the demo; every caller gives it something that it cannot be run with."""
    return CliRunner().invoke(main, ["demo", "--once", *arguments])


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--port", "70000"), 2, "port 70000 is not between 0 and 65535."),
        (("--set", "free_hours.limit"), 2, "--set takes KEY=VALUE, not 'free_hours.limit'"),
        (("--set", "free_hours.limit=0.5"), 2, "the simulator cannot take these settings"),
        (("--set", "nonsense=1"), 2, 'setting "nonsense": nothing reads it'),
    ],
)
def test_what_cannot_be_used(arguments: tuple[str, ...], code: int, sentence: str) -> None:
    """The exit code of its kind, one sentence, and nothing played."""
    result = demo(*arguments)
    assert result.exit_code == code
    assert sentence in result.stderr
    assert result.stdout == ""


def test_a_port_in_use() -> None:
    """Exit code 3, before anything is played."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = demo("--port", str(taken.getsockname()[1]))
    assert result.exit_code == 3
    assert "Choose another with --port." in result.stderr
    assert result.stdout == ""


def test_without_once_it_stays_up_until_ctrl_c(tmp_path: Path) -> None:
    """And then ends cleanly."""
    command = [sys.executable, "-u", "-m", "planner", "demo", "--port", "0"]
    environment = {"COLUMNS": "100", "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if "Stop with Ctrl-C" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait() == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert any("ANTHROPIC_BASE_URL=http://127.0.0.1:" in line for line in shown)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--entries", "10"), "--entries and --keep belong to --month."),
        (("--keep", "somewhere"), "--entries and --keep belong to --month."),
        (("--month", "--once"), "--once and --port do not belong to --month."),
        (("--month", "--port", "1"), "--once and --port do not belong to --month."),
        (("--month", "--entries", "0"), "a month has no 0 entries: name 1 or more"),
    ],
)
def test_what_does_not_go_together(arguments: tuple[str, ...], sentence: str) -> None:
    """A usage error that says so, and nothing is made."""
    result = CliRunner().invoke(main, ["demo", *arguments])
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert result.stdout == ""


def test_a_small_month(tmp_path: Path) -> None:
    """It ends well, and a second one does not overwrite it."""
    arguments = ["demo", "--month", "--entries", "60", "--seed", "small", "--keep", str(tmp_path / "month")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert "60 entries and" in result.stdout
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code == 3
    assert "planner.db is there already: name an empty directory with --keep" in again.stderr
