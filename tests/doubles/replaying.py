"""Calls, prices and facts for tests of the world that a replay plays in: beyond the free hours, if nothing is said."""

from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import msgspec

from planner.core.replay.bill import Price
from planner.core.replay.calls import Call, Declared, Work
from planner.core.replay.nature import Nature
from planner.core.replay.world import World

NOW: Final = datetime(2026, 11, 16, tzinfo=UTC)
"""The sixteenth: half of November is over."""

CODE: Final = Declared("code_execution_20250825", direct=False, deferred=False, text=b"code")
FETCH: Final = Declared("web_fetch_20260318", direct=False, deferred=False, text=b"fetch")
SEARCH: Final = Declared("web_search_20250305", direct=False, deferred=False, text=b"search")
FREES: Final = frozenset({"web_fetch_20260318", "web_search_20260209"})
RATES: Final = (2_000_000, 2_500_000, 4_000_000, 100_000, 10_000_000)
"""Sonnet 5.5: $2, $2.50, $4, $0.10 and $10 a million, so 2,000, 2,500, 4,000, 100 and 10,000 nano-dollars a token."""

DEARER_READS: Final = (2_000_000, 2_500_000, 4_000_000, 200_000, 10_000_000)
SMALL: Final = (100_000, 125_000, 200_000, 10_000, 500_000)
LARGE: Final = (500_000, 625_000, 1_000_000, 50_000, 2_500_000)
PRICES: Final = (
    Price(models=("sonnet*",), since=None, until=date(2026, 10, 6), rates=DEARER_READS),
    Price(models=("sonnet*",), since=date(2026, 10, 6), until=None, rates=RATES, us=(11, 10), fast=(2, 1)),
    Price(models=("haiku",), since=None, until=None, rates=SMALL, over=(100_000, LARGE)),
)
HOUR: Final = 50_000_000
"""Nano-dollars of a container hour."""

MINIMUM: Final = round(HOUR / 12)
"""$0.0041667, and a third of a nano-dollar less."""

NATURE: Final = Nature(free_hours_limit=0, tool_tokens={FETCH.type: 4_000.0, SEARCH.type: 900.0})


def call(seconds: float = 0, work: dict[str, Any] | None = None, **changes: Any) -> Call:
    """A request on Sonnet of 10,000 tokens that needs nothing else."""
    tools = changes.pop("tools", (CODE,))
    usual = Call(
        at=NOW + timedelta(seconds=seconds),
        organization="o",
        workspace="w",
        principal="p",
        conversation="c",
        turn=1,
        model="sonnet",
        system=b"system",
        own=changes.pop("own", tools),
        tools=tools,
        container=None,
        skills=0,
        fast=False,
        us=False,
        work=Work(**({"prompt_tokens": 10_000} | (work or {}))),
    )
    return msgspec.structs.replace(usual, **changes)


def world(prices: tuple[Price, ...] = PRICES, **facts: Any) -> World:
    """A world beyond the free hours, with other facts."""
    return World(msgspec.structs.replace(NATURE, **facts), prices, FREES)


def bill(one: Call, **facts: Any) -> dict[str, int]:
    """What one request costs in a fresh world."""
    found = world(**facts).call(one).bill
    assert found is not None
    return found


RAN: Final[dict[str, Any]] = {"code_runs": 1, "code_seconds": 10}
EDITED: Final[dict[str, Any]] = {"own": (CODE,), "tools": (CODE, FETCH)}
