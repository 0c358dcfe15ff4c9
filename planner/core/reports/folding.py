"""Sums with some of what is told of them put away, so that more of them can be kept at hand.

    a forecast of folded sums = a forecast of the sums

By day they are folded in `planner.core.reports.closing`.
"""

from collections.abc import Mapping

from planner.core.ledger.rollup import Amounts, Key, add


def of_organizations(requests: Mapping[Key, Amounts]) -> dict[Key, Amounts]:
    """The sums of whole organizations by the hour, which is what forecasts go by."""
    found: dict[Key, Amounts] = {}
    for key, amounts in requests.items():
        add(found.setdefault(Key(key.hour, key.organization, "", "", "", "", "", "", ""), {}), amounts)
    return {key: amounts for key, amounts in found.items() if amounts}
