"""What the planner says of one request that is planned and not sent: `planner plan`, and the API of the same name."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

import msgspec

from planner.core import splice
from planner.core.conversations import Scope
from planner.core.facts import Facts
from planner.core.ledger.entry import Expected, Mode
from planner.core.plan import Plan, plan_whole
from planner.core.preview.beliefs import Believed, Set, beliefs, settings_shown
from planner.core.preview.explanation import judge
from planner.core.reasons import Decision
from planner.core.reports.wording import several
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Billing, Flag
from planner.core.wire import MessagesRequest

PLANNED: Final = ("forecast", "low", "high")
UNTOUCHED: Final = ("untouched", "untouched_low", "untouched_high")


class Asker(msgspec.Struct, frozen=True, kw_only=True):
    """Who is taken to ask a running planner: None for what `callers.yaml` says, or for what the planner has seen.

    Attributes:
        principal: a name or key fingerprint of `callers.yaml`.
        team, project, billing, flags: as `callers.yaml` would say them.
        scope: where it is answered.
        tags, session: as in `planner-tags` and `planner-session`.
        mode: as in `planner-mode`; `plan` also where the process itself decides nothing new.
    """

    principal: str = "example"
    team: str | None = None
    project: str | None = None
    billing: Billing | None = None
    flags: tuple[Flag, ...] = ()
    scope: Scope | None = None
    tags: str | None = None
    session: str | None = None
    mode: Mode | None = None


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


def no_request(body: bytes) -> str | None:
    """What a JSON object is that is taken for a request by mistake, and what to give instead; None where it may be one.

    A request has messages; what has `requests` instead is the body of a message batch, and what has `workflow` is one.
    """
    try:
        members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        if "messages" in members:
            return None
        if "workflow" in members:
            return "a workflow. Give it in a file that ends in .yaml, which JSON may stand in as well"
        if "requests" not in members:
            return None
        number = len(msgspec.json.decode(members["requests"], type=list[msgspec.Raw]))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return (
        f"a message batch of {several(number, 'request')}, which is not explained as a whole. Give the `params` of one"
        " of them. In a batch, rules are stricter: nothing is edited unless batches.edits is enforce and the same edit"
        " was taken live, and what was decided stands in `planner-plan` of the batch's answer and in the ledger"
    )


def place_in(body: bytes, offset: int | None) -> str:
    """`:line:column` of a byte, counted from 1; empty when it is not known."""
    if offset is None:
        return ""
    before = body[:offset]
    line = before.count(b"\n") + 1
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    return f":{line}:{column}"


def assumed(facts: Facts, book: RuleBook) -> dict[str, Any]:
    """What is taken for granted of the request and its caller."""
    hours = facts.allowance
    return {
        "first_request": facts.conversation is None and facts.lease is None,
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


def _text(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")
