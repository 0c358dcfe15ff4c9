"""What was read of something that could not be read whole, so that one slip does not hide the others."""

from typing import Any, Final, Generic, TypeVar

import msgspec

from planner.core.rulefile.tree import Pairs

T = TypeVar("T")


class _Unreadable:
    """Stands for a value whose finding is already written."""


BAD: Final = _Unreadable()


class Partial(msgspec.Struct, frozen=True):
    """A value of which some parts could not be read, each with its finding.

    `lost` are the fields of a struct that are not whole. One that is lost has its default, or None where it has none;
    in a list None stands for an item that is lost, and a table is without it.
    """

    value: Any
    lost: frozenset[str] = frozenset()


class Row(msgspec.Struct, Generic[T], frozen=True):
    """A row of a list: its node, what it says, and its fields that are lost; none when it is whole."""

    node: Pairs
    value: T
    lost: frozenset[str] = frozenset()


def broken(value: object) -> bool:
    """Say whether something of a value could not be read."""
    return value is BAD or isinstance(value, Partial)


def bare(value: Any) -> Any:  # noqa: ANN401 - whatever was read
    """Return a value without its mark; None for what could not be read."""
    if value is BAD:
        return None
    return value.value if isinstance(value, Partial) else value
