"""Bounds for the web tools that a caller declares: a policy may narrow what they reach, and never widens it.

`max_uses` becomes the smaller of both; of two lists of allowed domains what both allow is left; blocked domains add up.
A tool takes allowed or blocked domains, not both:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/web-search-tool, checked 2026-11-22.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from planner.core.conversations import Limit, own_digest
from planner.core.facts import Facts
from planner.core.ledger import Shadow
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rules import Ruling, WebRule
from planner.core.version import obstacle, would
from planner.core.wire import MessagesRequest, Tool

FAMILIES: Final = frozenset({"web_search", "web_fetch"})

Members = tuple[tuple[str, str], ...]


def decide(
    request: MessagesRequest, facts: Facts, ruling: Ruling[WebRule]
) -> tuple[Decision | None, tuple[Limit, ...], tuple[Shadow, ...]]:
    """Decide on the bounds of a conversation that begins; no decision where no policy speaks of a tool that is there.

    Behind the limits stands what shadow policies would have done.
    """
    tools = tuple(tool for tool in request.tools if tool.family in FAMILIES)
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


def _judge(tools: tuple[Tool, ...], facts: Facts, rule: WebRule, policy: str) -> tuple[Decision, tuple[Limit, ...]]:
    """What one rule makes of the tools: all of them or none."""
    limits = []
    for tool in tools:
        members = _members(tool, rule)
        if isinstance(members, Reason):
            return _end(Outcome.DECLINED, members, policy), ()
        if members:
            limits.append(Limit(tool.type or "", own_digest(tool), members))
    if not limits:
        return _end(Outcome.KEPT, None, policy), ()
    reason = obstacle(facts)
    if reason is not None:
        return _end(Outcome.DECLINED, reason, policy), ()
    return _end(Outcome.APPLIED, Reason.POLICY, policy), tuple(limits)


def _members(tool: Tool, rule: WebRule) -> Members | Reason:
    """The members of a tool that change under a rule; or why none can."""
    try:
        own = msgspec.json.decode(tool.raw, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reason.EDIT_REFUSED
    try:
        found = {**_uses(own, rule), **_domains(own, rule)}
    except _ConflictError:
        return Reason.DOMAINS_CONFLICT
    except _UnreadableError:
        return Reason.EDIT_REFUSED
    changed = ((name, value) for name, value in found.items() if own.get(name) != value)
    return tuple((name, msgspec.json.encode(value).decode()) for name, value in changed)


def _uses(own: dict[str, Any], rule: WebRule) -> dict[str, Any]:
    said = own.get("max_uses")
    if rule.max_uses is None:
        return {}
    if said is not None and (not isinstance(said, int) or isinstance(said, bool)):
        raise _UnreadableError
    return {"max_uses": rule.max_uses if said is None else min(said, rule.max_uses)}


def _domains(own: dict[str, Any], rule: WebRule) -> dict[str, Any]:
    """What both allow, or what either blocks."""
    allowed, blocked = _list(own, "allowed_domains"), _list(own, "blocked_domains")
    if allowed is not None and blocked is not None:
        raise _UnreadableError  # the API refuses it, and says so better
    if rule.allowed_domains is not None:
        if allowed is not None:
            return {"allowed_domains": _filled(_both(allowed, rule.allowed_domains))}
        left = _filled(_without(rule.allowed_domains, blocked or []))
        return {"allowed_domains": left} | ({} if blocked is None else {"blocked_domains": None})
    if rule.blocked_domains is not None:
        if allowed is not None:
            return {"allowed_domains": _filled(_without(allowed, rule.blocked_domains))}
        return {"blocked_domains": list(dict.fromkeys((*(blocked or ()), *rule.blocked_domains)))}
    return {}


def _list(own: dict[str, Any], name: str) -> list[str] | None:
    said = own.get(name)
    if said is None:
        return None
    if not isinstance(said, list) or not all(isinstance(each, str) for each in said):
        raise _UnreadableError
    return said


def _both(one: list[str], two: tuple[str, ...]) -> Iterator[str]:
    """Of each pair that overlaps the narrower one, in the caller's order."""
    for mine in one:
        if any(_under(mine, other) for other in two):
            yield mine
        else:
            yield from (other for other in two if _under(other, mine))


def _without(allowed: list[str] | tuple[str, ...], blocked: list[str] | tuple[str, ...]) -> Iterator[str]:
    """The allowed ones that are not blocked. Raises _ConflictError where only a part of one is."""
    for each in allowed:
        if any(_under(each, other) for other in blocked):
            continue
        if any(_under(other, each) for other in blocked):
            raise _ConflictError
        yield each


def _filled(domains: Iterator[str]) -> list[str]:
    """At least one domain: without any the tool would reach every one. Raises _ConflictError."""
    found = list(dict.fromkeys(domains))
    if not found:
        raise _ConflictError
    return found


def _under(narrow: str, wide: str) -> bool:
    """Whether a domain, with a path where it has one, lies in another: subdomains and deeper paths do."""
    (host, _, path), (other, _, root) = narrow.lower().partition("/"), wide.lower().partition("/")
    if host != other and not host.endswith("." + other):
        return False
    return not root or path == root or path.startswith(root.rstrip("/") + "/")


class _ConflictError(Exception):
    """What the caller says and what the policy says leave nothing, or what one list cannot say."""


class _UnreadableError(Exception):
    """The caller's own members are not what the API takes."""


def _end(outcome: Outcome, reason: Reason | None, policy: str) -> Decision:
    return Decision(Action.WEB, outcome, reason, policy)
