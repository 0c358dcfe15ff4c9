"""A batch of records becomes rows in one order, whatever order it came in, and the newest stands for all of one key."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.conversations import Scope
from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Amounts, Key, TagKey, add, rollup
from planner.core.records import EntryRecord, Record, ScopeRecord, TurnRecord
from planner.core.rulebook.spending import Spender
from planner.stores.rows import add_amounts, amounts, cell_rows, entry_row, first, plain, spending_rows, written
from tests.doubles.deciding import turn
from tests.doubles.entries import entries, ledgers
from tests.stores.test_reading import entry

AMOUNTS = st.dictionaries(st.sampled_from(["a", "b", "é"]), st.integers(-(2**80), 2**80))
SCOPES = st.builds(
    ScopeRecord,
    st.sampled_from(["2026-11-01", "2026-11-02"]),
    st.sampled_from(["p", "q"]),
    st.builds(Scope, st.sampled_from(["o", "u"]), st.just("w")),
)


@given(st.lists(SCOPES, max_size=8))
def test_the_newest_of_a_key_stands_for_all(records: list[Record]) -> None:
    """As if they were applied one by one, where what is as new takes the place of what is there."""
    one_by_one: dict[str, tuple[str, str]] = {}
    for record in records:
        assert isinstance(record, ScopeRecord)
        if record.at >= one_by_one.get(record.principal, ("", ""))[0]:
            one_by_one[record.principal] = (record.at, record.scope.organization)
    rows = written(records).kept.get("put_scope", [])
    assert [(row[0], (row[1], row[2])) for row in rows] == sorted(one_by_one.items())


def test_intents_give_way_to_settlements() -> None:
    """Of one request the first settlement counts, and no intent beside it; both lists are sorted."""
    made = [entry(3), entry(2, "ok", 1), entry(2), entry(2, "error"), entry(1, "ok"), entry(0)]
    found = written(EntryRecord(each) for each in made)
    assert list(found.settled.values()) == [entry(1, "ok"), entry(2, "ok", 1)]
    assert [row[0] for row in found.intents] == [entry(0).request_id, entry(3).request_id]


def test_a_turn_without_keys_has_no_rows() -> None:
    """Nobody could find it again; one that has some has a row for each."""
    keyed = turn(message_id="m", call_ids=("a", "b"))
    rows = written([TurnRecord("2026-11-01", keyed)]).kept
    assert [row[0] for row in rows["put_turn_key"]] == sorted(keyed.keys)
    assert [row[0] for row in rows["put_turn"]] == [keyed.keys[0]]


@given(AMOUNTS, AMOUNTS)
def test_amounts_are_added_as_everywhere(one: Amounts, other: Amounts) -> None:
    """The function that the file's own database lacks does what the core does, exactly."""
    expected = dict(one)
    add(expected, other)
    texts = [msgspec.json.encode(each).decode() for each in (one, other)]
    assert amounts(add_amounts(*texts)) == expected


@given(ledgers())
def test_rows_of_cells_are_sorted(made: list[Entry]) -> None:
    """By their keys, so that writers that meet take them in the same order."""
    for rows in cell_rows(rollup(made)).values():
        keys = [row[:-1] for row in rows]
        assert keys == sorted(keys)
        assert rows


def test_keys_that_no_database_tells_apart_are_one() -> None:
    """A statement that writes all of a batch can meet each row once; and the sums that it is given stay as they are."""
    made = [msgspec.structs.replace(entry(1, "ok", 5), team=team) for team in ("a\0", "a\ufffd", "b")]
    sums = rollup(made)
    rows = cell_rows(sums)["add_cells"]
    assert [(row[3], amounts(str(row[-1]))["requests"]) for row in rows] == [("a\ufffd", 2), ("b", 1)]
    assert sums == rollup(made)


@given(entries())
def test_the_first_key_stands_before_all(made: Entry) -> None:
    """Paging begins there; it has as many words as a key."""
    (key,) = rollup([made]).requests
    assert first(Key, key.hour) < key
    assert len(first(Key, key.hour)) == len(key)
    for tag in rollup([made]).tags:
        assert first(TagKey, key.hour) < tag
        assert len(first(TagKey, key.hour)) == len(tag)


def test_zero_bytes_become_a_mark() -> None:
    """In columns only: the entry beside them keeps what it is."""
    assert plain("a\0b") == "a\ufffdb"
    assert plain("ab") == "ab"
    assert len(entry_row(entry(1, "ok"))) == 16


def test_spending_is_added_up_by_day() -> None:
    """One row for each kind of spender, name and day, in the order of keys; what is unknown or comes to 0 has none."""
    both, team = Spender(principal="p\0", team="t"), Spender(team="t")
    made = [(both, 5), (team, 7), (team, None), (Spender(project="x"), 0), (Spender(), 9)]
    later = msgspec.structs.replace(entry(9, "ok", 3), spender=team, at="2026-12-01T00:00:00.000000+00:00")
    found = [msgspec.structs.replace(entry(n, "ok", cost), spender=who) for n, (who, cost) in enumerate(made)]
    day = found[0].at[:10]
    assert spending_rows([later, *found]) == [
        ("principal", "p\ufffd", day, 5),
        ("team", "t", day, 12),
        ("team", "t", "2026-12-01", 3),
    ]
    assert spending_rows([found[0], msgspec.structs.replace(found[0], cost_nano=-5)]) == []
