"""Which version of code execution is declared: the caller's own wherever the model takes it."""

import msgspec

from planner.core.conversations import Retype, ToolEdit
from planner.core.facts import Facts
from planner.core.ledger.entry import Shadow
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import VERSION_WORDS, Parses, Rulings, VersionRule
from planner.core.wire import MessagesRequest, Tool


class Choice(msgspec.Struct, frozen=True):
    """The end of the version decision; `retype` is there exactly when the outcome is `applied`."""

    decision: Decision
    retype: Retype | None = None


def code_tool(request: MessagesRequest) -> Tool | None:
    """The code execution tool that a request declares, if it declares one."""
    return next((tool for tool in request.tools if tool.family == "code_execution"), None)


def code_type(request: MessagesRequest, edit: ToolEdit) -> str | None:
    """The type of code execution that goes out under an edit; None for none."""
    tool = code_tool(request)
    raised = {each.declared: each.type for each in edit.retypes}
    return None if tool is None or tool.type is None else raised.get(tool.type, tool.type)


def decide(
    request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, lifted: Retype | None = None
) -> tuple[Choice, tuple[Shadow, ...]]:
    """Choose the version to declare; `lifted` is the lift that this request's bundle needs, and has decided on.

    Behind the choice stands what shadow policies would have declared.
    """
    ruling = rulings.tool_version
    if lifted is not None:
        return Choice(Decision(Action.VERSION, Outcome.APPLIED, Reason.NEEDED_BY_BUNDLE, ruling.policy), lifted), ()
    parses = rulings.parses.value
    choice = _choose(request, facts, book, ruling.value, parses, ruling.policy)
    enforced = would(facts) if ruling.shadow else facts
    shadows = ((_choose(request, enforced, book, each.value, parses, each.policy), each) for each in ruling.shadow)
    return choice, tuple(
        Shadow(Action.VERSION, shadow.decision.outcome, shadow.decision.reason, each.policy)
        for shadow, each in shadows
        if shadow.decision.outcome is not Outcome.KEPT
    )


def would(facts: Facts) -> Facts:
    """The facts under which a policy in shadow is judged: as if it were enforced by a process that decides."""
    return facts if facts.undecided is None else msgspec.structs.replace(facts, undecided=None)


def lift(request: MessagesRequest, book: RuleBook, rulings: Rulings, needed: str | None) -> Retype | Reason | None:
    """What must be declared instead so that a bundle may stand beside it: None for nothing, or why it cannot be.

    `needed` is the oldest version that will do. The block format is crossed only when a policy says that the client
    parses the newer one, and never where another tool names the declared version as its caller.
    """
    tool = code_tool(request)
    if needed is None or tool is None or tool.type is None:
        return None
    if book.catalog.tool(tool.type) is None:
        return Reason.UNKNOWN_TOOL
    model, cross, rule = request.model or "", "v2" in rulings.parses.value, rulings.tool_version.value
    if rule not in VERSION_WORDS:
        return _lift_to(request, book, rule, needed, cross=cross)
    if tool.type >= needed and book.catalog.takes(model, tool.type):
        return None
    pinned = Reason.VERSION_PINNED if rule == "pin" else _pinned(request, tool.type)
    if pinned is not None:
        return pinned
    find = book.catalog.newest if rule == "newest-compatible" else book.catalog.nearest
    target = find(model, tool.type, needed, cross_blocks=cross)
    if target is not None:
        return Retype(tool.type, target)
    crossed = book.catalog.nearest(model, tool.type, needed, cross_blocks=True)
    return Reason.MODEL_UNSUPPORTED if crossed is None else Reason.OLD_BLOCKS


def obstacle(facts: Facts) -> Reason | None:
    """What forbids any new edit for this caller now, whatever it would be worth."""
    obstacles = (
        (facts.subscription, Reason.SUBSCRIPTION),
        (facts.resting, Reason.BREAKER),
        (not facts.identifiable, Reason.ROTATING_TOKEN),
        (facts.scope is None, Reason.UNKNOWN_SCOPE),
    )
    return next((reason for stands, reason in obstacles if stands), None)


def _choose(
    request: MessagesRequest,
    facts: Facts,
    book: RuleBook,
    rule: VersionRule,
    parses: tuple[Parses, ...],
    policy: str | None,
) -> Choice:
    """What one rule makes of the declared version; where no policy speaks, it stays."""
    tool, model = code_tool(request), request.model or ""
    if tool is None or tool.type is None or rule == "pin" or policy is None:
        return _end(Outcome.KEPT, None, policy)
    unknown = _unknown(tool.type, model, book)
    if unknown is not None:
        return _end(Outcome.KEPT, unknown, policy)
    target = _target(book, rule, model, tool.type, cross="v2" in parses)
    why = Reason.DENIED if book.catalog.denied(model, tool.type) is not None else Reason.MODEL_UNSUPPORTED
    if target == tool.type:
        return _end(Outcome.KEPT, None, policy)
    if target is None and rule in book.catalog.choices(model, tool.type, cross_blocks=True):
        why = Reason.OLD_BLOCKS
    forbidden = why if target is None else _pinned(request, tool.type) or obstacle(facts)
    if target is None or forbidden is not None:
        return _end(Outcome.DECLINED, forbidden, policy)
    if facts.undecided is not None:
        return _end(Outcome.SHADOW, facts.undecided, policy)
    reason = Reason.POLICY if book.catalog.takes(model, tool.type) else why
    return Choice(Decision(Action.VERSION, Outcome.APPLIED, reason, policy), Retype(tool.type, target))


def _target(book: RuleBook, rule: VersionRule, model: str, declared: str, *, cross: bool) -> str | None:
    """The version that a rule asks for; a named one that the model or the client does not take is none."""
    if rule not in VERSION_WORDS:
        return rule if rule in book.catalog.choices(model, declared, cross_blocks=cross) else None
    find = book.catalog.newest if rule == "newest-compatible" else book.catalog.nearest
    return find(model, declared, cross_blocks=cross)


def _lift_to(
    request: MessagesRequest, book: RuleBook, version: str, needed: str, *, cross: bool
) -> Retype | Reason | None:
    """What the lift comes to where a policy names the one version to declare: that one, if it will do."""
    tool = code_tool(request)
    if tool is None or tool.type is None or version < needed:
        return Reason.VERSION_PINNED
    if tool.type == version:
        return None if book.catalog.takes(request.model or "", version) else Reason.MODEL_UNSUPPORTED
    if version not in book.catalog.choices(request.model or "", tool.type, needed, cross_blocks=cross):
        return Reason.VERSION_PINNED
    return _pinned(request, tool.type) or Retype(tool.type, version)


def _unknown(declared: str, model: str, book: RuleBook) -> Reason | None:
    """What the catalog does not know of a declaration, which is then left alone."""
    if book.catalog.tool(declared) is None:
        return Reason.UNKNOWN_TOOL
    return Reason.UNKNOWN_MODEL if book.catalog.model(model) is None else None


def _pinned(request: MessagesRequest, declared: str) -> Reason | None:
    """Another tool that names the declared version as its caller would lose it with the version."""
    named = any(declared in (tool.allowed_callers or ()) for tool in request.tools)
    return Reason.NAMED_CALLER if named else None


def _end(outcome: Outcome, reason: Reason | None, policy: str | None) -> Choice:
    return Choice(Decision(Action.VERSION, outcome, reason, policy))
