"""Dated rows in their places: no day has two rows for one thing, none lies between two, and each names what exists."""

from collections.abc import Iterable, Sequence
from datetime import date
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, Final, Generic, TypeVar

import msgspec

from planner.core.findings import did_you_mean
from planner.core.pricing.dated import Dated, Mark
from planner.core.pricing.discounts import Discount
from planner.core.pricing.prices import PriceRow, ToolRow
from planner.core.rulebook.catalog import Text, is_exact
from planner.core.rulefile.read import Reader, place
from planner.core.rulefile.tree import Pairs

_SNAPSHOT: Final = "-20990101"  # a dated id that no row names yet: it shows what a glob is meant for


class DatedShape(msgspec.Struct, frozen=True, kw_only=True):
    """What every row of a price file says of itself."""

    since: date | None = msgspec.field(default=None, name="from")
    until: date | None = None
    source: Text
    checked: date
    mark: Mark
    revoked: bool = False
    unusual: Text | None = None

    def dated(self) -> dict[str, Any]:
        """Return these fields as a row takes them."""
        return {name: getattr(self, name) for name in Dated.__struct_fields__}


R = TypeVar("R", PriceRow, ToolRow, Discount)
N = TypeVar("N", PriceRow, Discount)


class Placed(msgspec.Struct, Generic[R], frozen=True):
    """A row with the file and the place it came from."""

    reader: Reader
    node: Pairs
    row: R
    subject: str

    @property
    def where(self) -> str:
        """Where it begins: `path:line`."""
        return f"{self.reader.path}:{self.node.line}"

    @property
    def order(self) -> tuple[str, int]:
        """Its place among the rows of all files."""
        return self.reader.path, self.node.line


def check_period(each: Placed[R]) -> None:
    """Find a row that never holds."""
    row = each.row
    if row.since is not None and row.until is not None and row.since >= row.until:
        node = place(each.node, "until")
        problem = f'"until" ({row.until}) is not after "from" ({row.since})'
        each.reader.find(node, "empty-period", each.subject, problem, "The row would never hold: correct a date.")


def check_names(placed: Sequence[Placed[N]]) -> None:
    """Find two rows that go by the same name and begin on the same day."""
    seen: dict[tuple[str, date | None], Placed[N]] = {}
    for each in placed:
        first = seen.setdefault((each.row.name, each.row.since), each)
        if first is not each:
            problem = f"the same name and from as the row at {first.where}"
            each.reader.find(place(each.node, "name"), "duplicate-name", each.subject, problem, "Name it differently.")


def check_models(each: Placed[N], globs: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Find ids and globs that stand for no model of the catalog."""
    if not known:
        return
    nodes = getattr(place(each.node, "models"), "items", ())
    for pattern, node in zip(globs, nodes, strict=True):
        if is_exact(pattern) and pattern not in known:
            problem = f'no model of the catalog is called "{pattern}"'
        elif not any(fnmatchcase(model, pattern) for id_ in known for model in (id_, id_ + _SNAPSHOT)):
            problem = f'"{pattern}" matches no known model'
        else:
            continue
        remedy = f"{did_you_mean(pattern, known)} A new model needs a row in catalog.yaml first."
        each.reader.find(node, "unknown-model", each.subject, problem, remedy)


def examples(known: Iterable[str], globs: Iterable[str]) -> list[str]:
    """Return ids that show what globs have in common: known ones, snapshots of them, and those that are no globs."""
    known = tuple(known)
    return sorted({*known, *(model + _SNAPSHOT for model in known), *(glob for glob in globs if is_exact(glob))})


def check_timeline(line: Sequence[Placed[R]]) -> list[tuple[Placed[R], Placed[R]]]:
    """Find days on which one thing has two rows, or none between two; return the pairs of rows that meet.

    A pair found twice, for two models, is one finding.
    """
    live = [each for each in line if not each.row.revoked]
    pairs = list(pairwise(sorted(live, key=lambda each: each.row.since or date.min)))
    return [(before, after) for before, after in pairs if _meet(before, after)]


def _meet(before: Placed[R], after: Placed[R]) -> bool:
    ends, begins = before.row.until or date.max, after.row.since or date.min
    if begins == ends:
        return True
    late = max(before, after, key=lambda each: each.order)
    node = place(after.node, "from") if late is after else place(before.node, "until")
    if begins < ends:
        other = before if late is after else after
        problem = f"its period overlaps with the row at {other.where}"
        late.reader.find(node, "overlapping-dates", late.subject, problem, "End the older row where the newer begins.")
    else:
        problem = f"no price from {ends} until {begins}"
        late.reader.find(node, "gap", late.subject, problem, "Let the rows meet, or add the row between them.")
    return False
