"""What a conversation is expected to cost with and without a bundle: estimates, so floats, rounded once into a plan.

What is believed of an agent are intervals, and what its own requests have shown. Both sides are priced in 101 *worlds*,
each a draw of every belief at once; the worlds are the same for every decision, so the same inputs give the same
answer, and a dearer input never a cheaper one. The probability of a gain is the share of worlds in which the edited
conversation is cheaper: it speaks of what is not known of the agent, not of the luck of a single conversation, which
evens out over many.

What is learnt speaks of requests: how many container seconds one bills on average, how many iterations it takes, how
often it finds its cache cold. So bursts, pauses and files need no model of their own; until something is learnt, such a
model makes the same numbers from the catalog's priors.

The worlds are a Korobov lattice, points that fill a cube evenly: P. L'Ecuyer and C. Lemieux, "Variance Reduction via
Lattice Rules", Management Science 46, 2000. Its generator was chosen among all so that any two and any three beliefs
are drawn as if they knew nothing of each other. Output that the answer itself needs is the same on both sides and is
left out.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import inf
from statistics import NormalDist
from typing import Final, NamedTuple

import msgspec

from planner.core.learning.learnt import UNKNOWN, UNLEARNT, Estimate, Learnt
from planner.core.pricing.prices import Rates, Tier
from planner.core.rulebook.catalog import Interval

WORLDS: Final = 101
GENERATOR: Final = 18
PICO_PER_NANO: Final = 1_000
SECONDS_PER_HOUR: Final = 3_600

SESSION_SECONDS: Final = 300.0
"""A container is checkpointed after about five idle minutes [A]; what comes later is taken to open another session."""

_LOW, _MIDDLE, _HIGH = 0.1, 0.5, 0.9
"""Which quantiles the three numbers of an interval are; beyond the outer two nothing is believed."""


class Beliefs(msgspec.Struct, frozen=True, kw_only=True):
    """What is believed of the conversation that begins.

    Attributes:
        tokens: input tokens that the edit adds to each sampling iteration.
        code_probability: share of its requests that run code.
        code_seconds: seconds of execution in a request that does.
        pause_seconds: between two of its requests.
        iterations: sampling iterations of a request that runs code.
        growth_tokens: input tokens that each iteration adds to the next.
        requests: requests of the conversation.
        conversations: conversations that will share the warm prefix.
        futile_probability, futile_tokens: share of requests that try the added tool in vain, and the output it costs.
    """

    tokens: Interval
    code_probability: Interval
    code_seconds: Interval
    pause_seconds: Interval
    iterations: Interval
    growth_tokens: Interval
    requests: Interval
    conversations: Interval
    futile_probability: float = 0.0
    futile_tokens: float = 0.0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of prices and circumstances, money in pico-dollars.

    Attributes:
        rates: of the model.
        over: rates of a longer prompt; `summed` says that the prompts of a request's iterations are compared as a sum.
        factor: what multiplies every token (fast mode, place of inference).
        hour: marginal price of a container hour now.
        minimum_seconds: billed at least, per container session, or `per_request`.
        threaded: whether the conversation stays in one container.
        idle_bills: whether the time between its requests is billed too.
        covered_seconds: what an open container session has paid for and not used.
        preloads: requests that load files, which bills even if no code runs: none, the first, or all.
        counts_when_free: whether free code uses up free hours that are still left.
        prompt_tokens: of the first iteration, without what the edit adds.
        cached: whether a breakpoint lies behind `tools`, and the planned prompt is long enough for a cache, so that an
            added tool is cached; for `cache_seconds`. `plain_too` says that the untouched one is long enough as well.
        long_cache: whether that cache is of the kind that lives an hour.
        cached_tokens: of the first prompt, those that lie in front of the breakpoint; None for all of them. What grows
            behind it is plain input.
        warm_plain, warm_bundled: tokens of the prefix that are in the cache now, without and with the edit; None where
            that side is cold. A side that is cold while the other is warm is written anew.
        begun: conversations that have begun on the warm prefix already: as many more are expected at least.
        dear_plain, dear_bundled: share of prompt tokens that a tier prices, without and with the edit.
    """

    rates: Rates
    over: Tier | None = None
    summed: bool = True
    factor: float = 1.0
    hour: float
    minimum_seconds: float
    per_request: bool = False
    threaded: bool = True
    idle_bills: bool = False
    covered_seconds: float = 0.0
    preloads: str = "none"
    counts_when_free: bool = False
    prompt_tokens: float = 0.0
    cached: bool = False
    plain_too: bool = True
    long_cache: bool = False
    cache_seconds: float = 300.0
    cached_tokens: float | None = None
    warm_plain: int | None = None
    warm_bundled: int | None = None
    begun: int = 0
    dear_plain: Estimate = UNKNOWN
    dear_bundled: Estimate = UNKNOWN


class Expectation(msgspec.Struct, frozen=True):
    """Expected nano-dollars of a conversation on both sides, and how likely the planned side is the cheaper one.

    `each_token` is what the planned side costs for each token that the edit adds, in nano-dollars.
    """

    untouched: float
    planned: float
    probability: float
    each_token: float = 0.0


class World(NamedTuple):
    """One draw of every belief; `samples`, `billed` and `cold` are of one request, the last two without the edit.

    `cached` is the share of requests whose prompt finds a cache or makes one, of those that can.
    """

    tokens: float
    growth: float
    requests: float
    conversations: float
    samples: float
    billed: float
    cold: float
    cached: float


def expect(beliefs: Beliefs, terms: Terms, learnt: Learnt = UNLEARNT) -> Expectation:
    """Price both sides in every world."""
    drawn = worlds(beliefs, terms, learnt)
    untouched, planned = price(drawn, beliefs, terms, 0.0 if terms.over is None else learnt.output.at(0.0))
    cheaper = sum(cheap < dear for dear, cheap in zip(untouched, planned, strict=True))
    each = sum(_each_token(world, terms) for world in drawn)
    scale = WORLDS * PICO_PER_NANO
    return Expectation(sum(untouched) / scale, sum(planned) / scale, cheaper / WORLDS, each / scale)


def worlds(beliefs: Beliefs, terms: Terms, learnt: Learnt = UNLEARNT) -> list[World]:
    """Every world of these beliefs, a column a quantity.

    What is learnt of a quantity varies with what is believed of its chief cause: in step with the draws of its column.
    """
    tokens, chances, seconds, pauses, iterations, growth, asked, begun = (
        draws(interval, column)
        for column, interval in enumerate(
            (
                beliefs.tokens,
                beliefs.code_probability,
                beliefs.code_seconds,
                beliefs.pause_seconds,
                _one_or_more(beliefs.iterations),
                beliefs.growth_tokens,
                _one_or_more(beliefs.requests),
                _one_or_more(beliefs.conversations),
            )
        )
    )
    requests = _believed(learnt.turns, asked, 6, least=1.0)
    conversations = _believed(learnt.conversations, begun, 7, least=max(1.0, terms.begun))
    samples = [1 + chance * (count - 1) for chance, count in zip(chances, iterations, strict=True)]
    billed = [
        container_seconds(*each, terms) / each[-1] for each in zip(chances, seconds, pauses, requests, strict=True)
    ]
    first = 0.0 if terms.warm_plain is not None or terms.warm_bundled is not None else 1.0
    writes = [
        (first / starts + (count - 1 if pause >= terms.cache_seconds else 0.0)) / count
        for starts, count, pause in zip(conversations, requests, pauses, strict=True)
    ]
    share = (1.0 if terms.cached else 0.0,) * WORLDS
    return [
        World(*each)
        for each in zip(
            tokens,
            growth,
            requests,
            conversations,
            _believed(learnt.samples, samples, 4, least=1.0),
            _believed(learnt.billed, billed, 1),
            _believed(learnt.cold, writes, 3, most=1.0),
            _believed(learnt.cached, share, 2, most=1.0) if terms.cached else share,
            strict=True,
        )
    ]


def price(
    drawn: Sequence[World], beliefs: Beliefs, terms: Terms, output: float = 0.0
) -> tuple[list[float], list[float]]:
    """Pico-dollars of the conversation in each world: untouched, planned. `output` are tokens of a request."""
    plain, bundled = terms.warm_plain, terms.warm_bundled
    hour = terms.hour / SECONDS_PER_HOUR
    container = [world.billed * world.requests * hour for world in drawn]
    alone = Side(terms.plain_too, 0.0, bundled if plain is None else None, terms.dear_plain)
    edited = Side(True, 1.0, plain if bundled is None else None, terms.dear_bundled)
    untouched = _prompts(drawn, terms, alone, output)
    planned = _prompts(drawn, terms, edited, output)
    if beliefs.futile_probability:
        planned = [cost + _futile(world, beliefs, terms) for cost, world in zip(planned, drawn, strict=True)]
    untouched = [cost + time for cost, time in zip(untouched, container, strict=True)]
    if terms.counts_when_free:
        planned = [cost + time for cost, time in zip(planned, container, strict=True)]
    return untouched, planned


def container_seconds(chance: float, seconds: float, pause: float, requests: float, terms: Terms) -> float:
    """Billed container time of a conversation of which nothing is learnt, were its code not free.

    A conversation of which one more request may always come has as many as are believed on average; that at least one
    of them runs code then has the probability `n p / (1 + (n - 1) p)`.
    """
    running = requests * chance
    loading = {"none": 0.0, "first": 1.0, "all": requests}[terms.preloads]
    least = terms.minimum_seconds
    if terms.per_request or not terms.threaded or (requests > 1 and pause >= SESSION_SECONDS):
        return running * max(least, seconds) + loading * (1 - chance) * least
    opened = 1.0 if loading else running / (1 + (requests - 1) * chance)
    used = seconds * running
    if terms.idle_bills:
        used += pause * (requests - 1) * opened
    if terms.covered_seconds:
        return max(used - opened * terms.covered_seconds, 0.0)
    return max(used, opened * least)


def _one_or_more(interval: Interval) -> Interval:
    return interval if interval.low >= 1 else Interval(*(max(each, 1.0) for each in msgspec.structs.astuple(interval)))


def draws(interval: Interval, column: int) -> tuple[float, ...]:
    """The values of one belief in all worlds; between its three points its distribution function is straight."""
    return _draws(interval.low, interval.likely, interval.high, column)


@lru_cache(maxsize=512)
def _draws(low: float, likely: float, high: float, column: int) -> tuple[float, ...]:
    step = GENERATOR**column
    places = ((row * step + WORLDS // 2) % WORLDS for row in range(WORLDS))  # the first world is the likely one
    return tuple(_quantile(low, likely, high, (place + 0.5) / WORLDS) for place in places)


def _believed(
    estimate: Estimate, priors: Sequence[float], column: int, *, least: float = 0.0, most: float = inf
) -> list[float]:
    """A quantity in all worlds: what is learnt of it, and for the rest what is believed."""
    own, spread, rest = estimate.own, estimate.spread, estimate.rest
    values = (
        priors if rest == 1.0 else [own + spread * z + rest * v for z, v in zip(_normals(column), priors, strict=True)]
    )
    return [least if value < least else min(value, most) for value in values]


@lru_cache(maxsize=16)
def _normals(column: int) -> tuple[float, ...]:
    """Standard normal draws in all worlds, in step with the belief of that column."""
    step, standard = GENERATOR**column, NormalDist()
    return tuple(standard.inv_cdf(((row * step + WORLDS // 2) % WORLDS + 0.5) / WORLDS) for row in range(WORLDS))


def _quantile(low: float, likely: float, high: float, share: float) -> float:
    if share < _MIDDLE:
        return low + (likely - low) * max(share - _LOW, 0.0) / (_MIDDLE - _LOW)
    return likely + (high - likely) * min((share - _MIDDLE) / (_HIGH - _MIDDLE), 1.0)


class Side(NamedTuple):
    """The prompts of one side.

    Attributes:
        caches: whether they are long enough for a cache.
        added: what share of the edit's tokens is in them, all or nothing.
        rewritten: tokens that must be written again because only the other side is warm; None where none must.
        dearer: what is known of the tokens that a tier prices.
    """

    caches: bool
    added: float
    rewritten: int | None
    dearer: Estimate


def _prompts(drawn: Sequence[World], terms: Terms, side: Side, output: float) -> list[float]:
    """Pico-dollars of every prompt of the conversation on one side, in each world.

    The definitions and what came first are written to the cache by the share of requests that find it cold, and read by
    all other iterations. What must be rewritten is written once, and shared by the conversations to come.
    """
    costs, known, part = [], terms.cached_tokens, side.added
    for tokens, growth, requests, conversations, each, _, cold, cached in drawn:
        samples, added = requests * each, tokens * part
        prompt, grown = terms.prompt_tokens + added, growth * (requests * each - 1)
        total = samples * (prompt + grown / 2)
        held = written = 0.0
        share = cached if side.caches else 0.0
        if share:
            front = prompt if known is None else known + added
            held = min(samples * front, total)
            written = cold * requests * front
            if side.rewritten is not None:
                written += (side.rewritten + added) / conversations
        prompts = (written, held, total)
        usual = _at(terms.rates, terms, share, prompts)
        if terms.over is not None:
            length = (prompt, grown, each)
            usual = _tiered(usual, terms, terms.over, side, (share, prompts, length, requests * output))
        costs.append(usual)
    return costs


Priced = tuple[float, tuple[float, float, float], tuple[float, float, float], float]
"""Share that is cached; prompt tokens as `_at` takes them; first prompt, growth, iterations of a request; output."""


def _tiered(usual: float, terms: Terms, over: Tier, side: Side, priced: Priced) -> float:
    """What prompts cost where a tier prices longer ones, with what it makes dearer of the output.

    Beyond its threshold lie the share of tokens that requests have shown, or else that of the conversation's length.
    """
    share, prompts, (prompt, grown, each), output = priced
    dear = side.dearer.at(_long_share(over.prompt_tokens, prompt, grown, each if terms.summed else 1.0))
    if dear == 0:
        return usual
    dear = min(dear, 1.0)
    wrote = output * (over.rates.output - terms.rates.output) * terms.factor
    return (1 - dear) * usual + dear * (_at(over.rates, terms, share, prompts) + wrote)


def _each_token(world: World, terms: Terms) -> float:
    """Pico-dollars of one more token in the definitions of the planned side, at the usual rates."""
    samples = world.requests * world.samples
    written = world.cold * world.requests
    if terms.warm_bundled is None and terms.warm_plain is not None:
        written += 1 / world.conversations
    return _at(terms.rates, terms, world.cached, (written, samples, samples))


def _at(rates: Rates, terms: Terms, share: float, tokens: tuple[float, float, float]) -> float:
    """Pico-dollars of prompt tokens: those written to a cache, those in front of the breakpoint, and all of them.

    `share` is the share of requests that are cached at all; the rest pays for plain input.
    """
    written, held, total = tokens
    plain = total * rates.input
    if not share:
        return plain * terms.factor
    write = rates.cache_write_1h if terms.long_cache else rates.cache_write_5m
    read = held - written if held > written else 0.0
    kept = written * write + read * rates.cache_read + (total - held) * rates.input
    return (share * kept + (1 - share) * plain) * terms.factor


def _long_share(threshold: float, prompt: float, grown: float, iterations: float) -> float:
    """The share of a conversation's prompt tokens that lie in requests beyond a tier's threshold.

    Its prompts grow evenly, by `grown` in all, and a request has so many iterations of the same prompt.
    """
    edge = threshold / iterations
    if grown == 0 or prompt > edge:
        return float(prompt > edge)
    if prompt + grown <= edge:
        return 0.0
    longest = prompt + grown
    return (longest * longest - edge * edge) / (longest * longest - prompt * prompt)


def _futile(world: World, beliefs: Beliefs, terms: Terms) -> float:
    """Pico-dollars of calls of the added tool that reach nothing: their output, and one more iteration each."""
    calls = world.requests * beliefs.futile_probability
    rates = terms.rates
    each = world.cached * rates.cache_read + (1 - world.cached) * rates.input
    prompt = (terms.prompt_tokens + world.tokens) * each
    return calls * (beliefs.futile_tokens * rates.output + prompt) * terms.factor
