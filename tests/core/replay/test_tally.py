"""What a replay comes to: sums that add up, what has no price, and one line of `--decisions`."""

from datetime import timedelta
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from planner.core.replay.calls import Counts, Response
from planner.core.replay.player import Played
from planner.core.replay.tally import KINDS, Bill, Tally, decided
from planner.core.rulebook.policies import BundleRule, Then
from tests.doubles.deciding import BASIC_SEARCH, CODE, NEWER_CODE, book
from tests.doubles.traces import BEYOND, encoded, play, row, workload


def response(**changes: Any) -> Response:
    """An answer that cost something."""
    usual = Response(
        first=Counts(), whole=Counts(), iterations=1, container=None, expires_at=None, started=False, elapsed=1.0,
        bill={"input": 1}, billed_ms=0,
    )  # fmt: skip
    return msgspec.structs.replace(usual, **changes)


def ruled(**then: Any) -> Any:
    """Rules beyond the free hours whose bundle policy says something else."""
    policies = tuple(
        msgspec.structs.replace(policy, then=Then(bundle=BundleRule(**then)))
        if policy.name == "shipped-bundle"
        else policy
        for policy in BEYOND.policies
    )
    return book(policies=policies, settings=BEYOND.settings)


def test_a_bill_adds_up_by_kind() -> None:
    """And counts containers and their time."""
    bill = Bill()
    bill.add(response(bill={"input": 2, "code_execution": 5}, started=True, billed_ms=300_000))
    bill.add(response(bill={"input": 3}, billed_ms=1))
    assert bill.kinds == {"input": 5, "code_execution": 5}
    assert (bill.nano, bill.containers, bill.billed_ms, bill.unpriced) == (10, 1, 300_001, 0)


def test_what_has_no_price_is_counted_and_never_0() -> None:
    """It is in no sum; its container started all the same."""
    bill = Bill()
    bill.add(response(bill=None, started=True))
    assert (bill.nano, bill.kinds, bill.unpriced, bill.containers) == (0, {}, 1, 1)


def test_two_bills_share_nothing() -> None:
    """Each begins empty."""
    Bill().add(response())
    assert Bill().kinds == {}


COSTS = st.lists(st.none() | st.dictionaries(st.sampled_from(KINDS), st.integers(0, 10**12)).map(dict), max_size=20)


@given(COSTS)
def test_the_sum_is_that_of_its_lines(costs: list[dict[str, int] | None]) -> None:
    """By kind and in all."""
    bill = Bill()
    for each in costs:
        bill.add(response(bill=each))
    assert bill.nano == sum(sum(each.values()) for each in costs if each is not None)
    assert bill.unpriced == costs.count(None)
    for kind in KINDS:
        assert bill.kinds.get(kind, 0) == sum(each.get(kind, 0) for each in costs if each is not None)


def test_every_kind_of_the_world_is_told() -> None:
    """No line of a bill is left out of the table."""
    rows = [
        row(0, work={"web_searches": 1}),
        row(20, conversation="c0", turn=2),
        row(40, work={"cache_ttl": "1h"}, request={"system": "Another."}),
    ]
    played = play(encoded(*rows), ruled(act="never"))
    assert {kind for each in played for kind in each.response.bill or {}} == set(KINDS)


def tallied(played: list[Played]) -> Tally:
    """All of it, added up."""
    tally = Tally()
    for each in played:
        tally.add(each)
    return tally


def test_every_line_has_three_decisions() -> None:
    """By action, outcome and reason; what shadow policies would have done is not among them."""
    played = play(workload("basic web tool declared", 60))
    tally = tallied(played)
    for action in ("version", "bundle", "container"):
        assert sum(count for (name, _, _), count in tally.decisions.items() if name == action) == 60
    assert any(each.plan.shadows for each in played)
    assert sum(tally.decisions.values()) == 3 * 60
    assert tally.bill.nano == sum(sum((each.response.bill or {}).values()) for each in played)


def test_hold_outs_are_told_by_prefix_and_day() -> None:
    """All of two days and two prefixes: four clusters, and too few to say anything."""
    policy = next(policy for policy in BEYOND.policies if policy.name == "shipped-bundle")
    held = msgspec.structs.replace(policy, holdout=msgspec.structs.replace(policy.holdout, percent=100))
    rows = [
        row(day, at=f"2026-11-0{day}T09:00:0{number}Z", conversation=f"{day} {number}", request={"system": f"{number}"})
        for day in (3, 4)
        for number in (1, 2)
    ]
    (found,) = tallied(play(encoded(*rows), book(policies=(held,), settings=BEYOND.settings))).holdouts()
    assert (found.policy, found.treated, found.held_out, found.saved_nano) == ("shipped-bundle", 0, 4, None)
    assert tallied(play(encoded(*rows))).holdouts() == ()


def test_a_day_is_that_of_utc() -> None:
    """In whatever zone a line is written."""
    policy = next(policy for policy in BEYOND.policies if policy.name == "shipped-bundle")
    held = msgspec.structs.replace(policy, holdout=msgspec.structs.replace(policy.holdout, percent=100))
    times = ("2026-11-03T23:30:00-01:00", "2026-11-04T00:45:00+00:00")
    rows = [row(number, at=at, conversation=f"{number}") for number, at in enumerate(times)]
    played = play(encoded(*rows), book(policies=(held,), settings=BEYOND.settings))
    assert played[1].line.at - played[0].line.at == timedelta(minutes=15)
    assert tallied(played).holdouts()[0].held_out == 1


# ---------------------------------------------------------------- one line of --decisions


def one(rules: Any = BEYOND, **members: Any) -> dict[str, Any]:
    """The decisions of one line, as they are written."""
    (played,) = play(encoded(row(0, request=members)), rules)
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(decided(played)))
    return found


def test_the_line_of_a_request_without_code() -> None:
    """Nothing to decide, nothing expected."""
    assert one(tools=[]) == {
        "line": 0,
        "bundle": {"outcome": "declined", "reason": "no-code-execution", "tool": None},
        "version": {"outcome": "kept", "reason": None, "type": None},
        "container": {"outcome": "none", "reason": None},
        "expected_nano": {"untouched": None, "planned": None},
    }


def test_a_bundle_names_its_tool_and_the_version_that_goes_out() -> None:
    """And what both sides were expected to cost."""
    found = one(ruled(act="always"))
    assert found["bundle"] == {"outcome": "applied", "reason": "policy", "tool": "web_fetch_20260318"}
    assert found["version"] == {
        "outcome": "applied", "reason": "needed-by-bundle", "type": "code_execution_20260120",
    }  # fmt: skip
    assert found["expected_nano"]["untouched"] > 0
    assert found["expected_nano"]["planned"] > 0


def test_an_upgrade_names_the_tool_that_it_raises() -> None:
    """By its new type."""
    found = one(ruled(act="always", by="upgrade"), tools=[NEWER_CODE, BASIC_SEARCH])
    assert found["bundle"]["tool"] == "web_search_20260209"
    assert found["version"]["type"] == "code_execution_20260120"


def test_what_is_left_alone_names_the_version_that_was_declared() -> None:
    """And no tool."""
    found = one(ruled(act="never"))
    assert found["bundle"] == {"outcome": "declined", "reason": "policy", "tool": None}
    assert found["version"]["outcome"] == "kept"
    assert found["version"]["type"] == CODE["type"]


def test_lines_are_told_by_their_number() -> None:
    """In the order of the trace."""
    played = play(workload(count=5))
    assert [decided(each)["line"] for each in played] == [0, 1, 2, 3, 4]
