"""`planner run`: a workflow carried out as planned, resumable, and measured against what was expected of it."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import rich_click as click

from planner.cli.asking import workable
from planner.cli.columns import columns
from planner.cli.options import UNAVAILABLE, USAGE, fail, read_rules, rules_options, store_option
from planner.cli.runbars import NAME, named, watching
from planner.cli.timeline import short
from planner.cli.workflow import read
from planner.clock import Clock, SystemClock
from planner.core.reports.wording import rounded, spell
from planner.core.workflow.cost import Costing
from planner.core.workflow.descent import untouched
from planner.core.workflow.problem import Problem, UnpricedError
from planner.core.workflow.search import search
from planner.core.workflow.steps import Workflow
from planner.core.workflow.told import left
from planner.running.carrying import Carrier, Job
from planner.running.state import Record, State, StateError, digest, load

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

PICO_PER_NANO: Final = 1_000
AT_ONCE: Final = 8
"""Requests that are under way at the same time."""


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a run: which steps it carried, and what came of it; `nano` is null where no cost is known.

    `expected_nano` is its part of what the plan was expected to cost.
    """

    steps: tuple[str, ...]
    status: str
    sends: int
    expected_nano: int
    nano: int | None
    seconds: float | None
    used: dict[str, float]
    stop_reason: str | None
    error: str | None


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `planner run` says, as `--format json` writes it.

    Attributes:
        file, workflow: where it stands, and its name.
        state: the file that says how far it has come.
        done: whether every step has its result.
        expected_nano: what the plan was expected to cost.
        measured_nano: what was answered costs so far; null where something has no known cost.
        expected_seconds: until all was expected to have ended.
        seconds: that its requests took, added up.
        requests: one by one, in the order of the plan.
        results: of each step that is done.
    """

    file: str
    workflow: str
    state: str
    done: bool
    expected_nano: int
    measured_nano: int | None
    expected_seconds: float
    seconds: float
    requests: tuple[Ran, ...]
    results: dict[str, str]


@click.command()
@click.argument("file", metavar="WORKFLOW", type=click.Path(path_type=Path))
@click.option(
    "--base-url",
    envvar="ANTHROPIC_BASE_URL",
    default=None,
    metavar="URL",
    help="Where requests go: a planner, a simulator, or the API.  [default: the API]",
)
@click.option("--as-is", is_flag=True, help="Send each step as a request of its own, as without a plan.")
@click.option(
    "--state",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    metavar="FILE",
    help="How far the run has come, results included.  [default: WORKFLOW.run.json]",
)
@click.option("--afresh", is_flag=True, help="Begin anew, whatever was done before.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=None,
    metavar="DIR",
    help="Write each step's result there, as STEP.md.",
)
@click.option(
    "--at-once", type=click.IntRange(1, 100), default=AT_ONCE, show_default=True, help="Requests under way at once."
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
@rules_options
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    file: Path,
    base_url: str | None,
    as_is: bool,
    path: Path | None,
    afresh: bool,
    out: Path | None,
    at_once: int,
    form: str,
    as_json: bool,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Carry WORKFLOW out as `planner plan` plans it, through the official SDK, and say what it cost.

    The key is the SDK's: ANTHROPIC_API_KEY. Each request is sent once its causes are done; what is done is kept in
    --state, so that a run which was broken off goes on where it stopped. A request that was on its way then is sent
    again. This spends money: look at `planner plan` first.
    """
    given = workable(file, store, read_rules(rules, overrides))
    workflow = read(file, given.book, to_run=True)
    contexts, files = _texts(file, workflow), _files(file, workflow)
    problem = Problem(workflow, given.book, given.now, left(workflow, given.hours))
    path = path or file.with_name(f"{file.name}.run.json")
    try:
        state = _state(problem, file, contexts, files, path=path, as_is=as_is, afresh=afresh)
        job = Job(problem, contexts, files, state, path, at_once)
        for number in state.again:
            names = named(problem, state, number)
            click.echo(f"planner: {names} was sent before and not answered: it is sent again", err=True)
        asyncio.run(_carry(job, base_url, SystemClock()))
    except StateError as error:
        fail(str(error), USAGE)
    ran = told(str(file), str(path), problem, state, as_is=as_is)
    if out is not None:
        _write(out, ran.results)
    if as_json or form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(ran), indent=2).decode())
    else:
        click.echo("\n".join(lines(ran, out)))
    if not ran.done:
        raise SystemExit(UNAVAILABLE)


def told(file: str, path: str, problem: Problem, state: State, *, as_is: bool) -> Run:
    """What came of a run."""
    costing = Costing(problem, problem.likely, as_declared=as_is)
    expected = costing.outcome(state.plan)
    shares = [0.0] * len(state.records) if expected is None else costing.shares(state.plan, expected)
    answers = [record.answer for record in state.records if record.answer is not None]
    known = [answer.nano for answer in answers]
    return Run(
        file=file,
        workflow=problem.workflow.workflow,
        state=path,
        done=state.whole,
        expected_nano=0 if expected is None else round(expected.money / PICO_PER_NANO),
        measured_nano=None if None in known else sum(nano or 0 for nano in known),
        expected_seconds=0.0 if expected is None else round(expected.times.whole, 1),
        seconds=round(sum(answer.seconds for answer in answers), 1),
        requests=tuple(_ran(problem, state, number, round(each / PICO_PER_NANO)) for number, each in enumerate(shares)),
        results=state.results,
    )


def lines(ran: Run, out: Path | None) -> Iterator[str]:
    """A run for people."""
    done = sum(each.status == "done" for each in ran.requests)
    yield f"{ran.workflow}: {done} of {len(ran.requests)} requests are done"
    rows: list[tuple[str, ...]] = [
        ("", "status", "expected", "cost", "took", "input", "cached", "output", "searches", "code runs")
    ]
    for each in ran.requests:
        used = each.used
        rows.append(
            (
                short(" + ".join(each.steps), NAME),
                each.status + (f", sent {each.sends} times" if each.sends > 1 else ""),
                f"${rounded(each.expected_nano)}",
                "" if each.nano is None else f"${rounded(each.nano)}",
                "" if each.seconds is None else spell(each.seconds),
                *(
                    f"{round(used.get(name, 0)):,}" if used else ""
                    for name in ("input", "cache_reads", "output", "searches", "code_runs")
                ),
            )
        )
    yield from columns(rows)
    cost = "not known" if ran.measured_nano is None else f"${rounded(ran.measured_nano)}"
    yield f"\nMeasured {cost}, expected ${rounded(ran.expected_nano)} for all; container time is an estimate in both."
    for each in ran.requests:
        if each.error is not None:
            yield f"{' + '.join(each.steps)} was refused: {each.error}"
        if each.stop_reason == "max_tokens":
            yield f"{' + '.join(each.steps)} ran into max_tokens, so its result is cut off. Raise it in the workflow."
    if out is not None:
        yield f"Results: {out}"
    if not ran.done:
        yield f"Run the same command again to go on: {ran.state} says what is done."


def _ran(problem: Problem, state: State, number: int, expected_nano: int) -> Ran:
    record = state.records[number]
    answer = record.answer
    return Ran(
        steps=tuple(problem.steps[step].name for step in state.plan.requests[number].steps),
        status=record.status,
        sends=record.sends,
        expected_nano=expected_nano,
        nano=None if answer is None else answer.nano,
        seconds=None if answer is None else answer.seconds,
        used={} if answer is None else answer.used,
        stop_reason=None if answer is None else answer.stop_reason,
        error=record.error,
    )


def _state(  # noqa: PLR0913 - what a run is told by
    problem: Problem,
    file: Path,
    contexts: Mapping[str, str],
    files: Mapping[str, Mapping[str, bytes]],
    *,
    path: Path,
    as_is: bool,
    afresh: bool,
) -> State:
    """Where the run stopped, or a new one by a plan of now. Raises StateError."""
    texts = [text.encode() for _, text in sorted(contexts.items())]
    loaded = [content for step in sorted(files) for _, content in sorted(files[step].items())]
    workflow = digest([file.read_bytes(), *texts, *loaded, b"as is" if as_is else b"planned"])
    known = None if afresh else load(path, workflow)
    if known is not None:
        return known
    try:
        plan = untouched(problem) if as_is else search(problem).best.plan
        outcome = Costing(problem, problem.likely, as_declared=as_is).outcome(plan)
    except UnpricedError as error:
        fail(f"{file}: {error}.", USAGE)
    if outcome is None:
        fail(f"{file}: its steps wait for each other.", USAGE)
    return State(
        workflow=workflow,
        plan=plan,
        lives=outcome.lives,
        marked=outcome.marked,
        records=[Record() for _ in plan.requests],
    )


async def _carry(job: Job, base_url: str | None, clock: Clock) -> None:
    client = _client(base_url)
    try:
        with watching(job) as watcher:
            await Carrier(job, client, clock, watcher).run()
    finally:
        await client.close()


def _client(base_url: str | None) -> "AsyncAnthropic":
    import anthropic  # noqa: PLC0415 - a second to load

    try:
        client = anthropic.AsyncAnthropic(base_url=base_url)
    except anthropic.AnthropicError as error:
        fail(f"the SDK has no key: {error}", USAGE)
    if client.api_key is None and client.auth_token is None and client.credentials is None:
        fail("the SDK has no key. Set ANTHROPIC_API_KEY.", USAGE)  # else it says so when the first request is sent
    return client


def _texts(file: Path, workflow: Workflow) -> dict[str, str]:
    """The contexts, from the file itself or from beside it."""
    texts = {}
    for name, context in workflow.contexts.items():
        content = context.text.encode() if context.text else _beside(file, context.file or "")
        try:
            texts[name] = content.decode()
        except UnicodeDecodeError:
            fail(f"{context.file} is not UTF-8.", USAGE)
    return texts


def _files(file: Path, workflow: Workflow) -> dict[str, dict[str, bytes]]:
    """What is uploaded, by step and name."""
    loading = [step for step in workflow.steps if step.attach]
    return {step.name: {Path(name).name: _beside(file, name) for name in step.attach} for step in loading}


def _beside(file: Path, name: str) -> bytes:
    try:
        return (file.parent / name).read_bytes()
    except OSError as error:
        fail(f"{file.parent / name} cannot be read: {error.strerror}.", USAGE)


def _write(out: Path, results: Mapping[str, str]) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in results.items():
            (out / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    except OSError as error:
        fail(f"{out} cannot be written: {error.strerror}.", USAGE)
