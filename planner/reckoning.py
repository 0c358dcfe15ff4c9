"""Plans workflows in a process of its own, one after the other, so that no request waits for a search.

In a thread it would take the interpreter from the event loop. The process is started for each, and ended when it takes
too long.
"""

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from datetime import datetime
from typing import Final

import msgspec

from planner.compiling import PARTS
from planner.core.allowance import Allowance
from planner.core.findings import Finding, errors
from planner.core.rulebook.book import RuleBook
from planner.core.workflow.file import read_workflow
from planner.core.workflow.problem import UnpricedError
from planner.core.workflow.told import WorkflowPlan, left, tell

LONGEST_SECONDS: Final = 30.0
"""A workflow that takes longer, waiting included, is given up: a search ends within some seconds."""
POLITE: Final = 10
"""How much less urgent than requests it is, as `nice` counts."""
BEGIN: Final = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from planner.reckoning import main; main()"


class ReckonError(Exception):
    """The workflow was not planned, whatever it says; the message says what became of it."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow to plan: its text under the name that findings begin with, the rules, the time and the free hours."""

    name: str
    text: bytes
    book: RuleBook
    now: datetime
    hours: Allowance


class Reckoned(msgspec.Struct, frozen=True):
    """What came of it: the plan, or what is wrong with the text; `unpriced` says what of it has no price."""

    findings: tuple[Finding, ...] = ()
    plan: WorkflowPlan | None = None
    unpriced: str | None = None


class Reckoning:
    """Plans one workflow at a time."""

    def __init__(self, longest: float = LONGEST_SECONDS) -> None:
        self._turn = asyncio.Lock()
        self._longest = longest

    async def plan(self, work: Work) -> Reckoned:
        """Plan a workflow. Raises ReckonError."""
        try:
            async with asyncio.timeout(self._longest), self._turn:
                return await _apart(work)
        except TimeoutError as error:
            raise ReckonError(f"planning the workflow took longer than {self._longest:g} seconds") from error
        except OSError as error:
            raise ReckonError(f"there is no process to plan the workflow in: {error.strerror}") from error


async def _apart(work: Work) -> Reckoned:
    """Plan a workflow in a process that ends with it, or with this call. Raises OSError, ReckonError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        "-c",
        BEGIN,
        msgspec.json.encode(sys.path).decode(),
        stdin=PIPE,
        stdout=PIPE,
        start_new_session=True,  # what interrupts this process is not for that one
    )
    try:
        answer, _ = await process.communicate(_packed(work))
    finally:
        await _ended(process)
    if process.returncode != 0:
        raise ReckonError(f"the process that plans the workflow ended with code {process.returncode}")
    return msgspec.msgpack.decode(answer, type=Reckoned)


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.kill()
    await process.wait()


def reckon(work: Work) -> Reckoned:
    """Plan a workflow here."""
    reading = read_workflow(work.name, work.text, work.book.catalog)
    if reading.workflow is None or errors(reading.findings):
        return Reckoned(reading.findings)
    try:
        plan = tell(work.name, reading.workflow, work.book, work.now, left(reading.workflow, work.hours))
    except UnpricedError as error:
        return Reckoned(reading.findings, unpriced=str(error))
    return Reckoned(reading.findings, plan)


def _packed(work: Work) -> bytes:
    parts = {name: getattr(work.book, name) for name in PARTS}
    return pickle.dumps((parts, work.name, work.text, work.now, work.hours))


def main() -> None:
    """Plan what standard input asks for, and write what came of it to standard output."""
    os.nice(POLITE)
    parts, name, text, now, hours = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 - written by the one above
    work = Work(name=name, text=text, book=RuleBook(**parts), now=now, hours=hours)
    sys.stdout.buffer.write(msgspec.msgpack.encode(reckon(work)))
