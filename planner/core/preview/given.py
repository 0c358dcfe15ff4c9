"""What a test of the rules states becomes a request, the facts and the rule book that a plan is made from.

Nothing comes from a clock, a ledger or a hash: where a roll-out cuts is stated as well, so that a test says the same on
every day and after every change of a prompt.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from msgspec import UNSET

from planner.core.agents import profile_key
from planner.core.allowance import Allowance
from planner.core.containers import Lease, State
from planner.core.conversations import Conversation, Scope, Turn, begins, prefix_key, root_key
from planner.core.decisions.worth import see
from planner.core.facts import Facts
from planner.core.learning.epochs import Epoch, Warmth, cache_seconds
from planner.core.learning.learnt import PSEUDO_REQUESTS, UNKNOWN, UNLEARNT, Learnt
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import Sizes
from planner.core.plan import make_plan
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.policies import EVERYTHING, BundleRule, Policy, Portion, Then
from planner.core.rulefile.testfile import moment
from planner.core.rulefile.testshape import CallerGiven, Earlier, FactsGiven, FreeHours, Given, Habits
from planner.core.wire import MessagesRequest

ANONYMOUS: Final = "anonymous"  # who calls without a key, as the proxy names it
SOMEWHERE: Final = "example"
CONTAINER: Final = "container_of_the_test"

IDLE_SECONDS: Final = 30.0
EXPIRES_AFTER: Final = timedelta(minutes=5)
"""How far the API moves `expires_at` with each use [A]:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22."""

EDITS: Final = Policy(name="?", why="?", mode="enforce", then=Then(bundle=BundleRule(act="always")))
"""How a conversation was edited that a test calls `edited`: as if this policy had decided when it began."""

_UNDECIDED: Final = {"observe": Reason.OBSERVE, "drain": Reason.DRAINING}
_STATES: Final = {"idle": State.IDLE, "busy": State.BUSY, "continued": State.CONTINUED, "dead": State.DEAD}
_LEARNT: Final = {
    "code_runs": "code",
    "code_seconds": "seconds",
    "billed_seconds": "billed",
    "iterations": "samples",
    "cached": "cached",
    "cached_share": "share",
    "cold": "cold",
    "turns": "turns",
    "conversations": "conversations",
    "futile": "futile",
    "output_tokens": "output",
}


class NotEditedError(ValueError):
    """A conversation is said to have been edited that could not have been; the text says why."""


class Stage(msgspec.Struct, frozen=True):
    """All that a plan is made from."""

    request: MessagesRequest
    facts: Facts
    book: RuleBook


def stage(given: Given, book: RuleBook) -> Stage:
    """The request, the facts and the rule book of a test.

    Errors: NotEditedError, where `earlier` says that the conversation was edited and no edit of ours fits it.
    """
    request = MessagesRequest.parse(body_of(given.request))
    drawn = sampled(book, given.facts.rollout, given.facts.holdout)
    facts = _facts(request, given, book)
    earlier = given.facts.earlier
    if earlier is None:
        return Stage(request, facts, drawn)
    conversation = _conversation(request, facts, book, earlier)
    begun = begins(request) if given.facts.begins is None else given.facts.begins
    by_session = earlier.by == "session"
    goes_on = not by_session or not begun
    facts = msgspec.structs.replace(
        facts,
        conversation=conversation if not by_session else None,
        lease=_lease(facts, conversation, earlier),
        by_session=by_session,
        begins=not goes_on,
    )
    return Stage(request, facts, drawn)


def body_of(request: Mapping[str, Any]) -> bytes:
    """The body of a request in which tools may stand as their types, and what every request has may be left out."""
    usual: dict[str, Any] = {"max_tokens": 1024, "messages": [{"role": "user", "content": "Work it out with code."}]}
    body = dict(request)
    if isinstance(tools := body.get("tools"), list):
        body["tools"] = [_tool(tool, number) for number, tool in enumerate(tools, 1)]
    return msgspec.json.encode(body | {name: value for name, value in usual.items() if name not in body})


def sampled(book: RuleBook, rollout: Mapping[str, str], holdout: Mapping[str, str]) -> RuleBook:
    """The rule book as a request meets it that falls into these portions: in what has begun, held out of nothing."""
    policies = tuple(
        msgspec.structs.replace(
            policy,
            rollout=_portion(rollout.get(policy.name, "in" if policy.rollout.percent > 0 else "out"), policy.rollout),
            holdout=_portion(
                holdout.get(policy.name, "out" if policy.holdout.percent < EVERYTHING else "in"), policy.holdout
            ),
        )
        for policy in book.policies
    )
    return book if tuple(policies) == book.policies else replace(book, policies=tuple(policies))


def _portion(word: str, portion: Portion) -> Portion:
    return Portion(EVERYTHING if word == "in" else 0, portion.by)


def _tool(tool: object, number: int) -> object:
    """A tool as the API takes it; a server tool's name is its family, a client's own gets one of its own."""
    if not isinstance(tool, str):
        return tool
    if tool == "custom":
        return {"name": f"client_tool_{number}", "input_schema": {"type": "object"}}
    family, _, date = tool.rpartition("_")
    return {"type": tool, "name": family if family and date.isdecimal() else tool}


def _facts(request: MessagesRequest, given: Given, book: RuleBook) -> Facts:
    caller, facts, at = given.caller, given.facts, moment(given.facts.at)
    row = book.callers.find(caller.principal)
    name = caller.principal if row is None else row.name
    subscription = (caller.billing or (row.billing if row else None)) == "subscription"
    scope = _scope(caller, book)
    prompt = _prompt(request, facts)
    return Facts(
        now=at,
        principal=name,
        team=caller.team or (row.team if row else None) or caller.tags.get("team", ""),
        project=caller.project or (row.project if row else None) or caller.tags.get("project", ""),
        tags={str(key): word for key, word in caller.tags.items()},
        flags=caller.flags if caller.flags is not None else row.flags if row else (),
        subscription=subscription,
        identifiable=row is not None or not (subscription or name == ANONYMOUS),
        scope=scope,
        undecided=Reason.OBSERVE if facts.observing else _UNDECIDED.get(facts.mode),
        observing=facts.observing,
        resting=facts.breaker,
        off=facts.mode == "off",
        begins=facts.begins,
        prompt=prompt,
        epoch=_epoch(facts, prompt, at),
        learnt=UNLEARNT if facts.habits is None else _learnt(facts.habits),
        sizes=Sizes(),
        allowance=_allowance(facts, book),
        input_tokens_left=facts.input_tokens_left,
        root=root_key(request, name),
        prefix=prefix_key(request, scope),
        profile=profile_key(request, name),
    )


def _scope(caller: CallerGiven, book: RuleBook) -> Scope | None:
    row = book.callers.find(caller.principal)
    if caller.organization is None:
        return None
    said = caller.organization if caller.organization is not UNSET else row.organization if row else None
    return Scope(said or SOMEWHERE, caller.workspace or (row.workspace if row else None) or SOMEWHERE)


def _prompt(request: MessagesRequest, facts: FactsGiven) -> Prompt:
    """What is seen of the request, where nothing is said of it."""
    seen = see(request)
    changes: dict[str, Any] = {}
    if facts.prompt_tokens is not None:
        changes |= dict.fromkeys(("tokens", "fewest", "most"), facts.prompt_tokens)
    if facts.cached_tokens is not None:
        changes |= {"cached": facts.cached_tokens, "marked": facts.cached_tokens > 0}
    if facts.cached is not None:
        changes["marked"] = facts.cached
    if facts.cache_ttl is not None:
        changes["long"] = facts.cache_ttl == "1h"
    if facts.files is not None:
        changes["files"] = facts.files
    return msgspec.structs.replace(seen, **changes)


def _epoch(facts: FactsGiven, prompt: Prompt, at: datetime) -> Epoch | None:
    """A prefix that was used a second ago, and one conversation has begun on."""
    if facts.warm is None:
        return None
    tokens = round(prompt.tokens if prompt.cached is None else prompt.cached)
    warmth, bundled = (
        Warmth(tokens, at - timedelta(seconds=1), cache_seconds(long=prompt.long)),
        facts.warm == "bundled",
    )
    return Epoch(
        edited=bundled, plain=None if bundled else warmth, bundled=warmth if bundled else None, conversations=1
    )


def _learnt(habits: Habits) -> Learnt:
    """Each habit that is said, held together with the prior as one that so many requests have shown without a doubt."""
    weight = habits.requests / (habits.requests + PSEUDO_REQUESTS)
    said = {name: getattr(habits, name) for name in _LEARNT}
    shown: dict[str, Any] = {
        _LEARNT[name]: UNKNOWN.under(value, 0.0, weight) for name, value in said.items() if value is not None
    }
    return Learnt(requests=habits.requests, begun=habits.requests / (habits.turns or 1.0), **shown)


def _allowance(facts: FactsGiven, book: RuleBook) -> Allowance:
    """The free hours as they are said to be; those that are used up are exceeded for sure."""
    limit, hours = book.settings.free_hours.limit, facts.free_hours
    if not isinstance(hours, FreeHours):
        return Allowance(0.0, 0.0, limit, 0.0, known=False)
    chance = hours.exceeded
    if chance is None:
        chance = 1.0 if hours.used >= limit else 0.0
    return Allowance(hours.used, hours.used, limit, chance, known=True)


def _conversation(request: MessagesRequest, facts: Facts, book: RuleBook, earlier: Earlier) -> Conversation:
    """What is remembered of the conversation: its edit is the one that its first request would have got."""
    first = msgspec.structs.replace(
        facts, begins=True, undecided=None, off=False, resting=False, flags=(), epoch=None, input_tokens_left=None
    )
    plan = make_plan(request, first, replace(book, policies=(EDITS,) if earlier.edited else ()))
    if plan.conversation is None or plan.tool_edit.adds is not earlier.edited:
        reason = plan.decisions[1].reason
        raise NotEditedError(f"no conversation with these tools could have been edited: {reason}")
    decisions = tuple(msgspec.structs.replace(each, policy=None) for each in plan.conversation.decisions)
    return msgspec.structs.replace(plan.conversation, decisions=decisions)


def _lease(facts: Facts, conversation: Conversation, earlier: Earlier) -> Lease | None:
    """The turn before this one, half a minute ago or as long as is said; its container began five minutes before."""
    if earlier.container == "none":
        return None
    idle = timedelta(seconds=IDLE_SECONDS if earlier.idle_seconds is None else earlier.idle_seconds)
    last = facts.now - idle
    billed = earlier.billed_seconds
    turn = Turn(
        conversation=conversation,
        scope=facts.scope,
        container=CONTAINER,
        expires_at=facts.now - timedelta(minutes=1) if earlier.container == "expired" else last + EXPIRES_AFTER,
        opened_at=last - timedelta(minutes=5),
        used_ms=None if billed is None else round(billed * 1000),
        used_at=None if billed is None else last,
    )
    return Lease(turn, _STATES.get(earlier.container, State.IDLE))
