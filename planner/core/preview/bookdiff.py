"""Two rule books compared row by row: what was added, removed, changed or moved, by name and in a stable order."""

from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from typing import Any, Final, Literal

import msgspec

from planner.core.rulebook.book import RuleBook

Kind = Literal[
    "policy",
    "setting",
    "price",
    "tool-price",
    "discount",
    "tool",
    "model",
    "template",
    "prior",
    "deny",
    "caller",
    "budget",
]
Alteration = Literal["added", "removed", "changed", "moved"]

KINDS: Final[tuple[Kind, ...]] = (
    "policy", "setting", "price", "tool-price", "discount", "tool", "model", "template", "prior", "deny", "caller",
    "budget",
)  # fmt: skip
"""In the order in which they are told."""

ORDERED: Final = frozenset({"policy", "model"})
"""Rows of which the first that matches decides, so that their order is part of what they say."""


class Member(msgspec.Struct, frozen=True):
    """One member of a row by its dotted name, as JSON before and after; None where it is not there."""

    member: str
    before: str | None
    after: str | None


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one row; `members` are those that changed, of a row that is in both books."""

    kind: Kind
    name: str
    change: Alteration
    members: tuple[Member, ...] = ()


Rows = Mapping[str, Any]


def compare_books(old: RuleBook, new: RuleBook) -> tuple[Difference, ...]:
    """Every row that differs, kinds in the order of `KINDS`, rows in that of the newer book, then what it lacks."""
    before, after = _rows(old), _rows(new)
    return tuple(each for kind in KINDS for each in _compare(kind, before[kind], after[kind]))


def _rows(book: RuleBook) -> dict[Kind, Rows]:
    """The rows of a book by kind and name."""
    prices, catalog = book.prices, book.catalog
    return {
        "policy": {policy.name: policy for policy in book.policies},
        "setting": _leaves(book.settings),
        "price": _named((_dated(", ".join(row.models), row.since), row) for row in prices.rows),
        "tool-price": _named((_dated(row.component, row.since), row) for row in prices.tools),
        "discount": _named((row.name, row) for row in prices.discounts),
        "tool": {row.type: row for row in catalog.tools},
        "model": _named((row.name, row) for row in catalog.models),
        "template": {row.name: row for row in catalog.templates},
        "prior": _leaves(catalog.priors),
        "deny": _named((f"{', '.join(row.tools)} on {', '.join(row.models)}", row) for row in catalog.deny),
        "caller": {row.name: row for row in book.callers.rows},
        "budget": {row.name: row for row in book.budgets},
    }


def _compare(kind: Kind, before: Rows, after: Rows) -> Iterable[Difference]:
    moved = _moved(list(before), list(after)) if kind in ORDERED else frozenset()
    for name, row in after.items():
        if name not in before:
            yield Difference(kind=kind, name=name, change="added")
            continue
        members = _members(before[name], row)
        if members:
            yield Difference(kind=kind, name=name, change="changed", members=members)
        elif name in moved:
            yield Difference(kind=kind, name=name, change="moved")
    for name in before:
        if name not in after:
            yield Difference(kind=kind, name=name, change="removed")


def _moved(before: list[str], after: list[str]) -> frozenset[str]:
    """The rows, of those that are in both, that were put elsewhere among them: as few as explain the order."""
    common = set(before) & set(after)
    old, new = ([name for name in names if name in common] for names in (before, after))
    kept = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return frozenset(common) - {name for block in kept for name in old[block.a : block.a + block.size]}


def _members(before: Any, after: Any) -> tuple[Member, ...]:  # noqa: ANN401 - rows of every kind
    old, new = _leaves(before), _leaves(after)
    names = dict.fromkeys((*new, *old))
    return tuple(Member(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def _leaves(row: Any) -> dict[str, str]:  # noqa: ANN401 - rows of every kind
    """The members of a row by their dotted names, as JSON; a value that is no row is its own only member."""
    if isinstance(row, str):  # a leaf of settings or priors, spelled already
        return {"": row}
    return dict(_flat("", msgspec.to_builtins(row, enc_hook=str)))


def _flat(prefix: str, value: Any) -> Iterable[tuple[str, str]]:  # noqa: ANN401 - JSON of any kind
    if isinstance(value, dict) and value:
        for name, member in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else str(name), member)
    elif prefix:
        yield prefix, msgspec.json.encode(value).decode()


def _dated(name: str, since: object) -> str:
    return name if since is None else f"{name} from {since}"


def _named(rows: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Rows by name; where several have one name, the later ones are numbered."""
    found: dict[str, Any] = {}
    for name, row in rows:
        number, free = 1, name
        while free in found:
            number += 1
            free = f"{name} ({number})"
        found[free] = row
    return found
