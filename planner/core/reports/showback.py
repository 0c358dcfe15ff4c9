"""The free hours of an organization, shared among its teams by what each used.

    a team's share of the month's credit = the credit x its billable container time / that of all teams

In the ledger they go to whoever came first in the month; who runs code on the last day pays for everybody. The rule
above gives each second the same price. It moves money between teams and changes no total: shares are whole nano-dollars
and sum to the credit exactly, the largest remainders rounded up first.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from planner.core.ledger.rollup import NANO, Amounts, Key, add, cost_nano
from planner.core.pricing.prices import CREDIT
from planner.core.reports.figures import Money, money

RULE: Final = "in proportion to each team's billable container time of the month"


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One team of one organization in a month (`2026-11`).

    `billable_ms` is the container time that its lines charge; `credit` is as it fell in time order, `credit_shared` by
    the rule; `cost` and `cost_shared` are everything that the team cost with the one and with the other.
    """

    month: str
    organization: str
    team: str
    billable_ms: int
    credit: Money
    credit_shared: Money
    cost: Money
    cost_shared: Money


def showback(requests: Mapping[Key, Amounts]) -> tuple[Share, ...]:
    """The shares of all teams, by month, organization and name."""
    sums: dict[tuple[str, str], dict[str, Amounts]] = {}
    for key, amounts in requests.items():
        teams = sums.setdefault((key.hour[:7], key.organization), {})
        add(teams.setdefault(key.team, {}), amounts)
    return tuple(
        share for (month, organization), teams in sorted(sums.items()) for share in _shares(month, organization, teams)
    )


def split(amount: int, weights: Mapping[str, int]) -> dict[str, int]:
    """Cut an amount in proportion to weights, which are 0 or more and not all 0, into whole parts that sum to it.

    What is left after rounding toward 0 goes one by one to the largest remainders, by name where they are equal.
    """
    size, sign, whole = abs(amount), -1 if amount < 0 else 1, sum(weights.values())
    parts = {name: divmod(size * weight, whole) for name, weight in weights.items()}
    left = size - sum(part for part, _ in parts.values())
    first = sorted(parts, key=lambda name: (-parts[name][1], name))[:left]
    return {name: sign * (part + (name in first)) for name, (part, _) in parts.items()}


def _shares(month: str, organization: str, teams: Mapping[str, Amounts]) -> tuple[Share, ...]:
    fell = {team: amounts.get(NANO + CREDIT, 0) for team, amounts in teams.items()}
    billable = {team: max(amounts.get("charged_ms", 0), 0) for team, amounts in teams.items()}
    shared = split(sum(fell.values()), billable) if any(billable.values()) else fell
    return tuple(
        Share(
            month=month,
            organization=organization,
            team=team,
            billable_ms=billable[team],
            credit=money(fell[team]),
            credit_shared=money(shared[team]),
            cost=money(cost_nano(teams[team])),
            cost_shared=money(cost_nano(teams[team]) - fell[team] + shared[team]),
        )
        for team in sorted(teams)
    )
