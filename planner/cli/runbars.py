"""How a run goes, on a terminal: a bar a request on standard error, against the time that it was expected to take."""

import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Final, Self

from planner.cli.timeline import short
from planner.core.workflow.cost import Costing, Outcome
from planner.core.workflow.problem import Problem
from planner.running.carrying import Job
from planner.running.state import State

if TYPE_CHECKING:
    from rich.progress import TaskID

MOST_SHOWN: Final = 0.98
"""How much of a bar is shown at most before its request has ended."""
NAME: Final = 24
"""Characters of a request's name."""


class Bars:
    """A bar a request on standard error: how long it takes, against how long it was expected to take."""

    def __init__(self, job: Job) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a terminal needs it
        from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn  # noqa: PLC0415 - likewise
        from rich.progress_bar import ProgressBar  # noqa: PLC0415 - likewise

        class Against(BarColumn):
            """As far as a request's time is used that it was expected to take; whole only when it has ended."""

            def render(self, task: Task) -> ProgressBar:
                bar = super().render(task)
                bar.pulse = False
                bar.total = task.total or 1.0
                bar.completed = (
                    bar.total if task.completed >= bar.total else min(task.elapsed or 0.0, MOST_SHOWN * bar.total)
                )
                return bar

        self.progress = Progress(
            TextColumn("{task.description}"),
            Against(),
            TextColumn("{task.fields[status]}"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._job = job
        outcome = Costing(job.problem, job.problem.likely).outcome(job.state.plan)
        self._tasks = {number: self._task(number, outcome) for number in range(len(job.state.records))}

    def _task(self, number: int, outcome: Outcome | None) -> "TaskID":
        """A request's bar; of one that is done already it is whole."""
        job, record = self._job, self._job.state.records[number]
        taken = 0.0 if outcome is None else outcome.times.ends[number] - outcome.times.begins[number]
        total = max(taken, 1.0)
        name = short(named(job.problem, job.state, number), NAME)
        task = self.progress.add_task(name, start=False, total=total, status=record.status)
        self.progress.update(task, completed=total if record.status == "done" else 0.0)
        return task

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def begun(self, number: int) -> None:
        """It is on its way."""
        batch = self._job.state.plan.requests[number].batch
        self.progress.start_task(self._tasks[number])
        self.progress.update(self._tasks[number], status="in a batch" if batch else "sent")

    def ended(self, number: int) -> None:
        """It came back."""
        task, status = self._tasks[number], self._job.state.records[number].status
        whole = next(each.total for each in self.progress.tasks if each.id == task)
        self.progress.update(task, completed=whole if status == "done" else 0.0, status=status)
        self.progress.stop_task(task)


class Quiet:
    """Nobody watches: standard error is no terminal."""

    def begun(self, number: int) -> None:
        """Nothing is said."""

    def ended(self, number: int) -> None:
        """Nothing is said."""


def watching(job: Job) -> AbstractContextManager[Any]:
    """Who is told how a run goes: bars where standard error is a terminal."""
    return Bars(job) if sys.stderr.isatty() else nullcontext(Quiet())


def named(problem: Problem, state: State, number: int) -> str:
    """A request by its steps."""
    return " + ".join(problem.steps[step].name for step in state.plan.requests[number].steps)
