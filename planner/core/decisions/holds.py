"""What is set aside for a request before it is sent: twice what such requests cost, and never more than the worst case.

The worst case is what the body, its tools and `max_tokens` bound: its bytes are as many tokens as dense text makes of
them, at the dearest price that may apply; the model writes all that it may in each sampling iteration; every search
that may be made is made; code opens a container that bills its minimum. It is a bound as far as a body tells: what lies
behind a file id, an address or a message thread, and code that runs beyond the minimum, it does not tell.

How much of their worst case requests do cost is learnt by principal and model. Until a few are known, and where they
cost half of it or more, the worst case itself is held.
"""

import math
from collections import OrderedDict
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import msgspec

from planner.core.decisions.worth import FEWEST_BYTES
from planner.core.learning.sizes import FAMILIES
from planner.core.metering.usage import Modifiers, TokenClasses
from planner.core.pricing.prices import CODE, Line, PriceBook, Unpriced
from planner.core.rulebook.book import RuleBook
from planner.core.wire import MessagesRequest, Tool

FACTOR: Final = 2.0
"""How many times of what such requests cost is held: costs of one agent differ, and a hold that is short is what a
budget can be overspent by. Ours."""
ENOUGH: Final = 5
"""Requests of a principal and model after which what they cost is believed. Ours."""
MEMORY: Final = 50
"""Requests after which an older one counts for a third of the newest. Ours."""
BOUND: Final = 10_000

Agent = tuple[str, str]
"""Principal and model."""


def worst_nano(  # noqa: PLR0913 - what a price depends on, named
    request: MessagesRequest | None,
    size: int,
    book: RuleBook,
    prices: PriceBook,
    at: datetime,
    *,
    free: bool,
    batched: bool = False,
) -> int | None:
    """The most that a request is taken to cost in nano-dollars; None where it has no price, or cannot be read.

    `size` is the length of the body as it is sent, `prices` are those of its organization, `free` says that its code
    bills nothing, `batched` that its tokens cost what they do in a batch: searches and code cost what they always do.
    """
    if request is None or request.model is None or prices.lookup(request.model, at) is None:
        return None
    try:
        lines = _lines(request, size, book, prices, at, free=free, batched=batched)
    except OverflowError:  # an amount that no store holds: whoever asks for that many tokens is told so by the API
        return None
    return None if isinstance(lines, Unpriced) else sum(line.nano for line in lines)


def _lines(  # noqa: PLR0913 - likewise
    request: MessagesRequest, size: int, book: RuleBook, prices: PriceBook, at: datetime, *, free: bool, batched: bool
) -> list[Line] | Unpriced:
    priors = book.catalog.priors
    served = [tool for tool in request.tools if tool.family in FAMILIES]
    rounds = math.ceil(priors.iterations.high) if served else 1
    hidden = sum(tokens.high for tool in served if (tokens := book.tool_tokens(tool.type or "")) is not None)
    prompt = math.ceil(size / FEWEST_BYTES + hidden)
    grown = math.ceil(priors.iteration_growth_tokens.high) * rounds * (rounds - 1) // 2
    written, read = request.max_tokens or 0, prompt * rounds + grown
    modifiers = Modifiers(batch=batched, fast=request.speed == "fast", us=request.inference_geo == "us")
    classes = TokenClasses(**{_dearest(request): read, "output": max(written, 0) * rounds})
    tiers = [(classes, prompt_) for prompt_ in (1, read)]  # a dear tier may begin anywhere on the way to the bound
    priced = [prices.tier_lines(request.model or "", at, (tier,), modifiers) for tier in tiers]
    lines: list[Line] = []
    for each in priced:
        if isinstance(each, Unpriced):
            return each
        if sum(line.nano for line in each) >= sum(line.nano for line in lines):
            lines = list(each)
    search = prices.tool_line("web_search", sum(_uses(tool, rounds) for tool in request.tools), at)
    row = prices.tool(CODE, at)
    coded = not free and any(tool.family == CODE for tool in request.tools)
    minimum = prices.time_line(CODE, row.minimum_ms, at) if coded and row is not None else None
    for extra in (search, minimum):
        if isinstance(extra, Unpriced):
            return extra
        lines += [] if extra is None else [extra]
    return lines


def _dearest(request: MessagesRequest) -> str:
    """The token class of input that costs most among those that the request may use."""
    marked = request.breakpoints.cover_tools or any(tool.cache_control for tool in request.tools)
    if not marked:
        return "input"
    return "cache_write_1h" if request.long_cache else "cache_write_5m"


def _uses(tool: Tool, rounds: int) -> int:
    """How often a search may bill: as often as the tool allows, else once an iteration."""
    if tool.family != "web_search":
        return 0
    try:
        uses: Any = msgspec.json.decode(tool.raw).get("max_uses")
    except (msgspec.DecodeError, AttributeError):
        uses = None
    return uses if isinstance(uses, int) and uses > 0 else rounds


class Share(msgspec.Struct):
    """How much of their worst case requests did cost: a mean of the last ones, and of how many."""

    mean: float = 0.0
    count: int = 0

    def learn(self, share: float) -> None:
        """Take one more; an older one fades."""
        self.count += 1
        self.mean += (share - self.mean) / min(self.count, MEMORY)


class Habits:
    """What requests of each agent cost, as shares of their worst case; bounded, what was asked last stays."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._known: OrderedDict[Agent, Share] = OrderedDict()

    def hold(self, agent: Agent, worst: int) -> int:
        """What to set aside for a request of an agent, whose worst case is so much: nano-dollars."""
        known = self._known.get(agent)
        if known is None or known.count < ENOUGH:
            return worst
        return min(worst, math.ceil(worst * Fraction(FACTOR * known.mean)))

    def learn(self, agent: Agent, worst: int, cost: int) -> None:
        """A request with that worst case did cost so much."""
        if worst <= 0:
            return
        known = self._known.setdefault(agent, Share())
        self._known.move_to_end(agent)
        known.learn(cost / worst)
        if len(self._known) > self._bound:
            self._known.popitem(last=False)
