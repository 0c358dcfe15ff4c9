"""What a report says of a sum: every amount under its public name, exact, and subscriptions apart."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import is_notional, rollup
from planner.core.money import parse_nano
from planner.core.reports.figures import divided, figures, kinds, money, notional, total, unpriced
from tests.doubles.reported import amended, month


def test_every_amount_has_its_name() -> None:
    """One of each, so that no two are mixed up."""
    told = figures(
        {
            "requests": 9,
            "notional.requests": 2,
            "corrections": 3,
            "conversations": 4,
            "conversation_nano": 10,
            "unpriced.no-usage": 1,
            "tokens.cache_read": 5,
            "container_ms.likely": 6,
            "charged_ms": 7,
            "credited_ms": 8,
            "hours_ms": 11,
            "untouched_hours_ms": 12,
            "nano.input": 100,
            "nano.code_execution": 50,
            "nano.allowance_credit": -20,
            "list.input": 110,
            "estimated_nano": 30,
            "untouched_nano": 200,
            "compared_nano": 120,
            "untouched_known": 5,
        }
    )
    assert (told.requests, told.notional_requests, told.corrections, told.unpriced) == (7, 2, 3, 1)
    assert (told.tokens.cache_read, told.container_ms.likely, told.charged_ms, told.credited_ms) == (5, 6, 7, 8)
    assert (told.free_hours_ms, told.untouched_free_hours_ms) == (11, 12)
    assert (told.cost, told.listed.nano, told.code_execution.nano, told.credit.nano) == (money(130), 110, 50, -20)
    assert (told.estimated.nano, told.untouched.nano, told.compared.nano, told.saved.nano) == (30, 200, 120, 80)
    assert told.per_conversation == money(2)
    assert figures({}).per_conversation is None


def test_subscriptions_are_figures_of_their_own() -> None:
    """Nothing of them is in the others, and nothing of the others in them."""
    amounts = {"requests": 3, "notional.requests": 1, "nano.input": 5, "notional.nano.input": 7}
    assert (figures(amounts).requests, figures(amounts).cost.nano) == (2, 5)
    assert (notional(amounts).requests, notional(amounts).cost.nano) == (1, 7)


def test_unknown_cost_is_told_by_reason() -> None:
    """It is never 0 dollars of a request that is not mentioned."""
    assert unpriced({"unpriced.b": 2, "unpriced.a": 1, "requests": 3}) == {"a": 1, "b": 2}
    assert unpriced(total(rollup(month()).requests.values())) == {"unknown-model": 1}


@given(amended())
def test_totals_are_the_sum_of_the_entries(ledger: list[Entry]) -> None:
    """To the nano-dollar: discounts, credits, corrections; unpriced and notional entries add nothing."""
    told = figures(total(rollup(ledger).requests.values()))
    billed = [entry for entry in ledger if not is_notional(entry)]
    assert told.cost.nano == sum(entry.cost_nano or 0 for entry in billed)
    assert told.listed.nano == sum(entry.list_nano or 0 for entry in billed)
    assert told.credit.nano == sum(
        line.nano for entry in billed for line in entry.lines if line.kind == "allowance_credit"
    )
    assert told.unpriced == sum(entry.unpriced is not None for entry in billed)
    assert told.requests + told.notional_requests == sum(entry.corrects is None for entry in ledger)
    assert told.corrections == sum(entry.corrects is not None for entry in billed) + sum(
        entry.corrects is not None and is_notional(entry) for entry in ledger
    )
    whole = total(rollup(ledger).requests.values())
    assert sum(kind.cost.nano for kind in kinds(whole)) == told.cost.nano
    assert sum(kind.listed.nano for kind in kinds(whole)) == told.listed.nano


@given(st.integers(-(10**18), 10**18))
def test_both_forms_of_an_amount_are_equal(nano: int) -> None:
    """The decimal string has every digit."""
    assert parse_nano(money(nano).usd) == nano


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_quotients_are_rounded_half_to_even(over: int, under: int) -> None:
    """As Python rounds exact fractions."""
    assert divided(over, under) == round(Fraction(over, under))
