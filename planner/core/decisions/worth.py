"""What one request tells of the conversation that begins with it, as terms to price and beliefs to price them under."""

from functools import lru_cache
from typing import Final, Literal

import msgspec

from planner.core.containers import State
from planner.core.facts import Facts
from planner.core.learning.epochs import cache_seconds
from planner.core.learning.expectation import SESSION_SECONDS, Beliefs, Expectation, Terms, expect
from planner.core.learning.learnt import UNKNOWN, UNLEARNT, Estimate, Learnt, dear_share
from planner.core.learning.scale import Prompt
from planner.core.learning.sizes import FAMILIES
from planner.core.pricing.prices import PriceBook, PriceRow, Rates, Tier
from planner.core.reasons import Reason
from planner.core.rulebook.book import RuleBook
from planner.core.rulebook.catalog import Interval
from planner.core.rulebook.policies import Rulings
from planner.core.wire import MessagesRequest

FEWEST_BYTES, USUAL_BYTES, MOST_BYTES = 2.5, 4.0, 6.0
"""Bytes of body to one token: of dense text, of most requests, of roomy JSON. Estimates, used as bounds or as a middle;
an image or a document in the body has far fewer tokens, so bounds from above only ever make us decline."""

ENOUGH_PROMPTS: Final = 50
"""Requests of an agent after which what its prompts cost in a dearer tier is weighed, not feared. Ours."""


class Added(msgspec.Struct, frozen=True):
    """What an edit adds to a request.

    `tokens` is the input of each sampling iteration; `inert` says that it adds a tool that can reach nothing, and
    `keeps_cache` that a warm prompt cache stays in force under it.
    """

    tokens: Interval
    inert: bool = False
    keeps_cache: bool = False


def weigh(request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, added: Added) -> Expectation | None:
    """What the conversation is expected to cost without an edit, and with it and free code; None without a price."""
    terms = _terms(request, facts, book, rulings, added)
    if terms is None:
        return None
    files = facts.prompt is not None and facts.prompt.files
    return _expect(beliefs(request, book, added, facts.learnt, files=files), terms, facts.learnt)


_expect = lru_cache(maxsize=256)(expect)
"""Agents ask alike: what was reckoned for the same numbers needs no reckoning."""


def _magnitude(count: int) -> int:
    """A count to the next lower power of two: how many conversations come is not known to the last one."""
    return 1 << (count.bit_length() - 1) if count else 0


def see(request: MessagesRequest) -> Prompt:
    """How long a request's first prompt is, by its bytes."""
    size = len(request.body)
    return Prompt(
        tokens=size / USUAL_BYTES,
        fewest=size / MOST_BYTES,
        most=size / FEWEST_BYTES,
        marked=request.breakpoints.after_tools,
        long=request.long_cache,
        files=bool(request.uploads),
    )


def risk(request: MessagesRequest, facts: Facts, book: RuleBook, tokens: Interval) -> Reason | None:
    """Whether the added tokens could take the request over an edge: a price tier, the window, a rate limit."""
    priors = book.catalog.priors
    prompt = facts.prompt or see(request)
    fewest, most = prompt.fewest, prompt.most
    row = book.prices.lookup(request.model or "", facts.now)
    if row is not None and row.over is not None and len(facts.learnt.prompts) < ENOUGH_PROMPTS:
        rounds = priors.iterations.likely if _summed(book) else 1.0
        grown = priors.iteration_growth_tokens.likely * rounds * (rounds - 1) / 2
        if fewest * rounds <= row.over.prompt_tokens < (most + tokens.high) * rounds + grown:
            return Reason.NEAR_TIER
    model = book.catalog.model(request.model or "")
    window = None if model is None else model.context_tokens
    if window is not None and most + tokens.high + (request.max_tokens or 0) > window:
        return Reason.NEAR_CONTEXT
    left = facts.input_tokens_left
    if left is not None and (most + tokens.high) * priors.iterations.high > left:
        return Reason.NEAR_RATE_LIMIT
    return None


def beliefs(
    request: MessagesRequest, book: RuleBook, added: Added, learnt: Learnt = UNLEARNT, *, files: bool = False
) -> Beliefs:
    """The catalog's priors, sharpened by what the request says.

    Whoever uploads a file wants code to read it, where no tool may be chosen none runs, and without client tools there
    are no tool results to go on with.
    """
    priors = book.catalog.priors
    chance = priors.code_probability.interval
    if files or request.uploads:
        chance = Interval(chance.high, chance.high, chance.high)
    if request.tool_choice is not None and request.tool_choice.type == "none":
        chance = Interval(0.0, 0.0, 0.0)
    turns = priors.turns
    if priors.turns_without_client_tools is not None and all(tool.family in FAMILIES for tool in request.tools):
        turns = priors.turns_without_client_tools
    futile, spent = priors.futile_call_probability, priors.futile_call_tokens
    return Beliefs(
        tokens=added.tokens,
        code_probability=chance,
        code_seconds=priors.code_seconds.interval,
        pause_seconds=priors.session_idle_seconds.interval,
        iterations=priors.iterations.interval,
        growth_tokens=priors.iteration_growth_tokens.interval,
        requests=turns.interval,
        conversations=priors.conversations_per_epoch.interval,
        futile_probability=learnt.futile.at(_mean(futile.interval)) if added.inert else 0.0,
        futile_tokens=_mean(spent.interval),
    )


def _terms(request: MessagesRequest, facts: Facts, book: RuleBook, rulings: Rulings, added: Added) -> Terms | None:
    """Prices and circumstances of this request; None without a price."""
    prices = book.prices.contracted(None if facts.scope is None else facts.scope.organization)
    row = prices.lookup(request.model or "", facts.now)
    tool = prices.tool("code_execution", facts.now)
    factor = None if row is None else _factor(request, row, batched=facts.batched)
    if row is None or factor is None or tool is None or tool.pico_per_hour is None:
        return None
    settings, own = book.settings.code, _open_container(request, facts, rulings)
    prompt = facts.prompt or see(request)
    tokens = prompt.tokens * facts.learnt.scale.at(1.0)
    model = book.catalog.model(request.model or "")
    least = 0 if model is None else model.min_cache_prefix
    front = tokens if prompt.cached is None else prompt.cached
    epoch = None if added.keeps_cache else facts.epoch
    return Terms(
        rates=_contracted(row.rates, prices, request, facts),
        over=row.over and Tier(row.over.prompt_tokens, _contracted(row.over.rates, prices, request, facts)),
        summed=_summed(book),
        factor=factor,
        hour=tool.pico_per_hour * facts.allowance.probability * float(prices.factor(tool.component, None, facts.now)),
        minimum_seconds=tool.minimum_ms / 1000,
        per_request=settings.minimum_per == "request",
        threaded=own is not None or rulings.container.value != "never",
        idle_bills=settings.idle_bills,
        covered_seconds=_covered(facts, own, tool.minimum_ms) / 1000,
        preloads=_preloads(request, prompt, book),
        counts_when_free=settings.free_use_counts and facts.allowance.left > 0,
        prompt_tokens=tokens,
        cached=prompt.marked and not facts.batched and front + added.tokens.likely >= least,
        plain_too=front >= least,
        long_cache=prompt.long,
        cache_seconds=cache_seconds(long=prompt.long),
        cached_tokens=_cached(prompt, tokens, facts),
        warm_plain=None if epoch is None or epoch.plain is None else epoch.plain.tokens,
        warm_bundled=None if epoch is None or epoch.bundled is None else epoch.bundled.tokens,
        begun=0 if facts.epoch is None else _magnitude(facts.epoch.conversations),
        dear_plain=_dear(row, facts, book, 0.0),
        dear_bundled=_dear(row, facts, book, added.tokens.likely),
    )


def _dear(row: PriceRow, facts: Facts, book: RuleBook, added: float) -> Estimate:
    """How much of the agent's prompts the tier of longer ones would price, by its last requests."""
    if row.over is None:
        return UNKNOWN
    return dear_share(facts.learnt.prompts, row.over.prompt_tokens, added, summed=_summed(book))


def _contracted(rates: Rates, prices: PriceBook, request: MessagesRequest, facts: Facts) -> Rates:
    """Rates less what the organization's contract takes off, to the next pico-dollar: near enough for a belief."""
    if not prices.discounts:
        return rates
    listed = msgspec.structs.asdict(rates)
    factors = {kind: prices.factor(kind, request.model, facts.now) for kind in listed}
    return Rates(**{kind: round(pico * factors[kind]) for kind, pico in listed.items()})


def _cached(prompt: Prompt, tokens: float, facts: Facts) -> float | None:
    """Tokens in front of the last breakpoint: as they were counted, or as the agent's requests have shown."""
    if prompt.cached is not None:
        return prompt.cached
    return None if facts.learnt.share is UNKNOWN else tokens * facts.learnt.share.at(1.0)


def _open_container(request: MessagesRequest, facts: Facts, rulings: Rulings) -> str | None:
    """The container that the conversation begins in: the caller's own, or that of the caller's session, if it can."""
    lease = facts.lease
    if request.container.id or lease is None or not facts.by_session or rulings.container.value != "session":
        return request.container.id
    turn, idle = lease.turn, lease.state is State.IDLE
    joined = idle and turn.scope == facts.scope and turn.warm(turn.container, facts.now)
    return turn.container if joined else None


def _covered(facts: Facts, own: str | None, minimum_ms: int) -> int:
    """Milliseconds that the session of an open container has paid for and not used.

    Of a container that is not known here, the whole minimum is taken to be paid: that makes us decline, if anything.
    """
    if own is None:
        return 0
    turn = None if facts.lease is None else facts.lease.turn
    if turn is None or turn.container != own:
        return minimum_ms
    idle = turn.used_at is not None and (facts.now - turn.used_at).total_seconds() >= SESSION_SECONDS
    return 0 if turn.used_ms is None or idle else max(minimum_ms - turn.used_ms, 0)


def _preloads(request: MessagesRequest, prompt: Prompt, book: RuleBook) -> Literal["none", "first", "all"]:
    settings = book.settings.code
    if settings.skills_preload_bills and request.container.skills:
        return "all"
    if not prompt.files:
        return "none"
    return "all" if settings.history_uploads_bill else "first"


def _factor(request: MessagesRequest, row: PriceRow, *, batched: bool) -> float | None:
    """What multiplies every token as the request asks to be served; None for what has no published factor."""
    factor = 1.0
    for asked, published in (
        (batched, row.multipliers.batch),
        (request.speed == "fast", row.multipliers.fast),
        (request.inference_geo == "us", row.multipliers.us),
    ):
        if asked and published is None:
            return None
        if asked and published is not None:
            factor *= float(published)
    return factor


def _summed(book: RuleBook) -> bool:
    return book.settings.haiku55_tier_on == "summed_prompt"


def _mean(interval: Interval) -> float:
    """The mean of a belief by its three points, weighted 0.3, 0.4, 0.3.

    Swanson's rule: D. L. Keefer and S. E. Bodily, "Three-Point Approximations for Continuous Random Variables",
    Management Science 29, 1983.
    """
    return 0.3 * interval.low + 0.4 * interval.likely + 0.3 * interval.high
