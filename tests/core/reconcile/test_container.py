"""Container time: which reading of a setting the bill shows, and what the estimate may take."""

from fractions import Fraction
from typing import Any

import msgspec
import pytest

from planner.core.reconcile.cells import CODE, Cause, Cell
from planner.core.reconcile.container import Container, setting
from planner.core.reconcile.theirs import CodeCost
from planner.core.rulebook.book import Settings
from tests.doubles.billed import KEYS, OWNERS, STRANGER, asks, bill, book, charges, compared, explained, ledger, read


def test_the_model_of_the_settings_in_force_is_the_ledger() -> None:
    """Billed again from what entries say, the month costs what their lines say, within a nano-dollar a line."""
    own = read(ledger(asks()), bill([]))
    cost = Container(own, book().prices, book().settings, OWNERS).cost([use.hours_ms for use in own.uses])
    code = {cell: nano for cell, nano in own.nano.items() if cell.kind == CODE}
    for cell, nano in code.items():
        assert abs(cost.get(cell, 0) - nano) <= own.lines[cell]


@pytest.mark.parametrize(
    ("switch", "value", "key", "better"),
    [
        ("code.minimum_per", "request", "code.minimum_per", "request"),
        ("free_hours.limit", 1, "free_hours.limit", "1.0"),
        ("free_hours.limit", 0, "free_hours.limit", "0.0"),
    ],
)
def test_the_reading_that_the_bill_has_is_proposed(switch: str, value: Any, key: str, better: str) -> None:
    """One setting, its better value, and how many days show it."""
    found = compared(ledger(asks()), bill(charges(asks(), **{switch: value})))
    (proposal,) = found.statement.settings
    assert (proposal.key, proposal.better) == (key, better)
    assert proposal.days >= 2
    assert proposal.better_misfit_nano * 100 < proposal.misfit_nano


def test_a_ledger_that_believes_in_requests_is_told_of_sessions() -> None:
    """The same the other way round."""
    other = book(**{"code.minimum_per": "request"})
    found = compared(ledger(asks(), other), bill(charges(asks())), rule_book=other)
    (proposal,) = found.statement.settings
    assert (proposal.key, proposal.value, proposal.better) == ("code.minimum_per", "request", "session")
    assert found.statement.unexplained_nano == 0


def test_code_of_a_stranger_is_known_by_its_key() -> None:
    """Analytics tells what it cost, so nothing of it is taken for an estimate."""
    theirs = bill(charges(asks()))
    day = "2026-11-20"
    theirs.code[day, "wrkspc_1", STRANGER] = CodeCost(Fraction(8_333_334), 2)
    theirs.costs[Cell(day, "wrkspc_1", CODE)] += 8_333_334
    found = compared(ledger(asks()), theirs)
    assert explained(found) == {Cause.BYPASS: 8_333_334}


def test_without_analytics_a_stranger_cannot_be_told_from_the_estimate() -> None:
    """It is said, and what goes beyond `high` stays unexplained."""
    theirs = bill(charges(asks()))
    theirs.costs[Cell("2026-11-20", "wrkspc_1", CODE)] += 8_333_334
    theirs.code, theirs.code_known = {}, False
    found = compared(ledger(asks()), theirs)
    assert any("Analytics" in note for note in found.statement.notes)
    assert found.statement.unexplained_nano > 8_000_000


def test_spans_beyond_the_ledger_of_a_declared_key_are_lost() -> None:
    """An entry with code that the ledger lost costs its minimum on the bill, where free hours are used up."""
    gone = next(ask for ask in reversed(asks()) if ask.runs and ask.seconds < 300 and ask.number < 180)
    entries = [entry for entry in ledger(asks()) if entry.request_id != f"{gone.number:024x}"]
    found = compared(entries, bill(charges(asks())))
    assert set(explained(found)) == {Cause.LOST_ENTRIES}
    assert found.statement.unexplained_nano == 0
    assert set(OWNERS.values()) == set(KEYS)


def test_a_setting_is_found_by_its_dotted_key() -> None:
    """As it is written in the rules."""
    assert setting(Settings(), "code.minimum_per") == "session"
    assert setting(Settings(), "free_hours.limit") == 1550
    assert msgspec.structs.fields(Settings)
