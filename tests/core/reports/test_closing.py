"""What was closed stays as it was: known now = closed + since, and a seal that finds whatever was changed."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.ledger.entry import Entry
from planner.core.ledger.modelled import decisions_by_model
from planner.core.ledger.rollup import KINDS, cost_nano, rollup
from planner.core.pricing.prices import Line
from planner.core.reports.closing import MARK, Closing, Seal, by_day, mark, sealed, since_closing, verify
from planner.core.reports.figures import total
from planner.core.reports.holdout import FEWEST
from tests.doubles.reported import BEGIN, END, amended, amendment, closing_of, month, request


def ordered(entries: list[Entry]) -> list[Entry]:
    """As a ledger gives them."""
    return sorted(entries, key=lambda each: (each.at, each.request_id))


def test_a_closing_says_what_the_month_was() -> None:
    """Counts, cost, and figures by day; it can be written down and read again."""
    closing = closing_of(month())
    assert (closing.entries, closing.corrections, closing.open) == (len(month()), 1, 0)
    whole = total(rollup(month()).requests.values())
    assert closing.cost.nano == cost_nano(whole) == cost_nano(total(closing.sums().requests.values()))
    assert len(closing.marks) == MARK * closing.entries
    assert all(key.hour[10:] == "T00:00:00.000000+00:00" for key, _ in closing.requests)
    assert [(each.policy, each.treated >= FEWEST) for each in closing.holdouts] == [("cheap", True)]
    assert msgspec.json.decode(msgspec.json.encode(closing), type=Closing) == closing


@given(amended(), amended())
def test_what_is_known_now_is_what_was_closed_and_what_came_since(then: list[Entry], later: list[Entry]) -> None:
    """By everything, by tag, by decision and by shadow; nothing came is nothing."""
    fresh = [msgspec.structs.replace(entry, request_id=f"l{entry.request_id}") for entry in later]
    closing, now = closing_of(then), rollup([*then, *fresh])
    known = closing.sums() + since_closing(closing, now)
    days = by_day(now)
    kinds: tuple[type[Any], ...] = KINDS
    for kind in kinds:
        mine, theirs = known.of(kind), days.of(kind)
        assert {key: cell for key, cell in mine.items() if cell} == {key: cell for key, cell in theirs.items() if cell}
    assert not since_closing(closing, rollup(then)).requests
    assert verify(closing, ordered([*then, *fresh])).same
    assert verify(closing, ordered([*then, *fresh])).later == len(fresh)


@given(amended(), amended())
def test_a_month_that_was_closed_without_models(then: list[Entry], later: list[Entry]) -> None:
    """What it was closed with and what came since are told of no model, and add up all the same."""
    fresh = [msgspec.structs.replace(entry, request_id=f"l{entry.request_id}") for entry in later]
    written = msgspec.json.decode(msgspec.json.encode(closing_of(then)))
    del written["decision_models"], written["shadow_models"]
    closing, now = msgspec.convert(written, Closing), rollup([*then, *fresh])
    came = since_closing(closing, now)
    known = decisions_by_model(closing.sums() + came)
    assert total(known.values()) == total(now.decisions.values())
    if closing.decisions:
        assert not any(key.model for key in decisions_by_model(came))
        assert not any(key.model for key in known)


def test_open_requests_are_noted_and_not_sealed() -> None:
    """They have no cost yet; settled, they come later."""
    open_ = request(7_777, BEGIN, outcome="unknown")
    seal = Seal()
    assert list(seal.over([open_])) == [open_]
    assert (seal.entries, seal.open, seal.digest) == (0, [open_.request_id], Seal().digest)
    closing = closing_of([*month(), open_])
    assert closing.open == 1
    found = verify(closing, ordered([*month(), open_]))
    assert (found.same, found.later) == (True, 0)
    settled = msgspec.structs.replace(open_, outcome="ok")
    found = verify(closing, ordered([*month(), settled]))
    assert (found.same, found.later) == (True, 1)


def test_corrections_and_late_entries_change_nothing_of_what_was_closed() -> None:
    """They are counted as later."""
    entries = month()
    closing = closing_of(entries)
    late = request(5_000, BEGIN + timedelta(days=3))
    correction = amendment(5_001, entries[4], nano=-1, at=END + timedelta(days=3))
    found = verify(closing, ordered([*entries, late, correction]))
    assert (found.same, found.later, found.missing) == (True, 2, 0)
    since = total(since_closing(closing, rollup([*entries, late, correction])).requests.values())
    assert (since["requests"], since["corrections"], cost_nano(since)) == (1, 1, (late.cost_nano or 0) - 1)


CHANGES: dict[str, object] = {
    "principal": "somebody",
    "organization": "another",
    "workspace": "another",
    "team": "another",
    "project": "another",
    "tags": {"feature": "another"},
    "endpoint": "another",
    "served_model": "another",
    "outcome": "error",
    "cost_nano": 1,
    "list_nano": 1,
    "untouched_nano": 1,
    "unpriced": "another",
    "lines": (Line("input", 2_501, "token", 200_000_000, "measured"),),
    "corrects": "another",
    "corrected_at": "another",
    "at": "2025-10-01T00:00:00.000001+00:00",
}


@pytest.mark.parametrize("field", CHANGES)
def test_the_seal_finds_whatever_was_changed(field: str) -> None:
    """Each field that is money or says whose it is."""
    entries = ordered(month())
    changed = msgspec.structs.replace(entries[0], **{field: CHANGES[field]})
    assert sealed(changed) != sealed(entries[0])
    found = verify(closing_of(entries), ordered([changed, *entries[1:]]))
    assert (found.same, found.missing, found.later) == (False, 0, 0)


def test_the_seal_finds_what_is_gone_and_what_was_exchanged() -> None:
    """An entry that is there no more, and one in another's place."""
    entries = ordered(month())
    closing = closing_of(entries)
    found = verify(closing, entries[1:])
    assert (found.same, found.missing, found.later) == (False, 1, 0)
    found = verify(closing, ordered([request(9_999, BEGIN), *entries[1:]]))
    assert (found.same, found.missing, found.later) == (False, 1, 1)


def test_figures_that_were_changed_afterwards_are_found() -> None:
    """The seal is over the entries; the figures must be their sum."""
    closing = closing_of(month())
    key, cell = closing.requests[0]
    forged = msgspec.structs.replace(closing, requests=((key, cell | {"nano.input": 1}), *closing.requests[1:]))
    assert not verify(forged, ordered(month())).same


@settings(max_examples=10)
@given(st.permutations(month()))
def test_the_seal_is_over_the_order_of_the_ledger(entries: list[Entry]) -> None:
    """However the entries came into it."""
    assert closing_of(entries) == closing_of(month())


def test_the_seal_of_a_month_is_known() -> None:
    """Another version must come to the same one, or no month could be verified after an upgrade."""
    assert closing_of(month()).digest == SEAL
    assert mark(month()[0]).hex() == "1aaa7999292f3795"


SEAL = "7baf7253e121be2228216d9f5d558e4770f384923900c2e01dd25f53d139a713"
