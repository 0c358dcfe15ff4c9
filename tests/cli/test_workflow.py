"""`planner plan WORKFLOW.yaml`: in words, in JSON, as a picture; what is wrong, late, or left by the ledger."""

import json
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from tests import workflowpages

COOKBOOK: Final = workflowpages.FOLDER


def plan(path: Path, *arguments: str) -> Result:
    """Plan a workflow in a month without free hours."""
    return CliRunner().invoke(main, ["plan", str(path), "--set", "free_hours.limit=0", *arguments])


def told(path: Path, *arguments: str) -> dict[str, Any]:
    """The plan as JSON."""
    result = plan(path, "--json", *arguments)
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_cookbook_is_fresh() -> None:
    """Run `python -m tests.pages` after a change of prices, priors or the search."""
    assert (COOKBOOK / "README.md").read_text(encoding="utf-8") == workflowpages.cookbook_page()
    picture = COOKBOOK.parent / "images" / "workflow.svg"
    assert picture.read_text(encoding="utf-8") == workflowpages.picture()


@pytest.mark.parametrize("name", workflowpages.names())
def test_a_page_fits_a_terminal(name: str) -> None:
    """Every line of it, and of a workflow whose steps have long names, that misses a deadline."""
    assert [line for line in plan(COOKBOOK / name).stdout.splitlines() if len(line) > 80] == []


def test_long_names_and_missed_deadlines_are_told_in_lines(tmp_path: Path) -> None:
    """The page says how the plan was chosen where none is sound, and no line is longer than a terminal's."""
    path = tmp_path / "w.yaml"
    name = "a-step-whose-name-nobody-would-choose-but-a-machine"
    rows = [f"  - {{name: {name}-{number}, prompt: 9, output: 90000, deadline: 1s}}\n" for number in range(4)]
    path.write_text(f"workflow: w\nmodel: claude-sonnet-5-5\nsteps:\n{''.join(rows)}", encoding="utf-8")
    said = plan(path).stdout
    assert [line for line in said.splitlines() if len(line) > 80] == []
    assert "plans reckoned: the fewest steps that go wrong" in said
    assert f"{name}-3" in said


def test_the_second_plan_is_told_by_what_differs(tmp_path: Path) -> None:
    """One request that goes out in a batch, or live; one step is no steps."""
    path = tmp_path / "w.yaml"
    path.write_text(
        "workflow: w\nmodel: claude-sonnet-5-5\nsteps: [{name: a, prompt: 9, output: 9}]\n", encoding="utf-8"
    )
    said = plan(path).stdout
    assert said.startswith("w: 1 step in 1 request, 30 times a month\n")
    assert "The plan that came second sends instead: a live.\n" in said
    assert "sends instead: check with its own tools alone; analyse" in plan(COOKBOOK / "csv-analysis.yaml").stdout


@pytest.mark.parametrize("name", workflowpages.names())
def test_every_recipe_saves_and_is_proven(name: str) -> None:
    """Cheaper than as it is in every world, every deadline kept, and no plan better."""
    found = told(COOKBOOK / name)
    assert found["sound"]
    assert found["proven"]
    assert (found["probability"], found["distance"]) == (1.0, 0.0)
    assert 0 < found["cost_nano"]["likely"] < found["untouched_nano"]["likely"]
    money = found["money"]
    assert abs(money["tokens"] + money["searches"] + money["code_execution"] - money["total"]) <= 2
    assert found["second"]["money"]["total"] >= money["total"] - 1


def test_code_rides_free_on_the_smallest_model() -> None:
    """The recipe of short validations: a web tool that reaches nothing costs less than a minimum."""
    requests = told(COOKBOOK / "config-validation.yaml")["requests"]
    assert [each["web"] for each in requests if each["tools"]] == ["inert", "inert"]
    assert all("web_fetch_20260318" in each["tools"] for each in requests if each["tools"])


def test_files_are_found_in_one_container() -> None:
    """Slides go on where the sheet was made."""
    requests = {tuple(each["steps"]): each for each in told(COOKBOOK / "office-documents.yaml")["requests"]}
    assert requests["sheet",]["container"] == requests["slides",]["container"] == 1
    assert requests["letter",]["batch"]


def test_the_picture_is_an_svg_with_a_bar_a_request() -> None:
    """It stands by itself, and names what it shows."""
    result = plan(COOKBOOK / "polyglot-build.yaml", "--format", "svg")
    root = ET.fromstring(result.stdout)  # noqa: S314 - of our own making
    bars = root.findall("{http://www.w3.org/2000/svg}rect")
    requests = told(COOKBOOK / "polyglot-build.yaml")["requests"]
    assert len(bars) == len(requests)
    assert all(bar.find("{http://www.w3.org/2000/svg}title") is not None for bar in bars)
    assert "polyglot-build" in (root.get("aria-label") or "")


def test_what_is_wrong_with_a_file_ends_in_findings(tmp_path: Path) -> None:
    """Exit code 1, every problem with its place, on standard error."""
    path = tmp_path / "w.yaml"
    path.write_text("workflow: w\nsteps:\n  - {name: a, prompt: 1, output: 1, after: [b]}\n", encoding="utf-8")
    result = plan(path)
    assert result.exit_code == 1
    assert "w.yaml:3:5:" in result.stderr
    assert "[unknown-step]" in result.stderr
    assert result.stdout == ""


def test_a_deadline_that_no_plan_keeps_is_told(tmp_path: Path) -> None:
    """The plan is printed all the same, with a warning and exit code 1."""
    path = tmp_path / "w.yaml"
    rows = "  - {name: a, prompt: 1, output: 60000, deadline: 5m}\n"
    path.write_text(f"workflow: w\nmodel: claude-sonnet-5-5\nsteps:\n{rows}", encoding="utf-8")
    result = plan(path)
    assert result.exit_code == 1
    assert "WARNING: no plan was found in which a surely keeps its deadline" in result.stdout


def test_a_file_that_is_not_there_and_a_form_that_is_not_for_requests(tmp_path: Path) -> None:
    """Usage errors, exit code 2."""
    assert plan(tmp_path / "none.yaml").exit_code == 2
    request = tmp_path / "request.json"
    request.write_text('{"model": "claude-sonnet-5-5", "messages": []}', encoding="utf-8")
    result = plan(request, "--format", "svg")
    assert result.exit_code == 2
    assert "draws workflows" in result.stderr


def test_where_nothing_is_saved_it_says_so(tmp_path: Path) -> None:
    """One plain request that somebody waits for is left as it is."""
    path = tmp_path / "w.yaml"
    rows = "  - {name: a, prompt: 10, output: 10, live: true}\n"
    path.write_text(f"workflow: w\nmodel: claude-sonnet-5-5\nsteps:\n{rows}", encoding="utf-8")
    assert "saves nothing: leave it as it is" in plan(path).stdout
