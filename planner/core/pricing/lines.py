"""What the tokens and searches of one response cost: one line a class and tier, each rounded once.

A tier is that of the whole prompt. Which prompt that is, when the API sampled several times for one request, no page
says for Haiku 5.5; the setting `haiku55_tier_on` does: all prompts as a sum, or each iteration's own.
"""

from datetime import datetime
from typing import Final

import msgspec

from planner.core.metering.usage import Metered, TokenClasses
from planner.core.pricing.prices import Basis, Line, PriceBook, Unpriced

HAIKU_55: Final = "claude-haiku-5-5"
"""The models whose tier the setting speaks of: the only ones with a tier since 2026-03-12, checked 2026-11-22:
https://platform.claude.com/docs/en/about-claude/pricing"""

Parts = tuple[tuple[TokenClasses, int], ...]
"""Tokens, each with the prompt that chooses their tier."""


def usage_lines(
    metered: Metered, model: str, at: datetime, prices: PriceBook, *, runs: int = 0, per_iteration: bool = False
) -> tuple[Line, ...] | Unpriced:
    """Price a response that `model` gave, unless its usage names another; one thing without a price is no price at all.

    `runs` are the code runs that it tells of, by which its iterations are guessed where usage does not list them.
    Raises OverflowError for an amount beyond 64 bits.
    """
    lines: list[Line] = []
    own = iterations_of(metered.classes, metered.each)
    shares = [(metered.model or model, metered.classes, own, metered.iterations or runs + 1)]
    shares += [(extra.model or model, extra.classes, extra.each, 1) for extra in metered.extras]
    guessed = not metered.iterations and (runs or metered.web_searches or metered.web_fetches)
    for name, classes, each, iterations in shares:
        basis: Basis = "estimated" if metered.estimated else "measured"
        parts: Parts = ((classes, classes.prompt),)
        if per_iteration and name.startswith(HAIKU_55):
            parts = tuple((part, part.prompt) for part in each) or ((classes, -(-classes.prompt // iterations)),)
            if not each and (guessed or iterations > 1) and _beyond(name, at, prices, classes.prompt):
                basis = "estimated"
        priced = prices.tier_lines(name, at, parts, metered.modifiers, basis)
        if isinstance(priced, Unpriced):
            return priced
        lines += priced
    search = prices.tool_line("web_search", metered.web_searches, at, "estimated" if metered.estimated else "measured")
    if isinstance(search, Unpriced):
        return search
    return tuple(lines) if search is None else (*lines, search)


def iterations_of(whole: TokenClasses, listed: tuple[TokenClasses, ...]) -> tuple[TokenClasses, ...]:
    """Return listed iterations as parts of a whole, their cache writes split as its are; none if they do not add up."""
    if not listed:
        return ()
    together = sum(listed, TokenClasses())
    if (together.total, together.prompt, together.input, together.cache_read) != (
        whole.total,
        whole.prompt,
        whole.input,
        whole.cache_read,
    ):
        return ()
    parts, left = [], whole.cache_write_1h
    for each in listed:
        long = min(each.cache_write, left)
        left -= long
        parts.append(msgspec.structs.replace(each, cache_write_1h=long, cache_write_5m=each.cache_write - long))
    return tuple(parts)


def lightened(metered: Metered, left: TokenClasses) -> Metered:
    """Return what was used with only so many tokens left, taken evenly from the iterations that have them.

    Raises ValueError where a class would need tokens added.
    """
    parts = iterations_of(metered.classes, metered.each)
    counts = [msgspec.structs.asdict(each) for each in parts]
    for name in TokenClasses.__struct_fields__:
        surplus = getattr(metered.classes, name) - getattr(left, name)
        if surplus < 0:
            raise ValueError(f"{-surplus} {name} tokens more are left than there were")
        for place, each in enumerate(sorted(counts, key=lambda counted: counted[name])):  # the small ones first
            taken = min(each[name], -(-surplus // (len(counts) - place)))
            each[name] -= taken
            surplus -= taken
    return msgspec.structs.replace(metered, classes=left, each=tuple(TokenClasses(**each) for each in counts))


def _beyond(model: str, at: datetime, prices: PriceBook, prompt: int) -> bool:
    """Whether a prompt, were it a single one, had another tier than a shorter one."""
    row = prices.lookup(model, at)
    return row is not None and row.over is not None and prompt > row.over.prompt_tokens
