"""What a page is made of: the view that is asked for, the sums, the store; and what it is: words, figures, tables."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

import msgspec

from planner.dashboard.asked import Standing
from planner.dashboard.days import Days
from planner.dashboard.parameters import WHERE, Parameter
from planner.dashboard.tables import Table
from planner.dashboard.view import View
from planner.stores import WholeStore


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One number of a page: as people read it, exactly, and how it is known.

    `exact` is a decimal string of dollars where `unit` is usd. `basis` is measured, estimated, expected or counted.
    """

    name: str
    label: str
    shown: str
    exact: str | int | float | None
    unit: str
    basis: str
    note: str = ""
    trend: tuple[float, ...] = ()
    link: str = ""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """A page before it is written: `said` is for its template alone, figures and tables are its data as well.

    `as_of` is when the oldest of what it tells was read, None for this moment. `following` is where the next page of it
    begins, as the parameter `before` names it.
    """

    said: dict[str, Any]
    figures: tuple[Figure, ...] = ()
    tables: tuple[Table, ...] = ()
    as_of: datetime | None = None
    following: str | None = None


class Missing(Exception):  # noqa: N818 - it names what the visitor asked for, not a failure of ours
    """There is no such page, no such table on it, or no such request; the message says so, and `todo` what to do.

    `title` is what a page says above it, `way` a page that leads on: its name and address.
    """

    def __init__(
        self,
        why: str,
        todo: tuple[str, ...] = (),
        title: str = "This page is not here",
        way: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(" ".join((why, *todo)))
        self.why, self.todo, self.title, self.way = why, todo, title, way


class Room(msgspec.Struct, frozen=True, kw_only=True):
    """What a page has to work with. Whatever it reads of the store may raise StoreError.

    `memo` is the pages' own, and lives as long as the process: what took long to find is not found twice.
    """

    view: View
    standing: Standing
    days: Days
    store: WholeStore
    memo: dict[str, Any] = msgspec.field(default_factory=dict)

    @property
    def now(self) -> datetime:
        """The planner's time (UTC)."""
        return self.standing.now

    @property
    def where(self) -> dict[str, frozenset[str]]:
        """The filters that the page takes: a parameter named like a dimension, as often as it has values."""
        found: dict[str, frozenset[str]] = {}
        for name, value in self.view.asked(tuple(each for each in self.view.takes if each in WHERE)):
            found[name] = found.get(name, frozenset()) | {value}
        return found


class Page(msgspec.Struct, frozen=True):
    """A page: its name in addresses, that of its template too; its title; and what makes its content.

    `takes` are the parameters of its address. `under` is the page of the navigation that it belongs to, where it is
    none of these itself.
    """

    name: str
    title: str
    make: Callable[[Room], Awaitable[Content]]
    takes: tuple[Parameter, ...] = ()
    under: str = ""
