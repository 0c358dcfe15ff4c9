"""Shared free hours: whole nano-dollars in proportion to use, and not one of them lost or made."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import cost_nano, rollup
from planner.core.reports.showback import showback, split
from tests.doubles.reported import BEGIN, amended, container, request

WEIGHTS = st.dictionaries(st.text("abc", max_size=3), st.integers(0, 10**12), min_size=1).filter(
    lambda weights: any(weights.values())
)


def test_a_dollar_among_three_who_used_as_much() -> None:
    """What is left over goes by name where remainders are equal."""
    assert split(-100, {"c": 1, "a": 1, "b": 1}) == {"a": -34, "b": -33, "c": -33}
    assert split(10, {"a": 0, "b": 3, "c": 1}) == {"a": 0, "b": 8, "c": 2}
    assert split(10, {"b": 1, "a": 1, "c": 2}) == {"a": 3, "b": 2, "c": 5}


@given(st.integers(-(10**15), 10**15), WEIGHTS)
def test_parts_sum_to_the_amount_and_are_near_their_share(amount: int, weights: dict[str, int]) -> None:
    """No part is a whole nano-dollar off, and the order of names does not matter."""
    parts, whole = split(amount, weights), sum(weights.values())
    assert sum(parts.values()) == amount
    assert all(abs(parts[name] * whole - amount * weight) < whole for name, weight in weights.items())
    assert split(amount, dict(reversed(weights.items()))) == parts


def test_who_came_first_gets_no_more_than_his_share() -> None:
    """One team used all free time of the month, another paid for as much: each gets half of the credit."""
    early = request(1, BEGIN, team="early", organization="o", lines=container(credited=True, nano=101))
    late = request(2, BEGIN, team="late", organization="o", lines=container(credited=False, nano=101))
    idle = request(3, BEGIN, team="idle", organization="o")
    other = request(4, BEGIN, team="late", organization="p", lines=container(credited=False))
    told = showback(rollup([early, late, idle, other]).requests)
    shares = {share.team: share for share in told if share.organization == "o"}
    assert [(share.credit.nano, share.credit_shared.nano) for share in told if share.organization == "p"] == [(0, 0)]
    assert {name: share.credit.nano for name, share in shares.items()} == {"early": -101, "late": 0, "idle": 0}
    assert {name: share.credit_shared.nano for name, share in shares.items()} == {"early": -51, "late": -50, "idle": 0}
    assert {name: share.cost.nano for name, share in shares.items()} == {"early": 0, "late": 101, "idle": 250_000}
    assert (shares["early"].cost_shared.nano, shares["late"].cost_shared.nano) == (50, 51)
    assert shares["late"].billable_ms == 300_000


@given(amended())
def test_shares_move_money_and_change_no_total(ledger: list[Entry]) -> None:
    """By month and organization, whatever was corrected."""
    sums = rollup(ledger).requests
    fell: Counter[tuple[str, str]] = Counter()
    shared: Counter[tuple[str, str]] = Counter()
    for share in showback(sums):
        place = (share.month, share.organization)
        fell[place] += share.credit.nano
        shared[place] += share.credit_shared.nano
        cost = sum(
            cost_nano(amounts)
            for key, amounts in sums.items()
            if (key.hour[:7], key.organization, key.team) == (*place, share.team)
        )
        assert share.cost.nano == cost
        assert share.cost_shared.nano == cost - share.credit.nano + share.credit_shared.nano
    assert fell == shared
