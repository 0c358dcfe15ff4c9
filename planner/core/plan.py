"""A plan is a value made from a request, the facts and the rule book, without a clock: same inputs, same plan.

*Deciding* happens on the first request of a conversation, *repeating* on every later one: taking an edit away in the
middle of a conversation breaks it, so whatever stops deciding never stops repeating.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from planner.core.conversations import (
    Conversation,
    ToolEdit,
    continues_thread,
    own_digests,
    repeat,
    tools_under,
)
from planner.core.conversations import begins as request_begins
from planner.core.decisions import bundle, gate, threading, version, weblimits
from planner.core.decisions.gate import OPEN, Denial, Gate
from planner.core.decisions.subject import subject, values
from planner.core.facts import Facts, begins
from planner.core.ledger.entry import Expected, Shadow
from planner.core.reasons import EVERY_TIME, Action, Decision, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import Rulings
from planner.core.splice import Edit
from planner.core.wire import MessagesRequest


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with one request: the edits of its body, and every decision with its reason.

    `decisions` are version, bundle and container, in this order; behind them stand those that only policies ask for.
    `shadows` is what policies in shadow would have done, `failed` names policies whose `when` could not be evaluated,
    with the kind of error. With a `denial` the request is not sent; `drain` and `tags` are as in a gate.

    `tool_edit` is the edit of `tools` that is in force, in repeatable terms; in a thread's continuation, whose
    tools came before, it is so without any of `edits`. `conversation` is what to remember, and `free` says whether code
    is free.
    """

    edits: tuple[Edit, ...] = ()
    decisions: tuple[Decision, ...] = ()
    shadows: tuple[Shadow, ...] = ()
    tool_edit: ToolEdit = ToolEdit()
    conversation: Conversation | None = None
    expected: Expected | None = None
    free: bool = False
    denial: Denial | None = None
    drain: bool = False
    tags: Mapping[str, str] = {}
    failed: tuple[tuple[str, str], ...] = ()

    @property
    def threaded(self) -> bool:
        """Whether the request goes on in a container by our doing."""
        return any(each.outcome is Outcome.THREADED for each in self.decisions)

    @property
    def awaited(self) -> bool:
        """Whether something waits for the request in its container, also where only the turn before it tells that."""
        return any(each.reason is Reason.PENDING_CALL for each in self.decisions)


class Draft(msgspec.Struct):
    """A plan in the making: each step adds its decision and its edits.

    `conversation` is the known one where it goes on otherwise than it was known.
    """

    version: Decision = Decision(Action.VERSION, Outcome.KEPT)
    bundle: Decision = Decision(Action.BUNDLE, Outcome.DECLINED)
    container: Decision = Decision(Action.CONTAINER, Outcome.NONE)
    conversation: Conversation | None = None
    web: Decision | None = None
    gate: Gate = OPEN
    shadows: list[Shadow] = []
    tool_edit: ToolEdit = ToolEdit()
    edits: list[Edit] = []
    expected: Expected | None = None


Step = Callable[[MessagesRequest, Facts, RuleBook, Rulings, Draft], None]


def make_plan(request: MessagesRequest, facts: Facts, book: RuleBook) -> Plan:
    """Plan one request."""
    rulings = rule(request, facts, book)
    draft = Draft()
    for step in STEPS:
        step(request, facts, book, rulings, draft)
        if draft.gate.denial is not None:
            return _refused(draft.gate, rulings)
    decided, known = (draft.version, draft.bundle), draft.conversation or facts.conversation
    asked = () if draft.web is None else (draft.web,)
    if known is not None and _tools_came_before(request):
        free = known.free
    else:
        free = bundle.frees_code(request.tools, draft.tool_edit, book)
    return Plan(
        edits=tuple(draft.edits),
        decisions=(*decided, draft.container, *asked, *draft.gate.decisions),
        shadows=tuple(draft.shadows),
        tool_edit=draft.tool_edit,
        conversation=known
        if known is not None and _is(known, request, facts, draft)
        else _new(request, facts, draft, free),
        expected=draft.expected,
        free=free,
        drain=draft.gate.drain,
        tags=draft.gate.tags,
        failed=rulings.failed,
    )


def plan_whole(request: MessagesRequest, facts: Facts, book: RuleBook) -> Plan:
    """Plan one request as the proxy does: one that nothing can be decided or repeated for is left alone."""
    if concerns(request, book):
        return make_plan(request, facts, book)
    return gated(unconcerned(off=facts.off), request, facts, book)


def unconcerned(*, off: bool) -> Plan:
    """The plan of a request that nothing can be decided or repeated for."""
    return leave(Reason.OFF if off else Reason.NO_CODE_EXECUTION)


def rule(request: MessagesRequest, facts: Facts, book: RuleBook) -> Rulings:
    """What the policies say of a request."""
    seen = subject(request, facts)
    return book.ruling.decide(seen, lambda: values(seen, request, facts, book))


def concerns(request: MessagesRequest, book: RuleBook) -> bool:
    """Whether anything could be decided or repeated: code may run, a call may be pending, a web tool be bounded."""
    return bool(weblimits.declared(request)) or threading.runs_code(request, book.catalog) or request.awaited


def holds(known: Conversation | None, request: MessagesRequest, book: RuleBook, *, resting: bool) -> bool:
    """Whether what was decided for those that began in the same words holds for one that begins now.

    Not where the API refused such an edit, or the catalog has come to deny a version in it: that stops deciding, and a
    conversation that only begins has nothing yet that would break.
    """
    if known is None or not known.edit.adds:
        return True
    put = (tool.type or "" for tool in tools_under(known.edit, request.tools) if tool not in request.tools)
    return not resting and not any(book.catalog.denied(request.model or "", type_) for type_ in put)


def leave(reason: Reason) -> Plan:
    """The plan that leaves a request as it came, and says why."""
    return Plan(decisions=_left(reason))


def fail_open(reason: Reason) -> Plan:
    """The plan of a request that could not be planned: it leaves it as it came."""
    return Plan(decisions=tuple(Decision(action, Outcome.FAILED_OPEN, reason) for action in EVERY_TIME))


def stripped(plan: Plan, reason: Reason) -> Plan:
    """A plan without its edits; what holds besides a request's bytes still holds."""
    kept = tuple(each for each in plan.decisions if each.action.value in gate.NAMES)
    return Plan(decisions=(*_left(reason), *kept), drain=plan.drain, tags=plan.tags, failed=plan.failed)


def gates(request: MessagesRequest, book: RuleBook) -> bool:
    """Whether policies could say anything of a request that is left alone."""
    return book.ruling.names(*gate.NAMES) or (book.ruling.names("web") and bool(weblimits.declared(request)))


def gated(plan: Plan, request: MessagesRequest, facts: Facts, book: RuleBook) -> Plan:
    """A plan that leaves a request alone, with what policies say of it besides its bytes, and what they would bound."""
    rulings = rule(request, facts, book)
    found = gate.decide(facts, rulings)
    if found.denial is not None:
        return _refused(found, rulings)
    why = plan.decisions[0]
    outcome = Outcome.FAILED_OPEN if why.outcome is Outcome.FAILED_OPEN else Outcome.DECLINED
    unbounded = weblimits.left(request, rulings.web, why.reason or Reason.POLICY)
    asked = () if unbounded is None else (msgspec.structs.replace(unbounded, outcome=outcome),)
    return msgspec.structs.replace(
        plan,
        decisions=(*plan.decisions, *asked, *found.decisions),
        shadows=(*plan.shadows, *found.shadows),
        drain=found.drain,
        tags=found.tags,
        failed=rulings.failed,
    )


def _refused(found: Gate, rulings: Rulings) -> Plan:
    """The plan of a request that is not sent."""
    policy = None if found.denial is None else found.denial.policy
    return Plan(
        decisions=(*_left(Reason.POLICY, policy), *found.decisions),
        shadows=found.shadows,
        denial=found.denial,
        tags=found.tags,
        failed=rulings.failed,
    )


def _left(reason: Reason, policy: str | None = None) -> tuple[Decision, Decision, Decision]:
    return (
        Decision(Action.VERSION, Outcome.KEPT, reason, policy),
        Decision(Action.BUNDLE, Outcome.DECLINED, reason, policy),
        Decision(Action.CONTAINER, Outcome.NONE, reason, policy),
    )


def unedited(request: MessagesRequest, root: str, prefix: str, principal: str, plan: Plan) -> Plan:
    """A plan that leaves a request alone, with the conversation that begins so: no edit is to come in its middle."""
    if not request_begins(request):
        return plan
    why = plan.decisions[0].reason
    known = Conversation(
        root=root,
        principal=principal,
        prefix=prefix,
        model=request.model or "",
        decisions=(Decision(Action.VERSION, Outcome.KEPT, why), Decision(Action.BUNDLE, Outcome.DECLINED, why)),
        free=plan.free,
    )
    return msgspec.structs.replace(plan, conversation=known)


def _is(known: Conversation, request: MessagesRequest, facts: Facts, draft: Draft) -> bool:
    """Whether this is the known conversation; one that begins like it and is left alone is another."""
    return not begins(request, facts) or known.edit == draft.tool_edit


def _new(request: MessagesRequest, facts: Facts, draft: Draft, free: bool) -> Conversation:  # noqa: FBT001 - private
    return Conversation(
        root=facts.root,
        principal=facts.principal,
        prefix=facts.prefix,
        profile=facts.profile,
        model=request.model or "",
        edit=draft.tool_edit,
        decisions=(draft.version, draft.bundle, *(() if draft.web is None else (draft.web,))),
        free=free,
        web=own_digests(weblimits.declared(request)),
    )


def plan_gate(request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, draft: Draft) -> None:
    """See whether the request is refused, and how it is recorded."""
    del request, book
    draft.gate = gate.decide(facts, rulings)
    draft.shadows.extend(draft.gate.shadows)


def plan_tools(request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, draft: Draft) -> None:
    """Repeat the edit of a conversation that is known, leave one alone that was missed, decide on one that begins."""
    known = facts.conversation
    reason = _idle(request, facts)
    if reason is not None:
        _leave(draft, reason)
        draft.web = weblimits.left(request, rulings.web, reason)
    elif known is not None:
        _repeat(request, facts, known, book, rulings, draft)
    else:
        _decide(request, facts, book, rulings, draft)


def plan_container(request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, draft: Draft) -> None:
    """Thread the conversation's container."""
    free = bundle.frees_code(request.tools, draft.tool_edit, book)
    draft.container, edit, shadows = threading.decide(request, facts, book, rulings.container, free=free)
    draft.shadows.extend(shadows)
    if edit is not None:
        draft.edits.append(edit)


STEPS: Final[tuple[Step, ...]] = (plan_gate, plan_tools, plan_container)


def _idle(request: MessagesRequest, facts: Facts) -> Reason | None:
    """Why nothing is decided nor repeated; None where something is."""
    if facts.off:
        return Reason.OFF
    if facts.conversation is not None:
        return Reason.SUBSCRIPTION if facts.subscription else None
    if not begins(request, facts):
        return Reason.THREAD_CONTINUATION if continues_thread(request) else Reason.MID_CONVERSATION
    return None


def _repeat(
    request: MessagesRequest, facts: Facts, known: Conversation, book: RuleBook, rulings: Rulings, draft: Draft
) -> None:
    """Do again what was done to the first request, as far as this one still has its place for it."""
    if _tools_came_before(request):
        draft.tool_edit = known.edit
        _leave(draft, Reason.THREAD_CONTINUATION, Outcome.DECLINED if known.edit.empty else Outcome.KEPT)
        return
    draft.web, limits, anew = weblimits.again(request, facts, rulings.web, known)
    edit = msgspec.structs.replace(known.edit, limits=limits)
    edits = repeat(edit, request) if _fits(edit, known.model, request, book) else Reason.CONVERSATION_CHANGED
    if isinstance(edits, Reason):
        _leave(draft, edits)
        edit = ToolEdit(limits=limits)
        edits = repeat(edit, request)
    else:
        again = {decision.action: _again(decision) for decision in known.decisions}
        draft.version = again.get(Action.VERSION, draft.version)
        draft.bundle = again.get(Action.BUNDLE, draft.bundle)
    if isinstance(edits, Reason):  # the bounds are those that have their place in this very request
        raise TypeError(f"an edit without a place: {edits}")
    draft.tool_edit = edit
    draft.edits.extend(edits)
    if anew:
        draft.conversation = _rebound(request, facts, known, draft)


def _decide(request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, draft: Draft) -> None:
    """Decide on the bundle, with the version that it needs, and then on the version."""
    verdict, shadows = bundle.decide(request, facts, book, rulings)
    candidate = verdict.candidate
    lifted = None if candidate is None else candidate.lifted
    choice, more = version.decide(request, facts, book, rulings, lifted)
    edit = ToolEdit() if candidate is None else candidate.edit
    if choice.retype is not None and choice.retype not in edit.retypes:
        edit = msgspec.structs.replace(edit, retypes=(choice.retype, *edit.retypes))
    draft.web, limits, bounded = weblimits.decide(request, facts, rulings.web)
    if limits:
        edit = msgspec.structs.replace(edit, limits=limits)
    edits = repeat(edit, request)
    if isinstance(edits, Reason):  # what was just chosen from this very request has its place in it
        raise TypeError(f"an edit without a place: {edits}")
    draft.version, draft.bundle, draft.tool_edit = choice.decision, verdict.decision, edit
    draft.shadows.extend((*more, *shadows, *bounded))
    draft.edits.extend(edits)
    draft.expected = bundle.expected(verdict)


def _rebound(request: MessagesRequest, facts: Facts, known: Conversation, draft: Draft) -> Conversation:
    """A conversation whose caller has changed its web tools: from now on it is known with them, and by them."""
    decided = tuple(each for each in known.decisions if each.action is not Action.WEB)
    return msgspec.structs.replace(
        known,
        root=facts.root,
        prefix=facts.prefix,
        edit=msgspec.structs.replace(known.edit, limits=draft.tool_edit.limits),
        decisions=decided if draft.web is None else (*decided, draft.web),
        web=own_digests(weblimits.declared(request)),
    )


def _fits(edit: ToolEdit, model: str, request: MessagesRequest, book: RuleBook) -> bool:
    """Whether an edit is legal for the model of this turn, should it be another than the conversation began with.

    Bounds are legal wherever the caller's own tool is. Deny entries do not count: they stop deciding, not repeating.
    """
    if not edit.adds or model in {"", request.model}:
        return True
    row = book.catalog.model(request.model or "")
    if row is None:
        return False
    edited = (tool for tool in tools_under(edit, request.tools) if tool not in request.tools)
    return all(
        tool.type in row.code or (tool.type in row.web and (row.ptc or tool.allowed_callers == ("direct",)))
        for tool in edited
    )


def _tools_came_before(request: MessagesRequest) -> bool:
    return continues_thread(request) and not request.tools


def _again(decision: Decision) -> Decision:
    """A conversation's decision on a later request: what was applied is kept."""
    if decision.outcome is not Outcome.APPLIED:
        return decision
    return msgspec.structs.replace(decision, outcome=Outcome.KEPT, reason=Reason.REPEATED)


def _leave(draft: Draft, reason: Reason, bundled: Outcome = Outcome.DECLINED) -> None:
    draft.version = Decision(Action.VERSION, Outcome.KEPT, reason)
    draft.bundle = Decision(Action.BUNDLE, bundled, reason)
