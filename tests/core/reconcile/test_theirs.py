"""Reports become values: cents, days, keys; what they cannot mean is refused with its place."""

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from planner.core.reconcile.cells import CODE, Cell
from planner.core.reconcile.theirs import Bill, CodeRow, ReportError, Variant, read_code, read_costs, read_usage

NOW = datetime(2026, 12, 1, tzinfo=UTC)


def bucket(*results: dict[str, Any]) -> dict[str, Any]:
    """A day of a report."""
    return {"starting_at": "2026-11-03T00:00:00Z", "ending_at": "2026-11-04T00:00:00Z", "results": list(results)}


def cost(amount: Any, **more: Any) -> dict[str, Any]:
    """An amount of input tokens."""
    usual = {
        "currency": "USD",
        "workspace_id": "w",
        "description": "Claude Opus 5 Usage - Input Tokens",
        "cost_type": "tokens",
        "model": "claude-opus-5",
        "token_type": "uncached_input_tokens",
        "service_tier": "standard",
        "context_window": "0-200k",
    }
    return {**usual, "amount": amount, **more}


def test_costs_stand_by_day_workspace_and_description() -> None:
    """Lines that only differ in context window are one cell; a batch is another; null is the default workspace."""
    bill = Bill(known_until=NOW)
    read_costs(
        bill,
        [
            bucket(
                cost("123.45"),
                cost("0.05", context_window="200k-1M"),
                cost("1", service_tier="batch"),
                cost("2", cost_type="code_execution", description="Code Execution Usage", model=None, token_type=None),
                cost("3", workspace_id=None),
            )
        ],
    )
    day = "2026-11-03"
    assert bill.costs == {
        Cell(day, "w", "input", "claude-opus-5"): Fraction(1_235_000_000),
        Cell(day, "w", "input", "claude-opus-5", batch=True): Fraction(10_000_000),
        Cell(day, "w", CODE): Fraction(20_000_000),
        Cell(day, "", "input", "claude-opus-5"): Fraction(30_000_000),
    }
    assert bill.decimals == 2
    assert bill.described[Cell(day, "w", CODE)] == "Code Execution Usage"
    assert bill.cost_days == {day}
    assert bill.nano == 1_295_000_000


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (cost(1.5), "cannot be read"),
        (cost("1.5e2"), "no decimal number of cents"),
        (cost("1", currency="EUR"), "counts in EUR"),
        ({"currency": "USD"}, "cannot be read"),
    ],
)
def test_what_is_no_cost(result: dict[str, Any], words: str) -> None:
    """A float, an exponent, another currency, a missing amount: nothing of it is guessed."""
    with pytest.raises(ReportError, match=words):
        read_costs(Bill(known_until=NOW), [bucket(result)])


def test_usage_stands_by_key_and_as_it_was_served() -> None:
    """Two rows of one key that only differ in context window are one."""
    row = {
        "uncached_input_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 3},
        "cache_read_input_tokens": 4,
        "output_tokens": 5,
        "server_tool_use": {"web_search_requests": 6},
        "api_key_id": "apikey_01",
        "workspace_id": "w",
        "model": "claude-opus-5",
        "service_tier": "batch",
        "inference_geo": "us",
        "speed": "fast",
    }
    bill = Bill(known_until=NOW)
    read_usage(bill, [bucket(row, {**row, "context_window": "200k-1M"})])
    variant = Variant("2026-11-03", "w", "apikey_01", "claude-opus-5", "batch", us=True, fast=True)
    assert bill.usage == {variant: (2, 4, 6, 8, 10, 12)}
    assert bill.usage_days == {"2026-11-03"}


def test_code_has_money_and_spans_from_two_questions() -> None:
    """They come in rows of their own and stand together by key."""
    bill = Bill(known_until=NOW)
    read_code(bill, [CodeRow("2026-11-03", "w", "k", amount="0.5"), CodeRow("2026-11-03", "w", "k", spans=3)])
    (found,) = bill.code.values()
    assert (found.nano, found.spans) == (Fraction(5_000_000), 3)
    assert bill.code_known
    with pytest.raises(ReportError, match="code execution"):
        read_code(bill, [CodeRow("2026-11-03", "w", "k", amount="a lot")])
