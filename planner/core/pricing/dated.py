"""A row of a price file holds from a day until another, says who says so, and stays for history when it is revoked."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from fnmatch import translate
from typing import Literal

import msgspec

Mark = Literal["A", "B", "C", "?"]


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """What holds from one day until another, with its source.

    Attributes:
        since: the first day on which the row holds, from 00:00 UTC; without it, since ever.
        until: the first day on which it no longer holds, from 00:00 UTC; without it, still.
        source: who says so: the address of a page, or the name of a contract.
        checked: the day on which the row was last compared with its source.
        mark: how sure it is: A official, B official and seen in part, C reported by others, "?" nobody says.
        revoked: true for a row that is taken back; it is kept for history and prices nothing.
        unusual: why numbers that look wrong are right; without it they are a finding.
    """

    since: date | None = None
    until: date | None = None
    source: str
    checked: date
    mark: Mark
    revoked: bool = False
    unusual: str | None = None

    def in_force(self, day: date) -> bool:
        """Say whether the row holds on a day (UTC)."""
        since, until = self.since, self.until
        return not self.revoked and (since is None or day >= since) and (until is None or day < until)


def utc_day(at: datetime) -> date:
    """Return the UTC day of an aware time; ValueError for a naive one, which has no day."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone has no price: pass an aware datetime")
    return at.date() if at.tzinfo is UTC else at.astimezone(UTC).date()


def one_of(globs: Iterable[str]) -> Callable[[str], object]:
    """Return what says whether a word matches one of some globs."""
    return re.compile("|".join(f"(?:{translate(glob)})" for glob in globs)).match
