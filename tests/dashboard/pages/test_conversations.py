"""Conversations of a day: they add up to what the sums say of it, whatever is asked for, and have a bound."""

import asyncio
from datetime import date
from typing import Any

import pytest

from planner.core.ledger.rollup import cost_nano, rollup
from planner.core.reports.dimensions import UncrossableError, tabulate
from planner.dashboard.pages import conversations
from planner.dashboard.pages.conversations import NO_CONVERSATION, holds, requests_of
from planner.dashboard.pages.cost import PAGE
from planner.dashboard.room import Content
from planner.dashboard.tables import Table
from tests.doubles.months import made
from tests.doubles.paged import SumsStore, content

DAY = "2026-10-20"


class DayStore(SumsStore):
    """A store of one day, sums and entries."""

    def __init__(self) -> None:
        entries = [entry for entry in made().entries if entry.at.startswith(DAY)]
        super().__init__(entries)
        self.settled = {entry.request_id: entry for entry in sorted(entries, key=lambda entry: entry.at)}


def page(query: str = "") -> Content:
    """The conversations of the day."""
    return asyncio.run(content(DayStore(), PAGE, f"from={DAY}&to={DAY}&by=conversation{query}"))


def rows(found: Content) -> Table:
    """The table of them."""
    return next(each for each in found.tables if each.name == "rows")


@pytest.mark.parametrize(
    "where",
    [{}, {"team": "data"}, {"model": "claude-sonnet-5-5"}, {"outcome": "error"}, {"policy": "shipped-bundle"}],
)
def test_they_add_up_to_the_day(where: dict[str, str]) -> None:
    """Of any filters that the sums know, the cost and the requests are theirs; the page's headline is too."""
    found = page("".join(f"&{name}={value}" for name, value in where.items()))
    asked = {name: frozenset({value}) for name, value in where.items()}
    if "policy" in asked:
        asked["action"] = frozenset({"bundle"})
    whole = tabulate(rollup(DayStore().settled.values()), ("day",), asked).whole
    assert sum(int(row.cells[-1] or 0) for row in rows(found).rows) == cost_nano(whole)
    assert sum(int(row.cells[5] or 0) for row in rows(found).rows) == whole.get("requests", 0) - whole.get(
        "notional.requests", 0
    )
    assert found.said["chart"] is None


def test_the_dearest_come_first() -> None:
    """Each by its name, which is a digest and nothing that anybody wrote."""
    table = rows(page())
    costs = [int(row.cells[-1] or 0) for row in table.rows]
    assert costs == sorted(costs, reverse=True)
    assert len({row.cells[0] for row in table.rows}) == len(table.rows) > 10


def test_a_kind_alone() -> None:
    """Only its lines count."""
    whole = tabulate(rollup(DayStore().settled.values()), ("day",), {}).whole
    assert sum(int(row.cells[-1] or 0) for row in rows(page("&kind=output")).rows) == whole["nano.output"]


def test_they_are_of_one_day() -> None:
    """More would be more entries than a page may read; days lead to them."""
    with pytest.raises(UncrossableError, match="one day"):
        asyncio.run(content(DayStore(), PAGE, "by=conversation"))
    days = next(each for each in asyncio.run(content(DayStore(), PAGE, "by=day")).tables if each.name == "rows")
    below = asyncio.run(content(DayStore(), PAGE, days.rows[0].link.partition("?")[2]))
    assert rows(below).title == "Cost by conversation"


def test_a_day_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond it the page says that it is not all."""
    monkeypatch.setattr(conversations, "MOST_ENTRIES", 10)
    table = rows(page())
    assert sum(int(row.cells[5] or 0) for row in table.rows) <= 10
    assert table.note.startswith("These are the day's first 10 requests")


def test_what_an_entry_has() -> None:
    """Tags and decisions as the sums have them, all of them at once."""
    entry: Any = next(each for each in made().entries if each.tags and each.decisions and each.endpoint == "messages")
    name, value = next(iter(entry.tags.items()))
    bundle = next(each for each in entry.decisions if each.action == "bundle")
    yes = {f"tags.{name}": frozenset({value}), "decision": frozenset({bundle.outcome.value})}
    assert holds(entry, yes)
    assert not holds(entry, {**yes, "decision": frozenset({"never"})})
    assert not holds(entry, {f"tags.{name}": frozenset({"another"})})
    assert holds(entry, {"tags.missing": frozenset({""}), "team": frozenset({entry.team or ""})})


def test_a_conversation_leads_to_its_requests() -> None:
    """Those of the day first; what is part of none leads nowhere."""
    assert requests_of("a&b") == "/planner/requests?conversation=a%26b"
    assert requests_of("a", date(2026, 10, 31)) == "/planner/requests?conversation=a&before=2026-11-01"
    table = rows(page())
    links = {row.cells[0]: row.link for row in table.rows}
    assert all(bool(link) == (name != NO_CONVERSATION) for name, link in links.items())
    assert any(links.values())
