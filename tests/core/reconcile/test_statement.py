"""A month is explained to the nano-dollar, and each injected error lands in its own category, alone or in pairs."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import combinations
from typing import Final, NamedTuple

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.ledger.corrections import Billed, correct
from planner.core.ledger.entry import Entry
from planner.core.reconcile.cells import SESSION, Cause, Cell
from planner.core.reconcile.statement import Found
from planner.core.reconcile.theirs import Bill
from planner.simulator.bill import Charge
from tests.doubles.batched import answers, billed, made, passed
from tests.doubles.billed import (
    HAIKU,
    KNOWN,
    LIMIT,
    OPUS,
    SONNET,
    START,
    Ask,
    asks,
    bill,
    book,
    charges,
    compared,
    explained,
    ledger,
    repriced,
    stranger,
)

DAY: Final = "2026-11-14"
LATE: Final = START + timedelta(days=28, hours=9)
CLOSE: Final = 1_000
"""Nano-dollars within which an injected amount must come back: a millionth of a dollar."""


class Sides(NamedTuple):
    """Both sides of a month, and what the reports leave out."""

    entries: list[Entry]
    charged: list[Charge]
    known: datetime = KNOWN
    without: str | None = None

    def bill(self) -> Bill:
        """What the reports say."""
        found = bill([each for each in self.charged if each.work.at < self.known], known=self.known)
        if self.without is not None:
            found.costs = {cell: nano for cell, nano in found.costs.items() if cell.day != self.without}
            found.usage = {variant: counts for variant, counts in found.usage.items() if variant.day != self.without}
            found.code = {place: cost for place, cost in found.code.items() if place[0] != self.without}
            found.cost_days.discard(self.without)
            found.usage_days.discard(self.without)
        return found

    def compared(self) -> Found:
        """Both held against each other."""
        return compared(self.entries, self.bill())

    def difference(self) -> int:
        """By how much the bill is more."""
        return self.bill().nano - sum(entry.cost_nano or 0 for entry in self.entries)


def clean() -> Sides:
    """A month without an error."""
    return Sides(ledger(asks()), charges(asks()))


def bypass(sides: Sides) -> Sides:
    """Requests with a key that the planner never saw."""
    strangers = [stranger(ask, number) for number, ask in enumerate(asks()) if ask.model == HAIKU and number % 4 == 0]
    return sides._replace(charged=[*sides.charged, *strangers])


def lost(sides: Sides) -> Sides:
    """Entries that the ledger lost, of keys that are used through the planner alone."""
    gone = {f"{ask.number:024x}" for ask in asks() if ask.model == HAIKU and ask.number % 5 == 0 and ask.at < LATE}
    return sides._replace(entries=[entry for entry in sides.entries if entry.request_id not in gone])


def wrong_price(sides: Sides) -> Sides:
    """A class of tokens that is billed at another price than the planner's row has."""
    return sides._replace(charged=list(repriced(sides.charged, OPUS, "input", Fraction(11, 10))))


def other_minimum(sides: Sides) -> Sides:
    """Five minutes a request and not a session."""
    return _recharged(sides, **{"code.minimum_per": "request"})


def fewer_hours(sides: Sides) -> Sides:
    """Free hours that end earlier than the settings say."""
    return _recharged(sides, **{"free_hours.limit": int(LIMIT) - 1})


def missing_day(sides: Sides) -> Sides:
    """A day of which the reports have nothing."""
    return sides._replace(without=DAY)


def late(sides: Sides) -> Sides:
    """Reports that end before the month does."""
    return sides._replace(known=LATE)


def batches_past(sides: Sides) -> Sides:
    """A batch whose results never passed, and one whose results did."""
    entries = [made({OPUS: 3}, day=12), made({OPUS: 2}, day=12, batch="c" * 16)]
    entries.append(passed(answers(2, day=12), day=12.9, batch="c" * 16))
    charged = [*billed(answers(3, day=12)), *billed(answers(2, day=12))]
    return sides._replace(entries=[*sides.entries, *entries], charged=[*sides.charged, *charged])


def _recharged(sides: Sides, **switches: object) -> Sides:
    """The same charges with container time billed another way."""
    again = {charge.work.request_id: charge for charge in charges(asks(), **switches)}
    charged = []
    for charge in sides.charged:
        other = again.get(charge.work.request_id)
        if other is None or charge.work.use is None:
            charged.append(charge)
            continue
        kept = tuple(line for line in charge.lines if line.unit != "seconds")
        charged.append(Charge(charge.work, (*kept, *(line for line in other.lines if line.unit == "seconds"))))
    return sides._replace(charged=charged)


INJECTED: Final[dict[Cause, Callable[[Sides], Sides]]] = {
    Cause.MISSING_DAY: missing_day,
    Cause.LAG: late,
    Cause.MINIMUM_READING: other_minimum,
    Cause.ALLOWANCE: fewer_hours,
    Cause.PRICE_ROW: wrong_price,
    Cause.BYPASS: bypass,
    Cause.LOST_ENTRIES: lost,
    Cause.BATCHES_PAST: batches_past,
}
TOGETHER_UNTOLD: Final = [
    {Cause.MINIMUM_READING, Cause.ALLOWANCE},  # two readings of one amount: one is believed, the rest is told
    {Cause.MISSING_DAY, Cause.LOST_ENTRIES},  # an entry lost on a day that is not there is on neither side
]
PAIRS: Final = [pair for pair in combinations(INJECTED, 2) if set(pair) not in TOGETHER_UNTOLD]


def test_a_clean_month_has_nothing_to_explain() -> None:
    """Two sides that were counted by different code agree to the nano-dollar."""
    found = clean().compared()
    assert (found.statement.difference_nano, found.statement.unexplained_nano) == (0, 0)
    assert explained(found) == {}
    assert found.statement.within
    assert found.statement.theirs_nano > 10**9


@pytest.mark.parametrize("cause", INJECTED)
def test_an_injected_error_lands_in_its_own_category(cause: Cause) -> None:
    """With the injected amount; all others stay at nothing."""
    sides = INJECTED[cause](clean())
    found = sides.compared()
    wanted = sides.difference()
    assert abs(wanted) > 10_000_000, "an error of less than a cent would show nothing"
    assert found.statement.unexplained_nano == 0
    told = explained(found)
    told.pop(Cause.ROUNDING, 0)
    assert set(told) == {cause}
    assert abs(told[cause] - wanted) <= CLOSE


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_two_errors_do_not_mix(first: Cause, second: Cause) -> None:
    """Each keeps its own amount: what the second adds to a month with the first is what the second explains."""
    one = INJECTED[first](clean())
    both = INJECTED[second](one)
    found = both.compared()
    told = explained(found)
    rounding = told.pop(Cause.ROUNDING, 0)
    assert abs(rounding) <= CLOSE
    assert set(told) == {first, second}
    assert abs(told[first] - one.difference()) <= CLOSE
    assert abs(told[second] - (both.difference() - one.difference())) <= CLOSE
    assert found.statement.unexplained_nano == 0


def test_what_has_no_evidence_stays_unexplained() -> None:
    """A charge out of nowhere: no tokens, no spans, no constant factor. It is told, and the threshold is missed."""
    sides = clean()
    theirs = sides.bill()
    cell = Cell(DAY, "wrkspc_1", "output", OPUS)
    theirs.costs[cell] += 1_000_000_000
    found = compared(sides.entries, theirs, threshold="$0.5")
    assert found.statement.unexplained_nano == 1_000_000_000
    assert not found.statement.within
    (row,) = [row for row in found.statement.rows if row.unexplained_nano]
    assert (row.day, row.workspace, row.unexplained_nano) == (DAY, "wrkspc_1", 1_000_000_000)


def test_errors_of_two_signs_do_not_cancel() -> None:
    """A dollar too much and a dollar too little are two dollars that nobody explains."""
    theirs = clean().bill()
    theirs.costs[Cell(DAY, "wrkspc_1", "output", OPUS)] += 1_000_000_000
    theirs.costs[Cell(DAY, "wrkspc_2", "output", OPUS)] -= 1_000_000
    found = compared(clean().entries, theirs)
    assert found.statement.difference_nano == 999_000_000
    assert found.statement.unexplained_nano == 1_001_000_000


def test_the_priority_tier_is_on_no_cost_report() -> None:
    """Requests that were served there, and priced as usual by the ledger, make the bill less by what they cost."""
    served = [msgspec.structs.replace(ask, tier="priority") if ask.number in {4, 10} else ask for ask in asks()]
    sides = Sides(ledger(asks()), charges(served))
    found = sides.compared()
    assert explained(found) == {Cause.PRIORITY_TIER: sides.difference()}
    assert sides.difference() < 0


def test_amounts_that_are_rounded_to_cents_are_rounding() -> None:
    """A report with two decimals of a cent differs by less than half of the last one in each row."""
    sides = clean()
    theirs = sides.bill()
    theirs.decimals = 2
    theirs.costs = {cell: Fraction(round(nano / 100_000) * 100_000) for cell, nano in theirs.costs.items()}
    found = compared(sides.entries, theirs)
    told = explained(found)
    assert set(told) == {Cause.ROUNDING}
    assert found.statement.unexplained_nano == 0
    assert all(abs(row.difference_nano) <= 50_000 for row in found.statement.rows)


def test_container_time_that_ran_longer_is_the_estimate() -> None:
    """Within low and high of the uses; the meter is told to be off by a factor."""
    long = [_long(ask, seconds=500.0, seen=400.0) for ask in asks()]
    sides = Sides(ledger(long), charges(long))
    found = sides.compared()
    assert found.statement.unexplained_nano == 0
    told = explained(found)
    assert set(told) - {Cause.ROUNDING} == {Cause.CONTAINER_ESTIMATE}
    assert abs(told[Cause.CONTAINER_ESTIMATE] - sides.difference()) <= CLOSE
    assert found.statement.meter is not None
    assert found.statement.meter.factor is not None
    assert 1.1 < found.statement.meter.factor < 1.6


def test_more_than_any_use_can_have_run_is_not_the_estimate() -> None:
    """The free parameter ends at `high`: what is beyond it is left for somebody to find."""
    believed, true = ([_long(ask, seconds, 400.0) for ask in asks()] for seconds in (400.0, 1_900.0))
    sides = Sides(ledger(believed), charges(true))
    found = sides.compared()
    assert found.statement.unexplained_nano > sides.difference() // 2


def _long(ask: Ask, seconds: float, seen: float) -> Ask:
    return msgspec.structs.replace(ask, seconds=seconds, seen=seen, rest=250.0) if ask.runs else ask


def test_requests_without_a_price_are_told_as_that() -> None:
    """The ledger knows their tokens; what the bill asks for them is no mystery."""
    whole = book()
    rows = tuple(row for row in whole.prices.rows if not any("sonnet-5-5" in model for model in row.models))
    poorer = replace(whole, prices=replace(whole.prices, rows=rows))
    sides = Sides(ledger(asks(), poorer), charges(asks()))
    found = compared(sides.entries, sides.bill(), rule_book=poorer)
    told = explained(found)
    told.pop(Cause.ROUNDING, 0)
    assert set(told) == {Cause.UNPRICED}
    assert found.statement.unexplained_nano == 0
    assert any(SONNET in note for note in found.statement.notes)


def test_a_request_that_the_bill_has_on_the_next_day() -> None:
    """It moves nothing in the month, and both days say so."""
    moved = []
    for ask in asks():
        entry_at = ask.at + timedelta(days=1) if ask.number == 2 else ask.at
        moved.append(msgspec.structs.replace(ask, at=entry_at))
    sides = Sides(ledger(moved), charges(asks()))
    found = sides.compared()
    assert explained(found) == {}
    rows = [row for row in found.statement.rows if row.explained]
    assert {row.day for row in rows} == {"2026-11-01", "2026-11-02"}
    assert all(set(row.explained) == {Cause.OTHER_DAY} for row in rows)
    assert found.statement.unexplained_nano == 0


def test_corrections_that_the_bill_does_not_have() -> None:
    """A correction that was wrong shows as one: without it both sides agree."""
    sides = clean()
    entry = next(entry for entry in reversed(sides.entries) if entry.code is not None and entry.code.hours_ms)
    wrong = correct(entry, Billed(3_600_000), book().prices, request_id="c", made_at=KNOWN)
    assert wrong is not None
    found = compared([*sides.entries, wrong], sides.bill())
    assert explained(found) == {Cause.LATE_CORRECTIONS: -(wrong.cost_nano or 0)}


def test_session_time_passes_no_planner() -> None:
    """Managed Agents are billed by session; no planner meters them."""
    theirs = clean().bill()
    theirs.costs[Cell(DAY, "wrkspc_1", SESSION)] = Fraction(80_000_000)
    assert explained(compared(clean().entries, theirs)) == {Cause.BYPASS: 80_000_000}


def test_the_other_reading_of_a_tier() -> None:
    """Haiku 5.5 with prompts that are long together and short each: the other value of the setting agrees."""
    long = [
        msgspec.structs.replace(ask, input=120_000, output=4_000, cache_read=0, parts=4) if ask.model == HAIKU else ask
        for ask in asks()
    ]
    sides = Sides(ledger(long), charges(long, haiku55_tier_on="iteration_prompt"))
    found = sides.compared()
    told = explained(found)
    told.pop(Cause.ROUNDING, 0)
    assert told == {Cause.TIER_READING: sides.difference()}
    (proposal,) = found.statement.settings
    assert (proposal.key, proposal.value, proposal.better) == ("haiku55_tier_on", "summed_prompt", "iteration_prompt")


def test_proposals_name_row_factor_and_setting() -> None:
    """What a person would have to change, by how much it moves, and on how many days."""
    (price,) = wrong_price(clean()).compared().statement.prices
    assert (price.row, price.model, price.kind, price.factor) == ("opus-5.5", OPUS, "input", "11/10")
    assert (price.first_day, price.last_day) == ("2026-11-01", "2026-11-30")
    (minimum,) = other_minimum(clean()).compared().statement.settings
    assert (minimum.key, minimum.value, minimum.better) == ("code.minimum_per", "session", "request")
    assert minimum.better_misfit_nano <= CLOSE
    hours, elsewhere = fewer_hours(clean()).compared().statement.settings
    assert (hours.key, hours.better) == ("free_hours.limit", "1.0")
    assert elsewhere.key == "free_hours.used_elsewhere"
    assert (hours.alike, elsewhere.alike) == ((f"{elsewhere.key}: {elsewhere.better}",), ("free_hours.limit: 1.0",))


@given(
    moves=st.lists(
        st.tuples(st.integers(0, 29), st.sampled_from(["1", "2"]), st.integers(-(10**9), 10**9)), max_size=6
    ),
    chosen=st.sets(st.sampled_from(sorted(INJECTED)), max_size=3),
)
@settings(max_examples=25, deadline=None)
def test_shares_and_what_is_left_are_the_difference(moves: list[tuple[int, str, int]], chosen: set[Cause]) -> None:
    """Whatever is wrong, in every row and in the whole: explained + unexplained = difference."""
    sides = clean()
    for cause in sorted(chosen):
        sides = INJECTED[cause](sides)
    theirs = sides.bill()
    for day, workspace, nano in moves:
        cell = Cell((START + timedelta(days=day)).date().isoformat(), f"wrkspc_{workspace}", "output", OPUS)
        theirs.costs[cell] = theirs.costs.get(cell, Fraction(0)) + nano
    statement = compared(sides.entries, theirs).statement
    for row in statement.rows:
        assert sum(row.explained.values()) + row.unexplained_nano == row.difference_nano
        assert row.difference_nano == row.theirs_nano - row.ours_nano
        assert set(row.evidence) == set(row.explained)
    left = sum(row.unexplained_nano for row in statement.rows)
    assert sum(statement.explained.values()) + left == statement.difference_nano
    assert statement.difference_nano == statement.theirs_nano - statement.ours_nano


def test_the_default_workspace_has_no_name_on_the_bill() -> None:
    """The only workspace of the ledger that the bill does not name is taken for it, and that is said."""
    sides = bypass(clean())
    theirs = sides.bill()
    theirs.costs = {
        cell._replace(workspace="") if cell.workspace == "wrkspc_1" else cell: nano
        for cell, nano in theirs.costs.items()
    }
    theirs.usage = {
        msgspec.structs.replace(variant, workspace="") if variant.workspace == "wrkspc_1" else variant: counts
        for variant, counts in theirs.usage.items()
    }
    theirs.code = {
        (day, "" if place == "wrkspc_1" else place, key): cost for (day, place, key), cost in theirs.code.items()
    }
    statement = compared(sides.entries, theirs).statement
    assert statement.explained == sides.compared().statement.explained
    assert statement.unexplained_nano == 0
    assert any(note.startswith("wrkspc_1 is taken for the default workspace") for note in statement.notes)
