"""Requests as they come: the newest entries of the ledger, or those before a moment, as far as filters ask for them.

A visit reads one page of the ledger by its index, whatever is asked for: where a filter leaves things out, it looks
through so many entries and says how far it came, and the next page goes on from there.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

import msgspec

from planner.core.ledger.entry import RESULTS, Entry
from planner.core.reasons import Action, Outcome, Reason
from planner.core.reports.wording import several
from planner.dashboard.pages.wanted import (
    NEWEST,
    Cursor,
    Wanted,
    cursor_of,
    cursor_word,
    wanted_of,
)
from planner.dashboard.parameters import BEFORE, FINDS, LIVE, MIN_COST
from planner.dashboard.room import Content, Page, Room
from planner.dashboard.tables import NONE, Column, Row, Table
from planner.dashboard.told import Cell
from planner.dashboard.view import View

SHOWN: Final = 50
LOOKED_THROUGH: Final = 1_000
"""Entries that a visit looks through at most where a filter leaves some out: 40 ms, in a process of its own."""
LIVE_SECONDS: Final = 3
OPEN: Final = "unknown"
OFFERED: Final = {
    "team": "Team",
    "model": "Model",
    "principal": "Principal",
    "policy": "Policy",
    "endpoint": "Endpoint",
}
"""Filters that are written by hand; whatever else an address asks for stays in it, and stands above the list."""
ENDINGS: Final = {
    "ok": "answered", "error": "error", "cancelled": "hung up by the client", "refused": "refused by the planner",
    OPEN: "still open",
}  # fmt: skip


class Found(msgspec.Struct, frozen=True):
    """What was found: entries, how many were looked through, and where the next page begins, if there may be one."""

    entries: tuple[Entry, ...]
    looked: int
    following: Cursor | None


async def make(room: Room) -> Content:
    """A page of the ledger, the newest first."""
    view = room.view
    wanted, cursor = wanted_of(view), cursor_of(view)
    found = await look(room, wanted, cursor)
    at_the_top = cursor == NEWEST
    live = at_the_top and view.one("live") != "off"
    table = requests_table(view, found.entries)
    following = None if found.following is None else view.link(before=cursor_word(found.following))
    return Content(
        said={
            "verdict": _verdict(found, wanted, at_the_top=at_the_top),
            "live": live,
            "live_seconds": LIVE_SECONDS,
            "at_the_top": at_the_top,
            "switch": view.link(live="off" if live else None),
            "newest": view.link(before=None, day=None),
            "following": following,
            "chips": tuple(_chips(view, wanted)),
            "offered": OFFERED,
            "endings": ENDINGS,
            "reasons": tuple(sorted(Reason, key=str)),
            "before": _before(view.one("before")),
            "kept": tuple(_kept(view)),
            "listed": listed(view, found.entries, table),
            "none": NONE,
        },
        tables=(table,),
        following=None if found.following is None else cursor_word(found.following),
    )


PAGE = Page("requests", "Requests", make, takes=(*FINDS, MIN_COST, BEFORE, LIVE))


async def look(room: Room, wanted: Wanted, cursor: Cursor) -> Found:
    """Read one page, and keep what is asked for. Raises StoreError."""
    if wanted.everything:
        read = await room.store.newest(cursor, SHOWN + 1)
        return Found(read[:SHOWN], min(len(read), SHOWN), _place(read[SHOWN - 1]) if len(read) > SHOWN else None)
    read = await room.store.newest(cursor, LOOKED_THROUGH)
    fitting: list[Entry] = []
    for looked, entry in enumerate(read, start=1):
        if wanted.fits(entry):
            fitting.append(entry)
            if len(fitting) == SHOWN:
                return Found(tuple(fitting), looked, _place(entry))
    return Found(tuple(fitting), len(read), _place(read[-1]) if len(read) == LOOKED_THROUGH else None)


def requests_table(view: View, entries: Iterable[Entry], name: str = "requests", title: str = "Requests") -> Table:
    """A row a request, each leading to what explains it."""
    return Table(
        name=name,
        title=title,
        columns=(
            Column("at", "Arrived", "word"),
            Column("cost", "Cost", "usd"),
            Column("saved", "Saved, est.", "usd"),
            Column("latency", "Took", "ms"),
            Column("outcome", "Ended", "word"),
            Column("status", "Status", "word"),
            Column("team", "Team", "word"),
            Column("principal", "Who", "word"),
            Column("model", "Model", "word"),
            Column("bundle", "Bundle", "word"),
            Column("container", "Container", "word"),
            Column("endpoint", "Endpoint", "word"),
            Column("request_id", "Request", "code"),
        ),
        rows=tuple(Row(_cells(entry), link=request_link(view, entry.request_id)) for entry in entries),
        digits=6,
    )


def listed(view: View, entries: Iterable[Entry], table: Table) -> Table:
    """The table as the page shows it: what fits beside one another on a screen; CSV, JSON and the request have all."""
    return Table(
        name=table.name,
        title=table.title,
        columns=(
            Column("at", "Arrived", "word"),
            Column("cost", "Cost", "usd"),
            Column("saved", "Saved, est.", "usd"),
            Column("latency", "Took", "ms"),
            Column("ended", "Ended", "word"),
            Column("team", "Team", "word"),
            Column("principal", "Who", "word"),
            Column("what", "What", "word"),
            Column("bundle", "Bundle"),
            Column("container", "Container", "word"),
        ),
        rows=tuple(Row(_listed(entry), link=request_link(view, entry.request_id)) for entry in entries),
        digits=table.digits,
        note=table.note,
    )


def request_link(view: View, request_id: str) -> str:
    """The address of one request; filters stay in it, so that one finds the way back."""
    return view.link(f"requests/{request_id}", before=None, live=None, id=None)


def moment(at: str) -> str:
    """When something arrived, as people read it: UTC, to the millisecond."""
    return f"{datetime.fromisoformat(at):%Y-%m-%d %H:%M:%S.%f}"[:-3]


def saved_nano(entry: Entry) -> int | None:
    """What our edits saved of a request, where both costs are known."""
    if entry.cost_nano is None or entry.untouched_nano is None:
        return None
    return entry.untouched_nano - entry.cost_nano


def _before(asked: str) -> str:
    """The moment that an address names, as a field of a form takes it: a day begins at midnight."""
    moment_, _, _ = asked.partition(",")
    return f"{moment_}T00:00" if len(moment_) == len("2026-10-02") else moment_[:16]


def _place(entry: Entry) -> Cursor:
    return entry.at, entry.request_id


def _cells(entry: Entry) -> tuple[Cell, ...]:
    return (
        moment(entry.at),
        entry.cost_nano,
        saved_nano(entry),
        None if entry.latency is None else round(entry.latency.total * 1000),
        "open" if entry.outcome == OPEN else entry.outcome,
        "" if entry.status is None else str(entry.status),
        entry.team or "",
        entry.principal,
        entry.served_model or entry.model or "",
        _decided(entry, Action.BUNDLE),
        _decided(entry, Action.CONTAINER),
        entry.endpoint,
        entry.request_id,
    )


def _listed(entry: Entry) -> tuple[Cell, ...]:
    """The cells of a row that people read: a status where it is no success, of what was declined the reason alone."""
    at, cost, saved, latency, ended, status, team, who, *_ = _cells(entry)
    container = next((str(each.outcome) for each in entry.decisions if each.action is Action.CONTAINER), "")
    return (
        str(at)[: len("2026-10-02 10:20:30")],
        cost,
        saved,
        latency,
        f"{ended} {status}".strip() if status != "200" else ended,
        team,
        who,
        _what(entry),
        _decided(entry, Action.BUNDLE).removeprefix(f"{Outcome.DECLINED}: "),
        container,
    )


def _what(entry: Entry) -> str:
    """What was asked: a model answered, as a rule; else how many requests a batch holds, or what else was asked for."""
    if entry.batch is not None and entry.batch.made is not None:
        return f"batch of {several(entry.batch.made.requests, 'request')}"
    if entry.endpoint == RESULTS and entry.batch is not None:
        return f"{several(entry.batch.results, 'result')} of a batch"
    model = entry.served_model or entry.model
    if model is None:
        return entry.endpoint
    return model if entry.endpoint == "messages" else f"{model}, {entry.endpoint}"


def _decided(entry: Entry, action: Action) -> str:
    """How an action ended and why, in two words."""
    decision = next((each for each in entry.decisions if each.action is action), None)
    if decision is None:
        return ""
    return str(decision.outcome) if decision.reason is None else f"{decision.outcome}: {decision.reason}"


def _verdict(found: Found, wanted: Wanted, *, at_the_top: bool) -> str:
    """What the list is, and how far it was looked for."""
    number = len(found.entries)
    if wanted.everything:
        if not number:
            return "No request is in the ledger yet." if at_the_top else "No request is older."
        return (
            f"The newest {several(number, 'request')}." if at_the_top else f"{several(number, 'request')}, older ones."
        )
    among = f"the {found.looked:,} {'newest' if at_the_top else 'before'}"
    if found.following is None:
        return f"{several(number, 'request fits', 'requests fit')}, and nothing older does."
    if number == SHOWN:
        return f"{several(number, 'request fits', 'requests fit')} among {among}; the next page goes on."
    since = moment(found.following[0])[:19]
    return f"{several(number, 'request fits', 'requests fit')} among {among}, back to {since}; the next page goes on."


def _chips(view: View, wanted: Wanted) -> Iterable[dict[str, str]]:
    """The filters in force, each with the address without it."""
    for name, value in view.words:
        if value and (name in wanted.words or name == "min_cost"):
            yield {"name": name, "value": value, "link": view.without(name, value)}


def _kept(view: View) -> Iterable[tuple[str, Any]]:
    """What the form does not ask for and the address keeps."""
    asked = {*OFFERED, "outcome", "reason", "status", "min_cost", "before", "live", "id"}
    return ((name, value) for name, value in view.words if value and name not in asked)
