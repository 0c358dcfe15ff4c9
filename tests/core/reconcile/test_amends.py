"""Corrections bring the ledger to the bill, once, and touch nothing but container time."""

from planner.core.ledger.entry import Entry
from planner.core.reconcile.amends import amend, moves
from planner.core.reconcile.cells import Cause
from planner.core.reconcile.theirs import Bill
from tests.core.reconcile.months import longer
from tests.doubles.billed import KNOWN, MONTH, bill, book, charges, compared, explained, ledger, read


def corrected(entries: list[Entry], theirs: Bill) -> list[Entry]:
    """The corrections that a month proposes."""
    found = compared(entries, theirs)
    wanted = moves(read(entries, theirs), found.shares, book().prices)
    made = []
    for entry in entries:
        if entry.corrects is None and entry.request_id in wanted:
            earlier = [each for each in entries if each.corrects == entry.request_id]
            one = amend(entry, earlier, wanted[entry.request_id], book().prices, month=MONTH, made_at=KNOWN)
            made += [] if one is None else [one]
    return made


def test_corrected_a_month_agrees_and_is_not_corrected_again() -> None:
    """What is left is rounding of milliseconds; the second time nothing is proposed."""
    for seconds in (500.0, 320.0):
        asked = longer(seconds, 400.0)
        theirs = bill(charges(asked))
        entries = ledger(asked if seconds > 400 else longer(seconds, 400.0))
        assert Cause.CONTAINER_ESTIMATE in explained(compared(entries, theirs))
        made = corrected(entries, theirs)
        assert made
        after = compared([*entries, *made], theirs)
        assert set(explained(after)) <= {Cause.ROUNDING}
        assert after.statement.unexplained_nano == 0
        assert corrected([*entries, *made], theirs) == []


def test_a_correction_has_the_same_name_each_time() -> None:
    """So that a run that was torn writes nothing twice."""
    asked = longer(500.0, 400.0)
    theirs, entries = bill(charges(asked)), ledger(asked)
    first, second = corrected(entries, theirs), corrected(entries, theirs)
    assert first == second
    assert len({each.request_id for each in first}) == len(first)
    assert {line.kind for each in first for line in each.lines} <= {"code_execution", "allowance_credit"}


def test_free_time_is_not_corrected() -> None:
    """What free hours pay for is on no bill, so no bill knows it better."""
    asked = longer(500.0, 400.0)
    days = {each.at[:10] for each in corrected(ledger(asked), bill(charges(asked)))}
    assert min(days) > "2026-11-01"
