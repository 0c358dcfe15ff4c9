"""Months of traffic for tests, each made once: 3,000 entries of what the demo makes 300,000 of."""

from functools import cache
from typing import Final, NamedTuple

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.rulebook.book import RuleBook
from planner.core.rulefile import load
from planner.rulesource import read_files
from planner.traffic import Happening, Month, overrides, rule_files

ENTRIES: Final = 3_000


class Made(NamedTuple):
    """A month that is over, and all that happened in it."""

    month: Month
    happenings: tuple[Happening, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The whole ledger."""
        return tuple(entry for happening in self.happenings for entry in happening.entries)

    @property
    def lines(self) -> list[bytes]:
        """The whole trace."""
        return [happening.line for happening in self.happenings if happening.line is not None]

    @property
    def ledger(self) -> bytes:
        """The ledger as JSON Lines."""
        return b"\n".join(map(msgspec.json.encode, self.entries))


@cache
def book_of(entries: int = ENTRIES, *, discounts: bool = False) -> RuleBook:
    """The rules of a month."""
    return load(rule_files(read_files(None), discounts=discounts), overrides(entries))


@cache
def made(entries: int = ENTRIES, seed: str = "planner", *, discounts: bool = False) -> Made:
    """A month. It is shared: nobody may change it."""
    return again(entries, seed, discounts=discounts)


def again(entries: int = ENTRIES, seed: str = "planner", *, discounts: bool = False) -> Made:
    """A month that is made anew."""
    month = Month(book_of(entries, discounts=discounts), entries=entries, seed=seed)
    return Made(month, tuple(month.happenings()))
