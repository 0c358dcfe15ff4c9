"""What a statement is judged by, and what does not belong to it."""

import msgspec
import pytest

from planner.core.reconcile.statement import threshold_nano
from tests.doubles.billed import asks, bill, charges, compared, ledger


@pytest.mark.parametrize(
    ("text", "nano"), [("0.5%", 5_000_000), ("$1", 10**9), ("$0.25", 250_000_000), ("0%", 0), ("100%", 10**9)]
)
def test_a_threshold_is_a_share_or_an_amount(text: str, nano: int) -> None:
    """Of a bill of a dollar."""
    assert threshold_nano(text, 10**9) == nano


@pytest.mark.parametrize("text", ["", "1", "-1%", "$", "1e3%", "€1", "$-1"])
def test_what_is_no_threshold(text: str) -> None:
    """It is refused."""
    with pytest.raises(ValueError, match="threshold"):
        threshold_nano(text, 10**9)


def test_another_organization_is_not_in_it() -> None:
    """An admin key tells the bill of its own organization, and so only its entries count."""
    other = [msgspec.structs.replace(entry, organization="org-2") for entry in ledger(asks())]
    found = compared([*ledger(asks()), *other], bill(charges(asks())))
    assert found.statement.difference_nano == 0


def test_an_empty_ledger_is_told() -> None:
    """Nothing agrees with nothing, and that is no proof."""
    nothing = compared([], bill([])).statement
    assert (nothing.difference_nano, nothing.within) == (0, True)
    assert any("nothing was compared" in note for note in nothing.notes)
    assert not any(
        "nothing was compared" in note for note in compared(ledger(asks()), bill(charges(asks()))).statement.notes
    )
