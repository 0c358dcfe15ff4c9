"""Shipped prices: read as plain data, they cover what the simulator serves."""

from fractions import Fraction

from planner.simulator import prices
from planner.simulator.config import shipped_prices
from planner.simulator.models import MODELS
from tests.simulator.asgi import PRICES, START

UNPUBLISHED = {"claude-mythos-preview"}


def test_every_served_model_has_a_price_but_those_without_one() -> None:
    """A model that nobody prices is served, and its cost is unknown."""
    rows = prices.read(shipped_prices())
    assert {name for name in MODELS if rows.model(name, START) is None} == UNPUBLISHED
    search, code = rows.tool("web_search", START), rows.tool("code_execution", START)
    assert search is not None
    assert code is not None
    assert search.nano == 10_000_000
    assert code.nano * code.minimum_seconds == Fraction(12_500_000, 3)


def test_a_revoked_row_is_history() -> None:
    """A catch-all row that was revoked prices nothing."""
    assert prices.read((PRICES,)).model("claude-opus-4-6", START) is None


def test_an_empty_file_prices_nothing() -> None:
    """No rows, no prices, no error."""
    assert prices.read(("# nothing\n",)) == prices.PriceRows((), ())
