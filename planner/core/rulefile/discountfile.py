"""`discounts:` of `prices/*.yaml`: what was negotiated, dated and revocable; two that hold for one thing are wrong."""

from datetime import date
from fnmatch import fnmatchcase
from fractions import Fraction
from itertools import combinations
from typing import Annotated, Final

import msgspec

from planner.core.money import fraction
from planner.core.pricing.discounts import TOKENS, Discount, Discounted
from planner.core.rulebook.catalog import Text, Texts
from planner.core.rulefile.plausible import REMEDY
from planner.core.rulefile.read import Reader, Usd, place, word
from planner.core.rulefile.timeline import DatedShape, Placed, check_models, check_names, check_period, examples
from planner.core.rulefile.tree import Node

LARGEST: Final = Fraction(3, 4)
"""More off than this is rather what is left to pay."""


class DiscountShape(DatedShape, frozen=True, kw_only=True):
    """What was agreed to be paid less, for a time.

    Attributes:
        percent_off: what is not paid, in percent of the list price.
    """

    name: Text
    why: Text
    percent_off: Usd
    models: Texts | None = None
    components: Annotated[tuple[Discounted, ...], msgspec.Meta(min_length=1)] | None = None
    organizations: Texts | None = None


def read_discounts(reader: Reader, root: Node | None) -> list[Placed[Discount]]:
    """Return the discounts of one file."""
    found = []
    for node, shape in reader.rows(root, "discounts", DiscountShape, lambda node: f'discount "{word(node, "name")}"'):
        row = Discount(
            name=shape.name,
            why=shape.why,
            off=fraction(shape.percent_off) / 100,
            models=shape.models or (),
            components=shape.components or (),
            organizations=shape.organizations or (),
            **shape.dated(),
        )
        found.append(Placed(reader, node, row, f'discount "{shape.name}"'))
    return found


def check_discounts(discounts: list[Placed[Discount]], known: tuple[str, ...], priced: set[str]) -> None:
    """Find what is wrong with discounts; `priced` are the globs of the price rows."""
    for each in discounts:
        check_period(each)
        check_models(each, each.row.models, known)
        _check_size(each)
        _check_components(each)
    check_names(discounts)
    globs = {*priced, *(glob for each in discounts for glob in each.row.models)}
    models = examples(known, globs)
    for one, two in combinations([each for each in discounts if not each.row.revoked], 2):
        if shared := _shared(one.row, two.row, models):
            late, other = max(one, two, key=lambda each: each.order), min(one, two, key=lambda each: each.order)
            problem = f"it gives {shared} a second discount beside the row at {other.where}"
            remedy = "Discounts do not stack: part them by date, model, component or organization."
            late.reader.find(late.node, "overlapping-discounts", late.subject, problem, remedy)


def _check_size(each: Placed[Discount]) -> None:
    node, off = place(each.node, "percent_off"), each.row.off
    if not 0 < off <= 1:
        problem = '"percent_off" does not lie above 0 and up to 100'
        each.reader.find(node, "out-of-range", each.subject, problem, "Write what is taken off, in percent.")
    elif off > LARGEST and each.row.unusual is None and not each.row.revoked:
        problem = f'"percent_off" takes more than {float(LARGEST * 100):g} percent off, not down to that'
        each.reader.find(node, "implausible-discount", each.subject, problem, REMEDY)


def _check_components(each: Placed[Discount]) -> None:
    if not each.row.models:
        return
    for component in each.row.components:
        if component not in TOKENS:
            problem = f"{component} has one price for all models"
            remedy = "Give it a row without models."
            each.reader.find(place(each.node, "components"), "unknown-field", each.subject, problem, remedy)


def _shared(one: Discount, two: Discount, models: list[str]) -> str | None:
    """Return a thing that two discounts hold for at the same time, or None."""
    first, second = ((each.since or date.min, each.until or date.max) for each in (one, two))
    if first[0] >= second[1] or second[0] >= first[1]:
        return None
    if one.organizations and two.organizations and not set(one.organizations) & set(two.organizations):
        return None
    for component in one.holds_for:
        if component not in two.holds_for:
            continue
        if component not in TOKENS or not (one.models and two.models):
            return component
        for model in models:
            if all(any(fnmatchcase(model, glob) for glob in each.models) for each in (one, two)):
                return f"{component} of {model}"
    return None
