"""What one more container hour costs now: nothing while the free hours last, the list price once they do not.

    price of an hour now = list price x P(the organization's hours exceed the limit by the end of the month)

Source of the allowance: https://platform.claude.com/docs/en/about-claude/pricing, checked 2026-11-22. The probability
is an estimate from the month's pace; it is damped so that a decision does not swing the forecast that it was made by.
"""

from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from planner.core.rulebook import FreeHoursSettings

ENOUGH: Final = timedelta(days=3)
"""With less of the month behind it, a pace says nothing."""

DAMPING: Final = 0.1
"""The probability rises from 0 to 1 while the forecast goes from 10 % below the limit to 10 % above it."""


class Allowance(msgspec.Struct, frozen=True):
    """The free hours of an organization: used so far, expected by the end of the month, and the chance of exceeding.

    `known` is false where too little is known to say; then the probability is 0.
    """

    used: float
    forecast: float
    limit: float
    probability: float
    known: bool

    @property
    def left(self) -> float:
        """Free hours that are left now."""
        return max(self.limit - self.used, 0.0)


def allowance(
    settings: FreeHoursSettings, metered_hours: float, now: datetime, since: datetime | None = None
) -> Allowance:
    """Judge the allowance from the hours that this ledger metered this month and those that are used elsewhere.

    `settings.used_elsewhere` is the whole month's; it is a baseline, with which even the first day has a forecast.
    `since` is when metering began, None for before this month. `now` is aware; months are UTC's.
    """
    start = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    month = timedelta(days=monthrange(start.year, start.month)[1])
    watched = now - (start if since is None else max(start, since))
    used = metered_hours + settings.used_elsewhere * ((now - start) / month)
    pace = metered_hours / max(watched, timedelta(days=1)).total_seconds()
    forecast = metered_hours + pace * (start + month - now).total_seconds() + settings.used_elsewhere
    if settings.limit == 0 or used >= settings.limit:
        return Allowance(used, forecast, settings.limit, 1.0, known=True)
    if settings.used_elsewhere == 0 and watched < ENOUGH:
        return Allowance(used, forecast, settings.limit, 0.0, known=False)
    over = forecast / settings.limit - 1
    probability = min(max((over + DAMPING) / (2 * DAMPING), 0.0), 1.0)
    return Allowance(used, forecast, settings.limit, probability, known=True)
