"""Rules that are compiled in another process are those that this one would have compiled."""

import sys
from pathlib import Path

import pytest

from planner import compiling
from planner.compiling import CompileError, compile_apart
from planner.rulesource import Source
from tests.doubles.volume import BROKEN, Volume, version


def test_the_same_book(tmp_path: Path) -> None:
    """Equal in every part, under the same settings, with the same digest, and it decides the same."""
    volume = Volume(tmp_path / "rules")
    said = version(3)
    conditional = said["policies/ours.yaml"].replace("mode: enforce", "mode: enforce\n    when: tools_count < 20")
    volume.publish(said | {"policies/ours.yaml": conditional})
    source = Source(volume.directory, {"free_hours.limit": "3", "tool_tokens.web_fetch_20260318": "40"})
    files = source.look().files
    apart, here = compile_apart(source, files), source.compile(files)
    assert (apart, apart.required().digest) == (here, here.required().digest)
    assert apart.required().settings.free_hours.limit == 3
    assert apart.required().callers.find("caller") is not None


def test_the_same_findings(tmp_path: Path) -> None:
    """All of them, with the paths that a person opens."""
    volume = Volume(tmp_path / "rules")
    volume.publish(BROKEN)
    source = Source(volume.directory, {"nothing.such": "1"})
    files = source.look().files
    apart = compile_apart(source, files)
    assert apart == source.compile(files)
    assert apart.book is None
    assert {finding.path for finding in apart.findings} == {"--set", f"{volume.directory}/policies/ours.yaml"}


@pytest.mark.parametrize(
    ("program", "longest", "said"),
    [
        (sys.executable, 0.001, "took longer than 0.001 seconds"),
        ("/bin/false", 9.0, "ended with code 1"),
        ("/nowhere/python", 9.0, "there is no process to compile the rules in: No such file or directory"),
    ],
)
def test_what_becomes_of_it(monkeypatch: pytest.MonkeyPatch, program: str, longest: float, said: str) -> None:
    """A process that does not start, or not end, says nothing of the rules."""
    monkeypatch.setattr(sys, "executable", program)
    monkeypatch.setattr(compiling, "LONGEST_SECONDS", longest)
    with pytest.raises(CompileError, match=said):
        compile_apart(Source(), Source().look().files)
