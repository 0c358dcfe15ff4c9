"""What platform teams copy works: the hooks of pre-commit, and the workflow that checks, tests and compares rules."""

import json
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result
from ruamel.yaml import YAML

from planner.cli import main
from planner.rulesource import shipped_directory
from tests.doubles.traces import row

ROOT: Final = Path(__file__).parent.parent
HOOKS: Final = {hook["id"]: hook for hook in YAML(typ="safe").load(ROOT / ".pre-commit-hooks.yaml")}
WORKFLOW: Final = YAML(typ="safe").load(ROOT / "deploy/github/rules.yaml")


def planner(words: str) -> Result:
    """Run a command line as a shell would, without what it does with the output."""
    program, *arguments = shlex.split(words.partition(">")[0])
    assert program == "planner"
    return CliRunner().invoke(main, arguments)


def steps() -> Iterator[str]:
    """The commands of the workflow, in order."""
    yield from (step["run"] for step in WORKFLOW["jobs"]["rules"]["steps"] if "run" in step)


@pytest.fixture
def somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with rules of its own, which the commands find by relative paths."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_passes_good_rules_and_stops_bad_ones(somewhere: Path, hook: str) -> None:
    """As pre-commit runs it: the entry and its arguments, in the top directory."""
    shutil.copytree(shipped_directory(), somewhere / "rules")
    words = shlex.join([*shlex.split(HOOKS[hook]["entry"]), *HOOKS[hook]["args"]])
    assert planner(words).exit_code == 0
    policies = somewhere / "rules/policies/shipped.yaml"
    policies.write_text(policies.read_text().replace("mode: enforce", "mod: enforce", 1))
    assert planner(words).exit_code == 1


def test_hooks_are_what_the_program_of_pre_commit_asks_for() -> None:
    """The fields of its documentation; no file names are passed, since rules are read as a whole."""
    assert set(HOOKS) == {"planner-rules-check", "planner-rules-test"}
    for hook in HOOKS.values():
        needed = {"id", "name", "description", "entry", "args", "language"}
        assert set(hook) == needed | {"additional_dependencies", "files", "pass_filenames"}
        assert (hook["language"], hook["pass_filenames"]) == ("python", False)


def test_the_workflow_checks_tests_and_compares(somewhere: Path) -> None:
    """Each of its commands runs on two checkouts that differ in one policy, and writes what the next step shows."""
    for side in ("old", "new"):
        shutil.copytree(shipped_directory(), somewhere / side / "rules")
    policies = somewhere / "new/rules/policies/shipped.yaml"
    policies.write_text(policies.read_text().replace("then: {bundle: when-cheaper}", "then: {bundle: never}", 1))
    traffic = somewhere / "new/traffic/week.jsonl"
    traffic.parent.mkdir()
    traffic.write_text(json.dumps(row(0)) + "\n")
    told: dict[str, Any] = {}
    for words in steps():
        if words.startswith("planner "):
            told[words.partition(" --")[0]] = planner(words)
    check, test, diff = told.values()
    assert (check.exit_code, check.output) == (0, "")
    assert test.exit_code == 1  # the shipped tests say what the changed policy no longer does
    assert test.output.startswith("<?xml")
    assert diff.exit_code == 0
    assert diff.output.startswith("**Rules diff.** 1 policy differs.")


def test_the_workflow_hands_on_what_was_written() -> None:
    """The file that a step writes is the one that a later step takes."""
    words = "\n".join(steps())
    assert "> change.md" in words
    assert "--body-file change.md" in words
    uploaded = [step["with"]["path"] for step in WORKFLOW["jobs"]["rules"]["steps"] if "path" in step.get("with", {})]
    assert "rules.xml" in uploaded
    assert "> rules.xml" in words
