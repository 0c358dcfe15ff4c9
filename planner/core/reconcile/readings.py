"""What settings say of container time is a reading of it: what the bill would be under another one, and which fit."""

from typing import Any, NamedTuple

import msgspec

from planner.core.reconcile.cells import Cause, Cell
from planner.core.reconcile.residual import Residual
from planner.core.rulebook.book import FreeHoursSettings, Settings


class Reading(msgspec.Struct, frozen=True):
    """A setting that the figures contradict: its value, the one that fits better, by how much, on how many days.

    `alike` are other settings, each with the value with which the bill would be the same.
    """

    key: str
    value: Any
    better: Any
    nano: int
    days: int
    before: int
    after: int
    alike: tuple[str, ...] = ()


class Fit(NamedTuple):
    """A reading that the bill may have: what it leaves, what it moves, and how uses count under it."""

    after: int
    cause: Cause
    key: str
    value: Any
    moved: dict[Cell, int]
    believed: tuple[list[int], FreeHoursSettings | None, bool | None]

    def __str__(self) -> str:
        return f"{self.key}: {word(self.value)}"


def near(one: Fit, other: Fit, cell: Cell, residual: Residual) -> bool:
    """Whether two readings bill a cell the same, as far as both sides can tell."""
    return abs(one.moved.get(cell, 0) - other.moved.get(cell, 0)) <= residual.tolerance(cell)


def setting(settings: Settings, key: str) -> Any:  # noqa: ANN401 - by its key
    """The value of a dotted key."""
    found: Any = settings
    for name in key.split("."):
        found = getattr(found, name)
    return found


def word(value: object) -> str:
    """A value as it is written in a settings file."""
    return str(value).lower() if isinstance(value, bool) else str(value)
