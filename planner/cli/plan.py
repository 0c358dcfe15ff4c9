"""`planner plan`: what the planner would do with one request, why, and what it believes that this is worth.

A workflow (`.yaml`) goes on in `planner.cli.workflow`.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Context
from functools import partial
from typing import Any, Final

import msgspec
import rich_click as click

from planner.cli.asking import Asked, Workable, asking
from planner.cli.beliefs import OVERRIDDEN, Believed, Set, beliefs, dated, settings_shown
from planner.cli.options import FINDINGS, USAGE, fail
from planner.core import splice
from planner.core.facts import Facts
from planner.core.ledger.entry import Expected
from planner.core.plan import Plan, plan_whole
from planner.core.preview.explanation import judge
from planner.core.reasons import Decision
from planner.core.rulebook.book import RuleBook
from planner.core.wire import MessagesRequest

LEGEND: Final = "A official · B official, seen in part · C reported by others · ? published by nobody"
ABOUT: Final = Context(prec=4)
PLANNED: Final = ("forecast", "low", "high")
UNTOUCHED: Final = ("untouched", "untouched_low", "untouched_high")


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that is for this request; `decides` are the actions that it decided."""

    name: str
    mode: str
    names: tuple[str, ...]
    decides: tuple[str, ...]
    why: str


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """One decision and the meaning of its reason."""

    action: str
    outcome: str
    reason: str | None
    meaning: str | None
    policy: str | None


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes `start` to `end` of the request, and what stands in their place."""

    start: int
    end: int
    before: str
    after: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `planner plan` says of a request, as `--format json` writes it.

    `denial` are the words by which the request is refused; null where it goes on.
    """

    file: str
    model: str | None
    tools: tuple[str, ...]
    bytes: int
    assumed: dict[str, Any]
    decisions: tuple[Decided, ...]
    denial: str | None
    policies: tuple[Matched, ...]
    expected_nano: Expected | None
    beliefs: tuple[Believed, ...]
    settings: tuple[Set, ...]
    body: str
    edits: tuple[Changed, ...]
    digests: dict[str, str]


def _workflow(asked: Workable, form: str) -> None:
    """Plan a workflow."""
    from planner.cli import workflow  # noqa: PLC0415 - a request needs none of it

    read = workflow.read(asked.file, asked.book)
    free = workflow.left(read, asked.hours)
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


def explain(file: str, request: MessagesRequest, facts: Facts, book: RuleBook) -> Explanation:
    """Plan a request and say why. Raises SpliceError where the plan's edits cannot be made."""
    plan = plan_whole(request, facts, book)
    edited = splice.apply(request.body, plan.edits)
    return Explanation(
        file=file,
        model=request.model,
        tools=tuple(tool.type or "custom" for tool in request.tools),
        bytes=len(request.body),
        assumed=assumed(facts, book),
        decisions=tuple(map(decided, plan.decisions)),
        denial=None if plan.denial is None else plan.denial.message,
        policies=tuple(_matched(request, facts, book, plan)),
        expected_nano=plan.expected,
        beliefs=tuple(beliefs(request, plan.tool_edit, facts, book)) if plan.expected is not None else (),
        settings=tuple(settings_shown(book)),
        body="edited" if plan.edits else "unchanged",
        edits=tuple(
            Changed(
                start=span.start,
                end=span.end_old,
                before=request.body[span.start : span.end_old].decode(errors="replace"),
                after=edited.body[span.start_new : span.end_new].decode(errors="replace"),
            )
            for span in edited.spans
        ),
        digests={"rules": book.digest, "prices": book.prices.digest},
    )


def assumed(facts: Facts, book: RuleBook) -> dict[str, Any]:
    """What is taken for granted of the request and its caller."""
    hours = facts.allowance
    return {
        "first_request": True,
        "at": _text(facts.now),
        "principal": facts.principal,
        "team": facts.team or None,
        "project": facts.project or None,
        "organization": facts.scope.organization if facts.scope else None,
        "workspace": facts.scope.workspace if facts.scope else None,
        "subscription": facts.subscription,
        "flags": facts.flags,
        "free_hours": {
            "limit": book.settings.free_hours.limit,
            **{name: round(getattr(hours, name), 3) for name in (*PLANNED, *UNTOUCHED)},
            "known": hours.known,
            "probability_of_exceeding": round(hours.probability, 3),
        },
    }


def decided(decision: Decision) -> Decided:
    """A decision with the meaning of its reason."""
    reason = decision.reason
    return Decided(
        action=decision.action.value,
        outcome=decision.outcome.value,
        reason=None if reason is None else reason.value,
        meaning=None if reason is None else reason.meaning,
        policy=decision.policy,
    )


def _matched(request: MessagesRequest, facts: Facts, book: RuleBook, plan: Plan) -> Iterator[Matched]:
    for each in judge(request, facts, book):
        if each.mode != "off" and each.matched:
            yield Matched(
                name=each.name,
                mode=each.mode,
                names=each.names,
                decides=tuple(one.action.value for one in plan.decisions if one.policy == each.name),
                why=each.why,
            )


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


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of equally many cells, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


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


def rounded(nano: int) -> str:
    """Dollars of an expectation: more than four significant digits would claim what nobody knows."""
    return f"{ABOUT.create_decimal(nano).scaleb(-9).normalize():f}"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
