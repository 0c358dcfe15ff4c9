"""Who is taken to ask for what: a request in a file, its caller by flags, and what the planner would know of both."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import rich_click as click

from planner.cli.beliefs import Known
from planner.cli.options import USAGE, fail
from planner.clock import SystemClock
from planner.core.allowance import Pool
from planner.core.conversations import Scope, prefix_key, root_key
from planner.core.facts import Facts
from planner.core.profile import profile_key
from planner.core.rulebook import RuleBook
from planner.core.wire import MessagesRequest, WireError
from planner.proxy.callers import read_tags

Decorated = TypeVar("Decorated", bound=Callable[..., object])


class Caller(msgspec.Struct, frozen=True):
    """Who is taken to ask: what the flags say."""

    principal: str
    team: str | None
    project: str | None
    tags: str | None
    scope: str


def caller_options(function: Decorated) -> Decorated:
    """`--principal`, `--team`, `--project`, `--tags` and `--scope`: who asks."""
    options = (
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
    )
    for option in reversed(options):
        function = option(function)
    return function


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
    tags = read_tags(None if caller.tags is None else caller.tags.encode("latin-1", "replace"))
    return Facts(
        now=now,
        principal=name,
        team=caller.team or (row.team if row else None) or tags.get("team", ""),
        project=caller.project or (row.project if row else None) or tags.get("project", ""),
        tags=tags,
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


def _place(body: bytes, offset: int | None) -> str:
    """`:line:column` of a byte, counted from 1; empty when it is not known."""
    if offset is None:
        return ""
    before = body[:offset]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    return f":{line}:{column}"
