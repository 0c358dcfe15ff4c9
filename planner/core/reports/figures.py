"""What a report says of a sum: counts, tokens, container time and money, each under the name that is public.

Amounts of money are exact, in nano-dollars and as a decimal string of dollars; durations are milliseconds. Subscription
traffic is in none of them but `notional_requests`: `notional` makes figures of it that stand apart.
"""

from collections.abc import Iterable, Mapping

import msgspec

from planner.core.ledger.rollup import (
    AVOIDED,
    LIST,
    NANO,
    NOTIONAL,
    TOKENS,
    UNPRICED,
    Amounts,
    add,
    cost_nano,
    list_nano,
    saved_nano,
)
from planner.core.money import format_nano
from planner.core.pricing.prices import CODE, CREDIT


class Money(msgspec.Struct, frozen=True):
    """An amount twice: exact dollars as a decimal string, and nano-dollars."""

    usd: str
    nano: int


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by class; they share none."""

    input: int
    cache_write_5m: int
    cache_write_1h: int
    cache_read: int
    output: int


class Span(msgspec.Struct, frozen=True):
    """Milliseconds that nobody tells: what is sure, what is likely, what it can be at most."""

    low: int
    likely: int
    high: int


class Kind(msgspec.Struct, frozen=True, kw_only=True):
    """What lines of one kind cost, at list price and at contracted price."""

    kind: str
    listed: Money
    cost: Money


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said of a row, or of the whole.

    Attributes:
        requests: billed by the token; open intents are none yet.
        notional_requests: of subscriptions; nothing else here counts them.
        corrections: entries that amend others; their differences are in the sums.
        unpriced: requests whose cost is unknown, and so in no sum of money.
        conversations: that began.
        tokens: as billed, by class.
        web_searches, code_runs: likewise.
        container_ms: how long code ran, free or not.
        charged_ms, credited_ms: container time as it is charged, and what free hours give back of it.
        free_hours_ms, untouched_free_hours_ms: what counts toward the free hours, as it is and without our edits.
        container_starts, container_reuses: requests that ran in a new container, and in a warm one.
        container_losses: containers that requests named and could not go on in.
        replays: requests that were sent once more without what the API refused of ours.
        minimums_avoided: minimums that our edits spared, an estimate as all that follows of containers.
        avoided: what these would have cost, the credit taken off.
        start_saved_ms: how long new containers are believed to take to start, where requests went on in warm ones.
        listed: at list price, the credit taken off.
        code_execution: container time before the credit, at contracted price as all that follows.
        credit: what free hours gave back, negative.
        cost: everything, the credit taken off.
        estimated: how much of the cost stands in lines that are estimated.
        untouched, compared: of the `untouched_known` requests of which both are known, what they would have cost
            without our edits, and what they did cost.
        saved: the one less the other.
        per_conversation: what requests of conversations cost, by `conversations`; None where none began.
    """

    requests: int
    notional_requests: int
    corrections: int
    unpriced: int
    conversations: int
    tokens: Tokens
    web_searches: int
    code_runs: int
    container_ms: Span
    charged_ms: int
    credited_ms: int
    free_hours_ms: int
    untouched_free_hours_ms: int
    container_starts: int
    container_reuses: int
    container_losses: int
    replays: int
    minimums_avoided: int
    avoided: Money
    start_saved_ms: int
    listed: Money
    code_execution: Money
    credit: Money
    cost: Money
    estimated: Money
    untouched: Money
    compared: Money
    untouched_known: int
    saved: Money
    per_conversation: Money | None


def money(nano: int) -> Money:
    """An amount of nano-dollars."""
    return Money(format_nano(nano), nano)


def figures(amounts: Mapping[str, int]) -> Figures:
    """What amounts say of everything that is billed by the token."""
    notional = amounts.get(f"{NOTIONAL}requests", 0)
    return _figures(amounts, amounts.get("requests", 0) - notional, notional)


def notional(amounts: Mapping[str, int]) -> Figures:
    """What they say of subscription traffic: what it would have cost, were it billed; it was not."""
    apart = {name.removeprefix(NOTIONAL): amount for name, amount in amounts.items() if name.startswith(NOTIONAL)}
    return _figures(apart, apart.get("requests", 0), 0)


def unpriced(amounts: Mapping[str, int]) -> dict[str, int]:
    """Requests whose cost is unknown, by reason."""
    found = {
        name.removeprefix(UNPRICED): amount for name, amount in sorted(amounts.items()) if name.startswith(UNPRICED)
    }
    return {reason: number for reason, number in found.items() if number}


def total(cells: Iterable[Mapping[str, int]]) -> Amounts:
    """The sum of some cells."""
    found: Amounts = {}
    for amounts in cells:
        add(found, amounts)
    return found


def divided(over: int, under: int) -> int:
    """A quotient to the nearest whole number, half to even; `under` is positive."""
    whole, rest = divmod(over, under)
    return whole + (1 if 2 * rest > under or (2 * rest == under and whole % 2) else 0)


def _figures(amounts: Mapping[str, int], requests: int, notional_requests: int) -> Figures:
    def of(name: str) -> int:
        return amounts.get(name, 0)

    begun = of("conversations")
    return Figures(
        requests=requests,
        notional_requests=notional_requests,
        corrections=of("corrections"),
        unpriced=sum(unpriced(amounts).values()),
        conversations=begun,
        tokens=Tokens(**{name: of(TOKENS + name) for name in Tokens.__struct_fields__}),
        web_searches=of("web_searches"),
        code_runs=of("code_runs"),
        container_ms=Span(of("container_ms.low"), of("container_ms.likely"), of("container_ms.high")),
        charged_ms=of("charged_ms"),
        credited_ms=of("credited_ms"),
        free_hours_ms=of("hours_ms"),
        untouched_free_hours_ms=of("untouched_hours_ms"),
        container_starts=of("container_starts"),
        container_reuses=of("container_reuses"),
        container_losses=of("container_losses"),
        replays=of("replays"),
        minimums_avoided=sum(of(AVOIDED + by) for by in ("bundle", "container")),
        avoided=money(of("avoided_nano")),
        start_saved_ms=of("start_saved_ms"),
        listed=money(list_nano(amounts)),
        code_execution=money(of(NANO + CODE)),
        credit=money(of(NANO + CREDIT)),
        cost=money(cost_nano(amounts)),
        estimated=money(of("estimated_nano")),
        untouched=money(of("untouched_nano")),
        compared=money(of("compared_nano")),
        untouched_known=of("untouched_known"),
        saved=money(saved_nano(amounts)),
        per_conversation=money(divided(of("conversation_nano"), begun)) if begun > 0 else None,
    )


def kinds(amounts: Mapping[str, int]) -> tuple[Kind, ...]:
    """Money by kind of line, by name."""
    found = sorted({name.removeprefix(front) for front in (NANO, LIST) for name in amounts if name.startswith(front)})
    return tuple(
        Kind(kind=kind, listed=money(amounts.get(LIST + kind, 0)), cost=money(amounts.get(NANO + kind, 0)))
        for kind in found
    )
