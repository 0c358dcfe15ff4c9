"""The comparing part of the cross-check, without genai-prices."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from planner.rulesource import load_rules
from tests.crosscheck.compare import Difference, differences, our_prices, their_prices

AT = datetime(2026, 11, 22, tzinfo=UTC)
BOOK = load_rules(None).required()
SONNET, HAIKU = "claude-sonnet-5-5", "claude-haiku-5-5"


class Model:
    """Looks like `genai_prices.types.ModelInfo`."""

    def __init__(self, **prices: Any) -> None:
        self._prices = prices
        self.price_variants = [SimpleNamespace(when={"processing": "batch"})]

    def get_prices(self, at: datetime, context: dict[str, str] | None = None) -> SimpleNamespace:
        """Input is half of it in a batch."""
        assert at == AT
        halved = {"input_mtok": Decimal(1)} if context == {"processing": "batch"} else {}
        return SimpleNamespace(**(self._prices | halved))


def test_our_prices_in_the_pages_units() -> None:
    """Dollars per million tokens, tiers and variants under names of their own; models without a row are left out."""
    ours = our_prices(BOOK.prices, (SONNET, HAIKU, "claude-mythos-preview"), AT)
    assert ours.keys() == {SONNET, HAIKU}
    assert ours[SONNET]["cache_read"] == Decimal("0.10")
    assert ours[SONNET]["batch: cache_write_5m"] == Decimal("1.25")
    assert ours[SONNET]["web_search"] == 10
    assert ours[HAIKU]["over 100000: output"] == Decimal("2.5")
    assert ours[HAIKU]["batch: over 100000: cache_read"] == Decimal("0.025")
    assert "fast: input" not in ours[SONNET]
    opus = our_prices(BOOK.prices, ("claude-opus-5-5",), AT)["claude-opus-5-5"]
    assert opus["fast: output"] == 40


def test_their_prices_under_our_names() -> None:
    """Tiers are read by their shape; what we do not know keeps its name; a search has no variants."""
    tiered = SimpleNamespace(base=Decimal(3), tiers=[SimpleNamespace(start=200_000, price=Decimal(6))])
    nine = {"input_audio_mtok": Decimal(9), "cache_read_mtok": None}
    model = Model(input_mtok=Decimal(2), output_mtok=tiered, web_searches_kcount=Decimal(10), **nine)
    assert their_prices(model, AT) == {
        "input": 2,
        "output": 3,
        "over 200000: output": 6,
        "input_audio_mtok": 9,
        "web_search": 10,
        "batch: input": 1,
        "batch: output": 3,
        "batch: over 200000: output": 6,
        "batch: input_audio_mtok": 9,
    }


def test_every_difference_and_nothing_else() -> None:
    """Equal amounts are equal however they are written; a missing one is no 0; models of one side are no difference."""
    ours = {"a": {"input": Decimal("2.50"), "output": Decimal(10)}, "only-ours": {"input": Decimal(1)}}
    theirs = {"a": {"input": Decimal("2.5"), "output": Decimal(100), "fast: input": Decimal(5)}, "only-theirs": {}}
    found = differences(ours, theirs)
    assert found == [
        Difference("a", "fast: input", None, Decimal(5)),
        Difference("a", "output", Decimal(10), Decimal(100)),
    ]
    assert [each.text() for each in found] == [
        "a: fast: input: ours no price, theirs 5",
        "a: output: ours 10, theirs 100",
    ]
