"""A month goes when nothing needs its entries, and what is kept of them can still be held against its closing."""

from datetime import UTC, datetime, timedelta

import pytest
from msgspec import structs

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Rollup, rollup
from planner.core.reports.closing import Closing
from planner.core.reports.pruning import (
    LEAST_DAYS,
    Inspection,
    Pruned,
    end_of,
    exact,
    hindrance,
    is_due,
    is_settled,
    overlaps,
    verify_pruned,
)
from tests.doubles.reported import BEGIN, END, MONTH, amendment, closing_of, month, request

LATER = END + timedelta(days=500)


def looked(entries: list[Entry], closing: Closing | None) -> tuple[Inspection, Pruned]:
    """A last look at a month whose sums are those of its entries."""
    inspection = Inspection(MONTH, closing)
    for entry in sorted(entries, key=lambda each: (each.at, each.request_id)):
        inspection.add(entry)
    return inspection, inspection.pruned(rollup(entries), LATER)


def why(
    entries: list[Entry], closing: Closing | None, sums: Rollup | None = None, *, force: bool = False
) -> str | None:
    """Why a month stays."""
    inspection, pruned = looked(entries, closing)
    return hindrance(inspection, pruned, rollup(entries) if sums is None else sums, force=force)


def test_a_closed_month_goes_and_agrees_for_ever() -> None:
    """With what came after it was closed, which is kept as sums."""
    late = [request(5_000, BEGIN + timedelta(days=3)), amendment(5_001, month()[4], nano=-1, at=END)]
    closing, entries = closing_of(month()), [*month(), *late, request(7_777, BEGIN, outcome="unknown")]
    assert why(entries, closing) is None
    _, pruned = looked(entries, closing)
    assert (pruned.entries, pruned.later, pruned.open, pruned.as_closed) == (len(month()) + 2, 2, 1, True)
    assert pruned.found == closing.digest
    found = verify_pruned(closing, pruned, rollup(entries))
    assert found.same
    assert (found.missing, found.later, found.found_cost) == (closing.entries, 2, closing.cost)
    assert found.pruned_at == pruned.at


@pytest.mark.parametrize("name", ["nano.input", "requests", "tokens.output"])
def test_sums_that_changed_after_the_entries_went_are_found(name: str) -> None:
    """A nano-dollar, a request, a token."""
    closing = closing_of(month())
    _, pruned = looked(month(), closing)
    sums = rollup(month())
    key = next(key for key, amounts in sums.requests.items() if amounts.get(name))
    sums.requests[key][name] += 1
    assert not verify_pruned(closing, pruned, sums).same


def test_new_kinds_of_sums_of_later_versions_are_no_change() -> None:
    """Only what every version has added up is compared."""
    closing = closing_of(month())
    _, pruned = looked(month(), closing)
    sums = rollup(month())
    for amounts in sums.requests.values():
        amounts["brand_new"] = 1
    assert verify_pruned(closing, pruned, sums).same
    assert why(month(), closing, sums) is None


def test_why_a_month_stays() -> None:
    """Its sums are wrong, it is not closed, or it is not as it was closed."""
    closing = closing_of(month())
    wrong = rollup(month()[1:])
    assert "hourly sums" in (why(month(), closing, wrong) or "")
    assert "hourly sums" in (why(month(), None, wrong, force=True) or "")
    assert f"planner report close {MONTH}" in (why(month(), None) or "")
    assert why(month(), None, force=True) is None
    changed = [structs.replace(month()[0], team="another"), *month()[1:]]
    for force in (False, True):
        assert "--verify" in (why(changed, closing, force=force) or "")
        assert "--verify" in (why(month()[1:], closing, force=force) or "")
    _, pruned = looked(changed, closing)
    assert not verify_pruned(closing, pruned, rollup(month())).same


def test_a_month_that_was_never_closed() -> None:
    """Says so, and keeps what it cost."""
    _, pruned = looked(month(), None)
    assert (pruned.as_closed, pruned.found, pruned.later) == (None, None, 0)
    assert pruned.cost == closing_of(month()).cost


def test_when_a_month_is_over() -> None:
    """By UTC; and it is looked at no sooner than its last results of batches can be fetched."""
    assert end_of("2025-12") == datetime(2026, 1, 1, tzinfo=UTC)
    assert is_due(MONTH, END)
    assert not is_due(MONTH, END - timedelta(microseconds=1))
    assert is_settled(MONTH, END + timedelta(days=LEAST_DAYS))
    assert not is_settled(MONTH, END + timedelta(days=LEAST_DAYS, microseconds=-1))


def test_which_months_a_period_has() -> None:
    """From a moment on and before another; a month that begins with the end is not in it."""
    first, next_ = "2025-10-01T00:00:00.000000+00:00", "2025-11-01T00:00:00.000000+00:00"
    assert overlaps(MONTH, first, next_)
    assert overlaps(MONTH, "2025-10-31T23:00:00.000000+00:00", None)
    assert overlaps(MONTH, "", first.replace("000000", "000001"))
    assert not overlaps(MONTH, "", first)
    assert not overlaps(MONTH, next_, None)


def test_what_is_compared() -> None:
    """Money, tokens and counts, those of subscriptions as well; no 0."""
    cell = {"nano.input": 1, "list.input": 2, "notional.tokens.output": 3, "requests": 4, "latency_us": 5, "nano.x": 0}
    assert exact(cell) == {"nano.input": 1, "list.input": 2, "notional.tokens.output": 3, "requests": 4}
