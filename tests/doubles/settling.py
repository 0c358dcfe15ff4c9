"""Settlements of one request to Opus 5.5, for tests of what it costs."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import msgspec

from planner.core.conversations import Retype, ToolEdit
from planner.core.metering.usage import Metered, TokenClasses
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import PriceBook
from planner.core.rulebook.catalog import Interval
from planner.core.settlement import Settlement, Terms, settle
from tests.doubles.deciding import BOOK, book

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
OPUS = "claude-opus-5-5"
"""Nano-dollars a token: 4,000 in, 20,000 out, 5,000 and 8,000 for writes, 200 for reads."""
HAIKU = "claude-haiku-5-5"
TOOL_TOKENS = 1_000
MINIMUM = 4_166_667
MINIMUM_MS = 300_000
HOUR_MS = 3_600_000
ADDED = ToolEdit(append='{"type":"web_fetch_20260318","name":"web_fetch"}', name="web_fetch", free=True)
RAISED = ToolEdit(retypes=(Retype("web_search_20250305", "web_search_20260318", direct=True),), free=True)
LIFTED = ToolEdit(retypes=(Retype("code_execution_20250825", "code_execution_20260120"),))
RULES = book(
    settings=msgspec.structs.replace(
        BOOK.settings, tool_tokens={"web_fetch_20260318": Interval(TOOL_TOKENS, TOOL_TOKENS, TOOL_TOKENS)}
    )
)


QUARTER = Discount(name="q", why="w", off=Fraction(1, 4), source="s", checked=AT.date(), mark="A")
DISCOUNTED = book(settings=RULES.settings, prices=PriceBook(BOOK.prices.rows, BOOK.prices.tools, (QUARTER,)))


def settled(classes: dict[str, int] | None = None, *, rules: Any = RULES, used: Any = None, **terms: Any) -> Settlement:
    """The settlement of a request to Opus 5.5, a second long, beyond the free hours."""
    metered = used or Metered(classes=TokenClasses(**(classes or {"input": 10_000, "output": 100})))
    chosen: dict[str, Any] = {"at": AT, "model": OPUS, "elapsed_ms": 1_000} | terms
    return settle(metered, Terms(**chosen), rules)


def amounts(settlement: Settlement) -> dict[str, int]:
    """Nano-dollars by kind of line."""
    return {line.kind: line.nano for line in settlement.lines}
