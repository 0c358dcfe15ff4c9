"""Container time as the bill sees it: sessions, the five-minute minimum, the organization's free hours of a month."""

from datetime import datetime, timedelta
from fractions import Fraction

import msgspec

from planner.simulator.config import Switches


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What one request did to a container: when, for how long it computed, and whether a web tool frees it."""

    container: str
    organization: str
    start: datetime
    end: datetime
    seconds: Fraction
    free: bool


class Billed(msgspec.Struct, frozen=True):
    """Seconds to charge at list price, and how many of them the free hours cover."""

    seconds: Fraction
    credited: Fraction


class _Session:
    __slots__ = ("active", "billed", "last", "start")

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.last = start
        self.active = Fraction(0)
        self.billed = Fraction(0)


class Hours:
    """Sessions of all containers, and the free seconds used per organization and calendar month (UTC).

    A session begins with a container's first chargeable use and ends when the container was idle for longer than
    `idle` seconds. The use that opens it carries the minimum; later ones only the seconds beyond what is paid.
    """

    def __init__(self, switches: Switches, idle: float) -> None:
        self._switches = switches
        self._idle = timedelta(seconds=idle)
        self._sessions: dict[tuple[str, bool], _Session] = {}
        self._used: dict[tuple[str, str], Fraction] = {}

    def used(self, organization: str, at: datetime) -> Fraction:
        """Seconds of the month that counted against the free hours."""
        return self._used.get((organization, _month(at)), Fraction(0))

    def charge(self, use: Use, minimum: Fraction) -> Billed:
        """Account for one use."""
        if use.free and not self._switches.code_free_use_counts:
            return Billed(Fraction(0), Fraction(0))
        seconds = self._seconds(use, minimum)
        month = (use.organization, _month(use.start))
        used = self._used.get(month, Fraction(0))
        left = max(Fraction(self._switches.free_hours_limit) * 3600 - used, Fraction(0))
        self._used[month] = used + seconds
        return Billed(Fraction(0), Fraction(0)) if use.free else Billed(seconds, min(seconds, left))

    def _seconds(self, use: Use, minimum: Fraction) -> Fraction:
        if self._switches.code_minimum_per == "request":
            return max(minimum, use.seconds)
        key = (use.container, use.free)
        session = self._sessions.get(key)
        if session is None or use.start - session.last > self._idle:
            session = self._sessions[key] = _Session(use.start)
        session.last = max(session.last, use.end)
        session.active += use.seconds
        total = session.active
        if self._switches.code_idle_bills:
            total = max(total, Fraction(str((session.last - session.start).total_seconds())))
        owed = max(minimum, total)
        added, session.billed = owed - session.billed, owed
        return added


def _month(at: datetime) -> str:
    return f"{at.year:04}-{at.month:02}"
