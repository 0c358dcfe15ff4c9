"""`planner plan`: what the planner would do with one request, why, and what it believes that this is worth."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Context
from pathlib import Path
from typing import Any, Final

import msgspec
import rich_click as click

from planner.cli.beliefs import OVERRIDDEN, Believed, Known, Set, beliefs, dated, learnt_in, settings_shown
from planner.cli.options import USAGE, fail, read_rules, rules_options, store_option
from planner.clock import SystemClock
from planner.core import splice
from planner.core.allowance import Pool
from planner.core.conversations import Scope, prefix_key, root_key
from planner.core.facts import Facts
from planner.core.ledger import Expected
from planner.core.plan import Plan, make_plan
from planner.core.policyset import unmet
from planner.core.profile import profile_key
from planner.core.reasons import Decision
from planner.core.rulebook import RuleBook
from planner.core.rules import in_force, named
from planner.core.subject import subject
from planner.core.wire import MessagesRequest, WireError
from planner.proxy.hours import remembered

LEGEND: Final = "A official · B official, seen in part · C reported by others · ? published by nobody"
ABOUT: Final = Context(prec=4)
WORKFLOWS: Final = frozenset({".yaml", ".yml"})
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
    """Everything that `planner plan` says of a request, as `--format json` writes it."""

    file: str
    model: str | None
    tools: tuple[str, ...]
    bytes: int
    assumed: dict[str, Any]
    decisions: tuple[Decided, ...]
    policies: tuple[Matched, ...]
    expected_nano: Expected | None
    beliefs: tuple[Believed, ...]
    settings: tuple[Set, ...]
    body: str
    edits: tuple[Changed, ...]
    digests: dict[str, str]


class Caller(msgspec.Struct, frozen=True):
    """Who is taken to ask: what the flags say."""

    principal: str
    team: str | None
    project: str | None
    scope: str


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--principal", default="example", show_default=True, help="Who asks: a name or key fingerprint of callers.yaml."
)
@click.option("--team", default=None, help="The caller's team.  [default: as callers.yaml says]")
@click.option("--project", default=None, help="The caller's project.  [default: as callers.yaml says]")
@click.option(
    "--scope",
    default="example/example",
    show_default=True,
    metavar="ORGANIZATION/WORKSPACE",
    help="Where the caller is answered; empty for a caller that nobody has seen yet.",
)
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Form.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@store_option
@rules_options
def command(  # noqa: PLR0913 - one parameter a flag
    *,
    file: Path,
    principal: str,
    team: str | None,
    project: str | None,
    scope: str,
    form: str,
    as_json: bool,
    store: str,
    rules: Path | None,
    overrides: tuple[str, ...],
) -> None:
    """Explain what would be done with the request in FILE, the JSON body of a POST /v1/messages.

    It is taken for the first request that the planner sees of its conversation, from a caller whose organization it
    knows, now. What the ledger of --store has learnt of agents, of the sizes of tools and of the month's container
    hours counts, if it is there. Nothing is sent anywhere.
    """
    if file.suffix.lower() in WORKFLOWS:
        fail(f"{file} is a workflow, and workflows are not planned yet. Give a request as .json.", USAGE)
    book = read_rules(rules, overrides)
    request = read_request(file)
    known = learnt_in(store, remembered(SystemClock().now()))
    facts = assume(request, book, known, Caller(principal, team, project, scope))
    try:
        told = explain(str(file), request, facts, book)
    except splice.SpliceError as error:
        fail(f"{file} would be forwarded untouched, because no edit could be made safely: {error}", USAGE)
    if form == "json" or as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        click.echo("\n".join(lines(told)))


def read_request(file: Path) -> MessagesRequest:
    """The request in a file; what is none ends the command, with the place where reading stopped."""
    try:
        body = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", USAGE)
    try:
        return MessagesRequest.parse(body)
    except WireError as error:
        fail(f"{file}{_place(body, error.offset)}: {error.message}", USAGE)


def assume(request: MessagesRequest, book: RuleBook, known: Known, caller: Caller) -> Facts:
    """The facts that a request would meet if it were the first of its conversation, arriving now."""
    row = book.callers.find(caller.principal)
    organization, slash, workspace = caller.scope.partition("/")
    if caller.scope and not (organization and slash and workspace):
        fail(f"--scope takes ORGANIZATION/WORKSPACE, not {caller.scope!r}", USAGE)
    where = Scope(organization, workspace) if caller.scope else None
    now = SystemClock().now()
    name = caller.principal if row is None else row.name
    return Facts(
        now=now,
        principal=name,
        team=caller.team or (row.team if row else None) or "",
        project=caller.project or (row.project if row else None) or "",
        flags=row.flags if row else (),
        subscription=row is not None and row.billing == "subscription",
        scope=where,
        learnt=known.profiles.learnt(profile_key(request, name)),
        sizes=known.sizes,
        allowance=_pool(book, known, organization, now).judge(now),
        root=root_key(request, name),
        prefix=prefix_key(request, where),
    )


def _pool(book: RuleBook, known: Known, organization: str, now: datetime) -> Pool:
    """The free hours as the ledger knows them; an empty ledger is taken for a month in which nothing was used."""
    pool = Pool(book.settings.free_hours, since=None if known.hours else now.replace(day=1))
    for row in known.hours:
        if row.organization == organization:
            pool.add(datetime.fromisoformat(row.at), row.used_ms, row.untouched_ms)
    return pool


def explain(file: str, request: MessagesRequest, facts: Facts, book: RuleBook) -> Explanation:
    """Plan a request and say why. Raises SpliceError where the plan's edits cannot be made."""
    plan = make_plan(request, facts, book)
    edited = splice.apply(request.body, plan.edits)
    return Explanation(
        file=file,
        model=request.model,
        tools=tuple(tool.type or "custom" for tool in request.tools),
        bytes=len(request.body),
        assumed=_assumed(facts, book),
        decisions=tuple(map(_decided, plan.decisions)),
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


def _assumed(facts: Facts, book: RuleBook) -> dict[str, Any]:
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


def _decided(decision: Decision) -> Decided:
    reason = decision.reason
    return Decided(
        action=decision.action.value,
        outcome=decision.outcome.value,
        reason=None if reason is None else reason.value,
        meaning=None if reason is None else reason.meaning,
        policy=decision.policy,
    )


def _matched(request: MessagesRequest, facts: Facts, book: RuleBook, plan: Plan) -> Iterator[Matched]:
    who = subject(request, facts)
    for policy in book.policies:
        if policy.mode != "off" and in_force(policy, who.day) and not unmet(policy.match, who):
            yield Matched(
                name=policy.name,
                mode=policy.mode,
                names=named(policy.then),
                decides=tuple(each.action.value for each in plan.decisions if each.policy == policy.name),
                why=policy.why,
            )


def lines(told: Explanation) -> Iterator[str]:
    """The explanation for people, one line each: what would be done and what it costs first, what it rests on after."""
    yield f"{told.file}: {told.model or 'no model'}, {told.bytes} bytes, tools: {', '.join(told.tools) or 'none'}"
    if told.model is None:
        yield "  no model: the API will refuse this"
    yield from _assumptions(told.assumed)
    yield "\nDecisions"
    yield from _decisions(told.decisions)
    yield f"\nBody: {told.body}"
    for change in told.edits:
        if change.start == change.end:
            yield f"  byte {change.start}, inserted:"
        else:
            yield f"  bytes {change.start} to {change.end}, replaced:"
            yield f"    - {change.before}"
        yield f"    + {change.after}"
    yield "\nExpected cost of the conversation, without the output that it needs in any case"
    yield from _expectations(told.expected_nano)
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
        yield from _columns(rows)
    yield "\nSettings"
    yield from _columns(
        [
            (each.name, _plain(each.value), f"[{each.mark}]{' by --set' if each.source == OVERRIDDEN else ''}")
            for each in told.settings
        ]
    )
    yield f"  {LEGEND}"
    yield f"\nRule book {told.digests['rules']}, price book {told.digests['prices']}"


def _columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of equally many cells, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _decisions(decisions: Sequence[Decided]) -> Iterator[str]:
    rows = [
        (each.action, each.outcome, each.reason or "", f"[{each.policy}]" if each.policy else "") for each in decisions
    ]
    indent = 4 + max((len(each.action) for each in decisions), default=0)
    for each, row in zip(decisions, _columns(rows), strict=True):
        yield row
        if each.meaning:
            yield f"{'':<{indent}}{each.meaning}"


def _assumptions(assumed: dict[str, Any]) -> Iterator[str]:
    hours = assumed["free_hours"]
    where = f"{assumed['organization']}/{assumed['workspace']}" if assumed["organization"] else "unknown"
    team = f", team {assumed['team']}" if assumed["team"] else ""
    yield "Assumed: the first request of its conversation that the planner sees,"
    yield f"  from {assumed['principal']}{team}, scope {where}, at {assumed['at']};"
    chance = 100 * hours["probability_of_exceeding"]
    odds = f"chance of exceeding them {chance:g} %" if hours["known"] else "no forecast yet"
    planned, untouched = ("{:g} ({:g} to {:g})".format(*map(hours.get, names)) for names in (PLANNED, UNTOUCHED))
    forecast = f"forecast {planned} hours this month, {untouched} untouched, " if hours["known"] else ""
    yield f"  free hours {hours['limit']:g}, {forecast}{odds}."


def _expectations(expected: Expected | None) -> Iterator[str]:
    if expected is None:
        yield "  not weighed: the decision was clear without it"
        return
    yield f"  untouched  ${_rounded(expected.untouched)}"
    yield f"  bundled    ${_rounded(expected.planned)}"


def _rounded(nano: int) -> str:
    """Dollars of an expectation: more than four significant digits would claim what nobody knows."""
    return f"{ABOUT.create_decimal(nano).scaleb(-9).normalize():f}"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _place(body: bytes, offset: int | None) -> str:
    """`:line:column` of a byte, counted from 1; empty when it is not known."""
    if offset is None:
        return ""
    before = body[:offset]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    return f":{line}:{column}"


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
