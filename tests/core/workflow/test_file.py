"""A workflow file: every problem at once, each at its place, and what a whole one becomes."""

from pathlib import Path
from typing import Final

import pytest

from planner.core.workflow.file import read_workflow
from tests.doubles.deciding import BOOK

GOLDEN: Final = Path(__file__).parent / "golden"
WHOLE: Final = """
workflow: nightly
model: claude-sonnet-5-5
contexts:
  docs: {tokens: 9000}
steps:
  - name: fetch
    prompt: 900
    output: {low: 100, likely: 200, high: 400}
    context: docs
    tools: [web_search_20260209]
    searches: 2
    code_seconds: 3
  - {name: sum up, prompt: 100, output: 50, after: [fetch]}
""".replace("sum up", "sum-up")


def told(text: str) -> list[str]:
    """The findings of a file."""
    return [finding.text() for finding in read_workflow("w.yaml", text.encode(), BOOK.catalog).findings]


def test_a_whole_file_is_a_workflow() -> None:
    """A newer web tool brings code execution along, so nothing else must be declared."""
    reading = read_workflow("w.yaml", WHOLE.encode(), BOOK.catalog)
    assert reading.findings == ()
    assert reading.workflow is not None
    assert [step.name for step in reading.workflow.steps] == ["fetch", "sum-up"]


def test_every_problem_comes_at_once_with_its_place() -> None:
    """What is broken in one step hides nothing of another."""
    broken = GOLDEN / "broken.yaml"
    found = read_workflow("broken.yaml", broken.read_bytes(), BOOK.catalog)
    assert found.workflow is None
    expected = (GOLDEN / "broken.txt").read_text(encoding="utf-8").splitlines()
    assert [finding.text() for finding in found.findings] == expected


@pytest.mark.parametrize(
    ("fields", "place", "code"),
    [
        ("code_seconds: 2", "4:39", "needs-tool"),
        ("searches: 2, tools: [code_execution_20250825]", "4:35", "needs-tool"),
        ("files: 1", "4:32", "needs-tool"),
        ("skills: [xlsx]", "4:33", "needs-tool"),
        ("after: [one]", "4:33", "unknown-step"),
    ],
)
def test_a_step_that_cannot_be(fields: str, place: str, code: str) -> None:
    """What it does needs a tool, and it follows others, not itself."""
    text = f"workflow: w\nmodel: claude-sonnet-5-5\nsteps:\n  - {{name: one, prompt: 1, output: 1, {fields}}}\n"
    (finding,) = told(text)
    assert finding.startswith(f"w.yaml:{place[0]}:")
    assert finding.endswith(f"[{code}]")


def test_a_circle_is_told_once() -> None:
    """With the way round; what only waits for it is not told again."""
    steps = (("a", "c"), ("b", "a"), ("c", "b"), ("d", "a"))
    rows = "".join(f"  - {{name: {name}, prompt: 1, output: 1, after: [{before}]}}\n" for name, before in steps)
    (finding,) = told(f"workflow: w\nmodel: claude-sonnet-5-5\nsteps:\n{rows}")
    assert 'step "a": it waits for itself: a after c after b after a. Take one' in finding


@pytest.mark.parametrize("text", ["", "[]", "steps: []\nworkflow: w\n", "workflow: w\n", "a: b: c"])
def test_what_is_no_workflow_is_said_so(text: str) -> None:
    """Nothing, a list, no steps, or no YAML."""
    reading = read_workflow("w.yaml", text.encode(), BOOK.catalog)
    assert reading.workflow is None
    assert reading.findings


def test_skills_have_a_limit() -> None:
    """As many as a request takes."""
    skills = ", ".join(f"s{number}" for number in range(21))
    rows = f"  - {{name: a, prompt: 1, output: 1, tools: [code_execution_20250825], skills: [{skills}]}}\n"
    (finding,) = told(f"workflow: w\nmodel: claude-sonnet-5-5\nsteps:\n{rows}")
    assert "21 Skills. A request takes 20 at most" in finding
