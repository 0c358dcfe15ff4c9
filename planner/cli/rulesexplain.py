"""`planner rules explain`: every policy before one request: whether it is for it, what it decides, what it is worth."""

from collections.abc import Iterator
from typing import Any

import msgspec
import rich_click as click

from planner.cli.asking import Asked, asking
from planner.cli.plan import assumptions, decisions
from planner.core.facts import Facts
from planner.core.ledger.entry import Expected
from planner.core.plan import Plan, plan_whole
from planner.core.preview.explanation import Standing, Unmet, judge
from planner.core.preview.told import Decided, assumed, decided
from planner.core.reasons import Outcome
from planner.core.reports.wording import rounded
from planner.core.rulebook.book import RuleBook
from planner.core.wire import MessagesRequest


class Would(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy in shadow would do, were it enforced; no costs where nothing had to be weighed."""

    action: str
    outcome: str
    reason: str | None
    expected_nano: Expected | None


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """One policy before the request; `unmet` is what it asks for and does not get, `says` all of it in words."""

    name: str
    mode: str
    why: str
    matched: bool
    unmet: tuple[Unmet, ...]
    rollout: str
    holdout: str
    actions: tuple[Standing, ...]
    says: tuple[str, ...]
    would: tuple[Would, ...]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `planner rules explain` says, as `--format json` writes it.

    `denial` are the words by which the request is refused; null where it goes on. `saved_nano` is what the decision is
    expected to save; null where nothing is edited, or nothing was weighed.
    """

    file: str
    model: str | None
    tools: tuple[str, ...]
    assumed: dict[str, Any]
    policies: tuple[Explained, ...]
    decisions: tuple[Decided, ...]
    denial: str | None
    expected_nano: Expected | None
    saved_nano: int | None
    digests: dict[str, str]


@click.command("explain")
@asking
def command(*, asked: Asked, as_json: bool) -> None:
    """Say which policies are for REQUEST, the JSON body of a POST /v1/messages, and which decide.

    Of each policy, in order: whether it matches, or which key does not and what the request has there; where its
    roll-out and hold-out cut; for which actions it decides, or who does before it; and what a bundle of its own would
    be worth. The request is taken for the first of its conversation, as planner plan takes it. Nothing is sent
    anywhere.
    """
    told = explain(str(asked.file), asked.request, asked.facts, asked.book)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())
    else:
        click.echo("\n".join(lines(told)))


def explain(file: str, request: MessagesRequest, facts: Facts, book: RuleBook) -> Explanation:
    """Judge every policy before a request."""
    plan = plan_whole(request, facts, book)
    bundled = plan.decisions[1].outcome is Outcome.APPLIED
    return Explanation(
        file=file,
        model=request.model,
        tools=tuple(tool.type or "custom" for tool in request.tools),
        assumed=assumed(facts, book),
        policies=tuple(_explained(request, facts, book, plan)),
        decisions=tuple(map(decided, plan.decisions)),
        denial=None if plan.denial is None else plan.denial.message,
        expected_nano=plan.expected,
        saved_nano=plan.expected.untouched - plan.expected.planned if bundled and plan.expected is not None else None,
        digests={"rules": book.digest, "prices": book.prices.digest},
    )


def _explained(request: MessagesRequest, facts: Facts, book: RuleBook, plan: Plan) -> Iterator[Explained]:
    for each in judge(request, facts, book):
        yield Explained(
            name=each.name,
            mode=each.mode,
            why=each.why,
            matched=each.matched,
            unmet=each.unmet,
            rollout=each.rollout,
            holdout=each.holdout,
            actions=each.actions,
            says=tuple(each.reasons()),
            would=tuple(
                Would(action=one.action, outcome=one.outcome, reason=one.reason, expected_nano=one.expected_nano)
                for one in plan.shadows
                if one.policy == each.name
            ),
        )


def lines(told: Explanation) -> Iterator[str]:
    """The explanation for people: the policies first, then what was decided and what that is worth."""
    yield f"{told.file}: {told.model or 'no model'}, tools: {', '.join(told.tools) or 'none'}"
    yield from assumptions(told.assumed)
    yield "\nPolicies, in order"
    for policy in told.policies:
        yield f"  {policy.name} ({policy.mode})"
        yield from (f"    {line}" for line in policy.says)
        yield from (f"    {_would(each)}" for each in policy.would)
    yield "\nDecisions"
    yield from decisions(told.decisions, told.denial)
    yield "\nWorth, by the expected cost of the conversation"
    if told.expected_nano is None:
        yield "  not weighed: the decision was clear without it"
        return
    yield f"  untouched  ${rounded(told.expected_nano.untouched)}"
    yield f"  bundled    ${rounded(told.expected_nano.planned)}"
    yield f"  {_difference(told.expected_nano)}{'' if told.saved_nano is not None else ', and is left untouched'}"


def _would(would: Would) -> str:
    reason = f" ({would.reason})" if would.reason else ""
    said = f"its {would.action}, were it enforced: {would.outcome}{reason}"
    return said if would.expected_nano is None else f"{said}; {_difference(would.expected_nano)}"


def _difference(expected: Expected) -> str:
    saved = expected.untouched - expected.planned
    if saved >= 0:
        return f"bundling is expected to save ${rounded(saved)}"
    return f"bundling is expected to cost ${rounded(-saved)} more"
