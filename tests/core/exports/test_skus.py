"""A line gets the price that explains its amounts to the nano-dollar, or what they come to."""

from datetime import timedelta
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.exports.skus import HOURS, SEARCHES, TOKENS, sku_of, unit_of
from planner.core.ledger.entry import Entry
from planner.core.metering.usage import Modifiers, TokenClasses
from planner.core.pricing.prices import CODE, Line, PriceBook, Unpriced
from tests.doubles.charged import PRICES
from tests.doubles.recorded import entry
from tests.doubles.simulated import START

SONNET = "claude-sonnet-5-5"


def priced(classes: TokenClasses, organization: str = "o", model: str = SONNET, **told: str) -> tuple[Line, Entry]:
    """The first line of a request that was served like that, and its entry."""
    modifiers = Modifiers(batch="service_tier" in told, us="inference_geo" in told, fast="speed" in told)
    lines = PRICES.contracted(organization).request_lines(model, START, classes, modifiers)
    assert not isinstance(lines, Unpriced)
    usage = msgspec.Raw(msgspec.json.encode(told))
    made = entry(organization=organization, model=model, served_model=model, usage=usage, tokens=classes, lines=lines)
    return lines[0], made


def test_a_price_is_that_of_the_list_per_million_tokens() -> None:
    """As Anthropic prints it."""
    line, made = priced(TokenClasses(input=1_000))
    sku = sku_of(line, made, START, PRICES)
    row = PRICES.lookup(SONNET, START)
    assert row is not None
    assert (sku.id, sku.price_id) == (f"{row.name}/input", f"{row.name}/input")
    assert sku.listed == sku.contracted == Fraction(row.rates.input, 10**6)


def test_a_discount_shows_in_the_contracted_price_alone() -> None:
    """The SKU and its list price are the same for everybody."""
    sku = sku_of(*priced(TokenClasses(output=777), "org-2"), START, PRICES)
    everybody = sku_of(*priced(TokenClasses(output=777)), START, PRICES)
    assert (sku.id, sku.price_id, sku.listed) == (everybody.id, everybody.price_id, everybody.listed)
    assert sku.listed is not None
    assert sku.contracted == sku.listed * Fraction(7, 8)


def test_how_it_was_served_is_part_of_the_price_and_not_of_the_sku() -> None:
    """A batch costs half, and its price has a name of its own."""
    sku = sku_of(*priced(TokenClasses(input=1_000), service_tier="batch"), START, PRICES)
    plain = sku_of(*priced(TokenClasses(input=1_000)), START, PRICES)
    assert (sku.id, sku.price_id, sku.details) == (plain.id, f"{plain.id}/batch", {"x_Batch": "true"})
    assert plain.listed is not None
    assert sku.listed == plain.listed / 2


def test_a_tier_is_part_of_the_price() -> None:
    """The one that explains the amounts, whichever prompt chose it."""
    row = next(row for row in PRICES.rows if row.over is not None and row.in_force(START.date()))
    assert row.over is not None
    model, threshold = row.models[0], row.over.prompt_tokens
    long = sku_of(*priced(TokenClasses(input=threshold + 1), model=model), START, PRICES)
    short = sku_of(*priced(TokenClasses(input=threshold), model=model), START, PRICES)
    assert (long.id, long.price_id, long.details) == (short.id, f"{short.id}/over-{threshold}", long.details)
    assert long.details == {"x_Tier": f"over-{threshold}"}


def test_a_line_of_another_model_is_found_by_usage() -> None:
    """An advisor's tokens cost what the advisor costs."""
    line, made = priced(TokenClasses(output=1_001), model="claude-opus-5-5")
    usage = msgspec.Raw(b'{"iterations":[{"model":"claude-opus-5-5"},{"model":1},{}]}')
    sku = sku_of(line, msgspec.structs.replace(made, served_model=SONNET, model=SONNET, usage=usage), START, PRICES)
    assert sku.id == "opus-5.5/output"


@pytest.mark.parametrize("usage", [b"null", b'"text"', b'{"service_tier":5}'])
def test_usage_that_cannot_be_read_names_no_modifier(usage: bytes) -> None:
    """It is kept as received."""
    line, made = priced(TokenClasses(input=1_000))
    sku = sku_of(line, msgspec.structs.replace(made, usage=msgspec.Raw(usage)), START, PRICES)
    assert sku.price_id.endswith("/input")


def test_amounts_that_no_price_explains_make_their_own() -> None:
    """Another book priced them; the SKU is the model's, and the price is as billed."""
    odd = Line("input", 1_000, "token", 123, "measured", list_nano=456)
    sku = sku_of(odd, entry(served_model=SONNET), START, PRICES)
    assert (sku.id, sku.price_id) == (f"{SONNET}/input", f"{SONNET}/input/as-billed")
    assert (sku.listed, sku.contracted) == (Fraction(456, 10**6), Fraction(123, 10**6))
    assert sku_of(odd, entry(served_model=None, model=None), START, PriceBook()).id == "unknown/input"


def test_a_discount_that_the_book_lacks_keeps_the_list_price() -> None:
    """What is paid is what the amount comes to."""
    line, made = priced(TokenClasses(input=10**6), "org-2")
    sku = sku_of(line, made, START, PriceBook(PRICES.rows, PRICES.tools))
    assert sku.price_id == "sonnet-5.5/input"
    assert sku.contracted == Fraction(line.nano, 10**9) != sku.listed


def test_searches_and_hours_have_the_units_of_the_list() -> None:
    """Per thousand searches, and per hour."""
    search, time = PRICES.tool_line("web_search", 3, START), PRICES.time_line(CODE, 300_000, START)
    assert isinstance(search, Line)
    assert isinstance(time, Line)
    made = entry()
    assert (sku_of(search, made, START, PRICES).listed, unit_of(search)) == (Fraction(10), SEARCHES)
    assert (sku_of(time, made, START, PRICES).listed, unit_of(time)) == (Fraction(1, 20), HOURS)
    assert unit_of(priced(TokenClasses(input=1))[0]) == TOKENS
    assert sku_of(msgspec.structs.replace(search, nano=1), made, START, PRICES).listed != 10


def test_a_credit_and_amounts_of_two_signs_have_no_list_price() -> None:
    """A price is never negative."""
    credit = Line("allowance_credit", "300", "second", -4_166_667, "estimated")
    assert sku_of(credit, entry(), START, PRICES).listed is None
    nothing = Line("code_execution", "0", "second", 5, "estimated")
    assert sku_of(nothing, entry(), START, PRICES).listed is None


@given(st.integers(1, 10**9), st.sampled_from(["o", "org-2"]))
def test_price_times_quantity_is_the_cost_to_a_nano_dollar(tokens: int, organization: str) -> None:
    """Which FOCUS asks for, and what rounding once allows."""
    line, made = priced(TokenClasses(cache_read=tokens), organization)
    sku = sku_of(line, made, START + timedelta(days=1), PRICES)
    quantity = Fraction(tokens, 10**6)
    assert sku.listed is not None
    assert sku.contracted is not None
    assert abs(sku.listed * quantity * 10**9 - line.listed) <= Fraction(1, 2)
    assert abs(sku.contracted * quantity * 10**9 - line.nano) <= Fraction(1, 2)
