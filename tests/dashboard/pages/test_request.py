"""One request's page: however it ended, it is explained to the nano-dollar, and nothing is read in bulk."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from planner.core.conversations import Limit, Retype, ToolEdit
from planner.core.ledger.batched import Kind, Made
from planner.core.ledger.corrections import Billed, correct
from planner.core.ledger.entry import Batch, Entry
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.dashboard.asked import Standing
from planner.dashboard.pages.request import PAGE, RETENTION
from planner.dashboard.room import Content, Missing
from tests.doubles import batched
from tests.doubles.deciding import BOOK
from tests.doubles.months import made
from tests.doubles.paged import NOW, SumsStore, answered, content, month_store, standing


def page(entry: Entry, store: SumsStore | None = None) -> Content:
    """What explains an entry."""
    return asyncio.run(content(store or month_store(), PAGE, f"id={entry.request_id}"))


def rows(found: Content, name: str) -> list[tuple[Any, ...]]:
    """The rows of one of its tables."""
    return next([row.cells for row in table.rows] for table in found.tables if table.name == name)


def kinds() -> list[Entry]:
    """One entry of each kind that a month has: by outcome, endpoint, decisions and how code was charged."""
    found: dict[Any, Entry] = {}
    for entry in made().entries:
        decided = tuple((each.action, each.outcome, each.reason) for each in entry.decisions)
        charge = None if entry.code is None else entry.code.charge
        found.setdefault((entry.outcome, entry.endpoint, entry.unpriced, charge, bool(entry.shadows), decided), entry)
    return list(found.values())


def test_every_kind_of_request_is_explained() -> None:
    """Lines add up to the cost, every decision is there with its meaning, and the page is made."""
    assert len(kinds()) > 30
    for entry in kinds():
        found = page(entry)
        if entry.cost_nano is not None:
            assert sum(row[6] for row in rows(found, "lines")) == entry.cost_nano
        assert [row[:2] for row in rows(found, "decisions")] == [
            (each.action, each.outcome) for each in entry.decisions
        ]
        assert all(row[-1] for row in rows(found, "decisions"))
        answer = asyncio.run(answered(month_store(), "request", f"id={entry.request_id}"))
        assert answer.status == 200, (answer.error, entry)
        assert entry.request_id.encode() in answer.body


def test_a_request_that_is_not_there() -> None:
    """A page that says where its name comes from, and an error in the usual shape."""
    with pytest.raises(Missing, match="planner-request-id"):
        asyncio.run(content(month_store(), PAGE, "id=nobody"))
    assert asyncio.run(answered(month_store(), "request", "id=nobody")).status == 404
    assert asyncio.run(answered(month_store(), "request", "id=nobody", form="json")).status == 404
    assert asyncio.run(answered(month_store(), "request", form="json")).status == 400


def test_a_request_whose_month_was_pruned() -> None:
    """Which months went is said, with the setting that is in force, and what there is to do."""
    with pytest.raises(Missing, match=r"No time is set.*No month was taken out.*on its way from the journal"):
        asyncio.run(content(month_store(), PAGE, "id=nobody"))
    store = SumsStore()
    for months, said in (
        (["2026-07"], "of 2026-07 were"),
        (["2026-07", "2026-06"], "of 2026-06 and 2026-07 were"),
        ([f"2025-{number:02d}" for number in range(1, 13)], "of 12 months from 2025-01 to 2025-12 were"),
    ):
        store.pruned = [msgspec.json.encode({"month": month, "entries": 9}).decode() for month in months]
        with pytest.raises(Missing, match=rf"kept for 90 days \(retention\.entries_days\).*{said}"):
            asyncio.run(content(store, PAGE, "id=nobody", kept_for("90")))


def kept_for(days: str) -> Standing:
    """A process whose rules say how long entries are kept."""
    usual = standing()
    settings = tuple(
        msgspec.structs.replace(each, value=days) if each.key == RETENTION else each
        for each in usual.rules.book.settings
    )
    book = msgspec.structs.replace(usual.rules.book, settings=settings)
    return msgspec.structs.replace(usual, rules=msgspec.structs.replace(usual.rules, book=book))


def test_turns_lead_to_one_another() -> None:
    """From a turn to the one before and to the one after; the conversation's list is one address."""
    after = next(each for each in made().entries if each.shape is not None and each.shape.after is not None)
    (before,) = [row for row in rows(page(after), "turns") if row[0] == "before"]
    first = month_store().settled[before[-1]]
    assert after.request_id in {row[-1] for row in rows(page(first), "turns") if row[0] == "after"}
    arrival = next(table for table in page(after).tables if table.name == "arrival")
    assert after.shape is not None
    assert arrival.rows[-1].link == f"/planner/requests?conversation={after.shape.conversation}"


def test_what_a_batch_was_made_of() -> None:
    """Each kind with requests, decisions, edit and what was expected; the entry of its results has no such table."""
    freed = ToolEdit((Retype("code_execution_20250522", "code_execution_20250825"),), "{}", "web_fetch", free=True)
    bounded = ToolEdit(limits=(Limit("web_search_20260209", "0", (("max_uses", "3"),)),))
    decided = (Decision(Action.BUNDLE, Outcome.SHADOW, Reason.BATCH, "shipped-bundle"),)
    batch = Made(
        (
            Kind(requests=12, model="claude-opus-5-5", decisions=decided, untouched_nano=9, planned_nano=7),
            Kind(requests=2, model="claude-haiku-5-5", edit=freed, free=True),
            Kind(requests=1, edit=bounded),
        )
    )
    entry = batched.made({}, batch="b1")
    entry = msgspec.structs.replace(entry, batch=Batch("b1", made=batch), cost_nano=0)
    results = batched.passed(batched.answers(2), batch="b1")
    store = SumsStore([entry, results])
    found = page(entry, store)
    assert rows(found, "kinds") == [
        (12, "claude-opus-5-5", "bundle shadow: batch", "nothing", "billed, if any runs", 9, 7),
        (
            2,
            "claude-haiku-5-5",
            "nothing",
            "code_execution_20250522 became code_execution_20250825; web_fetch was put last, which makes code free",
            "free",
            None,
            None,
        ),
        (1, "\u2013", "nothing", "web_search_20260209 was bounded: max_uses", "billed, if any runs", None, None),
    ]
    assert found.said["verdict"].startswith("It made a batch of 15 requests, which costs nothing by itself")
    assert ("Batch", "b1: made of 15 requests in 3 kinds") in rows(found, "sent")
    assert rows(found, "asked") == [("A batch of", "15 requests")]
    body = asyncio.run(answered(store, "request", f"id={entry.request_id}")).body
    assert b"What the batch is made of" in body
    later = page(results, store)
    assert "kinds" not in {table.name for table in later.tables}
    assert ("Batch", "b1: 2 results, 0 of them counted before") in rows(later, "sent")


def test_corrections_of_it_are_told() -> None:
    """By how much, and what it costs by now; a correction leads back, and says that it is no request."""
    entry = next(each for each in made().entries if each.code is not None and each.code.charge == "billed")
    later = correct(entry, Billed(999_000), BOOK.prices, request_id="c1", made_at=NOW + timedelta(days=1))
    assert later is not None
    store = SumsStore([entry, later])
    found = page(entry, store)
    ((at, more, *_, name),) = rows(found, "corrections")
    assert (at, more, name) == ("2026-10-22T15:20:00", later.cost_nano, "c1")
    assert rows(found, "compared")[-1][:2] == ("It cost, by now", (entry.cost_nano or 0) + (later.cost_nano or 0))
    amended = page(later, store)
    assert amended.said["original"] == f"/planner/requests/{entry.request_id}"
    assert "no request" in amended.said["verdict"]


def test_an_open_request_is_looked_at_again() -> None:
    """Until its end is seen."""
    entry = msgspec.structs.replace(made().entries[0], outcome="unknown", cost_nano=None, lines=())
    body = asyncio.run(answered(SumsStore([entry]), "request", f"id={entry.request_id}")).body
    assert b"data-refresh" in body
    assert b"still on its way" in body
    settled = asyncio.run(answered(month_store(), "request", f"id={made().entries[1].request_id}")).body
    assert b"data-refresh" not in settled


def test_it_reads_a_handful_of_times() -> None:
    """The entry, its corrections, its neighbours."""
    store = SumsStore(made().entries)
    page(made().entries[5], store)
    assert store.reads == 3
