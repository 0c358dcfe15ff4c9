"""Which warm container a request goes on in: never over a caller's own, never two in one, never a stranger's."""

from typing import Final

import msgspec

from planner.core.containers import LIFE, Lease, State
from planner.core.conversations import awaited, continues_thread
from planner.core.decisions import joining
from planner.core.decisions.version import would
from planner.core.facts import Facts, begins
from planner.core.ledger.entry import Expected, Shadow
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Catalog
from planner.core.rulebook.policies import ContainerRule, Ruling
from planner.core.splice import SetContainer
from planner.core.wire import MessagesRequest

Threaded = tuple[Decision, SetContainer | None]


_QUIET: Final = frozenset({Reason.FORK, Reason.NO_CODE_EXECUTION})
"""Obstacles that are no refusal: there is no container for this request."""


class Rule(msgspec.Struct, frozen=True):
    """A ruling on containers, enforced or in shadow."""

    value: ContainerRule
    policy: str | None
    held_out: bool = False


def decide(
    request: MessagesRequest, facts: Facts, book: RuleBook, ruling: Ruling[ContainerRule], *, free: bool = False
) -> tuple[Decision, SetContainer | None, tuple[Shadow, ...]]:
    """Decide on the container of one request; the edit is there exactly when the outcome is `threaded`.

    `free` says whether its code is free. Behind them stands what shadow policies would have done.
    """
    rules = [
        Rule(ruling.value, ruling.policy, ruling.held_out),
        *(Rule(each.value, each.policy) for each in ruling.shadow),
    ]
    weighed, lease = None, facts.lease
    if lease is not None and any(_joins(request, facts, rule) for rule in rules):
        weighed = joining.weigh(request, facts, book, lease.turn, free=free)
    decision, edit = _decide(request, facts, book, rules[0], weighed)
    enforced = would(facts) if ruling.shadow else facts
    shadows = ((_decide(request, enforced, book, rule, weighed)[0], rule) for rule in rules[1:])
    return (
        decision,
        edit,
        tuple(
            Shadow(
                Action.CONTAINER,
                shadow.outcome,
                shadow.reason,
                rule.policy or "",
                weighed if _joins(request, facts, rule) and _was_weighed(shadow) else None,
            )
            for shadow, rule in shadows
            if shadow.outcome not in {Outcome.NONE, Outcome.CALLER}
        ),
    )


def _joins(request: MessagesRequest, facts: Facts, rule: Rule) -> bool:
    """Whether what begins would go on in the container of another conversation of its caller's session."""
    return begins(request, facts) and facts.by_session and rule.value == "session"


def _was_weighed(decision: Decision) -> bool:
    return decision.outcome is Outcome.THREADED or decision.reason in joining.UNFIT


def _decide(
    request: MessagesRequest, facts: Facts, book: RuleBook, rule: Rule, weighed: Expected | None = None
) -> Threaded:
    if request.container.id is not None:
        return _end(Outcome.CALLER)
    lease = facts.lease
    if facts.off or lease is None or not _theirs(request, lease, facts, rule):
        waits = Reason.PENDING_CALL if request.awaited else None
        return _end(Outcome.NONE, Reason.OFF if facts.off else waits)
    pending = awaited(request, lease.turn)
    obstacle = _impossible(request, lease, facts) or (None if pending else _obstacle(request, lease, facts, book, rule))
    if obstacle is None and not pending and _joins(request, facts, rule):
        obstacle = joining.declines(weighed, lease.turn, facts)
    if obstacle is not None:
        quiet = obstacle in _QUIET or (obstacle is Reason.POLICY and rule.policy is None)
        return _end(Outcome.NONE if quiet else Outcome.DECLINED, obstacle, rule.policy)
    if not _may(lease, facts, rule, pending=pending):
        return _end(Outcome.SHADOW, Reason.PENDING_CALL if pending else facts.undecided, rule.policy)
    if facts.unleased is not None and not pending:
        return _end(Outcome.FAILED_OPEN, facts.unleased, rule.policy)
    why = Reason.PENDING_CALL if pending else None
    return Decision(Action.CONTAINER, Outcome.THREADED, why, rule.policy), SetContainer(lease.turn.container or "")


def _theirs(request: MessagesRequest, lease: Lease, facts: Facts, rule: Rule) -> bool:
    """Whether there is a container that this request can be said to go on in.

    What begins a conversation goes on in the container of the caller's session only where a policy says so: it finds
    the files and variables of another conversation there.
    """
    turn = lease.turn
    begun = not begins(request, facts) or (facts.by_session and rule.value == "session")
    return turn.container is not None and turn.conversation.principal == facts.principal and begun


def _may(lease: Lease, facts: Facts, rule: Rule, *, pending: bool) -> bool:
    """Whether the container may be put in now.

    A pending call waits in its container and fails without it, so it gets the id whatever state that is in. Where
    nothing new is decided, or the policies thread no containers, only a conversation that we edited before gets it: in
    any other the call would have failed without us as well, and it is reported.
    """
    if pending:
        return lease.turn.edited or (facts.undecided is None and rule.value != "never")
    return facts.undecided is None or lease.turn.threaded


def _impossible(request: MessagesRequest, lease: Lease, facts: Facts) -> Reason | None:
    """What forbids any container, a pending call's too."""
    there = lease.turn.scope
    obstacles = (
        (facts.subscription, Reason.SUBSCRIPTION),
        (request.container.form == "other", Reason.EDIT_REFUSED),
        (facts.scope is not None and there is not None and there != facts.scope, Reason.OTHER_SCOPE),
    )
    return next((reason for stands, reason in obstacles if stands), None)


def _obstacle(request: MessagesRequest, lease: Lease, facts: Facts, book: RuleBook, rule: Rule) -> Reason | None:
    """What stands against lending the container, the first of the list."""
    turn, state = lease.turn, lease.state
    refuses = book.settings.container.after_idle == "refuse"
    idle = turn.expires_at is None or (refuses and facts.now >= turn.expires_at)
    old = turn.opened_at is not None and facts.now >= turn.opened_at + LIFE
    obstacles = (
        (not runs_code(request, book.catalog), Reason.NO_CODE_EXECUTION),
        (rule.value == "never", Reason.HOLDOUT if rule.held_out else Reason.POLICY),
        (not facts.identifiable, Reason.ROTATING_TOKEN),
        (facts.scope is None or turn.scope is None, Reason.UNKNOWN_SCOPE),
        (state is State.DEAD, Reason.CONTAINER_GONE),
        (state is State.BUSY, Reason.BUSY),
        (state is State.CONTINUED, Reason.FORK),
        (idle or old, Reason.EXPIRED),
    )
    return next((reason for stands, reason in obstacles if stands), None)


def runs_code(request: MessagesRequest, catalog: Catalog) -> bool:
    """Whether code can run in the request; a thread's continuation has its tools from before."""
    return continues_thread(request) or any(
        tool.family == "code_execution" or catalog.frees_code(tool.type or "") for tool in request.tools
    )


def _end(outcome: Outcome, reason: Reason | None = None, policy: str | None = None) -> Threaded:
    return Decision(Action.CONTAINER, outcome, reason, policy), None
