"""A reading is named as in a settings file, and two that bill the same within rounding are alike."""

from planner.core.reconcile.cells import CODE, Cause, Cell
from planner.core.reconcile.readings import Fit, near, setting, word
from planner.core.reconcile.residual import Residual
from planner.core.rulebook.book import Settings
from tests.doubles.billed import asks, bill, charges, ledger, read

CELL = Cell("2026-11-20", "wrkspc_1", CODE)


def fit(nano: int, value: object = "true") -> Fit:
    """A reading that moves so much in one cell."""
    return Fit(0, Cause.OTHER_READING, "code.idle_bills", value, {CELL: nano}, ([], None, None))


def test_how_a_reading_is_named() -> None:
    """Key and value, as they are set."""
    assert str(fit(1, value=True)) == "code.idle_bills: true"
    assert str(fit(1, "request")) == "code.idle_bills: request"
    assert [word(each) for each in (True, False, 1.5, "session")] == ["true", "false", "1.5", "session"]


def test_a_setting_by_its_key() -> None:
    """Whether it stands in a group or not."""
    assert setting(Settings(), "free_hours.limit") == 1550
    assert setting(Settings(), "haiku55_tier_on") == "summed_prompt"


def test_what_is_alike() -> None:
    """Up to what both sides round, and no nano-dollar more; a cell that one does not move is moved by nothing."""
    theirs = bill(charges(asks()))
    residual = Residual(read(ledger(asks()), theirs), theirs)
    rounding = residual.tolerance(CELL)
    assert near(fit(10**9), fit(10**9 + rounding), CELL, residual)
    assert not near(fit(10**9), fit(10**9 + rounding + 1), CELL, residual)
    assert near(fit(rounding), fit(0)._replace(moved={}), CELL, residual)
