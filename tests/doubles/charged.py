"""Entries as the planner settles them, of every kind that an export meets, by the shipped book and a discount."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Any, Final

import msgspec

from planner.core.conversations import ToolEdit
from planner.core.exports.tabular import Cell
from planner.core.ledger.corrections import Billed, billed, correct
from planner.core.ledger.entry import Digests, Entry
from planner.core.metering.usage import meter
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import PriceBook
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.rulebook.book import RuleBook
from planner.core.settlement import Terms, settle
from tests.doubles.deciding import BOOK
from tests.doubles.simulated import START

AGREED: Final = Discount(
    name="agreed",
    why="So that list and contracted cost differ.",
    off=Fraction(1, 8),
    organizations=("org-2",),
    source="contract 4711",
    checked=START.date(),
    mark="A",
)
PRICES: Final = PriceBook(BOOK.prices.rows, BOOK.prices.tools, (AGREED,))
DISCOUNTED: Final = RuleBook(prices=PRICES, catalog=BOOK.catalog, settings=BOOK.settings)
MODELS: Final = ("claude-sonnet-5-5", "claude-haiku-5-5", "claude-opus-5-5", "claude-sonnet-4-5-20250929")
TEAMS: Final = (None, "search", '=HYPERLINK("http://example.com")', "+1", "@home", "'quoted", 'a,"b"\nc', "équipe 🧮")
TIERS: Final[tuple[dict[str, str], ...]] = (
    {},
    {},
    {},
    {"service_tier": "batch"},
    {"inference_geo": "us"},
    {"service_tier": "priority"},
)
EDIT: Final = ToolEdit(append='{"type":"web_fetch_20260318","name":"planner_inert_fetch"}')


def charged(random: Random, number: int) -> Iterator[Entry]:
    """One entry a minute after the one before, and sometimes its correction."""
    at = START + timedelta(minutes=number)
    usage = _usage(random)
    metered = meter(msgspec.json.encode(usage))
    runs = random.choice((0, 0, 1, 3))
    terms = Terms(
        at=at,
        model=random.choice(MODELS),
        organization=random.choice(("org-1", "org-2", None)),
        edit=random.choice((ToolEdit(), EDIT)),
        runs=runs,
        free=random.random() < 0.2,
        free_ms=random.choice((0, 90_000, 10**9)),
        measured_ms=random.randrange(900_000),
        elapsed_ms=1_000_000,
        notional=random.random() < 0.1,
    )
    settled = settle(metered, terms, DISCOUNTED)
    decided = (Decision(Action.BUNDLE, Outcome.DECLINED, Reason.NOT_WORTH_IT, "shipped-bundle"),)
    entry = Entry(
        request_id=f"{number:024x}",
        at=at.isoformat(timespec="microseconds"),
        principal=random.choice(("key-1", "=cmd|' /C calc'!A0")),
        organization=terms.organization,
        workspace=random.choice((None, "wrkspc_1")),
        team=random.choice(TEAMS),
        project=random.choice((None, "alpha", "-beta")),
        tags=random.choice(({}, {"agent": "=1+1", "feature": "naïve"})),
        endpoint="messages",
        method="POST",
        model=terms.model,
        served_model=terms.model,
        mode="plan",
        outcome="ok",
        status=200,
        cost_nano=settled.cost,
        list_nano=settled.listed,
        unpriced=settled.unpriced,
        lines=settled.lines,
        untouched_nano=settled.untouched,
        decisions=decided,
        usage=msgspec.Raw(metered.raw),
        tokens=metered.classes,
        code=settled.code,
        container="c0ffee" if runs else None,
        digests=Digests("0" * 16, PRICES.digest),
    )
    yield entry
    if entry.cost_nano is not None and not terms.notional and random.random() < 0.3:
        yield from _corrected(random, entry)


def ledger(count: int, seed: int = 5) -> Iterator[Entry]:
    """So many requests and their corrections, the same for the same seed."""
    random = Random(seed)  # noqa: S311 - nothing here is secret
    for number in range(count):
        yield from charged(random, number)


def nano(amount: Cell) -> int:
    """A cell of money; none is nothing."""
    return amount if isinstance(amount, int) else 0


def scaled(text: str, scale: int) -> int:
    """A decimal of a CSV cell as an integer at a scale."""
    return int(Decimal(text).scaleb(scale).to_integral_exact())


def _usage(random: Random) -> dict[str, Any]:
    def some(most: int) -> int:
        return random.choice((0, 1, random.randrange(most)))

    short, long = some(20_000), some(20_000)
    return {
        "input_tokens": some(300_000),
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "cache_read_input_tokens": some(200_000),
        "output_tokens": some(8_000),
        "server_tool_use": {"web_search_requests": random.choice((0, 0, 2))},
    } | random.choice(TIERS)


def _corrected(random: Random, entry: Entry) -> Iterator[Entry]:
    known = billed([entry])
    better = Billed(known.ms + random.choice((-min(known.ms - known.credited_ms, 60_000), 60_000)), known.credited_ms)
    amended = correct(
        entry,
        better,
        PRICES,
        request_id="c" + entry.request_id[1:],
        made_at=START + timedelta(days=20),
    )
    if amended is not None:
        yield amended
