"""`planner rules check` reports every problem at once, in the form that was asked for."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from planner.cli import main
from planner.core.rulefile import SHAPES
from planner.rulesource import shipped_directory

BAD = """\
policies:
  - name: one
    why: A policy of which the mode is misspelt.
    mode: enforced
    then: {bundle: when-cheaper}
  - name: two
    mode: off
    then: {bundle: when-cheaper}
"""


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    """A directory whose one file has two problems."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/ours.yaml").write_text(BAD)
    return tmp_path


def test_the_shipped_rules_are_in_order() -> None:
    """And the digests say which they are."""
    result = CliRunner().invoke(main, ["rules", "check"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith("ok: rule book ")


def test_every_problem_is_reported_at_once_with_its_place(bad: Path) -> None:
    """A person opens `file:line:col` and reads what to write instead."""
    result = CliRunner().invoke(main, ["rules", "check", "--rules", str(bad)])
    assert result.exit_code == 1
    lines = result.output.splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        f"{bad}/policies/ours.yaml:4:11",
        f"{bad}/policies/ours.yaml:6:5",
    ]
    assert 'Did you mean "enforce"?' in lines[0]


def test_the_same_findings_as_json(bad: Path) -> None:
    """For programs."""
    result = CliRunner().invoke(main, ["rules", "check", "--rules", str(bad), "--format", "json"])
    assert result.exit_code == 1
    found = json.loads(result.output)
    assert [(each["line"], each["level"]) for each in found] == [(4, "error"), (6, "error")]


def test_the_same_findings_as_annotations(bad: Path) -> None:
    """For a pull request."""
    result = CliRunner().invoke(main, ["rules", "check", "--format", "github"], env={"PLANNER_RULES": str(bad)})
    assert result.exit_code == 1
    assert all(line.startswith(f"::error file={bad}/policies/ours.yaml,line=") for line in result.output.splitlines())


def test_no_findings_as_json() -> None:
    """An empty list, not an empty page."""
    result = CliRunner().invoke(main, ["rules", "check", "--format", "json"])
    assert (result.exit_code, json.loads(result.output)) == (0, [])
    assert CliRunner().invoke(main, ["rules", "check", "--json"]).output == result.output


def test_no_findings_as_annotations() -> None:
    """Nothing: an empty line would be no annotation."""
    result = CliRunner().invoke(main, ["rules", "check", "--format", "github"])
    assert (result.exit_code, result.output) == (0, "")


def test_it_says_which_kinds_came_from_the_shipped_copy(tmp_path: Path) -> None:
    """A file in the wrong place would otherwise go unread, and nobody would hear of it."""
    (tmp_path / "callers.yaml").write_text("principals: {}\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["rules", "check", "--rules", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert result.output.splitlines()[1:] == [
        f"from {tmp_path}: callers",
        "from the copy that ships with the planner: prices, catalog, policies, budgets, settings, tests",
    ]


def test_tests_of_rules_are_checked_too(tmp_path: Path) -> None:
    """After the rules, at the place that a person opens."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "ours.yaml").write_text("tests:\n  - {nam: one}\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["rules", "check", "--rules", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path}/tests/ours.yaml:2:6: " in result.output
    assert 'Did you mean "name"?' in result.output
    (tmp_path / "tests" / "ours.yaml").write_text("tests: []\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["rules", "check", "--rules", str(tmp_path)])
    told = result.output.splitlines()
    assert told[0].startswith(f"{tmp_path}:1:1: warning: this directory: it holds no rule file")
    assert told[2] == f"from {tmp_path}: tests"


def test_an_expression_that_is_wrong_is_shown_with_a_caret(tmp_path: Path) -> None:
    """In every form: two lines below, a field, and inside the annotation."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/ours.yaml").write_text(BAD_EXPRESSION, encoding="utf-8")
    run = ["rules", "check", "--rules", str(tmp_path), "--format"]
    text = CliRunner().invoke(main, [*run, "text"]).output.splitlines()
    assert text[0].startswith(f'{tmp_path}/policies/ours.yaml:7:10: policy "one": "when": undeclared reference')
    assert text[0].endswith('Did you mean "tools_count"? [bad-expression]')
    assert text[1:] == ["    && tool_count < 20", "       ^"]
    (found,) = json.loads(CliRunner().invoke(main, [*run, "json"]).output)
    assert found["excerpt"] == "&& tool_count < 20\n   ^"
    annotation = CliRunner().invoke(main, [*run, "github"]).output
    assert annotation.endswith("%0A&& tool_count < 20%0A   ^\n")


BAD_EXPRESSION = """\
policies:
  - name: one
    why: It has a slip in the second line of its condition.
    mode: shadow
    when: |
      stream
      && tool_count < 20
    then: {bundle: when-cheaper}
"""


def test_schemas_are_printed_by_kind() -> None:
    """One kind as its file would be, all kinds as one object."""
    one = CliRunner().invoke(main, ["rules", "schema", "--kind", "callers"])
    assert one.exit_code == 0
    assert one.output == (shipped_directory() / "schema/callers.json").read_text(encoding="utf-8")
    everything = json.loads(CliRunner().invoke(main, ["rules", "schema"]).output)
    assert set(everything) == set(SHAPES)
    assert everything["callers"] == json.loads(one.output)


def test_schemas_are_written_into_a_directory(tmp_path: Path) -> None:
    """All kinds, or the one that was asked for; nothing is printed."""
    out = tmp_path / "new/schema"
    result = CliRunner().invoke(main, ["rules", "schema", "--out", str(out)])
    assert (result.exit_code, result.output) == (0, "")
    assert {path.stem for path in out.iterdir()} == set(SHAPES)
    assert json.loads((out / "prices.json").read_text(encoding="utf-8"))["title"] == "Planner: prices"
    CliRunner().invoke(main, ["rules", "schema", "--out", str(tmp_path / "one"), "--kind", "settings"])
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["settings.json"]


def test_a_schema_that_cannot_be_written_is_a_usage_error(tmp_path: Path) -> None:
    """A file stands where the directory should be."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert CliRunner().invoke(main, ["rules", "schema", "--out", str(tmp_path / "file")]).exit_code == 2
    assert CliRunner().invoke(main, ["rules", "schema", "--out", str(tmp_path / "file/below")]).exit_code == 2
    assert CliRunner().invoke(main, ["rules", "schema", "--kind", "prizes"]).exit_code == 2


def test_the_group_says_what_rules_are() -> None:
    """And the command below it what it does."""
    output = CliRunner().invoke(main, ["rules", "-h"]).output
    assert "Work on rule files" in output
    assert "report every problem at once" in output


def test_an_override_is_checked_like_a_file() -> None:
    """A misspelt setting would change nothing, silently."""
    assert CliRunner().invoke(main, ["rules", "check", "--set", "free_hours.limit=0"]).exit_code == 0
    result = CliRunner().invoke(main, ["rules", "check", "--set", "free_hours.limt=0"])
    assert result.exit_code == 2
    assert 'Did you mean "free_hours.limit"?' in result.output


def test_a_wrong_file_counts_for_more_than_a_wrong_override(bad: Path) -> None:
    """Both are reported; the exit code is that of the findings."""
    arguments = ["rules", "check", "--rules", str(bad), "--set", "free_hours.limt=0"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 3


@pytest.mark.parametrize("word", ["free_hours.limit", "=0"])
def test_an_override_without_key_or_value_is_a_usage_error(word: str) -> None:
    """The form is said."""
    result = CliRunner().invoke(main, ["rules", "check", "--set", word])
    assert result.exit_code == 2
    assert "--set takes KEY=VALUE" in result.stderr


def test_a_directory_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    """It must not fall back to the shipped rules."""
    result = CliRunner().invoke(main, ["rules", "check", "--rules", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr
