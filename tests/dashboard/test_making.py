"""Answers: pages, JSON and CSV of the same figures; and for whatever goes wrong a page that says what to do."""

import asyncio
import json
from collections.abc import Callable, Sequence
from html.parser import HTMLParser

import pytest

from planner.core.ledger.entry import Entry
from planner.dashboard.asked import Ask
from planner.dashboard.making import Maker
from planner.dashboard.pages import BY_NAME, PAGES
from planner.dashboard.room import Content, Page, Room
from planner.stores import StoreError
from tests.doubles.months import made
from tests.doubles.paged import SumsStore, answered, standing
from tests.doubles.reported import month


class Words(HTMLParser):
    """What a page says, and what it would run or load."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.text, self.tags, self.addresses = "", [], []  # type: ignore[var-annotated]  # filled by feed
        self.inline: list[str] = []
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag with what it loads."""
        self.tags.append(tag)
        for name, value in attrs:
            if name in {"src", "href", "action"}:
                self.addresses.append(value or "")
            if name == "style" or name.startswith("on"):
                self.inline.append(f"{tag} {name}")
        if tag == "script" and "src" not in dict(attrs):
            self.inline.append("script")

    def handle_data(self, data: str) -> None:
        """Keep what is said."""
        self.text += data


@pytest.mark.parametrize("page", [page.name for page in PAGES])
@pytest.mark.parametrize("ledger", [tuple, month, lambda: made().entries], ids=["none", "few", "many"])
def test_every_page_keeps_the_policy(page: str, ledger: Callable[[], Sequence[Entry]]) -> None:
    """No inline script or style, and no address but ours, on whatever ledger."""
    answer = asyncio.run(answered(SumsStore(ledger()), page))
    assert answer.status == 200, answer.error
    words = Words(answer.body)
    assert words.inline == []
    assert all(address.startswith("/planner") for address in words.addresses if address != "#main")
    assert "style" not in words.tags
    assert words.tags.count("h1") == 1


@pytest.mark.parametrize("page", [page.name for page in PAGES])
def test_every_page_is_data_as_well(page: str) -> None:
    """The same tables as JSON, and each alone as JSON and CSV."""
    store = SumsStore(made().entries)
    whole = json.loads(asyncio.run(answered(store, page, form="json")).body)
    assert whole["page"] == page
    assert whole["tables"]
    for name, told in whole["tables"].items():
        assert json.loads(asyncio.run(answered(store, page, form="json", table=name)).body) == told
        table = asyncio.run(answered(store, page, form="csv", table=name))
        assert table.filename == f"planner-{page}-{name}.csv"
        assert len(table.body.decode().splitlines()) == len(told["rows"]) + 1


def test_an_empty_ledger_says_what_to_do() -> None:
    """Somebody who has just started sees how to send a request."""
    assert "ANTHROPIC_BASE_URL" in Words(asyncio.run(answered(SumsStore(), "overview")).body).text


@pytest.mark.parametrize(
    ("page", "query", "status"),
    [
        ("nowhere", "", 404),
        ("cost", "period=never", 400),
        ("cost", "by=tag&model=x", 400),
        ("cost", "by=colour", 400),
        ("overview", "period=7d", 400),
    ],
)
def test_what_cannot_be_shown(page: str, query: str, status: int) -> None:
    """A page for people, an error in the usual shape for programs, and both say why."""
    shown, data = (asyncio.run(answered(SumsStore(), page, query, form=form)) for form in ("page", "json"))
    assert (shown.status, data.status) == (status, status)
    assert "/planner/" in Words(shown.body).addresses
    error = json.loads(data.body)["error"]
    assert error["message"].startswith("planner: ")
    assert error["type"] in {"not_found_error", "invalid_request_error"}


@pytest.mark.parametrize(("form", "table"), [("json", "no"), ("csv", "no"), ("csv", "")])
def test_a_table_that_is_not_there(form: str, table: str) -> None:
    """It says which are."""
    answer = asyncio.run(answered(SumsStore(), "cost", form=form, table=table))  # type: ignore[arg-type]  # a form
    assert answer.status == 404


def test_a_store_that_fails_is_opened_again() -> None:
    """The page says that requests go on; the next visit finds it mended."""
    store = SumsStore(month())
    opened: list[SumsStore] = []

    async def opening() -> SumsStore:
        opened.append(store)
        return store

    async def work() -> None:
        maker = Maker(opening)
        ask = Ask(page="cost", form="page", standing=standing())
        store.broken = True
        failed = await maker.answer(ask)
        assert failed.status == 503
        assert "Requests go through" in Words(failed.body).text
        assert store.closed == 1
        store.broken = False
        assert (await maker.answer(ask)).status == 200
        assert len(opened) == 2
        assert not await maker.renew()
        await maker.close()
        assert not await maker.renew()

    asyncio.run(work())


def test_a_store_that_fails_while_nobody_waits() -> None:
    """Is let go of in silence: the next page says it."""

    async def opening() -> SumsStore:
        raise StoreError("not there")

    async def work() -> None:
        maker = Maker(opening)
        assert not await maker.renew()
        answer = await maker.answer(Ask(page="cost", form="json", standing=standing()))
        assert answer.status == 503
        assert b"not there" in answer.body

    asyncio.run(work())


def test_a_bug_ends_one_page() -> None:
    """It is told by its kind and place, never by what it says: that may be what somebody wrote."""

    async def broken(_: Room) -> Content:
        raise ValueError("a secret")

    BY_NAME["broken"] = Page("broken", "Broken", broken)
    try:
        answer = asyncio.run(answered(SumsStore(), "broken"))
    finally:
        del BY_NAME["broken"]
    assert answer.status == 500
    assert answer.error is not None
    assert answer.error.startswith("ValueError: ")
    assert b"secret" not in answer.body
    assert "secret" not in answer.error


def test_names_are_escaped() -> None:
    """Whatever a client calls its tags and models."""
    page = asyncio.run(answered(SumsStore(month()), "cost", "team=<script>alert(1)</script>")).body
    assert b"<script>alert" not in page
    assert b"&lt;script&gt;alert" in page


def test_signing_in_needs_no_ledger() -> None:
    """The form is there whatever the store is like."""
    store = SumsStore()
    store.broken = True
    plain, wrong = (asyncio.run(answered(store, "login", query)) for query in ("next=/planner/cost", "wrong=1"))
    assert plain.status == wrong.status == 200
    assert b'value="/planner/cost"' in plain.body
    assert b"not the token" in wrong.body
    assert b"not the token" not in plain.body
