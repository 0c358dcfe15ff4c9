"""The data of a page as programs read it: the shapes of all JSON that the dashboard answers with."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from planner.core.findings import Finding

Unit = Literal["text", "word", "long", "code", "usd", "count", "hours", "share", "ms"]
"""`word` is a text that does not wrap, `long` a sentence that does, `code` a name of a program's."""
Cell = str | int | float | None


class ColumnTold(msgspec.Struct, frozen=True):
    """A column of a table, by the name that its cells have in each row; `head` is what people read above it."""

    name: str
    head: str
    unit: Unit


class TableTold(msgspec.Struct, frozen=True, kw_only=True):
    """A table: rows as objects; dollars are exact decimal strings, time is milliseconds, shares are parts of 1."""

    title: str
    columns: tuple[ColumnTold, ...]
    rows: tuple[dict[str, Cell], ...]
    total: dict[str, Cell] | None
    note: str | None


class FigureTold(msgspec.Struct, frozen=True, kw_only=True):
    """One number of a page, exactly; `basis` says how it is known."""

    value: Cell
    unit: str
    basis: str
    note: str | None


class PageTold(msgspec.Struct, frozen=True, kw_only=True):
    """All of a page; `as_of` is when the oldest of what it tells was read, RFC 3339.

    `before` is where the next page begins, of a list that may go on.
    """

    page: str
    as_of: str
    figures: dict[str, FigureTold]
    tables: dict[str, TableTold]
    before: str | UnsetType = UNSET


class Wrong(msgspec.Struct, frozen=True):
    """What went wrong: Anthropic's word for it, and a sentence that begins with `planner:`."""

    type: str
    message: str


class ErrorTold(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type", tag="error"):
    """An error in Anthropic's shape; of a workflow with all that was found in its file."""

    error: Wrong
    findings: tuple[Finding, ...] = ()
    request_id: str | None = None
