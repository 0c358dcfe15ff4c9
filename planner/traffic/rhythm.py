"""When the company works: how many requests an agent sends on each day of a month, and at what hour.

share of an agent, then weight of a day ──► whole numbers that add up ──► moments of a day
"""

from calendar import monthrange
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final

from planner.traffic.teams import Agent, Hours

SATURDAY: Final = 5
GROWTH: Final = 0.01
"""By how much each day has more than the one before: the company adopts it."""

_CURVES: Final[dict[Hours, tuple[float, ...]]] = {
    "office": (0, 0, 0, 0, 0, 0, 1, 4, 9, 11, 11, 9, 6, 9, 11, 10, 8, 5, 2, 1, 1, 0, 0, 0),
    "round": (2, 1, 1, 1, 1, 2, 3, 5, 7, 8, 8, 7, 7, 7, 8, 8, 7, 6, 6, 5, 4, 4, 3, 3),
    "night": (0, 3, 6, 3, *[0] * 20),
}
"""Weights of the hours of a day (UTC)."""


def days_of(month: datetime) -> tuple[datetime, ...]:
    """The midnights (UTC) of a month's days."""
    start = month.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return tuple(start + timedelta(days=number) for number in range(monthrange(start.year, start.month)[1]))


def quotas(agents: Sequence[Agent], days: Sequence[datetime], entries: int) -> list[list[int]]:
    """Requests by agent and day: whole numbers that add up to `entries`, each agent's within 1 of its exact share.

    Message batches are sent and fetched, so that those who send them have an even number on all days but the last.
    """
    found = []
    for agent, mine in zip(agents, _shared(entries, [agent.share for agent in agents]), strict=True):
        step = 2 if agent.batches else 1
        counts = _shared(mine // step, [_weight(agent, day, number) for number, day in enumerate(days)])
        found.append([step * count for count in counts])
        found[-1][-1] += mine % step
    return found


def _shared(whole: int, weights: Sequence[float]) -> list[int]:
    """A whole number in parts by weight; what is left over goes to those that were rounded down the most."""
    together = sum(weights)
    exact = [whole * weight / together for weight in weights]
    counts = [int(value) for value in exact]
    places = sorted(range(len(weights)), key=lambda place: counts[place] - exact[place])
    for place in places[: whole - sum(counts)]:
        counts[place] += 1
    return counts


def moment(agent: Agent, day: datetime, dice: Random) -> datetime:
    """A moment of a day at which the agent may begin something."""
    (hour,) = dice.choices(range(24), _CURVES[agent.hours])
    return day + timedelta(hours=hour, microseconds=int(dice.random() * 3_600_000_000))


def _weight(agent: Agent, day: datetime, number: int) -> float:
    return (agent.weekend if day.weekday() >= SATURDAY else 1.0) * (1 + GROWTH * number)
