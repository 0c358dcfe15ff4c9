"""Who is taken to ask for what: a request in a file, its caller by flags, and what the planner would know of both."""

import functools
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

import msgspec
import rich_click as click

from planner.cli.beliefs import Known, learnt_in
from planner.cli.options import USAGE, fail, read_rules, rules_options, store_option
from planner.clock import SystemClock
from planner.core.agents import profile_key
from planner.core.allowance import Allowance, Pool
from planner.core.conversations import Scope, prefix_key, root_key
from planner.core.facts import Facts
from planner.core.preview.told import no_request, place_in
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Billing, Flag
from planner.core.rulefile.testfile import moment
from planner.core.wire import MessagesRequest, WireError
from planner.proxy.callers import read_tags
from planner.proxy.hours import remembered

BILLINGS: Final[tuple[str, ...]] = get_args(Billing)
WORKFLOWS: Final = frozenset({".yaml", ".yml"})
"""How files of workflows end."""
FLAGS: Final[tuple[str, ...]] = get_args(Flag)


class Caller(msgspec.Struct, frozen=True):
    """Who is taken to ask, and when: what the flags say; None for what `callers.yaml`, or the clock, says."""

    principal: str
    team: str | None
    project: str | None
    tags: str | None
    scope: str
    billing: str | None = None
    flags: tuple[str, ...] = ()
    at: datetime | None = None


class Asked(msgspec.Struct, frozen=True):
    """A request, what the planner would know of it, and the rules that hold."""

    file: Path
    request: MessagesRequest
    facts: Facts
    book: RuleBook


class Workable(msgspec.Struct, frozen=True):
    """A file of a workflow, what the ledger knows of the organization's free hours, and the rules that hold."""

    file: Path
    hours: Allowance
    book: RuleBook
    now: datetime


def asking(
    function: Callable[..., None], *, workflow: Callable[[Workable, str], None] | None = None
) -> Callable[..., None]:
    """Give a command a FILE, who asks and when, a form, a ledger and rules; it is called with `asked` and `as_json`.

    A command that plans workflows too is given `workflow`, which takes the file and the form.
    """

    @functools.wraps(function)
    def ask(
        *,
        file: Path,
        form: str,
        as_json: bool,
        store: str,
        rules: Path | None,
        overrides: tuple[str, ...],
        **caller: Any,  # noqa: ANN401 - the fields of Caller
    ) -> None:
        book = read_rules(rules, overrides)
        form = "json" if as_json else form
        if workflow is not None and file.suffix.lower() in WORKFLOWS:
            told = Caller(**caller)
            workflow(workable(file, store, book, organization=told.scope.partition("/")[0], at=told.at), form)
            return
        if form == "svg":
            fail("--format svg draws workflows (.yaml) alone.", USAGE)
        request = read_request(file)
        known = learnt_in(store, remembered(SystemClock().now()))
        facts = assume(request, book, known, Caller(**caller))
        function(asked=Asked(file, request, facts, book), as_json=form == "json")

    options = (
        click.argument("file", metavar="REQUEST" if workflow is None else "FILE", type=click.Path(path_type=Path)),
        *_caller_options(),
        click.option(
            "--format",
            "form",
            type=click.Choice(["text", "json"] if workflow is None else ["text", "json", "svg"]),
            default="text",
            show_default=True,
            help="Form." if workflow is None else "Form; svg draws a workflow in time.",
        ),
        click.option("--json", "as_json", is_flag=True, help="The same as --format json."),
        store_option,
        rules_options,
    )
    decorated: Callable[..., None] = ask
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def _caller_options() -> tuple[Callable[..., Any], ...]:
    """Who asks, and when."""
    return (
        click.option(
            "--principal",
            default="example",
            show_default=True,
            help="Who asks: a name or key fingerprint of callers.yaml.",
        ),
        click.option("--team", default=None, help="The caller's team.  [default: as callers.yaml says]"),
        click.option("--project", default=None, help="The caller's project.  [default: as callers.yaml says]"),
        click.option("--tags", default=None, metavar="KEY=VALUE,…", help="What the request says in planner-tags."),
        click.option(
            "--scope",
            default="example/example",
            show_default=True,
            metavar="ORGANIZATION/WORKSPACE",
            help="Where the caller is answered; empty for a caller that nobody has seen yet.",
        ),
        click.option(
            "--billing",
            type=click.Choice(BILLINGS),
            default=None,
            help="How the caller pays.  [default: as callers.yaml says]",
        ),
        click.option(
            "--flag",
            "flags",
            type=click.Choice(FLAGS),
            multiple=True,
            help="What holds for the caller.  [default: as callers.yaml says]",
        ),
        click.option(
            "--at",
            callback=_moment,
            default=None,
            metavar="TIME",
            help="When it is asked, such as 2026-11-22 or 2026-11-22T23:10:00Z; a day is its noon.  [default: now]",
        ),
    )


def _moment(_context: click.Context, _option: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = moment(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise click.BadParameter(f"{text!r} is no time: write it like 2026-11-22 or 2026-11-22T09:30:00Z.")
    return at


def read_request(file: Path) -> MessagesRequest:
    """The request in a file; what is none ends the command, with the place where reading stopped."""
    if file.suffix.lower() in WORKFLOWS:
        fail(f"{file} is a workflow. Give a request as .json; planner plan takes workflows.", USAGE)
    try:
        body = file.read_bytes()
    except OSError as error:
        fail(f"{file} cannot be read: {error.strerror}.", USAGE)
    other = no_request(body)
    if other is not None:
        fail(f"{file} is {other}.", USAGE)
    try:
        return MessagesRequest.parse(body)
    except WireError as error:
        fail(f"{file}{place_in(body, error.offset)}: {error.message}", USAGE)


def assume(request: MessagesRequest, book: RuleBook, known: Known, caller: Caller) -> Facts:
    """The facts that a request would meet if it were the first of its conversation, arriving now."""
    row = book.callers.find(caller.principal)
    organization, slash, workspace = caller.scope.partition("/")
    if caller.scope and not (organization and slash and workspace):
        fail(f"--scope takes ORGANIZATION/WORKSPACE, not {caller.scope!r}", USAGE)
    where = Scope(organization, workspace) if caller.scope else None
    now = caller.at or SystemClock().now()
    name = caller.principal if row is None else row.name
    tags = read_tags(None if caller.tags is None else caller.tags.encode("latin-1", "replace"))
    return Facts(
        now=now,
        principal=name,
        team=caller.team or (row.team if row else None) or tags.get("team", ""),
        project=caller.project or (row.project if row else None) or tags.get("project", ""),
        tags=tags,
        flags=caller.flags or (row.flags if row else ()),
        subscription=(caller.billing or (row.billing if row else None)) == "subscription",
        scope=where,
        learnt=known.profiles.learnt(profile_key(request, name)),
        sizes=known.sizes,
        allowance=_pool(book, known, organization, now).judge(now),
        root=root_key(request, name),
        prefix=prefix_key(request, where),
    )


def workable(
    file: Path, store: str, book: RuleBook, *, organization: str = "example", at: datetime | None = None
) -> Workable:
    """What a workflow is planned with: the organization's free hours, and the time."""
    now = at or SystemClock().now()
    known = learnt_in(store, remembered(SystemClock().now()))
    return Workable(file, _pool(book, known, organization, now).judge(now), book, now)


def _pool(book: RuleBook, known: Known, organization: str, now: datetime) -> Pool:
    """The free hours as the ledger knows them; an empty ledger is taken for a month in which nothing was used."""
    pool = Pool(book.settings.free_hours, since=None if known.hours else now.replace(day=1))
    for row in known.hours:
        if row.organization == organization:
            pool.add(datetime.fromisoformat(row.at), row.used_ms, row.untouched_ms)
    return pool
