"""Discounts: who has them, for what and when; list and contracted amounts are rounded each for itself."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.usage import Modifiers, TokenClasses
from planner.core.pricing.discounts import FULL, TOKENS, Contract, Discount
from planner.core.pricing.prices import Line, PriceBook, Unpriced
from planner.rulesource import load_rules

DAY = date(2026, 11, 22)
AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
LIST = load_rules(None).required().prices
OPUS, SONNET = "claude-opus-5-5", "claude-sonnet-5-5"
counts = st.integers(0, 10**7)
classes = st.builds(
    TokenClasses, input=counts, cache_write_5m=counts, cache_write_1h=counts, cache_read=counts, output=counts
)
modifiers = st.builds(Modifiers, batch=st.booleans(), us=st.booleans())
shares = st.integers(1, 10**8).map(lambda millionths: Fraction(millionths, 10**8))


def discount(off: str | Fraction = "0.1", **fields: Any) -> Discount:
    """A discount of a tenth on everything, for everyone, for ever."""
    usual: dict[str, Any] = {"name": "d", "why": "w", "source": "s", "checked": DAY, "mark": "A"}
    return Discount(off=Fraction(off), **(usual | fields))


def book(*discounts: Discount) -> PriceBook:
    """The shipped prices with discounts."""
    return PriceBook(LIST.rows, LIST.tools, discounts)


@pytest.mark.parametrize(
    ("fields", "held"),
    [
        ({}, {"input", "output", "web_search", "code_execution"}),
        ({"components": ("output",)}, {"output"}),
        ({"models": ("claude-opus-*",)}, {"input", "output"}),
        ({"models": ("claude-sonnet-*",)}, set()),
        ({"organizations": ("org-1",)}, {"input", "output", "web_search", "code_execution"}),
        ({"organizations": ("org-2",)}, set()),
        ({"since": DAY}, {"input", "output", "web_search", "code_execution"}),
        ({"until": DAY}, set()),
        ({"revoked": True}, set()),
    ],
)
def test_what_a_discount_holds_for(fields: dict[str, Any], held: set[str]) -> None:
    """Model, component, organization and day must all fit; one that names models holds for their tokens alone."""
    contract = Contract((discount(**fields),), "org-1")
    asked = ("input", "output", "web_search", "code_execution")
    assert {name for name in asked if contract.factor(name, OPUS, DAY) != FULL} == held


def test_lines_have_both_prices() -> None:
    """What differs from the list says so; what does not, does not."""
    priced = book(discount("0.1", components=("input", "web_search"))).request_lines(
        OPUS, AT, TokenClasses(input=1_000, output=500), Modifiers()
    )
    assert priced == (
        Line("input", 1_000, "token", 3_600_000, "measured", 4_000_000),
        Line("output", 500, "token", 10_000_000, "measured"),
    )
    assert b"list_nano" not in msgspec.json.encode(priced[1])
    search = book(discount("0.25")).tool_line("web_search", 2, AT)
    assert search == Line("web_search", 2, "use", 15_000_000, "measured", 20_000_000)


def test_each_amount_is_rounded_once() -> None:
    """A third off one cached Haiku token is 6.67 nano-dollars: 7; a rounded list price plays no part in it."""
    third = book(discount(Fraction(1, 3)))
    lines = third.request_lines("claude-haiku-5-5", AT, TokenClasses(cache_read=1), Modifiers())
    assert lines == (Line("cache_read", 1, "token", 7, "measured", 10),)
    half = book(discount("0.5"))
    lines = half.request_lines("claude-haiku-5-5", AT, TokenClasses(cache_write_5m=3), Modifiers(batch=True))
    assert lines == (Line("cache_write_5m", 3, "token", 94, "measured", 188),)  # 93.75 and 187.5


def test_organizations_have_books_of_their_own() -> None:
    """With the same digest, made once; where no discount asks who one is, there is one book for all."""
    everyone = book(discount(models=("claude-opus-*",)))
    assert everyone.contracted("org-1") is everyone
    ours = book(discount(organizations=("org-1",)))
    mine = ours.contracted("org-1")
    assert mine is ours.contracted("org-1")
    assert mine.digest == ours.digest != LIST.digest
    books = (ours, mine, ours.contracted("org-2"), mine.contracted(None))
    assert [each.factor("input", OPUS, AT) for each in books] == [FULL, Fraction(9, 10), FULL, FULL]
    for number in range(2_000):
        ours.contracted(f"made-up-{number}")
    assert len(ours._contracted) <= 1_024  # noqa: SLF001 - the bound is the point


def test_the_digest_knows_discounts() -> None:
    """A changed discount is another price book."""
    assert book(discount("0.1")).digest != book(discount("0.2")).digest


@given(classes, modifiers, shares, st.sampled_from([OPUS, SONNET, "claude-haiku-5-5", "claude-haiku-4-5"]))
def test_a_discount_never_raises_a_cost(used: TokenClasses, how: Modifiers, off: Fraction, model: str) -> None:
    """Line by line the contracted amount is at most the list's, which is what it was without; nothing is negative."""
    listed = LIST.request_lines(model, AT, used, how)
    priced = book(discount(off)).request_lines(model, AT, used, how)
    if isinstance(listed, Unpriced):
        assert priced == listed
        return
    assert not isinstance(priced, Unpriced)
    assert [line.listed for line in priced] == [line.nano for line in listed]
    assert all(0 <= line.nano <= line.listed for line in priced)


@given(classes, st.lists(shares, min_size=5, max_size=5))
def test_components_are_discounted_apart(used: TokenClasses, offs: list[Fraction]) -> None:
    """Each class has its own discount, whatever the others have."""
    each = [discount(off, name=kind, components=(kind,)) for kind, off in zip(TOKENS, offs, strict=True)]
    together = book(*each).request_lines(OPUS, AT, used, Modifiers())
    assert not isinstance(together, Unpriced)
    for line in together:
        alone = book(*(one for one in each if one.name == line.kind)).request_lines(OPUS, AT, used, Modifiers())
        assert not isinstance(alone, Unpriced)
        assert line in alone
