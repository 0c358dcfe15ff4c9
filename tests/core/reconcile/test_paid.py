"""What was paid for code execution, by whom, and what of it passes no planner."""

from datetime import UTC, datetime

import pytest

from planner.core.reconcile.paid import elsewhere, paid, verdict
from planner.core.reconcile.theirs import CodeRow
from tests.doubles.billed import book

AT = datetime(2026, 10, 15, tzinfo=UTC)
ROWS = [
    CodeRow("2026-10-03", "w1", "apikey_1", amount="416.66667"),
    CodeRow("2026-10-04", "w1", "apikey_1", amount="83.33333"),
    CodeRow("2026-10-03", "w1", "apikey_1", spans=100),
    CodeRow("2026-10-03", "w2", "apikey_2", amount="1000"),
    CodeRow("2026-10-03", "w2", "apikey_2", spans=30),
    CodeRow("2026-09-03", "w2", "apikey_2", amount="0"),
    CodeRow("2026-09-03", "w2", "apikey_2", spans=12),
]


def test_months_and_keys_add_up() -> None:
    """The dearest key first; teams by the callers, where they name the key."""
    september, october = paid(ROWS, {"apikey_1": "data"})
    assert (september.month, september.nano, september.spans) == ("2026-09", 0, 12)
    assert (october.nano, october.spans) == (15_000_000_000, 130)
    assert [(key.api_key, key.team, key.nano) for key in october.keys] == [
        ("apikey_2", "", 10_000_000_000),
        ("apikey_1", "data", 5_000_000_000),
    ]


def test_the_answer() -> None:
    """Nothing was paid: leave it off. Something was: so much at most, and by whom."""
    september, october = paid(ROWS, {"apikey_1": "data"})
    assert verdict([september]) == "You paid $0 for code execution: leave bundling off."
    assert verdict([]) == "You paid $0 for code execution: leave bundling off."
    told = verdict([september, october])
    assert told.startswith("You paid $15 for code execution in 2 months: no more than that can be saved")
    assert "most of it by apikey_2, data." in told


def test_a_bill_tells_all_hours_where_free_ones_are_used_up() -> None:
    """$15 are 300 hours beyond the 1,550; the ledger has metered 1,200 of them."""
    _, october = paid(ROWS, {})
    found = elsewhere(october, book().prices, AT, limit=1_550, metered_ms=1_200 * 3_600_000, known=())
    assert (found.hours, found.exact) == (650.0, True)


def test_without_a_bill_spans_of_others_bound_them() -> None:
    """Twelve spans took twelve minimums at most; those of known keys are the planner's own."""
    september, _ = paid(ROWS, {})
    found = elsewhere(september, book().prices, AT, limit=1_550, metered_ms=0, known=())
    assert (found.hours, found.exact) == (1.0, False)
    assert elsewhere(september, book().prices, AT, limit=1_550, metered_ms=0, known=["apikey_2"]).hours == 0.0


def test_an_amount_that_is_none_is_refused() -> None:
    """It is not taken for nothing."""
    with pytest.raises(ValueError, match="no decimal number"):
        paid([CodeRow("2026-10-03", "w", "k", amount="free")], {})
