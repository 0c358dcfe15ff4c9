"""Two rule books row by row: what was added, removed, changed or moved, and nothing where they say the same."""

from fractions import Fraction
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.preview.bookdiff import Difference, Member, compare_books
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import PriceBook
from planner.core.rulebook.book import CallerRow, Callers
from planner.core.rulebook.policies import BundleRule, Policy, Then
from planner.core.rulebook.spending import Budget, For
from tests.doubles.deciding import BOOK, book, settings

A, B, C = (Policy(name=name, why="w", mode="enforce", then=Then(container="never")) for name in "abc")


def told(old: Any, new: Any) -> list[tuple[str, str, str]]:
    """Kind, name and change of every difference."""
    return [(each.kind, each.name, each.change) for each in compare_books(old, new)]


def test_equal_books_do_not_differ() -> None:
    """In no row."""
    assert compare_books(BOOK, BOOK) == ()


def test_policies_by_name() -> None:
    """With the members that changed, as JSON before and after."""
    changed = msgspec.structs.replace(B, mode="shadow", then=Then(bundle=BundleRule(act="always")))
    found = compare_books(book(policies=(A, B)), book(policies=(changed, C)))
    assert [(each.name, each.change) for each in found] == [("b", "changed"), ("c", "added"), ("a", "removed")]
    members = {each.member: (each.before, each.after) for each in found[0].members}
    assert members["mode"] == ('"enforce"', '"shadow"')
    assert members["then.container"] == ('"never"', "null")
    assert members["then.bundle.act"] == (None, '"always"')


def test_the_order_of_policies_is_part_of_what_they_say() -> None:
    """As few are moved as explain it."""
    assert told(book(policies=(A, B, C)), book(policies=(C, A, B))) == [("policy", "c", "moved")]
    assert told(book(policies=(A, B)), book(policies=(C, A, B))) == [("policy", "c", "added")]


def test_settings_by_key() -> None:
    """One row a key."""
    newer = book(settings=settings(decision={"confidence": 0.9}))
    assert compare_books(BOOK, newer) == (
        Difference(kind="setting", name="decision.confidence", change="changed", members=(Member("", "0.8", "0.9"),)),
    )


def test_prices_and_discounts() -> None:
    """By the models and the day from which they hold."""
    prices = BOOK.prices
    dearer = msgspec.structs.replace(
        prices.rows[0], rates=msgspec.structs.replace(prices.rows[0].rates, input=prices.rows[0].rates.input + 1)
    )
    half = Discount(name="half", why="w", off=Fraction(1, 2), source="s", checked=prices.rows[0].checked, mark="A")
    newer = PriceBook((dearer, *prices.rows[1:-1]), prices.tools, (half,))
    found = compare_books(BOOK, book(prices=newer))
    assert [(each.kind, each.change) for each in found] == [
        ("price", "changed"), ("price", "removed"), ("discount", "added"),
    ]  # fmt: skip
    before = prices.rows[0].rates.input
    assert found[0].members == (Member("rates.input", str(before), str(before + 1)),)


def test_callers_by_name() -> None:
    """Their keys are fingerprints."""
    callers = Callers((CallerRow(name="search-bot", team="search"),))
    assert told(BOOK, book(callers=callers)) == [("caller", "search-bot", "added")]


def test_budgets_by_name() -> None:
    """A new limit is a change of one member."""
    old, new = (Budget(name="b", why="w", mode="enforce", spenders=For(team=("t",)), per="day", nano=n) for n in (1, 2))
    (found,) = compare_books(book(budgets=(old,)), book(budgets=(new,)))
    assert (found.kind, found.name, found.change) == ("budget", "b", "changed")
    assert found.members == (Member("nano", "1", "2"),)


@given(st.permutations("abcdef"), st.permutations("abcdef"), st.integers(0, 6), st.integers(0, 6))
def test_added_and_removed_are_opposites(one: list[str], two: list[str], some: int, others: int) -> None:
    """Read backwards, the same rows differ, and each stands once."""
    old, new = (
        book(policies=tuple(Policy(name=n, why="w", mode="off", then=Then()) for n in names))
        for names in (one[:some], two[:others])
    )
    there, back = told(old, new), told(new, old)
    opposite = {"added": "removed", "removed": "added"}
    fixed = {(name, change) for _, name, change in there if change in opposite}
    assert fixed == {(name, opposite[change]) for _, name, change in back if change in opposite}
    assert fixed == {(n, "added") for n in set(two[:others]) - set(one[:some])} | {
        (n, "removed") for n in set(one[:some]) - set(two[:others])
    }
    assert len({name for _, name, _ in there}) == len(there)
