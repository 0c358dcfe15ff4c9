"""`planner simulator`: up with one command, said where, gone with Ctrl-C."""

import signal
import socket
import subprocess
import sys
from pathlib import Path

import anthropic
import msgspec
import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.simulator.config import ORGANIZATION

SCENARIO = """scenarios:
  - name: greeting
    match: {text: hello}
    turns:
      - steps:
          - say: Good morning.
"""


def simulator(*arguments: str) -> Result:
    """Try to start it; every caller gives it something that it cannot start with."""
    return CliRunner().invoke(main, ["simulator", *arguments])


def test_it_says_where_it_is_serves_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """With a script and a setting of the user's own."""
    (tmp_path / "mine.yaml").write_text(SCENARIO, encoding="utf-8")
    command = [sys.executable, "-u", "-m", "planner", "simulator", "--port", "0", "--seed", "mine"]
    command += ["--scenarios", str(tmp_path / "mine.yaml"), "--set", "free_hours.limit=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        url = process.stdout.readline().split()[4].rstrip(".")
        with anthropic.Anthropic(base_url=url, api_key="any") as client:
            message = client.messages.create(
                model="claude-haiku-5-5", max_tokens=99, messages=[{"role": "user", "content": "hello"}]
            )
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait() == 0
        assert process.stderr.read() == ""
    (block,) = message.content
    assert block.type == "text"
    assert block.text == "Good morning."
    assert f"export ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY=anything" in rest
    assert f"{url}/simulator/bill" in rest


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--port", "70000"), "port 70000 is not between 0 and 65535."),
        (
            ("--set", "free_hours.limit=many"),
            "--set:1:1: setting free_hours.limit: 'many' cannot be its value. Expected `int`",
        ),
        (("--set", "free_hours.limt=0"), 'the simulator does not read it. Did you mean "free_hours.limit"?'),
        (("--set", "nonsense=1"), "setting nonsense: the simulator does not read it. Use one of: code.minimum_per, "),
        (
            ("--set", "tool_tokens.web_fetch_2026=1"),
            'no server tool is called "web_fetch_2026". Did you mean "web_fetch_',
        ),
        (("--set", "nonsense"), "--set takes KEY=VALUE, not 'nonsense'"),
        (("--scenarios", "no/such/file.yaml"), "no/such/file.yaml cannot be read: No such file or directory."),
    ],
)
def test_what_cannot_be_used_is_a_usage_error(arguments: tuple[str, ...], sentence: str) -> None:
    """Exit code 2 and one sentence."""
    result = simulator(*arguments)
    assert result.exit_code == 2, result.output
    assert sentence in result.stderr
    assert result.stdout == ""


def test_a_scenario_that_is_wrong_is_named(tmp_path: Path) -> None:
    """With the place in the file, in the form of every other finding."""
    path = tmp_path / "wrong.yaml"
    path.write_text(SCENARIO.replace("say:", "shout:"), encoding="utf-8")
    result = simulator("--scenarios", str(path), "--set", "nonsense=1")
    assert result.exit_code == 2
    file, setting = result.stderr.splitlines()
    assert file.startswith(f"{path}:6:13: scenarios[0].turns[0].steps[0]: unknown field `shout`. Use one of: say, ")
    assert setting.startswith("--set:1:1: setting nonsense: ")


def test_a_port_in_use_is_unavailable() -> None:
    """Exit code 3."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = simulator("--port", str(taken.getsockname()[1]))
    assert result.exit_code == 3
    assert "Choose another with --port." in result.stderr


def test_it_begins_with_a_prepared_bill(tmp_path: Path) -> None:
    """The official SDK reads it from the cost report."""
    item = {"at": "2026-10-05T10:00:00Z", "organization": ORGANIZATION, "workspace": "w", "api_key": "k"}
    line = {"kind": "output", "quantity": 10, "nano": 1_234_500_000}
    path = tmp_path / "bill.jsonl"
    path.write_bytes(msgspec.json.encode(item | {"model": "claude-haiku-5-5", "lines": [line]}) + b"\n")
    command = [sys.executable, "-u", "-m", "planner", "simulator", "--port", "0", "--bill", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[4].rstrip(".")
        span = {"starting_at": "2026-10-05T00:00:00Z", "ending_at": "2026-10-06T00:00:00Z"}
        with anthropic.Anthropic(base_url=url, api_key="sk-ant-admin01-mine") as client:
            told = client.get("/v1/organizations/cost_report", options={"params": span}, cast_to=object)
        process.send_signal(signal.SIGINT)
        assert process.wait() == 0
    assert '"amount":"123.45"' in msgspec.json.encode(told).decode()


def test_a_bill_that_is_wrong_is_named(tmp_path: Path) -> None:
    """With its line; one that cannot be read as well."""
    path = tmp_path / "wrong.jsonl"
    path.write_text('\n{"at": 1}\n', encoding="utf-8")
    result = simulator("--bill", str(path))
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{path}:2:1: this line: it is no charged item.")
    missing = simulator("--bill", "no/such/file.jsonl")
    assert missing.exit_code == 2
    assert "no/such/file.jsonl cannot be read: No such file or directory." in missing.stderr
