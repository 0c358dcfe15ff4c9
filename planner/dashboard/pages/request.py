"""One request, from bytes in to money out: all that the ledger knows of it, so that nobody need guess what it cost."""

from collections.abc import Iterator
from typing import Final

import msgspec

from planner.core.ledger.entry import CORRECTION, Entry
from planner.core.money import format_nano
from planner.core.reports.wording import several
from planner.dashboard.pages import charged, explained
from planner.dashboard.pages.conversations import requests_of
from planner.dashboard.pages.requests import PAGE as LIST
from planner.dashboard.pages.requests import listed, moment, request_link, requests_table, saved_nano
from planner.dashboard.parameters import ID
from planner.dashboard.room import Content, Figure, Missing, Page, Room
from planner.dashboard.tables import Column, Row, Table, shown
from planner.dashboard.view import AddressError
from planner.stores.reading import NEAR

OPEN_SECONDS: Final = 3
RETENTION: Final = "retention.entries_days"
NEVER: Final = "null"
"""How the setting is told where entries are kept for ever."""
SPELT_OUT: Final = 4
LOOK: Final = (
    "Compare the id with the answer's field planner-request-id, and look for it by its time in the list.",
    "A request of the last seconds may still be on its way from the journal: ask again.",
    "Another planner has its entries in another store: ask the one that answered.",
)


class _Gone(msgspec.Struct, frozen=True):
    """Of what is kept of a month whose entries went, which month it was."""

    month: str


async def make(room: Room) -> Content:
    """What explains one request. Raises Missing for one that is not in the ledger, StoreError."""
    view, store = room.view, room.store
    request_id = view.one("id")
    if not request_id:
        raise AddressError("this explains one request. Name it as id=…, by its planner-request-id.")
    entry = await store.entry(request_id)
    if entry is None:
        way = ("All requests", view.link(LIST.name, id=None))
        raise Missing(await _why_not(room, request_id), LOOK, "There is no such request", way)
    corrections = await store.corrections(entry.request_id)
    turns, turns_listed = await _turns(room, entry)
    made = None if entry.batch is None else entry.batch.made
    tables = (
        explained.arrival(entry, "" if entry.shape is None else requests_of(entry.shape.conversation)),
        explained.asked(entry),
        explained.decisions(entry),
        *((explained.kinds(made),) if made is not None else ()),
        *((explained.shadows(entry),) if entry.shadows else ()),
        explained.sent(entry),
        explained.usage(entry),
        charged.tokens(entry),
        charged.lines(entry),
        charged.container(entry),
        charged.compared(entry, corrections),
        *((charged.amended(corrections),) if corrections else ()),
        _rules(room, entry),
        *((turns,) if turns.rows else ()),
    )
    return Content(
        said={
            "entry": entry,
            "arrived": moment(entry.at),
            "verdict": _verdict(entry),
            "open": entry.outcome == "unknown",
            "open_seconds": OPEN_SECONDS,
            "back": view.link(LIST.name, id=None),
            "original": request_link(view, entry.corrects) if entry.corrects else "",
            "near": NEAR,
            "turns_listed": turns_listed,
        },
        figures=tuple(_figures(entry)),
        tables=tables,
    )


PAGE = Page("request", "Request", make, takes=(ID,), under=LIST.name)


async def _why_not(room: Room, request_id: str) -> str:
    """What may have become of a request that is not there. Raises StoreError."""
    months = sorted(msgspec.json.decode(text, type=_Gone).month for text in await room.store.prunings())
    days = next((each.value for each in room.standing.rules.book.settings if each.key == RETENTION), NEVER)
    if days == NEVER:
        kept = f"No time is set after which entries go ({RETENTION})."
    else:
        kept = f"Entries are kept for {days} days ({RETENTION}), then a month of them goes as a whole."
    if months:
        gone = f"Those of {_months(months)} were taken out of this ledger; if it was one of them, only sums tell of it."
    else:
        gone = "No month was taken out of this ledger yet."
    return f"There is no request {request_id!r} in this ledger. {kept} {gone}"


def _months(months: list[str]) -> str:
    """Months in words: each of a few, else the first and the last."""
    if len(months) > SPELT_OUT:
        return f"{len(months)} months from {months[0]} to {months[-1]}"
    return " and ".join(filter(None, (", ".join(months[:-1]), months[-1])))


async def _turns(room: Room, entry: Entry) -> tuple[Table, Table]:
    """The turn of its conversation before it, and those that go on from it: all of them, and as the page shows it.

    Raises StoreError.
    """
    before, after = await room.store.turns_beside(entry)
    words = ["before"] * len(before) + ["after"] * len(after)
    table = requests_table(room.view, (*before, *after), "turns", "Before and after it in its conversation")
    return _worded(table, words), _worded(listed(room.view, (*before, *after), table), words)


def _worded(table: Table, words: list[str]) -> Table:
    """A table of turns with a word for each."""
    rows = tuple(Row((word, *row.cells), link=row.link) for word, row in zip(words, table.rows, strict=True))
    note = f"Looked for among the {NEAR:,} entries that arrived before it, and as many after it."
    columns = (Column("turn", "Turn", "word"), *table.columns)
    return msgspec.structs.replace(table, columns=columns, rows=rows, note=note)


def _verdict(entry: Entry) -> str:
    if entry.endpoint == CORRECTION:
        return "It is no request: it corrects what another one cost, by the difference."
    if entry.batch is not None and entry.batch.made is not None and entry.outcome == "ok":
        held = several(entry.batch.made.requests, "request")
        return f"It made a batch of {held}, which costs nothing by itself: what they cost is told with their results."
    return charged.verdict(entry)


def _figures(entry: Entry) -> Iterator[Figure]:
    cost, saved = entry.cost_nano, saved_nano(entry)
    estimated = any(line.basis == "estimated" for line in entry.lines)
    yield Figure(
        name="cost",
        label="Cost",
        shown=shown(cost, "usd", 6),
        exact=None if cost is None else format_nano(cost),
        unit="usd",
        basis="unknown" if cost is None else "estimated in part" if estimated else "measured",
        note="unknown" if cost is None else "estimated in part" if estimated else "measured",
    )
    yield Figure(
        name="saved",
        label="Saved" if saved is None or saved >= 0 else "Spent on edits",
        shown=shown(None if saved is None else abs(saved), "usd", 6),
        exact=None if saved is None else format_nano(saved),
        unit="usd",
        basis="estimated",
        note="not known" if entry.untouched_nano is None else f"untouched {shown(entry.untouched_nano, 'usd', 6)}",
    )
    total = None if entry.tokens is None else entry.tokens.total
    yield Figure(
        name="tokens",
        label="Tokens",
        shown=shown(total, "count"),
        exact=total,
        unit="count",
        basis="measured",
        note="none told" if entry.tokens is None else f"{entry.tokens.output:,} of them written",
    )
    took = None if entry.latency is None else entry.latency.total * 1000
    yield Figure(
        name="latency",
        label="Took",
        shown=shown(None if took is None else round(took), "ms"),
        exact=took,
        unit="ms",
        basis="measured",
        note="not timed" if entry.latency is None else f"{entry.latency.overhead * 1000:,.1f} ms of it the planner's",
    )


def _rules(room: Room, entry: Entry) -> Table:
    """By which rules and prices it was decided and priced."""
    book = room.standing.rules.book
    return Table(
        name="rules",
        title="By which rules and prices",
        columns=(Column("what", "What", "word"), Column("digest", "Digest", "code"), Column("now", "Now", "long")),
        rows=(
            Row(
                ("Rule book", entry.digests.rules, _now(entry.digests.rules, book.digest)), link=room.view.link("rules")
            ),
            Row(("Price book", entry.digests.prices, _now(entry.digests.prices, book.prices_digest))),
        ),
    )


def _now(then: str, now: str) -> str:
    return "in force as well" if then == now else f"another is in force: {now}"
