"""Bars of a run: whole where a request is done, and never before; empty where it waits."""

from pathlib import Path

import pytest
from rich.progress import BarColumn

from planner.cli.runbars import MOST_SHOWN, NAME, Bars, named, watching
from planner.core.workflow.problem import Plan, Problem, Request
from planner.core.workflow.steps import Step, Workflow
from planner.running.carrying import Job
from planner.running.state import Record, State
from tests.doubles.deciding import BOOK, NOW

LONG = "a-step-with-a-name-that-nobody-would-choose"


def job(tmp_path: Path) -> Job:
    """Three requests: one is done, one goes out in a batch, one waits."""
    steps = tuple(Step(name=name, prompt=10, output=600) for name in ("done", "waits", LONG))
    problem = Problem(Workflow(workflow="w", model="claude-haiku-5-5", steps=steps), BOOK, NOW, 0.0)
    plan = Plan((Request((0,)), Request((1,), batch=True), Request((2,))))
    records = [Record(status="done"), Record(), Record()]
    state = State(workflow="w", plan=plan, lives=("none",) * 3, marked=(False,) * 3, records=records)
    return Job(problem, {}, {}, state, tmp_path / "state.json", 1)


def shown(bars: Bars) -> list[tuple[str, str, float]]:
    """What stands on the terminal: name, status, and how much of each bar is full."""
    column = bars.progress.columns[1]
    assert isinstance(column, BarColumn)
    drawn = [(task, column.render(task)) for task in bars.progress.tasks]
    return [(task.description, task.fields["status"], bar.completed / (bar.total or 1.0)) for task, bar in drawn]


def test_a_bar_is_whole_when_its_request_is_done(tmp_path: Path) -> None:
    """One that is on its way has no more than the most; what was refused is empty again."""
    work = job(tmp_path)
    bars = Bars(work)
    first, second, third = shown(bars)
    assert (first, second[1:]) == (("done", "done", 1.0), ("waiting", 0.0))
    assert len(third[0]) == NAME
    bars.begun(1)
    bars.begun(2)
    assert [each[1] for each in shown(bars)[1:]] == ["in a batch", "sent"]
    assert all(part <= MOST_SHOWN for _, _, part in shown(bars)[1:])
    work.state.records[1].status, work.state.records[2].status = "done", "failed"
    bars.ended(1)
    bars.ended(2)
    assert [each[1] for each in shown(bars)[1:]] == ["done", "failed"]
    assert shown(bars)[1][2] == 1.0
    assert shown(bars)[2][2] <= MOST_SHOWN


def test_nobody_watches_without_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is drawn then; on a terminal there are bars."""
    work = job(tmp_path)
    assert named(work.problem, work.state, 0) == "done"
    monkeypatch.setattr("sys.stderr.isatty", lambda: False)
    with watching(work) as quiet:
        quiet.begun(0)
        quiet.ended(0)
    assert not isinstance(quiet, Bars)
