"""The list of requests: page by page through the whole ledger, a bounded read each, and words for how far it came."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.dashboard.pages.requests import LOOKED_THROUGH, PAGE, SHOWN, saved_nano
from planner.dashboard.room import Content
from tests.doubles import batched
from tests.doubles.months import made
from tests.doubles.paged import SumsStore, answered, content, month_store


def page(query: str = "", store: SumsStore | None = None) -> Content:
    """One page."""
    return asyncio.run(content(store or month_store(), PAGE, query))


def ids(found: Content) -> list[Any]:
    """The requests on it."""
    (table,) = found.tables
    place = [column.name for column in table.columns].index("request_id")
    return [row.cells[place] for row in table.rows]


def all_pages(query: str) -> list[Any]:
    """The requests of all pages, by their links."""
    found: list[Any] = []
    while True:
        made_ = page(query)
        found += ids(made_)
        if made_.said["following"] is None:
            return found
        query = urlsplit(made_.said["following"]).query


@pytest.mark.parametrize("query", ["team=data&outcome=error", "reason=not-worth-it", "min_cost=0.2"])
def test_every_page_together_has_all_that_fits(query: str) -> None:
    """Each once, the newest first, wherever pages end."""
    (name, values), *_ = parse_qs(query).items()
    fits: dict[str, Callable[[Entry], bool]] = {
        "team": lambda entry: entry.team == "data" and entry.outcome == "error",
        "reason": lambda entry: (
            values[0] in {each.reason for each in entry.decisions} | {each.reason for each in entry.shadows}
        ),
        "min_cost": lambda entry: (entry.cost_nano or 0) >= 200_000_000,
    }
    fitting = [entry for entry in made().entries if fits[name](entry)]
    fitting.sort(key=lambda entry: (entry.at, entry.request_id), reverse=True)
    assert fitting
    assert all_pages(query) == [entry.request_id for entry in fitting]


def test_a_page_reads_so_much_and_no_more() -> None:
    """One statement: a page without filters, a bounded look with them, whatever the ledger holds."""
    for query, most in (("", SHOWN + 1), ("team=nobody", LOOKED_THROUGH), ("team=data", LOOKED_THROUGH)):
        store = SumsStore(made().entries)
        asyncio.run(answered(store, "requests", query))
        assert (store.statements, store.reads) == (1, 1)
        assert store.rows <= most


def test_the_tail_is_live_at_its_end_alone() -> None:
    """An older page does not change; a pause is in the address."""
    assert page().said["live"]
    assert not page("before=2026-10-20").said["live"]
    assert not page("live=off").said["live"]
    for query, refreshes in (("", True), ("live=off", False), ("before=2026-10-20", False)):
        assert (b"data-refresh" in asyncio.run(answered(month_store(), "requests", query)).body) == refreshes


def test_it_says_how_far_it_looked() -> None:
    """And what to do where nothing was found."""
    assert page("team=nobody").said["verdict"].startswith("0 requests fit among the 1,000 newest, back to 2026-10-")
    assert page("team=nobody&before=2026-10-02").said["verdict"].endswith("nothing older does.")
    assert page("before=2026-09-01").said["verdict"] == "No request is older."
    assert page("", SumsStore()).said["verdict"] == "No request is in the ledger yet."
    assert b"Take a filter away" in asyncio.run(answered(month_store(), "requests", "team=nobody")).body
    assert b"ANTHROPIC_BASE_URL" in asyncio.run(answered(SumsStore(), "requests")).body


def test_programs_can_go_on() -> None:
    """The data of a page says where the next begins; the last one does not."""
    whole = asyncio.run(answered(month_store(), "requests", "team=nobody", form="json")).body
    assert b'"before":"2026-10-' in whole
    last = asyncio.run(answered(month_store(), "requests", "team=nobody&before=2026-10-02", form="json")).body
    assert b'"before"' not in last


def test_filters_stand_above_the_list_and_go_away_one_by_one() -> None:
    """Those of the form, and those that only an address names; the form keeps the latter."""
    said = page("team=data&container=abc&live=off&before=").said
    assert [chip["name"] for chip in said["chips"]] == ["team", "container"]
    assert said["chips"][0]["link"] == "/planner/requests?container=abc&live=off&before="
    assert said["kept"] == (("container", "abc"),)
    body = asyncio.run(answered(month_store(), "requests", "team=%3Cb%3E")).body
    assert b"<b>" not in body


def test_what_people_read_of_it_fits_a_screen() -> None:
    """Ten columns with the links of all: a status where it is no success, a batch by how many requests it holds."""
    found = page("live=off")
    assert [row.link for row in found.said["listed"].rows] == [row.link for row in found.tables[0].rows]
    assert [row.cells[1:4] for row in found.said["listed"].rows] == [row.cells[1:4] for row in found.tables[0].rows]
    entry = msgspec.structs.replace(made().entries[0], outcome="error", status=429)
    counted = msgspec.structs.replace(entry, request_id="c", endpoint="count_tokens", status=200, outcome="ok")
    files = msgspec.structs.replace(counted, request_id="f", endpoint="files", model=None, served_model=None)
    batch, results = batched.made({"m": 2}), batched.passed(batched.answers(1))
    for each, ended, what in (
        (entry, "error 429", entry.served_model or entry.model),
        (counted, "ok", f"{entry.served_model or entry.model}, count_tokens"),
        (files, "ok", "files"),
        (batch, "ok", "batch of 2 requests"),
        (results, "ok", "1 result of a batch"),
    ):
        (row,) = page("", SumsStore([each])).said["listed"].rows
        assert (row.cells[4], row.cells[7]) == (ended, what)


def test_the_field_of_a_moment_takes_what_the_address_says() -> None:
    """A day alone is its beginning, an entry's place its minute: a field that takes neither would lose it."""
    for asked, shown in (
        ("2026-10-02", "2026-10-02T00:00"),
        ("2026-10-02T10:20", "2026-10-02T10:20"),
        ("2026-10-02T10:20:30.123456%2B00:00,abc", "2026-10-02T10:20"),
        ("", ""),
    ):
        assert page(f"before={asked}").said["before"] == shown


def test_each_leads_to_what_explains_it() -> None:
    """With the filters, so that one finds the way back; what was saved is the one cost less the other."""
    (table,) = page("team=data&live=off").tables
    first = table.rows[0]
    assert first.link == f"/planner/requests/{first.cells[-1]}?team=data"
    entry = month_store().settled[str(first.cells[-1])]
    assert entry.cost_nano is not None
    assert entry.untouched_nano is not None
    assert first.cells[1:3] == (entry.cost_nano, entry.untouched_nano - entry.cost_nano)
    unknown = next(each for each in made().entries if each.cost_nano is None)
    assert saved_nano(unknown) is None
