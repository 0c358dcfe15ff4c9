"""The decisions page: its rows are the report's, each leads to its requests, and every action has a page."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from planner.core.ledger.batched import Kind, Made
from planner.core.ledger.entry import Batch
from planner.core.ledger.rollup import DecisionKey, DecisionModelKey, Key, ShadowKey, ShadowModelKey, saved_nano
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.reports.dimensions import UncrossableError, tabulate
from planner.core.reports.figures import total
from planner.dashboard.pages.decisions import PAGE
from planner.dashboard.pages.requests import PAGE as LIST
from planner.dashboard.room import Content
from planner.dashboard.view import AddressError
from tests.doubles import batched
from tests.doubles.months import made
from tests.doubles.paged import SumsStore, answered, content, month_store, standing
from tests.doubles.reported import closing_of

OVER = datetime(2026, 11, 5, 9, tzinfo=UTC)


def page(query: str = "", store: SumsStore | None = None) -> Content:
    """The decisions of the month."""
    return asyncio.run(content(store or month_store(), PAGE, f"period=2026-10&{query}", standing(OVER)))


def rows(found: Content, name: str) -> list[tuple[Any, ...]]:
    """The rows of one of its tables."""
    return next([row.cells for row in table.rows] for table in found.tables if table.name == name)


def figure(found: Content, name: str) -> Any:
    """The exact value of a card."""
    return next(each.exact for each in found.figures if each.name == name)


def test_rows_are_those_of_the_report() -> None:
    """Requests and cost by outcome and reason, to the nano-dollar; each means something."""
    found = page("action=bundle")
    report = tabulate(month_store().sums, ("decision", "reason"), {"action": frozenset({"bundle"})})
    expected = {row.values: row.amounts for row in report.rows if row.values[0]}
    told = {row[:2]: row for row in rows(found, "outcomes")}
    assert told.keys() == expected.keys()
    for key, amounts in expected.items():
        assert told[key][2] == amounts["requests"]
        assert told[key][5] == sum(nano for name, nano in amounts.items() if name.startswith("nano."))
        assert told[key][-1]
    assert sum(row[3] for row in told.values()) == pytest.approx(1)
    assert "no-code-execution" in found.said["verdict"]


def test_what_was_changed_and_saved() -> None:
    """Those that were edited, a repeated edit among them; of the others nothing is called saved."""
    found = page("action=bundle")
    report = tabulate(month_store().sums, ("decision", "reason"), {"action": frozenset({"bundle"})})
    acting = [row.amounts for row in report.rows if row.values[0] in {"applied", "threaded"}]
    acting += [row.amounts for row in report.rows if row.values == ("kept", "repeated")]
    assert figure(found, "changed") == total(acting)["requests"]
    assert [row[6] for row in rows(found, "outcomes") if row[0] == "declined"] == [None] * sum(
        row[0] == "declined" for row in rows(found, "outcomes")
    )
    assert sum(row[6] or 0 for row in rows(found, "outcomes")) == saved_nano(total(acting))
    assert sum(row[5] for row in rows(found, "teams")) == saved_nano(total(acting))


def test_requests_in_batches_are_counted_beside() -> None:
    """A batch is one request; the note says so where there is one, and nowhere else."""
    decided = (Decision(Action.BUNDLE, Outcome.DECLINED, Reason.UNCERTAIN, None),)
    batch = batched.made({}, decisions=decided)
    kinds = Made((Kind(requests=12, model="m", decisions=decided),))
    batch = msgspec.structs.replace(batch, at="2026-10-14T19:00:00+00:00", batch=Batch("b", made=kinds))
    found = page("action=bundle", SumsStore([batch]))
    assert [(row[2], row[4]) for row in rows(found, "outcomes")] == [(1, 12)]
    for content_, said in ((found, True), (page("action=bundle"), False)):
        note = next(table.note for table in content_.tables if table.name == "outcomes")
        assert ("A batch is one request" in note) == said


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_page(action: Action) -> None:
    """Also one of which nothing was decided: it says what would have to be there."""
    answer = asyncio.run(answered(month_store(), "decisions", f"period=2026-10&action={action}"))
    assert answer.status == 200, answer.error
    empty = asyncio.run(answered(SumsStore(), "decisions", f"action={action}"))
    assert b"Nothing was decided here" in empty.body


def test_rows_lead_to_their_requests() -> None:
    """The newest of the period first; all of them have that decision."""
    found = page("action=bundle&team=data")
    table = next(each for each in found.tables if each.name == "outcomes")
    declined = next(row for row in table.rows if row.cells[:2] == ("declined", "not-worth-it"))
    parts = urlsplit(declined.link)
    assert parts.path == "/planner/requests"
    listed = asyncio.run(content(month_store(), LIST, parts.query)).tables[0]
    place = [column.name for column in listed.columns].index("request_id")
    for row in listed.rows:
        entry = month_store().settled[str(row.cells[place])]
        assert entry.team == "data"
        assert any(
            (each.action, each.outcome, each.reason) == (Action.BUNDLE, Outcome.DECLINED, Reason.NOT_WORTH_IT)
            for each in entry.decisions
        )
    assert listed.rows


def test_filters_hold_for_all_of_it() -> None:
    """A team's days, policies and shadows add up to its decisions."""
    found = page("action=bundle&team=data")
    whole = sum(row[2] for row in rows(found, "outcomes"))
    assert sum(sum(row[1:]) for row in rows(found, "by-day")) == whole
    assert [row[:2] for row in rows(found, "teams")] == [("data", whole)]
    assert [chip["value"] for chip in found.said["chips"]] == ["data"]
    reasons = page("action=bundle&reason=not-worth-it")
    assert {row[1] for row in rows(reasons, "outcomes")} == {"not-worth-it"}


def test_nonsense_is_told() -> None:
    """An action that there is none of, and what sums cannot tell."""
    with pytest.raises(AddressError, match="Take one of version, bundle"):
        page("action=colour")
    with pytest.raises(UncrossableError):
        page("project=none")


def test_decisions_of_one_model() -> None:
    """The page is split by model, each row leads to the page of that model, and these add up to the whole."""
    found = page("action=bundle")
    (table,) = [each for each in found.tables if each.name == "models"]
    assert {row.cells[0] for row in table.rows} == {key.model for key in month_store().sums.decision_models}
    assert len(table.rows) > 1
    parts = [page(urlsplit(row.link).query.replace("period=2026-10&", "")) for row in table.rows]
    for row, part in zip(table.rows, parts, strict=True):
        assert rows(part, "models") == [row.cells]
        assert [chip["value"] for chip in part.said["chips"]] == [row.cells[0]]
    assert sum(figure(part, "changed") for part in parts) == figure(found, "changed")
    for name in ("outcomes", "shadows"):
        place = 2 if name == "outcomes" else 3
        whole = sum(each[place] for each in rows(found, name))
        assert sum(each[place] for part in parts for each in rows(part, name)) == whole


def test_hours_that_an_older_version_added_up() -> None:
    """They have no model, and the page says so."""
    store = SumsStore(made().entries)
    store.sums = msgspec.structs.replace(store.sums, decision_models={}, shadow_models={})
    found = page("action=bundle", store)
    assert [row[0] for row in rows(found, "models")] == [""]
    assert "older planner" in next(table.note for table in found.tables if table.name == "models")
    assert rows(found, "outcomes") == rows(page("action=bundle"), "outcomes")
    assert found.tables[0].note == page("action=bundle").tables[0].note


def test_a_closed_month_is_told_by_its_frozen_figures() -> None:
    """Whatever came since."""
    closed = SumsStore(made().entries[:50])
    closed.closings["2026-10"] = msgspec.json.encode(closing_of(list(made().entries))).decode()
    assert rows(page("action=version", closed), "outcomes") == rows(page("action=version"), "outcomes")


def test_it_reads_sums_alone() -> None:
    """Never an entry, whatever the period."""
    store = SumsStore(made().entries)
    page(store=store)
    assert store.statements < 20
    read: tuple[type[Any], ...] = (Key, DecisionModelKey, DecisionKey, ShadowModelKey, ShadowKey)
    assert store.rows == sum(len(store.sums.of(kind)) for kind in read)
    assert store.reads == len(read)
