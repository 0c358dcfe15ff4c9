"""By whatever dimensions a sum is told, rows add up to the whole; what cannot be told gets a sentence."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import Rollup, add, cost_nano, rollup
from planner.core.reports.dimensions import (
    COMMON,
    OF_DECISIONS,
    OF_REQUESTS,
    WHOLE,
    Table,
    UncrossableError,
    between,
    coarse,
    common,
    grain,
    holds,
    tabulate,
)
from planner.core.reports.figures import total
from tests.doubles.entries import WORDS
from tests.doubles.reported import amended, month

ANY_OF_REQUESTS = st.lists(st.sampled_from(sorted(OF_REQUESTS)), min_size=1, max_size=4)
ANY_COMMON = st.lists(st.sampled_from(sorted(COMMON)), max_size=3)


def added(table: Table) -> dict[str, int]:
    """The sum of the rows."""
    return total(row.amounts for row in table.rows)


@given(amended(), ANY_OF_REQUESTS)
def test_rows_by_any_dimensions_add_up(ledger: list[Entry], by: list[str]) -> None:
    """Every amount, and each row once."""
    sums = rollup(ledger)
    table = tabulate(sums, by, {})
    assert added(table) == table.whole == total(sums.requests.values())
    assert len({row.values for row in table.rows}) == len(table.rows)
    assert table.overlaps is None
    assert table.by == tuple(dict.fromkeys(by))


@given(amended(), WORDS, ANY_COMMON)
def test_rows_by_one_tag_add_up(ledger: list[Entry], tag: str, by: list[str]) -> None:
    """What lacks the tag has a row of its own."""
    sums = rollup(ledger)
    table = tabulate(sums, [f"tags.{tag}", *by], {})
    assert added(table) == table.whole == total(sums.requests.values())
    lacking = sum(
        entry.cost_nano or 0
        for entry in ledger
        if tag not in entry.tags and not any(line.basis == "notional" for line in entry.lines)
    )
    assert cost_nano(total(row.amounts for row in table.rows if row.values[0] == "")) == lacking


@given(amended(), st.sampled_from(["version", "bundle"]), ANY_COMMON)
def test_rows_by_one_action_add_up(ledger: list[Entry], action: str, by: list[str]) -> None:
    """Likewise what has no such decision."""
    sums = rollup(ledger)
    table = tabulate(sums, ["decision", "policy", "reason", *by], {"action": frozenset({action})})
    assert added(table) == table.whole == total(sums.requests.values())
    assert table.overlaps is None


@given(amended(), amended(), st.sampled_from(["version", "bundle"]), ANY_COMMON)
def test_decisions_by_model_add_up(old: list[Entry], new: list[Entry], action: str, by: list[str]) -> None:
    """Also where an older version added some of them up without: no row has fewer requests than none."""
    fresh = [msgspec.structs.replace(entry, request_id=f"n{entry.request_id}") for entry in new]
    before = msgspec.structs.replace(rollup(old), decision_models={}, shadow_models={})
    sums, where = before + rollup(fresh), {"action": frozenset({action})}
    table = tabulate(sums, ["decision", "model", *by], where)
    assert added(table) == table.whole == total(sums.requests.values())
    assert all(row.amounts.get("requests", 0) >= 0 for row in table.rows)
    models = {row.values[1] for row in table.rows}
    parts = [tabulate(sums, ["decision"], where | {"model": frozenset({model})}).whole for model in models]
    assert total(parts) == table.whole
    plain = {row.values[0]: row.amounts for row in tabulate(sums, ["decision"], where).rows if row.values[0]}
    decided = {name: total(row.amounts for row in table.rows if row.values[0] == name) for name in plain}
    assert decided == plain


def test_all_actions_by_model() -> None:
    """Each model has the rows of its actions, and a policy can be asked of one model."""
    sums = rollup(month())
    table = tabulate(sums, ["model", "policy"], {})
    assert table.by == ("action", "model", "policy")
    assert {row.values[1] for row in table.rows} == {key.model for key in sums.requests if key.model}
    (model, *_) = sorted({row.values[1] for row in table.rows})
    one = tabulate(sums, ["policy"], {"model": frozenset({model})})
    assert one.whole == tabulate(sums, ["model"], {"model": frozenset({model})}).whole
    assert [row.amounts for row in one.rows] == [row.amounts for row in table.rows if row.values[1] == model]


@given(amended(), st.sampled_from(sorted(OF_REQUESTS)))
def test_choices_part_the_whole(ledger: list[Entry], name: str) -> None:
    """What has a value, value by value, is everything."""
    sums = rollup(ledger)
    values = {row.values[0] for row in tabulate(sums, [name], {}).rows}
    parts = [tabulate(sums, ["day"], {name: frozenset({value})}).whole for value in values]
    assert total(parts) == total(sums.requests.values())


@given(amended())
def test_days_sum_to_the_month(ledger: list[Entry]) -> None:
    """A day is in one month, and hours of others stay outside."""
    sums = rollup(ledger)
    days = tabulate(sums, ["day"], {})
    for row in tabulate(sums, ["month"], {}).rows:
        (month_,) = row.values
        mine = [day.amounts for day in days.rows if day.values[0].startswith(month_)]
        assert total(mine) == row.amounts
        cut = between(sums, f"{month_}-01", f"{month_}-99")
        assert total(cut.requests.values()) == row.amounts


def test_all_tags_and_all_actions_say_that_they_overlap() -> None:
    """The total counts each request once, whatever rows it stands in."""
    sums = rollup(month())
    whole = total(sums.requests.values())
    for by in (["tag"], ["policy"], ["action", "reason"]):
        table = tabulate(sums, by, {})
        assert table.whole == whole
        assert table.overlaps is not None
        assert added(table) != whole
    assert tabulate(sums, ["policy"], {}).by == ("action", "policy")
    team = frozenset({"search"})
    assert tabulate(sums, ["tag"], {"team": team}).whole == tabulate(sums, ["team"], {"team": team}).whole


@pytest.mark.parametrize(
    ("by", "where", "said"),
    [
        (["colour"], {}, "nothing is told by 'colour'"),
        (["tags."], {}, "nothing is told by 'tags.'"),
        (["tag", "model"], {}, "tag cannot be crossed with model"),
        (["tags.a", "tags.b"], {}, "tags.a cannot be crossed with tags.b"),
        (["action", "tag"], {}, "tag cannot be crossed with action"),
        (["policy"], {"project": "p"}, "policy cannot be crossed with project"),
        (["team"], {"policy": "p"}, "Say which one action"),
        (["team"], {"tag": "feature=a"}, "Name the tag"),
    ],
)
def test_what_cannot_be_told_gets_a_sentence(by: list[str], where: dict[str, str], said: str) -> None:
    """Not a number that is wrong."""
    with pytest.raises(UncrossableError, match=said):
        tabulate(Rollup(), by, {name: frozenset({value}) for name, value in where.items()})


def test_several_actions_are_no_choice() -> None:
    """A request has one decision for each, and would be counted twice."""
    with pytest.raises(UncrossableError, match="--where action=bundle"):
        tabulate(Rollup(), ["policy"], {"action": frozenset({"bundle", "version"})})


def test_the_order_of_rows() -> None:
    """Time first, then what is dearest, then by name: the same entries in any order make the same rows."""
    sums = rollup(month())
    teams = tabulate(sums, ["team"], {}).rows
    assert [cost_nano(row.amounts) for row in teams] == sorted((cost_nano(r.amounts) for r in teams), reverse=True)
    days = [row.values[0] for row in tabulate(sums, ["day", "team"], {}).rows]
    assert days == sorted(days)
    assert tabulate(rollup(reversed(month())), ["team", "model"], {}) == tabulate(sums, ["team", "model"], {})


def test_what_belongs_to_an_organization_as_a_whole() -> None:
    """Only a choice of organizations leaves it whole."""
    assert common({"organization": frozenset({"o"})})
    assert not common({"team": frozenset({"t"})})
    key = next(iter(rollup(month()).requests))
    assert holds(key, {"team": frozenset({key.team}), "policy": frozenset({"whatever"})})
    assert not holds(key, {"team": frozenset({"nobody"})})
    assert set(OF_DECISIONS) == {"action", "decision", "reason", "policy"}


ASKED: st.SearchStrategy[tuple[list[str], dict[str, frozenset[str]]]] = (
    st.tuples(
        ANY_OF_REQUESTS, st.sampled_from([{}, {"outcome": frozenset({"ok"})}, {"day": frozenset({"2026-11-22"})}])
    )
    | st.tuples(ANY_COMMON.map(lambda names: ["tag", *names]), st.just({}))
    | st.tuples(ANY_COMMON.map(lambda names: ["reason", *names]), st.just({"action": frozenset({"bundle"})}))
)


@given(amended(), ASKED)
def test_sums_are_read_no_finer_than_they_are_told(
    ledger: list[Entry], asked: tuple[list[str], dict[str, frozenset[str]]]
) -> None:
    """What nobody asked for is added up while it is read, and no figure changes; decisions tell what was held out."""
    by, where = asked
    sums, read = rollup(ledger), Rollup()
    for kind, fields in grain(by, where).items():
        for key, amounts in sums.of(kind).items():
            add(read.of(kind).setdefault(coarse(key, fields), {}), amounts)
    assert tabulate(read, by, where) == tabulate(sums, by, where)
    assert {key.reason for key in read.decisions} == {key.reason for key in sums.decisions}
    assert len(read.requests) <= len(sums.requests)


@given(amended())
def test_a_whole_key_is_as_it_was(ledger: list[Entry]) -> None:
    """Of every kind."""
    sums = rollup(ledger)
    for kind, fields in WHOLE.items():
        assert all(coarse(key, fields) == key for key in sums.of(kind))
