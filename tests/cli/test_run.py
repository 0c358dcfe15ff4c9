"""`planner run`: a workflow carried out against the simulator, resumed, refused, and told in words and JSON."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.cli.workflow import read
from planner.rulesource import load_rules
from planner.simulator.config import shipped_scenarios
from tests import workflowpages
from tests.doubles.proxy import run
from tests.doubles.simulated import Attentive, simulating
from tests.running.test_carrying import SCRIPT

WORKFLOW: Final = """
workflow: nightly
model: claude-haiku-5-5
contexts:
  house: {tokens: 900, file: house.md}
steps:
  - name: check
    context: house
    prompt: 10
    output: 10
    tools: [code_execution_20250825]
    code_seconds: 3
    attach: [sales.csv]
    ask: "[count] Check the rows."
  - {name: letter, prompt: 10, output: 10, after: [check], deadline: 10m, ask: "Write of {{check}}"}
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    """A workflow with what stands beside it."""
    path = tmp_path / "nightly.yaml"
    path.write_text(WORKFLOW, encoding="utf-8")
    (tmp_path / "house.md").write_text("The rules of the house. " * 200, encoding="utf-8")
    (tmp_path / "sales.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    return path


@asynccontextmanager
async def api() -> AsyncIterator[tuple[Attentive, str]]:
    """A simulator with the scripts that the workflow means."""
    async with simulating(scenarios=(SCRIPT, *shipped_scenarios())) as (simulator, url):
        yield simulator, url


async def ran(path: Path, url: str, *arguments: str, key: str | None = "sk-test") -> Result:
    """Run the command, which has a loop of its own."""
    words = ["run", str(path), "--base-url", url, "--set", "free_hours.limit=0", *arguments]
    environment = {"ANTHROPIC_API_KEY": key, "ANTHROPIC_AUTH_TOKEN": None}
    return await asyncio.to_thread(CliRunner(env=environment).invoke, main, words)


def test_a_workflow_is_carried_out_and_measured(workflow: Path) -> None:
    """In JSON: what was expected, what it cost, and every result; the plan's bundle is in what was sent."""

    async def scenario() -> None:
        async with api() as (simulator, url):
            result = await ran(workflow, url, "--json")
            sent: list[Any] = [each.json() for each in simulator.messages()]
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        assert found["done"]
        assert found["results"]["check"] == "There are 42 rows."
        assert [each["status"] for each in found["requests"]] == ["done", "done"]
        assert found["measured_nano"] == sum(each["nano"] for each in found["requests"])
        assert found["expected_nano"] > 0
        assert abs(sum(each["expected_nano"] for each in found["requests"]) - found["expected_nano"]) <= 2
        assert sent[0]["tools"][-1]["type"] == "web_fetch_20260318"
        assert sent[1]["messages"][0]["content"][0]["text"] == "Write of There are 42 rows."

    run(scenario())


def test_recipes_of_the_cookbook_run_as_they_are(tmp_path: Path) -> None:
    """One merges steps, which the simulator answers without a heading; the other loads a file and shares containers."""
    names = ("config-validation.yaml", "csv-analysis.yaml")

    async def scenario() -> None:
        async with api() as (_, url):
            for name in names:
                state = str(tmp_path / f"{name}.run.json")
                result = await ran(workflowpages.FOLDER / name, url, "--state", state, "--json")
                assert result.exit_code == 0, result.output
                found = json.loads(result.stdout)
                assert found["done"]
                assert all(found["results"].values())
                assert any(len(each["steps"]) > 1 for each in found["requests"]) == (name == names[0])

    run(scenario())


@pytest.mark.parametrize("name", [name for name in workflowpages.names() if name != "multi-tool.yaml"])
def test_every_recipe_but_one_can_be_run(name: str) -> None:
    """They say what they ask, name no result too early, and stand beside the files that they load."""
    book, path = load_rules(None).required(), workflowpages.FOLDER / name
    found = read(path, book, to_run=True)
    assert all(step.ask for step in found.steps)
    loaded = [*(name for step in found.steps for name in step.attach), *(each.file for each in found.contexts.values())]
    assert all((path.parent / name).is_file() for name in loaded if name)


def test_a_second_run_has_nothing_left_to_do(workflow: Path, tmp_path: Path) -> None:
    """And says so in words; results are written where they are wanted. Begun afresh it does all again."""

    async def scenario() -> None:
        async with api() as (simulator, url):
            first = await ran(workflow, url, "--out", str(tmp_path / "out"))
            assert first.exit_code == 0, first.output
            assert "nightly: 2 of 2 requests are done" in first.stdout
            assert "Measured $" in first.stdout
            assert (tmp_path / "out" / "check.md").read_text(encoding="utf-8") == "There are 42 rows.\n"
            before = len(simulator.messages())
            assert (await ran(workflow, url)).exit_code == 0
            assert len(simulator.messages()) == before
            assert (await ran(workflow, url, "--afresh", "--as-is")).exit_code == 0
            as_is = [each.json() for each in simulator.messages()[before:]]
        assert [tool["type"] for tool in as_is[0]["tools"]] == ["code_execution_20250825"]

    run(scenario())


def test_a_changed_workflow_does_not_go_on(workflow: Path) -> None:
    """Exit code 2, saying what to do."""

    def change() -> None:
        workflow.write_text(WORKFLOW.replace("Write of", "Sing of"), encoding="utf-8")

    async def scenario() -> None:
        async with api() as (_, url):
            assert (await ran(workflow, url)).exit_code == 0
            await asyncio.to_thread(change)
            result = await ran(workflow, url)
        assert result.exit_code == 2
        assert "--afresh" in result.stderr

    run(scenario())


def test_what_was_refused_is_told_and_can_be_tried_again(workflow: Path) -> None:
    """Exit code 3, the API's own words, and how to go on."""
    workflow.write_text(WORKFLOW.replace("[count] Check", "[refuse] Check"), encoding="utf-8")

    async def scenario() -> None:
        async with api() as (_, url):
            result = await ran(workflow, url)
        assert result.exit_code == 3
        assert "check was refused: the model ended its turn with refusal" in result.stdout
        assert "Run the same command again" in result.stdout

    run(scenario())


def test_without_a_key_nothing_begins(workflow: Path) -> None:
    """Exit code 2 and a sentence, before anything is sent or written down as sent."""
    result = asyncio.run(ran(workflow, "http://127.0.0.1:9", key=None))
    assert result.exit_code == 2
    assert "Set ANTHROPIC_API_KEY." in result.stderr
    assert not workflow.with_name("nightly.yaml.run.json").exists()


def test_what_a_run_lacks_is_told_at_once(workflow: Path) -> None:
    """Words, results in time, texts: each with its place, before anything is sent."""
    text = (
        WORKFLOW.replace(", file: house.md", "")
        .replace("after: [check], ", "")
        .replace('    ask: "[count] Check the rows."\n', "")
    )
    workflow.write_text(text, encoding="utf-8")
    result = CliRunner().invoke(main, ["run", str(workflow)])
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert "it has no text, or two" in lines[0]
    assert "does not say what it asks" in lines[1]
    assert 'wants the result of "check", which it does not follow' in lines[2]


@pytest.mark.parametrize("missing", ["house.md", "sales.csv"])
def test_a_file_that_is_not_there(workflow: Path, missing: str) -> None:
    """Exit code 2."""
    (workflow.parent / missing).unlink()
    result = CliRunner().invoke(main, ["run", str(workflow)])
    assert result.exit_code == 2
    assert f"{missing} cannot be read: No such file or directory." in result.stderr
