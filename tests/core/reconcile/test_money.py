"""A price row is blamed for a factor that two cells show, and for nothing else."""

from fractions import Fraction

import pytest

from planner.core.reconcile.cells import Cause
from planner.core.reconcile.money import noon
from tests.doubles.billed import HAIKU, OPUS, SONNET, asks, bill, charges, compared, explained, ledger, repriced


@pytest.mark.parametrize(
    ("model", "kind", "factor"),
    [
        (OPUS, "input", Fraction(11, 10)),
        (OPUS, "output", Fraction(1, 2)),
        (SONNET, "cache_read", Fraction(2)),
        (HAIKU, "output", Fraction(100)),
        (SONNET, "input", Fraction(99, 100)),
    ],
)
def test_a_factor_is_found_as_it_was_injected(model: str, kind: str, factor: Fraction) -> None:
    """With the row's name, as the plainest fraction that agrees."""
    theirs = bill(repriced(charges(asks()), model, kind, factor))
    found = compared(ledger(asks()), theirs)
    (price,) = found.statement.prices
    assert (price.model, price.kind, Fraction(price.factor)) == (model, kind, factor)
    assert explained(found)[Cause.PRICE_ROW] == price.nano
    assert found.statement.unexplained_nano == 0


def test_a_factor_next_to_one_is_no_other_price() -> None:
    """Nobody writes a price that is a thousandth off: it is left unexplained, not given a name."""
    theirs = bill(repriced(charges(asks()), SONNET, "input", Fraction(999, 1000)))
    found = compared(ledger(asks()), theirs)
    assert not found.statement.prices
    assert Cause.PRICE_ROW not in explained(found)
    assert found.statement.unexplained_nano == -found.statement.difference_nano > 0


def test_a_price_that_changes_within_the_month_has_its_days() -> None:
    """The first half is as the row says."""
    charged = charges(asks())
    late = [each for each in charged if each.work.at.day > 15]
    theirs = bill([*(each for each in charged if each.work.at.day <= 15), *repriced(late, OPUS, "input", Fraction(2))])
    (price,) = compared(ledger(asks()), theirs).statement.prices
    assert (price.first_day, price.last_day) == ("2026-11-16", "2026-11-30")


def test_one_cell_shows_no_factor() -> None:
    """Any amount is some factor of any other, so a single one is left unexplained."""
    charged = charges(asks())
    theirs = bill([*repriced(charged[:1], OPUS, "input", Fraction(3)), *charged[1:]])
    found = compared(ledger(asks()), theirs)
    assert not found.statement.prices
    assert found.statement.unexplained_nano == found.statement.difference_nano > 0


def test_cells_that_disagree_on_the_factor_show_none() -> None:
    """Noise is not a price."""
    charged = charges(asks())
    noisy = [
        again
        for number, charge in enumerate(charged)
        for again in repriced([charge], OPUS, "input", Fraction(100 + 7 * (number % 13), 100))
    ]
    found = compared(ledger(asks()), bill(noisy))
    assert sum(price.cells for price in found.statement.prices) < 10
    assert found.statement.unexplained_nano > 0


def test_prices_are_those_of_the_day() -> None:
    """A moment in its middle, so that no zone moves it."""
    assert noon("2026-11-03").isoformat() == "2026-11-03T12:00:00+00:00"
