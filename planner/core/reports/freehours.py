"""How the free hours of each organization stand: used, expected by the month's end, and when they are used up."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from planner.core.allowance import Allowance, Pool
from planner.core.ledger.rollup import Amounts, Key
from planner.core.rulebook.book import FreeHoursSettings

_METERED = ("code_requests", "hours_ms", "untouched_hours_ms")
"""An hour that has one of these tells since when time is metered, even where it cost none."""


class FreeHours(msgspec.Struct, frozen=True, kw_only=True):
    """The free hours of an organization in the month of a moment; an unknown organization is empty.

    `runs_out` is when they are expected to be used up, that moment where they are, None where it is not in this month.
    """

    organization: str
    allowance: Allowance
    runs_out: datetime | None


def free_hours(requests: Mapping[Key, Amounts], now: datetime, free: FreeHoursSettings) -> tuple[FreeHours, ...]:
    """How they stand now (aware), by what was metered in this month and in five weeks before, by hour."""
    pools: dict[str, Pool] = {}
    for key in sorted(requests):
        amounts = requests[key]
        if any(name in amounts for name in _METERED):
            pool = pools.setdefault(key.organization, Pool(free))
            used, untouched = amounts.get("hours_ms", 0), amounts.get("untouched_hours_ms", 0)
            pool.add(datetime.fromisoformat(key.hour), used, untouched)
    return tuple(
        FreeHours(organization=name, allowance=allowance, runs_out=pool.runs_out(now) if allowance.known else None)
        for name, pool in sorted(pools.items())
        for allowance in (pool.judge(now),)
    )
