"""Bounds for the web tools that a caller declares: a policy may narrow what they reach, and never widens it.

`max_uses` becomes the smaller of both; of two lists of allowed domains what both allow is left; blocked domains add up.
Where no list can say that, the domains stay the caller's, which is told, and the uses are bounded all the same.
A tool takes allowed or blocked domains, not both:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool, checked 2026-11-22.
"""

from typing import Any, Final

import msgspec

from planner.core import domains
from planner.core.conversations import Conversation, Limit, limit_fits, own_digest, own_digests
from planner.core.decisions.version import obstacle, would
from planner.core.facts import Facts, begins
from planner.core.ledger.entry import Shadow
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.policies import Ruling, WebRule
from planner.core.wire import MessagesRequest, Tool

FAMILIES: Final = frozenset({"web_search", "web_fetch"})

Members = tuple[tuple[str, str], ...]


def decide(
    request: MessagesRequest, facts: Facts, ruling: Ruling[WebRule]
) -> tuple[Decision | None, tuple[Limit, ...], tuple[Shadow, ...]]:
    """Decide on the bounds of a conversation that begins; no decision where no policy speaks of a tool that is there.

    Behind the limits stands what shadow policies would have done.
    """
    tools = declared(request)
    if not tools:
        return None, (), ()
    judged = (_judge(tools, would(facts), each.value, each.policy)[0] for each in ruling.shadow)
    shadows = tuple(
        Shadow(Action.WEB, shadow.outcome, shadow.reason, shadow.policy or "")
        for shadow in judged
        if shadow.outcome is not Outcome.KEPT
    )
    if ruling.policy is None:
        return None, (), shadows
    if ruling.held_out:
        return _end(Outcome.DECLINED, Reason.HOLDOUT, ruling.policy), (), shadows
    decision, limits = _judge(tools, facts, ruling.value, ruling.policy)
    if limits and facts.undecided is not None:
        return _end(Outcome.SHADOW, facts.undecided, ruling.policy), (), shadows
    return decision, limits, shadows


def again(
    request: MessagesRequest, facts: Facts, ruling: Ruling[WebRule], known: Conversation
) -> tuple[Decision | None, tuple[Limit, ...], bool]:
    """The bounds on a later request of a conversation, and whether they were decided anew.

    Those of tools that the caller declares as it did are repeated. Where it has changed its web tools, which its cache
    does not survive, the others are decided anew; unless the conversation holds thinking, which may be bound to the
    tools that it was thought under.
    """
    tools = declared(request)
    if not tools:
        return None, (), False
    before = next((each for each in known.decisions if each.action is Action.WEB), None)
    held = tuple(limit for limit in known.edit.limits if limit_fits(limit, request.tools))
    if held == known.edit.limits and known.web in {None, own_digests(tools)}:
        reason = Reason.REPEATED if begins(request, facts) else Reason.MID_CONVERSATION
        return left(request, ruling, reason) if before is None else _repeated(before), held, False
    decision, limits, _ = decide(request, facts, ruling)
    more = tuple(limit for limit in limits if limit not in held)
    if decision is None:  # the policy that put them in is gone
        return None if before is None else _changed(before), held, False
    if more and request.signed:
        return _changed(decision), held, False
    if decision.outcome not in {Outcome.APPLIED, Outcome.KEPT}:
        return decision, held, False
    bounded = {limit.declared for limit in held}
    return decision, (*held, *(limit for limit in more if limit.declared not in bounded)), True


def _repeated(decision: Decision) -> Decision:
    if decision.outcome is not Outcome.APPLIED:
        return decision
    return msgspec.structs.replace(decision, outcome=Outcome.KEPT, reason=Reason.REPEATED)


def _changed(decision: Decision) -> Decision:
    return msgspec.structs.replace(decision, outcome=Outcome.DECLINED, reason=Reason.CONVERSATION_CHANGED)


def left(request: MessagesRequest, ruling: Ruling[WebRule], reason: Reason) -> Decision | None:
    """The decision on a request whose web tools a policy would bound, and that is left alone; None for any other."""
    if ruling.policy is None or not declared(request):
        return None
    return _end(Outcome.DECLINED, Reason.HOLDOUT if ruling.held_out else reason, ruling.policy)


def declared(request: MessagesRequest) -> tuple[Tool, ...]:
    """The web tools that a caller declares."""
    likely = (tool for tool in request.tools if tool.type is not None and tool.type.startswith("web_"))
    return tuple(tool for tool in likely if tool.family in FAMILIES)


def _judge(tools: tuple[Tool, ...], facts: Facts, rule: WebRule, policy: str) -> tuple[Decision, tuple[Limit, ...]]:
    """What one rule makes of the tools, each by itself: one that cannot be bounded leaves the others bounded.

    The API refuses two tools of a name, so a second one of a type is left to it.
    """
    firsts = {tool.type: tool for tool in reversed(tools)}
    found = tuple(
        (tool, *(_members(tool, rule) if firsts[tool.type] is tool else ((), Reason.EDIT_REFUSED))) for tool in tools
    )
    limits = tuple(Limit(tool.type or "", own_digest(tool), members) for tool, members, _ in found if members)
    missed = next((missed for _, _, missed in found if missed is not None), None)
    if not limits:
        return _end(Outcome.KEPT if missed is None else Outcome.DECLINED, missed, policy), ()
    reason = obstacle(facts)
    if reason is not None:
        return _end(Outcome.DECLINED, reason, policy), ()
    return _end(Outcome.APPLIED, missed or Reason.POLICY, policy), limits


def _members(tool: Tool, rule: WebRule) -> tuple[Members, Reason | None]:
    """The members of a tool that change under a rule, and why others cannot: uses hold, whatever the domains are."""
    try:
        own = msgspec.json.decode(tool.raw, type=dict[str, Any])
        found, missed = _uses(own, rule), None
        found |= _domains(own, rule)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, _UnreadableError):
        return (), Reason.EDIT_REFUSED
    except domains.ConflictError:
        missed = Reason.DOMAINS_CONFLICT
    changed = ((name, value) for name, value in found.items() if own.get(name) != value)
    return tuple((name, msgspec.json.encode(value).decode()) for name, value in changed), missed


def _uses(own: dict[str, Any], rule: WebRule) -> dict[str, Any]:
    said = own.get("max_uses")
    if rule.max_uses is None:
        return {}
    if said is not None and (not isinstance(said, int) or isinstance(said, bool)):
        raise _UnreadableError
    return {"max_uses": rule.max_uses if said is None else min(said, rule.max_uses)}


def _domains(own: dict[str, Any], rule: WebRule) -> dict[str, Any]:
    """What both allow, or what either blocks. Raises ConflictError, _UnreadableError."""
    allowed, blocked = _list(own, "allowed_domains"), _list(own, "blocked_domains")
    if allowed and blocked is not None:
        raise _UnreadableError  # the API refuses it, and says so better
    if rule.allowed_domains is not None:
        if allowed:
            return {"allowed_domains": domains.both(allowed, rule.allowed_domains)}
        left = domains.without(rule.allowed_domains, blocked or [])
        return {"allowed_domains": left} | ({} if blocked is None else {"blocked_domains": None})
    if rule.blocked_domains is not None:
        if allowed:
            return {"allowed_domains": domains.without(allowed, rule.blocked_domains)}
        return {"blocked_domains": list(dict.fromkeys((*(blocked or ()), *rule.blocked_domains)))}
    return {}


def _list(own: dict[str, Any], name: str) -> list[str] | None:
    """A list of the caller's own; an empty one bounds nothing."""
    said = own.get(name)
    if said is None:
        return None
    if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
        raise _UnreadableError
    return said


class _UnreadableError(Exception):
    """The caller's own members are not what the API takes."""


def _end(outcome: Outcome, reason: Reason | None, policy: str) -> Decision:
    return Decision(Action.WEB, outcome, reason, policy)
