"""FOCUS rows add up to the ledger, whatever it holds: to the nano-dollar, and to the token."""

from collections import Counter
from datetime import UTC, datetime
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.exports.focus import Focus
from planner.core.exports.focuscolumns import COLUMNS
from planner.core.exports.tabular import Cell
from planner.core.ledger.charges import UnbalancedError, by_kind, is_notional
from planner.core.ledger.entry import Entry
from planner.core.pricing.prices import CREDIT
from tests.doubles.charged import PRICES, charged, ledger, nano
from tests.doubles.recorded import entry

LEDGERS = st.lists(st.integers(0, 10**6), max_size=12).map(
    lambda seeds: [each for number, seed in enumerate(seeds) for each in charged(Random(seed), number)]  # noqa: S311 - drawn
)
COLUMN_OF = {
    "input": "x_InputTokens",
    "cache_write_5m": "x_CacheWrite5mTokens",
    "cache_write_1h": "x_CacheWrite1hTokens",
    "cache_read": "x_CacheReadTokens",
    "output": "x_OutputTokens",
    "web_search": "x_WebSearches",
}


def rows(entries: list[Entry], *, notional: bool = False) -> list[dict[str, Cell]]:
    """The rows of entries, by column."""
    focus = Focus(PRICES, notional=notional)
    names = [column.name for column in COLUMNS]
    return [dict(zip(names, row, strict=True)) for each in entries for row in focus.rows(each)]


def added(found: list[dict[str, Cell]], name: str) -> int:
    """The sum of a column."""
    return sum(nano(row[name]) for row in found)


@given(LEDGERS)
@settings(deadline=None)
def test_rows_add_up_to_the_ledger(entries: list[Entry]) -> None:
    """Contracted, list and untouched cost, savings and credits, of all that is billed and has a known cost."""
    found = rows(entries)
    billed = [each for each in entries if each.cost_nano is not None and not is_notional(each)]
    lines = [line for each in billed for line in each.lines]
    assert len(found) == len(lines)
    for name in ("BilledCost", "ContractedCost", "EffectiveCost", "PricingCurrencyEffectiveCost"):
        assert added(found, name) == sum(each.cost_nano or 0 for each in billed)
    listed = [sum(line.listed for line in each.lines) if each.list_nano is None else each.list_nano for each in billed]
    assert added(found, "ListCost") == sum(listed)
    assert added(found, "x_AllowanceCredit") == sum(line.nano for line in lines if line.kind == CREDIT)
    saved = [each for each in billed if each.untouched_nano is not None and each.lines]
    assert added(found, "x_UntouchedCost") == sum(each.untouched_nano or 0 for each in saved)
    assert added(found, "x_Saving") == sum((each.untouched_nano or 0) - (each.cost_nano or 0) for each in saved)


@given(LEDGERS, st.booleans())
@settings(deadline=None)
def test_quantities_are_conserved_by_kind(entries: list[Entry], notional: bool) -> None:  # noqa: FBT001 - drawn
    """Tokens by class, searches and seconds, those of subscriptions where they are asked for."""
    found = rows(entries, notional=notional)
    kept = [each for each in entries if each.cost_nano is not None and (notional or not is_notional(each))]
    used = by_kind(line for each in kept for line in each.lines)
    for kind, name in COLUMN_OF.items():
        assert added(found, name) == used.get(kind, 0)
    assert added(found, "x_ContainerSeconds") == used.get("code_execution", 0) * 1_000
    assert added(found, "x_FreeContainerSeconds") == used.get(CREDIT, 0) * 1_000


@given(LEDGERS)
@settings(deadline=None)
def test_what_a_subscription_pays_for_is_no_money(entries: list[Entry]) -> None:
    """Asking for it changes no sum; its cost has a column of its own."""
    found = rows(entries, notional=True)
    assert added(found, "BilledCost") == added(rows(entries), "BilledCost")
    assert added(found, "x_Saving") == added(rows(entries), "x_Saving")
    paid = [each for each in entries if each.cost_nano is not None and is_notional(each)]
    assert added(found, "x_NotionalCost") == sum(each.cost_nano or 0 for each in paid)


@given(LEDGERS)
@settings(deadline=None)
def test_rows_keep_the_rules_of_the_specification(entries: list[Entry]) -> None:
    """Those that hold between columns; the official validator judges the rest."""
    for row in rows(entries, notional=True):
        usage, correction = row["ChargeCategory"] == "Usage", row["ChargeClass"] == "Correction"
        assert all(row[column.name] is not None for column in COLUMNS if not column.nullable)
        for unit, quantity in (("PricingUnit", "PricingQuantity"), ("ConsumedUnit", "ConsumedQuantity")):
            assert (row[unit] is None) == (row[quantity] is None) == (not usage)
        assert (row["SubAccountId"] is None) == (row["SubAccountName"] is None) == (row["SubAccountType"] is None)
        for price, cost in (("ListUnitPrice", "ListCost"), ("ContractedUnitPrice", "ContractedCost")):
            assert (row[price] is not None) == (usage and not correction)
            if row[price] is not None:
                assert nano(row[price]) >= 0
                assert abs(nano(row[price]) * nano(row["PricingQuantity"]) / 10**15 - nano(row[cost])) <= 1
        texts = [row[column.name] for column in COLUMNS if column.since and column.kind in ("text", "json")]
        assert all(text is None or str(text).isascii() for text in texts)


def test_a_request_has_its_saving_in_one_row_and_a_key_in_each() -> None:
    """Request and line together name a row; the first has the saving."""
    found = rows(list(ledger(300)))
    keys = [(row["x_RequestId"], row["x_Line"]) for row in found]
    assert len(set(keys)) == len(keys)
    assert {row["x_Line"] for row in found if row["x_Saving"] is not None} == {0}
    arrived = [row["x_ArrivedAt"] for row in found]
    assert all(str(before) <= str(after) for before, after in pairwise(arrived))


def test_the_periods_are_the_hour_and_the_month() -> None:
    """In UTC, ends exclusive, over the end of a year too."""
    (row,) = rows([entry(at="2026-12-31T23:59:59.999999+00:00")])
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
        datetime(2026, 12, 31, 23, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        datetime(2026, 12, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    )


def test_a_correction_is_a_row_of_its_own() -> None:
    """Of the class that FOCUS has for it, in the period of what it amends, with what it corrects."""
    amended = next(each for each in ledger(300) if each.corrects is not None)
    for row in rows([amended]):
        assert row["ChargeClass"] == "Correction"
        assert row["x_CorrectsRequestId"] == amended.corrects
        assert row["x_CorrectedAt"] == datetime.fromisoformat(amended.corrected_at or "")
        assert row["BillingPeriodStart"] == datetime(2026, 11, 1, tzinfo=UTC)


def test_who_it_was_stands_in_tags_and_in_columns_of_ours() -> None:
    """What callers.yaml says beats what the caller sent; columns of ours keep every letter."""
    tags = {"team": "theirs", "feature": "naïve"}
    (row,) = rows([entry(team="équipe", project="p", tags=tags, organization=None, container="c0")])
    assert row["Tags"] == '{"feature":"na\\u00efve","principal":"key-1","project":"p","team":"\\u00e9quipe"}'
    assert (row["x_Team"], row["x_Project"], row["x_Principal"]) == ("équipe", "p", "key-1")
    assert (row["BillingAccountId"], row["ResourceId"]) == ("unknown", None)


def test_what_makes_no_row_is_counted_by_cause() -> None:
    """An unknown cost is never 0, and nothing is left out in silence."""
    focus = Focus(PRICES)
    for each in (
        entry(cost_nano=None, unpriced="unknown-model"),
        entry(cost_nano=None, outcome="unknown"),
        entry(cost_nano=0, lines=(), outcome="refused"),
        entry(cost_nano=0, lines=(), untouched_nano=5),
        next(each for each in ledger(300) if is_notional(each)),
    ):
        assert focus.rows(each) == []
    assert Counter(focus.left_out.causes) == {
        "whose cost is unknown (unknown-model)": 1,
        "whose cost is unknown (unknown)": 1,
        "that cost nothing and saved something, which is in no row": 1,
        "that a subscription pays for": 1,
    }


def test_an_entry_that_does_not_add_up_makes_no_row() -> None:
    """An export of it could not be right."""
    with pytest.raises(UnbalancedError):
        rows([msgspec.structs.replace(entry(), cost_nano=1)])
