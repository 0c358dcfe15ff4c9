"""A name goes out of a closed month, and its figures, its cost and the proof of its entries stay."""

from datetime import timedelta

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.core.ledger.entry import Entry
from planner.core.ledger.nameless import FORGOTTEN, Names, nameless
from planner.core.ledger.rollup import cost_nano, rollup
from planner.core.reports.closing import Closing, verify
from planner.core.reports.figures import total
from planner.core.reports.forgetting import Resealing, is_in, nameless_closing, nameless_pruned
from planner.core.reports.pruning import Inspection, verify_pruned
from tests.doubles.reported import BEGIN, END, MONTH, amended, closing_of, month, request

NAMES: Names = frozenset({"key-1"})


def ordered(entries: list[Entry]) -> list[Entry]:
    """As a ledger gives them."""
    return sorted(entries, key=lambda each: (each.at, each.request_id))


def resealed(closing: Closing, entries: list[Entry], names: Names = NAMES) -> Closing:
    """The closing without a name."""
    resealing = Resealing(closing, names)
    for entry in ordered(entries):
        resealing.add(entry)
    return resealing.closing(END)


def without(entries: list[Entry], names: Names = NAMES) -> list[Entry]:
    """The entries without a name, in order."""
    return [nameless(entry, names) for entry in ordered(entries)]


def test_a_closed_month_without_a_name_is_as_it_was_closed() -> None:
    """By another seal, which rests on the first: both are told."""
    late = request(5_000, BEGIN + timedelta(days=3), principal="key-1")
    open_ = request(7_777, BEGIN, outcome="unknown")
    closing, entries = closing_of(month()), [*month(), late, open_]
    assert is_in(closing, NAMES)
    after = resealed(closing, entries)
    assert not is_in(after, NAMES)
    assert b"key-1" not in msgspec.json.encode(after)
    assert (after.digest, after.cost, after.entries) == (closing.digest, closing.cost, closing.entries)
    (one,) = after.renamed
    assert (one.before, one.after) == (closing.digest, after.seal)
    assert one.entries == sum(entry.principal == "key-1" for entry in month()) > 0
    found = verify(after, without(entries))
    assert (found.same, found.nameless, found.later) == (True, one.entries, 1)
    assert not verify(after, ordered(entries)).same, "with the name they are not what the closing says now"
    assert cost_nano(total(after.sums().requests.values())) == closing.cost.nano


def test_an_entry_that_was_changed_before_cannot_hide_behind_a_forgotten_name() -> None:
    """The first seal is made anew in the same reading: where it is another one, the chain has a gap for ever."""
    closing = closing_of(month())
    changed = [msgspec.structs.replace(month()[0], team="another"), *month()[1:]]
    after = resealed(closing, changed)
    assert after.seal is None
    assert not verify(after, without(changed)).same


def test_two_names_one_after_the_other() -> None:
    """Each seal rests on the one before."""
    first = resealed(closing_of(month()), month())
    second = resealed(first, without(month()), frozenset({"key-0"}))
    assert [each.before for each in second.renamed] == [first.digest, first.seal]
    assert verify(second, without(without(month()), frozenset({"key-0"}))).same
    assert {key.principal for key, _ in second.requests if key.principal.startswith(("key-", "("))} == {FORGOTTEN}


def test_a_name_that_is_not_in_it_changes_nothing() -> None:
    """Neither figures nor seal."""
    closing = closing_of(month())
    assert not is_in(closing, frozenset({"nobody"}))
    assert resealed(closing, month(), frozenset({"nobody"})) == closing


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(amended(5), st.sets(st.sampled_from(["p", "key-0", "a", "b", "key"])))
def test_whatever_is_forgotten_a_closed_month_can_be_verified(ledger: list[Entry], names: set[str]) -> None:
    """For all ledgers and all names."""
    closing = closing_of(ledger)
    after = resealed(closing, ledger, frozenset(names))
    assert verify(after, without(ledger, frozenset(names))).same
    assert cost_nano(total(after.sums().requests.values())) == closing.cost.nano


def test_a_name_goes_out_of_a_pruned_month() -> None:
    """Its entries have gone; the sums still agree, without the name on either side."""
    late = request(5_000, BEGIN + timedelta(days=3), principal="key-1")
    closing, entries = closing_of(month()), [*month(), late]
    inspection = Inspection(MONTH, closing)
    for entry in ordered(entries):
        inspection.add(entry)
    pruned = nameless_pruned(inspection.pruned(rollup(entries), END), NAMES)
    assert b"key-1" not in msgspec.json.encode(pruned)
    assert verify_pruned(nameless_closing(closing, NAMES), pruned, rollup(without(entries))).same
