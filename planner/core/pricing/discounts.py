"""A discount is a dated row of its own above the list: what an organization has agreed to pay less, and for what.

List and contracted amounts are both kept. Discounts never stack: for one thing, organization and day there is one at
most, and rule files in which there are two make no book.
"""

from datetime import date
from fractions import Fraction
from typing import Final, Literal, get_args

from planner.core.pricing.dated import Dated, one_of

Discounted = Literal[
    "input", "output", "cache_write_5m", "cache_write_1h", "cache_read", "web_search", "code_execution"
]
TOKENS: Final[tuple[Discounted, ...]] = get_args(Discounted)[:5]
FULL: Final = Fraction(1)


class Discount(Dated, frozen=True, kw_only=True):
    """`off` of the list price, a fraction above 0 and up to 1.

    Attributes:
        name: by which people know it.
        why: what was agreed, and where that is written.
        off: the share that is not paid.
        models: globs of the models whose tokens it holds for; none for all models.
        components: token classes and tools that it holds for; none for all, or for all token classes where `models` are
            named, since a search or a container hour costs the same whatever the model.
        organizations: ids of those that it holds for; none for every organization that the book is used for.
    """

    name: str
    why: str
    off: Fraction
    models: tuple[str, ...] = ()
    components: tuple[Discounted, ...] = ()
    organizations: tuple[str, ...] = ()

    @property
    def holds_for(self) -> tuple[Discounted, ...]:
        """The components, spelt out."""
        return self.components or (TOKENS if self.models else get_args(Discounted))

    def binds(self, organization: str | None) -> bool:
        """Say whether an organization has it; one that is not known has those that everyone has."""
        return not self.organizations or organization in self.organizations


class Contract:
    """The discounts of one organization, looked up by component, model and day."""

    __slots__ = ("_rows", "empty")

    def __init__(self, discounts: tuple[Discount, ...], organization: str | None) -> None:
        self._rows = tuple(
            (frozenset(each.holds_for), one_of(each.models) if each.models else None, each)
            for each in discounts
            if each.binds(organization) and not each.revoked
        )
        self.empty = not self._rows

    def factor(self, component: str, model: str | None, day: date) -> Fraction:
        """Return what the list price is multiplied with: 1 without a discount; `model` counts for tokens alone."""
        for components, matches, discount in self._rows:
            if component in components and discount.in_force(day) and (matches is None or matches(model or "")):
                return FULL - discount.off
        return FULL
