"""What an address asks for: a period, filters, a way to tell it; and the addresses of what is next to it.

Everything stands in the address, so that a page can be sent to somebody else.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from planner.dashboard.parameters import Parameter, bearer

DAY: Final = timedelta(days=1)
ROOT: Final = "/planner"
MONTH: Final = "this-month"
LENGTHS: Final = {"today": 1, "7d": 7, "30d": 30, "90d": 90}
"""Periods that end today, by their days."""
LONGEST_DAYS: Final = 400
YEARS: Final = range(2000, 3000)
MOST_WORDS: Final = 200
"""Parameters that are read of an address."""


class AddressError(ValueError):
    """The address asks for what there is none of; the message says what to write instead."""


class Period(msgspec.Struct, frozen=True):
    """Days (UTC) from one on and before another; `month` is the month's name where it is a whole one."""

    since: date
    until: date
    name: str
    month: str | None = None

    @property
    def days(self) -> int:
        """How many."""
        return (self.until - self.since).days

    @property
    def words(self) -> str:
        """How people call it."""
        if self.month is not None:
            return f"{self.since:%B %Y}"
        last = self.until - DAY
        if self.since == last:
            return f"{last.day} {last:%B %Y}"
        return f"{self.since.day} {self.since:%b %Y} to {last.day} {last:%b %Y}"

    def elapsed(self, today: date) -> int:
        """Days of it that have begun."""
        return max((min(self.until, today + DAY) - self.since).days, 0)

    def before(self, today: date) -> "Period":
        """What it is compared with: the month before, as many days of it as of this one; else as many days before."""
        if self.month is not None:
            first = (self.since - DAY).replace(day=1)
            until = self.since if self.elapsed(today) >= self.days else first + self.elapsed(today) * DAY
            return Period(first, min(until, self.since), "", _name(first) if until >= self.since else None)
        return Period(self.since - self.elapsed(today) * DAY, self.since, "")


class View(msgspec.Struct, frozen=True, kw_only=True):
    """A page with its parameters, in the order of the address; it reads those alone that it `takes`."""

    page: str
    words: tuple[tuple[str, str], ...]
    today: date
    takes: tuple[Parameter, ...]

    @property
    def period(self) -> Period:
        """The period asked for; this month where none is. Raises AddressError."""
        since, until = self.one("from"), self.one("to")
        if since or until:
            return _span(_day(since or until), _day(until or since))
        return period_of(self.one("period") or MONTH, self.today)

    def one(self, name: str) -> str:
        """The last value of a parameter; empty where it is not there. Raises LookupError for one it does not take."""
        self._taken(name)
        return next((value for key, value in reversed(self.words) if key == name), "")

    def every(self, name: str) -> tuple[str, ...]:
        """All values of a parameter. Raises LookupError for one it does not take."""
        self._taken(name)
        return tuple(value for key, value in self.words if key == name)

    def asked(self, parameters: tuple[Parameter, ...]) -> tuple[tuple[str, str], ...]:
        """The names and values of some parameters, in their order. Raises LookupError for one it does not take."""
        for each in parameters:
            if each not in self.takes:
                raise LookupError(f"the page {self.page} does not say that it takes {each.name}")
        return tuple((name, value) for name, value in self.words if bearer(parameters, name) is not None)

    def link(self, page: str | None = None, **changes: str | None) -> str:
        """The address of a page, this one as a rule, with some parameters set and others (None) left away."""
        return self._address(f"{ROOT}/{self.page if page is None else page}", changes)

    def without(self, name: str, value: str) -> str:
        """The address of this page without one value of a parameter."""
        kept = tuple(word for word in self.words if word != (name, value))
        return msgspec.structs.replace(self, words=kept).link()

    def data(self, table: str = "", form: str = "") -> str:
        """The address of this page's data: all of it as JSON, or a table, as `csv` or `json`."""
        tail = f"/{table}{f'.{form}' if form else ''}" if table else ""
        return self._address(f"{ROOT}/api/{self.page}{tail}", {})

    def _taken(self, name: str) -> None:
        if bearer(self.takes, name) is None:
            raise LookupError(f"the page {self.page} does not say that it takes {name}")

    def _address(self, path: str, changes: Mapping[str, str | None]) -> str:
        kept = [(key, value) for key, value in self.words if key not in changes]
        words = [*kept, *((key, value) for key, value in changes.items() if value is not None)]
        return f"{path}?{urlencode(words)}" if words else path


def view_of(page: str, query: str, today: date, takes: tuple[Parameter, ...]) -> View:
    """The view that an address names, of a page that takes some parameters. Raises AddressError."""
    try:
        words = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_WORDS, errors="strict")
    except (ValueError, UnicodeDecodeError) as error:
        raise AddressError("the address has parameters that cannot be read. Begin again at /planner/.") from error
    known = tuple((key, value) for key, value in words if value or key not in {"from", "to", "period", "by", "compare"})
    return View(page=page, words=known, today=today, takes=takes)


def period_of(name: str, today: date) -> Period:
    """The period of a name: `this-month`, `last-month`, `2026-11`, `today`, `7d`, `30d`, `90d`. Raises AddressError."""
    if name in LENGTHS:
        return Period(today - (LENGTHS[name] - 1) * DAY, today + DAY, name)
    if name in {MONTH, "last-month"}:
        first = today.replace(day=1)
        return _month(first if name == MONTH else (first - DAY).replace(day=1), name)
    try:
        first = date.fromisoformat(f"{name}-01")
    except ValueError as error:
        raise AddressError(f"there is no period {name!r}. Take a month like 2026-11, or 7d, 30d, 90d.") from error
    return _month(_within(first), name)


def months_before(today: date, count: int) -> tuple[str, ...]:
    """The names of this month and those before it, the newest first."""
    found, first = [], today.replace(day=1)
    for _ in range(count):
        found.append(_name(first))
        first = (first - DAY).replace(day=1)
    return tuple(found)


def _month(first: date, name: str) -> Period:
    return Period(first, first + monthrange(first.year, first.month)[1] * DAY, name, _name(first))


def _name(first: date) -> str:
    return f"{first:%Y-%m}"


def _span(since: date, last: date) -> Period:
    if last < since:
        raise AddressError(f"{since} comes after {last}. Let the period begin before it ends.")
    if (last - since).days >= LONGEST_DAYS:
        raise AddressError(f"a page shows at most {LONGEST_DAYS} days. Take fewer, or ask planner report.")
    return Period(since, last + DAY, f"{since}..{last}")


def _day(word: str) -> date:
    try:
        day = date.fromisoformat(word)
    except ValueError as error:
        raise AddressError(f"{word!r} is no day. Write it like 2026-11-22.") from error
    return _within(day)


def _within(day: date) -> date:
    """A day that has others before and after it, whatever is reckoned from it."""
    if day.year not in YEARS:
        raise AddressError(f"no ledger has entries of {day.year}. Take a year from {YEARS[0]} to {YEARS[-1]}.")
    return day
