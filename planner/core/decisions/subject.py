"""What policies can see of a request: a subject for `match`, and the variables of `when`."""

from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final

from planner.core.decisions.worth import see
from planner.core.facts import Facts, begins
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.conditions import MOST_ITEMS
from planner.core.rulebook.policies import Subject
from planner.core.wire import MessagesRequest

CUSTOM: Final = "custom"
"""What a client tool is called in `tools`, since its own name is the caller's business."""


def subject(request: MessagesRequest, facts: Facts) -> Subject:
    """What `match` can see."""
    scope = facts.scope
    return Subject(
        principal=facts.principal,
        team=facts.team,
        project=facts.project,
        organization="" if scope is None else scope.organization,
        workspace="" if scope is None else scope.workspace,
        model=request.model or "",
        tools=tuple(tool.type or CUSTOM for tool in request.tools),
        tags=facts.tags,
        billing="subscription" if facts.subscription else "api",
        flags=facts.flags,
        stream=request.stream,
        prompt_tokens=(facts.prompt or see(request)).tokens,
        max_tokens=request.max_tokens or 0,
        tools_count=len(request.tools),
        prefix=facts.prefix,
        day=facts.now.astimezone(UTC).date(),
    )


def values(seen: Subject, request: MessagesRequest, facts: Facts, book: RuleBook) -> Mapping[str, Any]:
    """The variables of `when`, each of its type; nothing that was written in a prompt is among them."""
    now, learnt, priors, hours = facts.now.astimezone(UTC), facts.learnt, book.catalog.priors, facts.allowance
    prompt = facts.prompt or see(request)
    return {
        "principal": seen.principal,
        "team": seen.team,
        "project": seen.project,
        "organization": seen.organization,
        "workspace": seen.workspace,
        "billing": seen.billing,
        "flags": list(seen.flags),
        "tags": dict(seen.tags),
        "model": seen.model,
        "tools": list(seen.tools[:MOST_ITEMS]),
        "tools_count": seen.tools_count,
        "max_tokens": seen.max_tokens,
        "stream": seen.stream,
        "begins": begins(request, facts),
        "has_session": facts.by_session and facts.lease is not None,
        "has_files": prompt.files,
        "cached": prompt.marked,
        "prompt_tokens": round(prompt.tokens),
        "hour": now.hour,
        "weekday": now.isoweekday(),
        "profile_requests": float(learnt.requests),
        "profile_code_share": learnt.code.at(priors.code_probability.likely),
        "profile_code_seconds": learnt.seconds.at(priors.code_seconds.likely),
        "profile_iterations": learnt.samples.at(priors.iterations.likely),
        "profile_cached_share": learnt.share.at(priors.cached_share.likely),
        "profile_turns": learnt.turns.at(priors.turns.likely),
        "free_hours_known": hours.known,
        "free_hours_used": float(hours.used),
        "free_hours_limit": float(hours.limit),
        "free_hours_exceeded": float(hours.probability),
    }
