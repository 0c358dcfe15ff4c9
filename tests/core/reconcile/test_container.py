"""Container time: which reading of a setting the bill shows, and what the estimate may take."""

from fractions import Fraction
from typing import Any, Final

import msgspec
import pytest

from planner.core.reconcile.cells import CODE, Cause, Cell
from planner.core.reconcile.container import Container
from planner.core.reconcile.readings import setting
from planner.core.reconcile.theirs import CodeCost
from planner.core.rulebook.book import Settings
from tests.core.reconcile.months import talks, uploads
from tests.doubles.billed import (
    KEYS,
    OWNERS,
    STRANGER,
    Ask,
    asks,
    bill,
    book,
    charges,
    compared,
    explained,
    ledger,
    read,
)


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
    proposal, *others = found.statement.settings
    assert (proposal.key, proposal.better) == (key, better)
    assert {each.key for each in others} <= {"free_hours.used_elsewhere"}, "free hours that others use end them as well"
    assert proposal.days >= 2
    assert proposal.better_misfit_nano * 100 < proposal.misfit_nano


def test_a_ledger_that_believes_in_requests_is_told_of_sessions() -> None:
    """The same the other way round."""
    other = book(**{"code.minimum_per": "request"})
    found = compared(ledger(asks(), other), bill(charges(asks())), rule_book=other)
    (proposal,) = found.statement.settings
    assert (proposal.key, proposal.value, proposal.better) == ("code.minimum_per", "request", "session")
    assert found.statement.unexplained_nano == 0


READINGS: Final = {"code.idle_bills": talks(), "code.history_uploads_bill": uploads()}
BOTH: Final = [(key, value) for key in READINGS for value in (True, False)]


@pytest.mark.parametrize("limit", [2, 0])
@pytest.mark.parametrize(("key", "true"), BOTH)
def test_each_reading_is_told_in_both_directions(key: str, *, true: bool, limit: int) -> None:
    """Waiting time and files of earlier messages: what the bill has and the ledger does not believe, or the reverse."""
    believed = book(**{key: str(not true).lower(), "free_hours.limit": str(limit)})
    charged = charges(READINGS[key], **{key: true, "free_hours.limit": limit})
    found = compared(ledger(READINGS[key], believed), bill(charged), rule_book=believed)
    (proposal,) = found.statement.settings
    assert (proposal.key, proposal.value, proposal.better) == (key, str(not true).lower(), str(true).lower())
    assert proposal.days >= 10
    assert proposal.better_misfit_nano <= 50 < proposal.misfit_nano
    assert proposal.alike == ()
    assert set(explained(found)) <= {Cause.OTHER_READING, Cause.ROUNDING}
    assert found.statement.unexplained_nano == 0


@pytest.mark.parametrize(("key", "true"), BOTH)
def test_what_the_bill_does_not_contradict_is_not_proposed(key: str, *, true: bool) -> None:
    """Where both believe the same; and where the month has nothing in it that would show a difference."""
    believed = book(**{key: str(true).lower()})
    agreed = compared(ledger(READINGS[key], believed), bill(charges(READINGS[key], **{key: true})), rule_book=believed)
    assert (agreed.statement.settings, agreed.statement.difference_nano) == ((), 0)
    other = book(**{key: str(not true).lower()})
    silent = compared(ledger(asks(), other), bill(charges(asks(), **{key: true})), rule_book=other)
    assert silent.statement.settings == ()


@pytest.mark.parametrize("month", [talks(), uploads()], ids=["talks", "uploads"])
def test_another_error_is_not_taken_for_a_reading(month: list[Ask]) -> None:
    """Code that ran longer than it was seen to is the estimate, and a stranger's a bypass: no setting explains them."""
    longer = [msgspec.structs.replace(ask, seconds=ask.seen + 400.0, rest=500.0) if ask.runs else ask for ask in month]
    believed = [msgspec.structs.replace(ask, rest=898.0) if ask.runs else ask for ask in month]
    found = compared(ledger(believed), bill(charges(longer)))
    assert {each.key for each in found.statement.settings} <= {"free_hours.limit", "free_hours.used_elsewhere"}
    assert Cause.OTHER_READING not in explained(found)


def test_readings_that_bill_alike_are_all_told() -> None:
    """Turns that name Skills and have old files: the bill cannot tell for which of them it charges, and says so."""
    month = uploads(skills=1)
    month = [ask for ask in month if not ask.fresh]
    believed = book(**{"code.history_uploads_bill": "false"})
    found = compared(
        ledger(month, believed), bill(charges(month, **{"code.history_uploads_bill": True})), rule_book=believed
    )
    assert {each.key: each.alike for each in found.statement.settings} == {
        "code.skills_preload_bills": ("code.history_uploads_bill: true",),
        "code.history_uploads_bill": ("code.skills_preload_bills: true",),
    }
    (note,) = [note for note in found.statement.notes if "cannot tell" in note]
    assert note.startswith("The bill would be the same with code.skills_preload_bills: true and code.history_upl")
    said = {text for row in found.statement.rows for text in row.evidence.values() if "fits" in text}
    assert said == {"code.skills_preload_bills: true or code.history_uploads_bill: true fits the bill"}
    assert found.statement.unexplained_nano == 0


def test_one_conversation_without_skills_tells_them_apart() -> None:
    """Evidence that only one of them explains."""
    month = [
        *uploads(skills=1),
        *(msgspec.structs.replace(ask, number=ask.number + 500, container="x" + ask.container) for ask in uploads()),
    ]
    month.sort(key=lambda ask: ask.at)
    believed = book(**{"code.history_uploads_bill": "false"})
    charged = charges(month, **{"code.history_uploads_bill": True})
    (proposal,) = compared(ledger(month, believed), bill(charged), rule_book=believed).statement.settings
    assert (proposal.key, proposal.alike) == ("code.history_uploads_bill", ())


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
