"""A container is lent to one request at a time, and only to the first that goes on from the turn it ran in.

    idle --offer--> busy --answered--> continued        a fork finds `continued` and gets no container
                    busy --failed----> idle             the client's own retry finds it again
                    busy --expire----> idle             so does everybody, where the process that lent it is gone
    idle, busy --claim--> continued                     a pending call always gets its container, and keeps it
    idle, busy, continued --lost--> dead                offered to nobody again, but to a pending call

The table is of one turn. A turn is also busy while a request from another turn runs in its container, and dead when
that has lost it: `planner.core.lending` sees to that, and that only who has a lease ends it.

Source: https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22.
"""

from datetime import datetime, timedelta
from enum import Enum
from typing import Final

import msgspec

from planner.core.conversations import Turn
from planner.core.ledger.entry import Code, Seconds
from planner.core.money import format_nano
from planner.core.pricing.prices import CODE, CREDIT, NANO_PER_MS, Line, PriceBook, Unpriced
from planner.core.rulebook.book import CodeSettings
from planner.core.wire import MessagesRequest

LIFE: Final = timedelta(days=30)
"""A container lives 30 days from its creation [A]."""


class State(Enum):
    """Where the container of a turn stands."""

    IDLE = "idle"
    BUSY = "busy"
    CONTINUED = "continued"
    DEAD = "dead"


EVENTS: Final = {
    "offer": "a request that names no container goes on from the turn",
    "claim": "a request goes on from it whatever its state: code waits for it there, or its caller names the container",
    "answered": "that request was answered",
    "failed": "it was not: it was refused, broke off, or never left",
    "lost": "the API no longer takes the container",
    "renew": "the process of that request is alive, and so the lease goes on",
    "expire": "it was not renewed in time",
}
"""What can happen to a turn's container, in words for those who read its drawing."""

TABLE: Final = {
    (State.IDLE, "offer"): State.BUSY,
    (State.BUSY, "answered"): State.CONTINUED,
    (State.BUSY, "failed"): State.IDLE,
    (State.BUSY, "renew"): State.BUSY,
    (State.BUSY, "expire"): State.IDLE,
    # A claim does not wait for its end: whatever becomes of it, only a pending call may go on from this turn.
    (State.IDLE, "claim"): State.CONTINUED,
    (State.BUSY, "claim"): State.CONTINUED,
    (State.CONTINUED, "claim"): State.CONTINUED,
    (State.DEAD, "claim"): State.DEAD,
    # The life and the end of a request whose container was claimed or lost meanwhile.
    (State.CONTINUED, "answered"): State.CONTINUED,
    (State.CONTINUED, "failed"): State.CONTINUED,
    (State.CONTINUED, "renew"): State.CONTINUED,
    (State.CONTINUED, "expire"): State.CONTINUED,
    (State.DEAD, "answered"): State.DEAD,
    (State.DEAD, "failed"): State.DEAD,
    (State.DEAD, "renew"): State.DEAD,
    (State.DEAD, "expire"): State.DEAD,
    (State.IDLE, "lost"): State.DEAD,
    (State.BUSY, "lost"): State.DEAD,
    (State.CONTINUED, "lost"): State.DEAD,
    (State.DEAD, "lost"): State.DEAD,
}


class Lease(msgspec.Struct):
    """A turn and the state of the container it ran in."""

    turn: Turn
    state: State = State.IDLE

    def apply(self, event: str) -> None:
        """Take the step that the table has. Raises ValueError for one that it has not."""
        self.state = step(self.state, event)


def step(state: State, event: str) -> State:
    """The step that the table has. Raises ValueError for one that it has not."""
    after = TABLE.get((state, event))
    if after is None:
        raise ValueError(f"a container that is {state.value} cannot take the event {event}")
    return after


class Work(msgspec.Struct, frozen=True):
    """What one response says of code execution, and what bounds its time.

    `resumed` says that code of an earlier response ran on in this one. `elapsed_ms` is how long the whole response
    took: code cannot have run longer. `likely_ms` is how long it was seen to run, or is believed to. `idle_ms` is how
    long the container had waited since its last request, which counts only where the settings say that waiting bills.
    """

    runs: int
    preloaded: bool
    free: bool
    elapsed_ms: int
    likely_ms: int
    idle_ms: int = 0
    resumed: bool = False

    @property
    def ran(self) -> bool:
        """Whether any code ran."""
        return self.runs > 0 or self.resumed


class Charge(msgspec.Struct, frozen=True):
    """What the container time of one request costs: an estimate, since no response tells billed time.

    `used_ms` is what the container session has billably used with this request, None while nothing of it was billed;
    `hours_ms` is the time that counts toward the organization's free hours.
    """

    code: Code | None
    lines: tuple[Line, ...]
    used_ms: int | None
    hours_ms: int = 0


def preloads(request: MessagesRequest, code: CodeSettings) -> bool:
    """Whether a request bills container time even if no code runs, because something is loaded into the container."""
    if code.skills_preload_bills and request.container.skills:
        return True
    uploads = request.uploads
    if code.history_uploads_bill or not request.has_assistant:
        return bool(uploads)
    return any(upload.message == len(request.messages) - 1 for upload in uploads)


def charge(
    work: Work,
    opened_used_ms: int | None,
    prices: PriceBook,
    at: datetime,
    *,
    free_ms: int,
    code: CodeSettings = CodeSettings(),  # noqa: B008 - frozen
) -> Charge:
    """The lines of one request's container time.

    The request that opens a container session carries the five-minute minimum; later ones carry only what goes beyond
    it, unless `code.minimum_per` says that each carries its own. `opened_used_ms` is what the session has used before,
    None while nothing of it was billed; `free_ms` is what is left of the organization's free hours, which comes back as
    a negative `allowance_credit`. Amounts are differences of what the session costs up to then, so that however a
    session is split into requests, its lines add up to the same.
    """
    if not work.ran and not work.preloaded:
        return Charge(None, (), opened_used_ms)
    seconds, ran = _time(work, code)
    row = prices.tool(CODE, at)
    minimum = 0 if row is None else row.minimum_ms
    before = opened_used_ms if code.minimum_per == "session" else None
    paid = 0 if before is None else max(before, minimum)
    reached = max((before or 0) + ran, minimum)
    hours = reached - paid
    if work.free:
        return Charge(Code(work.runs, seconds, "free"), (), opened_used_ms, hours if code.free_use_counts else 0)
    used = (opened_used_ms or 0) + ran
    if row is None or row.pico_per_hour is None:
        return Charge(Code(work.runs, seconds, "unmetered"), (), used, hours)
    if hours == 0:
        return Charge(Code(work.runs, seconds, "covered"), (), used)
    credited = min(hours, max(free_ms, 0))
    begun = _session(prices, paid, at)
    lines = [_line(CODE, hours, begun, _session(prices, reached, at))]
    if credited:
        lines.append(_line(CREDIT, credited, _session(prices, paid + credited, at), begun))
    return Charge(Code(work.runs, seconds, "billed"), tuple(lines), used, hours)


def _time(work: Work, code: CodeSettings) -> tuple[Seconds, int]:
    """How long code ran (sure, likely, at most), and the milliseconds that are billed for it.

    Nothing is sure: what lies on the way may hold chunks back, so that a run that took long seems to take no time.
    """
    longest = work.elapsed_ms if work.ran else 0
    likely = min(work.likely_ms, longest)
    ran = longest + work.idle_ms if code.idle_bills else likely
    return Seconds(0.0, likely / 1000, longest / 1000), ran


def _session(prices: PriceBook, milliseconds: int, at: datetime) -> tuple[int, int]:
    """What a session that ran so long costs, at contracted and at list price."""
    line = prices.time_line(CODE, milliseconds, at)
    return (0, 0) if line is None or isinstance(line, Unpriced) else (line.nano, line.listed)


def _line(kind: str, milliseconds: int, before: tuple[int, int], after: tuple[int, int]) -> Line:
    """The line of what a session costs more after than before, a credit where that is less."""
    nano, listed = (later - earlier for later, earlier in zip(after, before, strict=True))
    seconds = format_nano(milliseconds * NANO_PER_MS)
    return Line(kind, seconds, "second", nano, "estimated", None if listed == nano else listed)
