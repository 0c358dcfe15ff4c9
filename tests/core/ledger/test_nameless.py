"""A name goes out of entries and sums, and no amount, team, model or hour with it."""

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from planner.core.ledger.entry import Entry
from planner.core.ledger.nameless import FORGOTTEN, is_named, nameless, nameless_key, nameless_sums
from planner.core.ledger.rollup import DecisionKey, Key, Rollup, cost_nano, rollup
from planner.core.ledger.shape import Claims
from planner.core.reports.figures import total
from planner.core.rulebook.spending import Spender
from tests.doubles.recorded import entry
from tests.doubles.reported import amended, month

ALICE = frozenset({"alice", "0b5d2f6c9a1e4873"})


def test_every_place_of_a_name() -> None:
    """Who called, whose budget it counts in, a tag, a tag of its own; and the id that leads to the key."""
    shape = entry(0).shape
    assert shape is not None
    whole = structs.replace(
        entry(0),
        principal="0b5d2f6c9a1e4873",
        spender=Spender(principal="alice", team="search"),
        tags={"agent": "alice", "feature": "chat"},
        upstream_request_id="req_1",
        shape=structs.replace(shape, own=Claims(team="search", tags={"agent": "alice"})),
    )
    without = nameless(whole, ALICE)
    assert not any(name.encode() in msgspec.json.encode(without) for name in (*ALICE, "req_1"))
    assert (without.principal, without.spender.principal, without.tags["agent"]) == (FORGOTTEN,) * 3
    kept = {"principal", "spender", "tags", "upstream_request_id", "shape"}
    for field in structs.fields(whole):
        if field.name not in kept:
            assert getattr(without, field.name) == getattr(whole, field.name)
    assert nameless(without, ALICE) is without


def test_what_is_not_the_name_stays() -> None:
    """A name that begins like it, a team of that name, another's id."""
    other = structs.replace(entry(0), principal="alice2", team="alice", tags={"agent": "alice-2"})
    assert nameless(other, ALICE) is other
    decided = DecisionKey("h", "o", "alice", "bundle", "applied", "", "alice")
    assert nameless_key(decided, ALICE) == decided


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(amended(5), st.sets(st.sampled_from(["p", "key-0", "key-1", "a", "b"])))
def test_sums_of_nameless_entries_are_nameless_sums_of_entries(ledger: list[Entry], names: set[str]) -> None:
    """So sums and entries can be changed apart, and agree after."""
    known = frozenset(names)
    one, other = rollup(nameless(each, known) for each in ledger), nameless_sums(rollup(ledger), known)
    for mine, theirs in ((one.requests, other.requests), (one.tags, other.tags), (one.decisions, other.decisions)):
        assert {key: cell for key, cell in mine.items() if cell} == {key: cell for key, cell in theirs.items() if cell}
    assert not is_named(other, known)
    assert cost_nano(total(other.requests.values())) == cost_nano(total(rollup(ledger).requests.values()))


def test_by_all_but_the_name_the_sums_are_what_they_were() -> None:
    """Cells of somebody who is forgotten join those of nobody."""
    sums = rollup(month())
    assert is_named(sums, frozenset({"key-1"}))
    without = nameless_sums(sums, frozenset({"key-1"}))

    def apart(told: Rollup) -> dict[Key, dict[str, int]]:
        cells = Rollup(requests={}).requests
        for key, amounts in told.requests.items():
            into = cells.setdefault(key._replace(principal=""), {})
            for name, amount in amounts.items():
                into[name] = into.get(name, 0) + amount
        return cells

    assert apart(without) == apart(sums)
    assert {key.principal for key in without.requests} == {FORGOTTEN, *{key.principal for key in sums.requests}} - {
        "key-1"
    }
