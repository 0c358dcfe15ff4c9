"""What a conversation is expected to cost with and without a bundle: estimates, so floats, rounded once into a plan.

What is believed of an agent are intervals. Both sides are priced in 101 *worlds*, each a draw of every belief at once;
the worlds are the same for every decision, so the same inputs give the same answer, and a dearer input never a cheaper
one. The probability of a gain is the share of worlds in which the edited conversation is cheaper: it speaks of what is
not known of the agent, not of the luck of a single conversation, which evens out over many.

The worlds are a Korobov lattice, points that fill a cube evenly: P. L'Ecuyer and C. Lemieux, "Variance Reduction via
Lattice Rules", Management Science 46, 2000. Its generator was chosen among all so that any two and any three beliefs
are drawn as if they knew nothing of each other. Output that the answer itself needs is the same on both sides and is
left out.
"""

from functools import lru_cache
from typing import Final

import msgspec

from planner.core.catalog import Interval
from planner.core.prices import Rates, Tier

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
        cached: whether a breakpoint lies behind `tools`, so that an added tool is cached; for `cache_seconds`.
        long_cache: whether that cache is of the kind that lives an hour.
        warm_tokens: tokens of the prefix that are in the cache now, `warm_edited` with the edit, else without it.
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
    long_cache: bool = False
    cache_seconds: float = 300.0
    warm_tokens: int = 0
    warm_edited: bool = False


class Expectation(msgspec.Struct, frozen=True):
    """Expected nano-dollars of a conversation on both sides, and how likely the planned side is the cheaper one."""

    untouched: float
    planned: float
    probability: float


class World(msgspec.Struct, frozen=True):
    """One draw of every belief; `iterations`, `requests` and `conversations` are 1 or more."""

    tokens: float
    chance: float
    seconds: float
    pause: float
    iterations: float
    growth: float
    requests: float
    conversations: float


def expect(beliefs: Beliefs, terms: Terms) -> Expectation:
    """Price both sides in every world."""
    untouched = planned = 0.0
    cheaper = 0
    for world in worlds(beliefs):
        dear, cheap = price(world, beliefs, terms)
        untouched += dear
        planned += cheap
        cheaper += cheap < dear
    scale = WORLDS * PICO_PER_NANO
    return Expectation(untouched / scale, planned / scale, cheaper / WORLDS)


def worlds(beliefs: Beliefs) -> list[World]:
    """Every world of these beliefs."""
    intervals = (
        beliefs.tokens,
        beliefs.code_probability,
        beliefs.code_seconds,
        beliefs.pause_seconds,
        _one_or_more(beliefs.iterations),
        beliefs.growth_tokens,
        _one_or_more(beliefs.requests),
        _one_or_more(beliefs.conversations),
    )
    columns = [draws(interval, column) for column, interval in enumerate(intervals)]
    return [World(*values) for values in zip(*columns, strict=True)]


def price(world: World, beliefs: Beliefs, terms: Terms) -> tuple[float, float]:
    """Pico-dollars of one world's conversation: untouched, planned."""
    container = container_seconds(world, terms) / SECONDS_PER_HOUR * terms.hour
    untouched = _tokens(world, terms, 0.0, warm=not terms.warm_edited) + container
    planned = _tokens(world, terms, world.tokens, warm=terms.warm_edited) + _futile(world, beliefs, terms)
    return untouched, planned + container if terms.counts_when_free else planned


def container_seconds(world: World, terms: Terms) -> float:
    """Billed container time of the conversation, were its code not free.

    A conversation of which one more request may always come has as many as are believed on average; that at least one
    of them runs code then has the probability `n p / (1 + (n - 1) p)`.
    """
    running = world.requests * world.chance
    loading = {"none": 0.0, "first": 1.0, "all": world.requests}[terms.preloads]
    least = terms.minimum_seconds
    if terms.per_request or not terms.threaded or (world.requests > 1 and world.pause >= SESSION_SECONDS):
        return running * max(least, world.seconds) + loading * (1 - world.chance) * least
    opened = 1.0 if loading else running / (1 + (world.requests - 1) * world.chance)
    used = world.seconds * running
    if terms.idle_bills:
        used += world.pause * (world.requests - 1) * opened
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


def _quantile(low: float, likely: float, high: float, share: float) -> float:
    if share < _MIDDLE:
        return low + (likely - low) * max(share - _LOW, 0.0) / (_MIDDLE - _LOW)
    return likely + (high - likely) * min((share - _MIDDLE) / (_HIGH - _MIDDLE), 1.0)


def _tokens(world: World, terms: Terms, added: float, *, warm: bool) -> float:
    """Pico-dollars of every prompt of the conversation, with `added` tokens in each.

    The definitions and what came first are written to the cache once by the first conversation that shares them, again
    after each pause that outlives it, and read by all other iterations. `warm` says that a cache is there for this
    side; the other side then writes it again.
    """
    samples = world.requests * (1 + world.chance * (world.iterations - 1))
    prompt, grown = terms.prompt_tokens + added, world.growth * (samples - 1)
    total = samples * (prompt + grown / 2)
    written = 0.0
    if terms.cached:
        if not terms.warm_tokens:
            written = prompt / world.conversations
        elif not warm:
            written = (terms.warm_tokens + added) / world.conversations
        if world.pause >= terms.cache_seconds:
            written += prompt * (world.requests - 1)
    usual = _at(terms.rates, terms, written, total)
    if terms.over is None:
        return usual
    dear = _long_share(terms.over.prompt_tokens, prompt, grown, samples / world.requests if terms.summed else 1.0)
    return usual if dear == 0 else (1 - dear) * usual + dear * _at(terms.over.rates, terms, written, total)


def _at(rates: Rates, terms: Terms, written: float, total: float) -> float:
    """Pico-dollars of so many prompt tokens, of which some are written to the cache."""
    if not terms.cached:
        return total * rates.input * terms.factor
    write = rates.cache_write_1h if terms.long_cache else rates.cache_write_5m
    read = total - written if total > written else 0.0
    return (written * write + read * rates.cache_read) * terms.factor


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
    prompt = (terms.prompt_tokens + world.tokens) * (rates.cache_read if terms.cached else rates.input)
    return calls * (beliefs.futile_tokens * rates.output + prompt) * terms.factor
