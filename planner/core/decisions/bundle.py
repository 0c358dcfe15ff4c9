"""Whether to make code execution free with a web tool: only where it is allowed, possible, and expected to be cheaper.

Free since 2026-02-17 when a web tool of version 20260209 or later is in the request:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool#usage-and-pricing, checked 2026-11-22.
"""

from typing import Any, Final

import msgspec

from planner.core.conversations import Retype, ToolEdit, names_callers, tools_under
from planner.core.decisions.version import code_tool, lift, obstacle, would
from planner.core.decisions.worth import Added, risk, weigh
from planner.core.facts import Facts
from planner.core.learning.expectation import Expectation, draws
from planner.core.learning.sizes import combination
from planner.core.ledger.entry import Expected, Shadow
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Catalog, Interval
from planner.core.rulebook.policies import BundleRule, Rulings
from planner.core.wire import MessagesRequest, Tool

FEWEST_BEFORE_A_TRIAL: Final = 3.0
"""Conversations of an agent before one is edited to learn a size: what is seen once may never come again. Ours."""

KNOWN_WITHIN: Final = 0.2
"""A size whose interval is narrower than this share of it is known well enough. Ours."""


class Candidate(msgspec.Struct, frozen=True):
    """A bundle that could be made: how `tools` would change, and the input tokens that adds to each iteration.

    `lifted` is the part of the edit that lifts code execution to a version that may stand beside the web tool.
    """

    edit: ToolEdit
    tokens: Interval
    lifted: Retype | None = None


class Verdict(msgspec.Struct, frozen=True):
    """The end of the bundle decision; `candidate` is there exactly when the outcome is `applied`."""

    decision: Decision
    candidate: Candidate | None = None
    expectation: Expectation | None = None


def decide(
    request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings
) -> tuple[Verdict, tuple[Shadow, ...]]:
    """Decide on the bundle of a conversation that begins; behind it stands what shadow policies would have made."""
    ruling = rulings.bundle
    unfit = _unfit(request, book)
    if unfit is not None:
        return _declined(unfit, ruling.policy), ()
    enforced = would(facts) if ruling.shadow else facts
    shadows = ((_judge(request, enforced, book, rulings, each.value, each.policy), each) for each in ruling.shadow)
    shadowed = tuple(
        Shadow(Action.BUNDLE, shadow.decision.outcome, shadow.decision.reason, each.policy, expected(shadow))
        for shadow, each in shadows
    )
    if ruling.held_out:
        return _declined(Reason.HOLDOUT, ruling.policy), shadowed
    return _judge(request, facts, book, rulings, ruling.value, ruling.policy), shadowed


def expected(verdict: Verdict) -> Expected | None:
    """What a verdict was weighed by, in nano-dollars; None where nothing was."""
    found = verdict.expectation
    return None if found is None else Expected(round(found.untouched), round(found.planned))


def frees_code(tools: tuple[Tool, ...], edit: ToolEdit, book: RuleBook) -> bool:
    """Whether code execution is free in a request with these tools under an edit, as the `code.*` settings say."""
    settings = book.settings.code
    return any(
        _frees(tool, book.catalog)
        and (settings.deferred_web_tool_frees or not tool.defer_loading)
        and (settings.direct_web_tool_frees or tool.allowed_callers != ("direct",))
        for tool in tools_under(edit, tools)
    )


def web_type(edit: ToolEdit) -> str | None:
    """The type of the web tool that an edit adds or raises; None for none."""
    if edit.append is not None:
        return str(msgspec.json.decode(edit.append)["type"])
    return next((each.type for each in edit.retypes if each.type.startswith("web_")), None)


def _judge(
    request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, rule: BundleRule, policy: str | None
) -> Verdict:
    """What one rule makes of this request."""
    reason = _forbidden(request, facts, rule)
    candidate = reason or _candidate(request, book, rulings, rule)
    if not isinstance(candidate, Candidate):
        return _declined(candidate, policy)
    key = combination(request.model or "", request.tools, candidate.edit)
    if facts.sizes is not None:
        size = facts.sizes.of(key, candidate.edit, book)
        candidate = msgspec.structs.replace(candidate, tokens=_rounded(size.interval))
    reason = risk(request, facts, book, candidate.tokens)
    if reason is not None:
        return _declined(reason, policy)
    keeps = book.settings.cache.web_tool_change_keeps_tools and candidate.lifted is None
    added = Added(candidate.tokens, inert=candidate.edit.append is not None, keeps_cache=keeps)
    expectation = weigh(request, facts, book, rulings, added)
    why = Reason.POLICY if rule.act == "always" else None
    if rule.act == "when-cheaper":
        reason = _not_cheaper(facts, book, expectation)
        if reason is not None and _worth_trying(reason, facts, book, candidate, expectation):
            reason, why = None, Reason.TRIAL
        if reason is not None:
            return _declined(reason, policy, expectation)
    if facts.undecided is not None:
        return Verdict(Decision(Action.BUNDLE, Outcome.SHADOW, facts.undecided, policy), None, expectation)
    return Verdict(Decision(Action.BUNDLE, Outcome.APPLIED, why, policy), candidate, expectation)


def _unfit(request: MessagesRequest, book: RuleBook) -> Reason | None:
    """What in the request itself leaves nothing to make free."""
    tool = code_tool(request)
    if tool is None or tool.type is None:
        return Reason.NO_CODE_EXECUTION
    if frees_code(request.tools, ToolEdit(), book):
        return Reason.ALREADY_FREE
    if book.catalog.model(request.model or "") is None:
        return Reason.UNKNOWN_MODEL
    return Reason.UNKNOWN_TOOL if book.catalog.tool(tool.type) is None else None


def _forbidden(request: MessagesRequest, facts: Facts, rule: BundleRule) -> Reason | None:
    """What forbids a bundle, the first of the list."""
    forced = request.tool_choice is not None and request.tool_choice.forced
    obstacles = (
        (rule.act == "never", Reason.POLICY),
        ("zdr" in facts.flags, Reason.ZDR),
        ("hipaa" in facts.flags, Reason.HIPAA),
        (forced, Reason.FORCED_TOOL_CHOICE),
    )
    return next((reason for stands, reason in obstacles if stands), None) or obstacle(facts)


def _candidate(request: MessagesRequest, book: RuleBook, rulings: Rulings, rule: BundleRule) -> Candidate | Reason:
    """The bundle that a rule names, with the lift that it needs, if this request has a place for it."""
    if rule.by == "upgrade":
        found = _upgrade(request, book, nested="nested" in rulings.parses.value)
    else:
        found = _addition(request, book, rule)
    if isinstance(found, Reason):
        return found
    candidate, web = found
    lifted = lift(request, book, rulings, book.catalog.code_needed_beside(web))
    if isinstance(lifted, Reason):
        return lifted
    if lifted is not None:
        edit = msgspec.structs.replace(candidate.edit, retypes=(lifted, *candidate.edit.retypes))
        candidate = Candidate(edit, candidate.tokens + book.catalog.priors.lift_tokens.interval, lifted)
    return candidate if frees_code(request.tools, candidate.edit, book) else Reason.NOT_FREE


def _addition(request: MessagesRequest, book: RuleBook, rule: BundleRule) -> tuple[Candidate, str] | Reason:
    """A web tool of the catalog put last, as the rule bounds it, and its type."""
    model, catalog = request.model or "", book.catalog
    template = catalog.template(rule.tool)
    if template is None or not catalog.takes(model, template.type):
        denied = template is not None and catalog.denied(model, template.type) is not None
        return Reason.DENIED if denied else Reason.MODEL_UNSUPPORTED
    tool_name = str(template.tool["name"])
    if any(tool.name == tool_name for tool in request.tools):
        return Reason.NAME_TAKEN
    tokens = book.tool_tokens(template.type)
    if tokens is None:
        return Reason.UNCERTAIN
    edit = ToolEdit(append=catalog.render(rule.tool, model, _bounds(rule)).decode(), name=tool_name, free=True)
    return Candidate(edit, tokens), template.type


def _bounds(rule: BundleRule) -> tuple[tuple[str, Any], ...]:
    """The members that a rule sets in the tool that it adds."""
    sources = rule.url_sources
    members = {
        "allowed_domains": rule.domains,
        "max_uses": rule.max_uses,
        "url_sources": None if sources is None else tuple(msgspec.structs.asdict(sources).items()),
    }
    return tuple((name, value) for name, value in members.items() if value is not None)


def _upgrade(request: MessagesRequest, book: RuleBook, *, nested: bool) -> tuple[Candidate, str] | Reason:
    """A basic web tool of the caller's raised, and the type that it gets.

    Basic tools are called directly, and stay so, unless the client reads nested calls and the model makes them.
    """
    model, catalog = request.model or "", book.catalog
    row = catalog.model(model)
    raised = ((tool, catalog.upgrade_of(model, tool.type or "")) for tool in request.tools)
    basic, newer = next(((tool, newer) for tool, newer in raised if newer is not None), (None, None))
    if basic is None or basic.type is None or newer is None:
        declared = any(tool.family in {"web_search", "web_fetch"} for tool in request.tools)
        return Reason.MODEL_UNSUPPORTED if declared else Reason.NO_WEB_TOOL
    if basic.allowed_callers is None and names_callers(basic):
        return Reason.EDIT_REFUSED
    direct = basic.allowed_callers is None and not (nested and row is not None and row.ptc)
    edit = ToolEdit(retypes=(Retype(basic.type, newer, direct=direct),), free=True)
    tokens = catalog.priors.upgrade_tokens.interval
    if not direct and basic.allowed_callers != ("direct",):
        more, less = book.tool_tokens(newer), book.tool_tokens(basic.type)
        tokens = tokens if more is None or less is None else more - less
    return Candidate(edit, tokens), newer


def _not_cheaper(facts: Facts, book: RuleBook, expectation: Expectation | None) -> Reason | None:
    """Why a bundle is not made for its price; None when it is likely enough to be cheaper.

    Where the prefix is bundled and warm already, nothing is gained by leaving it until untouched is the cheaper side
    with its re-write: so a decision does not swing with every request that is learnt from.
    """
    hours = facts.allowance
    going_on = facts.epoch is not None and facts.epoch.edited and facts.epoch.bundled is not None
    if not going_on and not hours.known:
        return Reason.ALLOWANCE_UNKNOWN
    if not going_on and hours.probability == 0:
        return Reason.BELOW_ALLOWANCE
    if expectation is None:
        return Reason.NO_PRICE
    if expectation.planned >= expectation.untouched:
        return Reason.NOT_WORTH_IT if hours.probability > 0 else Reason.BELOW_ALLOWANCE
    if going_on:
        return None
    settings = book.settings
    needed = settings.batches.confidence if facts.batched else settings.decision.confidence
    return Reason.UNCERTAIN if expectation.probability < needed else None


def _worth_trying(
    reason: Reason, facts: Facts, book: RuleBook, candidate: Candidate, expectation: Expectation | None
) -> bool:
    """Whether to edit one conversation for what it tells: how many tokens the edit adds on this model.

    That number is the same for every agent, and nobody publishes it. It is worth learning when the gain turns on it,
    and when the conversations that will come (as many as have come) would gain more by it than this one may lose.
    """
    if (
        expectation is None
        or facts.trying
        or not facts.teaches
        or reason not in {Reason.NOT_WORTH_IT, Reason.UNCERTAIN}
    ):
        return False
    tokens, begun = candidate.tokens, facts.learnt.begun
    if not book.settings.decision.trials or facts.sizes is None or begun < FEWEST_BEFORE_A_TRIAL:
        return False
    if tokens.high - tokens.low < KNOWN_WITHIN * tokens.likely:
        return False
    gain = expectation.untouched - expectation.planned
    chances = draws(tokens, 0)
    gains = (gain + (tokens.likely - each) * expectation.each_token for each in chances)
    hoped = sum(max(each, 0.0) for each in gains) / len(chances) - max(gain, 0.0)
    return hoped * begun > max(-gain, 0.0)


def _declined(reason: Reason, policy: str | None, expectation: Expectation | None = None) -> Verdict:
    return Verdict(Decision(Action.BUNDLE, Outcome.DECLINED, reason, policy), None, expectation)


def _frees(tool: Tool, catalog: Catalog) -> bool:
    """Whether a declared tool is a web tool that frees code; one newer than the catalog counts by "or later"."""
    known = catalog.tool(tool.type or "")
    if known is not None or tool.family not in {"web_search", "web_fetch"}:
        return known is not None and known.frees_code
    since = min((each.type for each in catalog.tools if each.family == tool.family and each.frees_code), default=None)
    return since is not None and (tool.type or "") >= since


def _rounded(interval: Interval) -> Interval:
    """A size to the next ten tokens: what one more sample changes below that decides nothing."""
    return Interval(round(interval.low, -1), round(interval.likely, -1), round(interval.high, -1))
