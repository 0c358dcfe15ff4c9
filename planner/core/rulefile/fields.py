"""Every field that a rule file may hold, in words: read from the `Attributes:` of the structs' docstrings.

The editor schemas and docs/rules-reference.md say the same of a field, because both take it from here.
"""

import inspect as docs
import re
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec
from msgspec import inspect

from planner.core.pricing.dated import Dated
from planner.core.pricing.discounts import Discount
from planner.core.rulebook.book import CallerRow
from planner.core.rulefile.callersfile import CallerShape
from planner.core.rulefile.discountfile import DiscountShape
from planner.core.rulefile.timeline import DatedShape

Struct = type[msgspec.Struct]

TWINS: Final[Mapping[Struct, Struct]] = {
    CallerShape: CallerRow,
    DatedShape: Dated,
    DiscountShape: Discount,
}
"""Shapes of files whose fields are described where the value is that they become."""

_FIELD = re.compile(r"    (\w+): (.*)")


def summary(struct: Struct) -> str:
    """Return what a struct is, as its docstring says it before the fields."""
    return " ".join(docs.cleandoc(struct.__doc__ or "").partition("\nAttributes:\n")[0].split())


def meanings(struct: Struct) -> dict[str, str]:
    """Return what each described field means, by the name of its attribute, inherited ones included."""
    found: dict[str, str] = {}
    for each in (*reversed(struct.__mro__), TWINS.get(struct, struct), struct):
        if issubclass(each, msgspec.Struct):
            if each in TWINS:
                found |= dict(_attributes(TWINS[each]))
            found |= dict(_attributes(each))
    return found


def meaning(struct: Struct, field: str) -> str:
    """Return what a field means, as a sentence; KeyError for one that nobody described."""
    text = meanings(struct)[field]
    return text[0].upper() + text[1:]


def structs_of(struct: Struct) -> tuple[Struct, ...]:
    """Return a struct and all that stand inside of it, each once, in the order in which a reader meets them."""
    found: dict[Struct, None] = {struct: None}
    for field in msgspec.structs.fields(struct):
        for inner in _inside(inspect.type_info(field.type)):
            found |= dict.fromkeys(structs_of(inner))
    return tuple(found)


def _attributes(struct: Struct) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each field in a docstring."""
    name, text = "", ""
    for line in docs.cleandoc(struct.__doc__ or "").partition("\nAttributes:\n")[2].splitlines():
        match = _FIELD.fullmatch(line)
        if match is None:
            text = f"{text} {line.strip()}"
            continue
        if name:
            yield name, text
        name, text = match[1], match[2]
    if name:
        yield name, text.strip()


def _inside(info: inspect.Type) -> Iterator[Struct]:
    """Yield the structs that a type is made of."""
    if isinstance(info, inspect.Metadata):
        yield from _inside(info.type)
    elif isinstance(info, inspect.StructType):
        yield info.cls
    elif isinstance(info, inspect.UnionType):
        for each in info.types:
            yield from _inside(each)
    elif isinstance(info, inspect.DictType):
        yield from _inside(info.value_type)
    elif isinstance(info, inspect.VarTupleType):
        yield from _inside(info.item_type)
