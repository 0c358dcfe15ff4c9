"""`planner plan`: what the planner would do with one request, why, and what it believes that this is worth.

A workflow (`.yaml`) goes on in `planner.cli.workflow`.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

import msgspec
import rich_click as click

from planner.cli.asking import Asked, Workable, asking
from planner.cli.beliefs import dated
from planner.cli.columns import columns
from planner.cli.options import FINDINGS, USAGE, fail
from planner.core import splice
from planner.core.ledger.entry import Expected
from planner.core.preview.beliefs import OVERRIDDEN
from planner.core.preview.told import PLANNED, UNTOUCHED, Decided, Explanation, explain
from planner.core.reports.wording import rounded

LEGEND: Final = "A official · B official, seen in part · C reported by others · ? published by nobody"


def _workflow(asked: Workable, form: str) -> None:
    """Plan a workflow."""
    from planner.cli import workflow  # noqa: PLC0415 - a request needs none of it
    from planner.core.workflow.told import left  # noqa: PLC0415 - likewise

    read = workflow.read(asked.file, asked.book)
    free = left(read, asked.hours)
    plan = workflow.told(str(asked.file), read, asked.book, asked.now, free)
    if form == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(plan), indent=2).decode())
    elif form == "svg":
        click.echo(workflow.svg(plan), nl=False)
    else:
        click.echo("\n".join(workflow.lines(plan)))
    if not plan.sound:
        raise SystemExit(FINDINGS)


@click.command()
@partial(asking, workflow=_workflow)
def command(*, asked: Asked, as_json: bool) -> None:
    """Explain what would be done with a request (.json), or plan a workflow (.yaml).

    A request is a file with the JSON body of a POST /v1/messages. It is taken for the first request that the planner
    sees of its conversation, from a caller whose organization it knows, now or at --at. What the ledger of --store has
    learnt of agents, of the sizes of tools and of the month's container hours counts, if it is there. A workflow is
    planned as docs/workflows.md says; where a step may miss its deadline, the exit code is 1. Nothing is sent anywhere.
    """
    try:
        told = explain(str(asked.file), asked.request, asked.facts, asked.book)
    except splice.SpliceError as error:
        fail(f"{asked.file} would be forwarded untouched, because no edit could be made safely: {error}", USAGE)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        click.echo("\n".join(lines(told)))


def lines(told: Explanation) -> Iterator[str]:
    """The explanation for people, one line each: what would be done and what it costs first, what it rests on after."""
    yield f"{told.file}: {told.model or 'no model'}, {told.bytes} bytes, tools: {', '.join(told.tools) or 'none'}"
    if told.model is None:
        yield "  no model: the API will refuse this"
    yield from assumptions(told.assumed)
    yield "\nDecisions"
    yield from decisions(told.decisions, told.denial)
    yield f"\nBody: {told.body}"
    for change in told.edits:
        if change.start == change.end:
            yield f"  byte {change.start}, inserted:"
        else:
            yield f"  bytes {change.start} to {change.end}, replaced:"
            yield f"    - {change.before}"
        yield f"    + {change.after}"
    yield "\nExpected cost of the conversation, without the output that it needs in any case"
    yield from expectations(told.expected_nano)
    yield "\nPolicies that match"
    for policy in told.policies:
        does = f"decides {', '.join(dict.fromkeys(policy.decides))}" if policy.decides else "decides nothing here"
        yield f"  {policy.name} ({policy.mode}) {does}"
        yield f"{'':<4}{policy.why}"
    if told.beliefs:
        yield "\nBeliefs (10 %, middle, 90 %)"
        rows = [
            (each.name, f"{each.low:g} .. {each.likely:g} .. {each.high:g}", f"[{each.mark}] {dated(each)}")
            for each in told.beliefs
        ]
        yield from columns(rows)
    yield "\nSettings"
    yield from columns(
        [
            (each.name, _plain(each.value), f"[{each.mark}]{' by --set' if each.source == OVERRIDDEN else ''}")
            for each in told.settings
        ]
    )
    yield f"  {LEGEND}"
    yield f"\nRule book {told.digests['rules']}, price book {told.digests['prices']}"


def decisions(made: Sequence[Decided], denial: str | None) -> Iterator[str]:
    """Decisions in columns, each with the meaning of its reason below; and with which words a request is refused."""
    rows = [(each.action, each.outcome, each.reason or "", f"[{each.policy}]" if each.policy else "") for each in made]
    indent = 4 + max((len(each.action) for each in made), default=0)
    for each, row in zip(made, columns(rows), strict=True):
        yield row
        if each.meaning:
            yield f"{'':<{indent}}{each.meaning}"
    if denial is not None:
        yield f'  Refused, saying "{denial}"'


def assumptions(taken: dict[str, Any]) -> Iterator[str]:
    """What is taken for granted, in a sentence."""
    hours = taken["free_hours"]
    where = f"{taken['organization']}/{taken['workspace']}" if taken["organization"] else "unknown"
    team = f", team {taken['team']}" if taken["team"] else ""
    yield "Assumed: the first request of its conversation that the planner sees,"
    yield f"  from {taken['principal']}{team}, scope {where}, at {taken['at']};"
    chance = 100 * hours["probability_of_exceeding"]
    odds = f"chance of exceeding them {chance:g} %" if hours["known"] else "no forecast yet"
    planned, untouched = ("{:g} ({:g} to {:g})".format(*map(hours.get, names)) for names in (PLANNED, UNTOUCHED))
    forecast = f"forecast {planned} hours this month, {untouched} untouched, " if hours["known"] else ""
    yield f"  free hours {hours['limit']:g}, {forecast}{odds}."


def expectations(expected: Expected | None) -> Iterator[str]:
    """Both sides of what was expected, in dollars."""
    if expected is None:
        yield "  not weighed: the decision was clear without it"
        return
    yield f"  untouched  ${rounded(expected.untouched)}"
    yield f"  bundled    ${rounded(expected.planned)}"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
