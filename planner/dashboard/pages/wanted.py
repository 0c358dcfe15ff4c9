"""Which requests an address asks for: the filters of the list, and the place in the ledger where it begins."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Final

import msgspec

from planner.core.ledger.entry import Entry, Shadow
from planner.core.money import parse_nano
from planner.core.reasons import Decision
from planner.core.reports.dimensions import OF_DECISIONS, ONE_TAG
from planner.dashboard.parameters import FINDS
from planner.dashboard.tables import NONE
from planner.dashboard.view import DAY, AddressError, View
from planner.stores import LAST

Cursor = tuple[str, str]
"""The moment and the id of an entry: what arrived before it comes next."""
NEWEST: Final[Cursor] = (LAST, "")
_STATUS: Final = len("4xx")


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: of each name any of some values, empty for what has none; `least` is nano-dollars."""

    words: dict[str, frozenset[str]]
    least: int | None = None

    @property
    def everything(self) -> bool:
        """Whether nothing is left out."""
        return not self.words and self.least is None

    def fits(self, entry: Entry) -> bool:
        """Whether an entry is asked for."""
        if self.least is not None and (entry.cost_nano is None or entry.cost_nano < self.least):
            return False
        decided = {name: values for name, values in self.words.items() if name in OF_DECISIONS}
        said: tuple[Decision | Shadow, ...] = (*entry.decisions, *entry.shadows)
        if decided and not any(_said(each, decided) for each in said):
            return False
        return all(not values.isdisjoint(_values(entry, name)) for name, values in self.words.items() - decided.items())


def wanted_of(view: View) -> Wanted:
    """The filters of an address; a field that was left empty asks nothing, `(none)` for what has none.

    Raises AddressError.
    """
    words: dict[str, frozenset[str]] = {}
    for name, value in view.asked(FINDS):
        if value:
            words[name] = words.get(name, frozenset()) | {"" if value == NONE else value}
    for value in words.get("status", ()):
        if value and not (len(value) == _STATUS and value[0].isdigit() and (value[1:] == "xx" or value.isdigit())):
            raise AddressError(f"{value!r} is no status. Write one like 429, or a kind like 4xx.")
    for value in words.get("day", ()):
        _day(value)
    return Wanted(words=words, least=_least(view.one("min_cost")))


def cursor_of(view: View) -> Cursor:
    """Where the list begins: at what is newest, before an entry or a moment, or with the last of some days.

    Raises AddressError.
    """
    word = view.one("before")
    if word:
        at, _, request_id = word.partition(",")
        return _moment(at).isoformat(timespec="microseconds"), request_id
    days = [_day(value) for value in view.every("day") if value]
    if not days:
        return NEWEST
    after = max(days) + DAY
    return datetime(after.year, after.month, after.day, tzinfo=UTC).isoformat(timespec="microseconds"), ""


def cursor_word(cursor: Cursor) -> str:
    """A place in the ledger as an address names it."""
    return ",".join(cursor)


def _said(each: Decision | Shadow, wanted: dict[str, frozenset[str]]) -> bool:
    """Whether one decision has all that is asked for of one."""
    words = {"action": each.action, "decision": each.outcome, "reason": each.reason or "", "policy": each.policy or ""}
    return all(words[name] in values for name, values in wanted.items())


def _values(entry: Entry, name: str) -> Iterable[str]:
    """The values that an entry has of a name; what is unknown is empty."""
    match name:
        case "model":
            return {entry.model or "", entry.served_model or entry.model or ""}
        case "status":
            status = "" if entry.status is None else str(entry.status)
            return {status, f"{status[:1]}xx" if status else ""}
        case "day":
            return {entry.at[:10]}
        case "conversation":
            return {"" if entry.shape is None else entry.shape.conversation}
        case _ if name.startswith(ONE_TAG):
            return {entry.tags.get(name.removeprefix(ONE_TAG), "")}
        case _:
            return {str(getattr(entry, name) or "")}


def _least(word: str) -> int | None:
    if not word:
        return None
    try:
        return parse_nano(word.removeprefix("$"))
    except ValueError as error:
        raise AddressError(f"{word!r} is no amount of dollars. Write it like 0.05.") from error


def _moment(word: str) -> datetime:
    """A moment as people or cursors write it; UTC where nothing else is said."""
    try:
        at = datetime.fromisoformat(word)
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise AddressError(f"{word!r} is no moment. Write it like 2026-11-22T15:30.") from error


def _day(word: str) -> date:
    try:
        return date.fromisoformat(word)
    except ValueError as error:
        raise AddressError(f"{word!r} is no day. Write it like 2026-11-22.") from error
