"""The command line as a whole: every command answers --help, and none is loaded that was not asked for."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest
from click.testing import CliRunner

from planner import __version__
from planner.cli import COMMANDS, main

HEAVY: Final = {
    "aiohttp", "aiosqlite", "anthropic", "asyncpg", "cel", "jinja2", "litestar", "playwright", "prometheus_client",
    "pyarrow", "uvicorn",
}  # fmt: skip
LOADED: Final = "import sys; print('\\n'.join({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)"


def loaded_by(*arguments: str) -> set[str]:
    """The top-level packages that a run of the command line has loaded."""
    script = f"from planner.cli import main\ntry:\n    main({list(arguments)!r})\nfinally:\n    {LOADED}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("key", "--help"), ("rules", "check")], ids=" ".join
)
def test_light_commands_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """A question about the command line is answered before a web server could be imported."""
    assert not loaded_by(*arguments) & HEAVY


def walk(command: click.Command = main, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command and group by its words."""
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    inner = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [path, *(found for name, each in inner if each is not None for found in walk(each, (*path, name)))]


def test_every_command_answers_help() -> None:
    """Each says in a sentence what it does, and lists its flags."""
    for path in walk():
        result = CliRunner().invoke(main, [*path, "--help"])
        assert result.exit_code == 0, result.output
        assert "Usage:" in result.output
        assert CliRunner().invoke(main, [*path, "-h"]).output == result.output


def test_the_list_of_commands_says_what_each_does() -> None:
    """The first words that a newcomer reads."""
    output = CliRunner(env={"COLUMNS": "200"}).invoke(main, ["--help"]).output
    for name, sentence in COMMANDS.items():
        assert f" {name} " in output
        assert sentence in output


def test_the_version() -> None:
    """It is the package's."""
    assert CliRunner().invoke(main, ["--version"]).output == f"planner, version {__version__}\n"


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["serve", "--nonsense"], ["serve", "--port", "many"]], ids=" ".join
)
def test_what_cannot_be_understood_is_a_usage_error(arguments: list[str]) -> None:
    """Exit code 2, and the word that was wrong."""
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert arguments[-1].strip("-") in result.output


def test_python_m_planner_is_the_same_command(tmp_path: Path) -> None:
    """Where the script is not on the PATH."""
    command = [sys.executable, "-m", "planner", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout == f"planner, version {__version__}\n"
