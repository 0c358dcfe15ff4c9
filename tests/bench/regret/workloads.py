"""Workloads for the regret benchmark: agents whose habits differ in what a bundle turns on, and traces made of them.

The numbers are made up. Each workload has 2,000 requests or more; the same seed makes the same trace.
"""

import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

CODE: Final = {"type": "code_execution_20250825", "name": "code_execution"}
SEARCH: Final = {"type": "web_search_20250305", "name": "web_search"}
LOOKUP: Final = {"name": "lookup", "input_schema": {"type": "object"}}
START: Final = datetime(2026, 11, 3, 9, tzinfo=UTC)

Drift = Callable[[float], float]
"""The share of requests that run code, by how much of the trace has passed."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One agent on one prefix.

    Attributes:
        name, principal, model, tools: who it is, and with what.
        prompt, cached, ttl: tokens of its first prompt, those of them that are marked for a cache, and for how long.
        output, growth: tokens of an answer, and what each iteration adds to the next.
        iterations, chance, seconds: of a request that runs code; how often one does; how long it runs.
        turns, pause: requests of a conversation, seconds between two; means of exponential draws.
        every: seconds between two beginnings, a mean.
        burst: conversations that begin together.
        files: files attached to each of its requests.
        extra: more members of its requests.
    """

    name: str
    principal: str
    model: str = "claude-sonnet-5-5"
    tools: tuple[dict[str, Any], ...] = (CODE, LOOKUP)
    prompt: int = 18_000
    cached: int = 17_000
    ttl: str = "5m"
    output: int = 900
    growth: int = 1_200
    iterations: int = 3
    chance: float = 0.4
    seconds: float = 12.0
    turns: float = 3.0
    pause: float = 60.0
    every: float = 120.0
    burst: int = 1
    files: int = 0
    extra: dict[str, Any] = {}


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """Agents that ask side by side, and what is set for them."""

    name: str
    agents: tuple[Agent, ...]
    requests: int = 2_000
    start: datetime = START
    settings: dict[str, str] = msgspec.field(default_factory=lambda: {"free_hours.limit": "0"})
    drift: Callable[[Agent], Drift] | None = None


def trace(workload: Workload, *, seed: int = 1, drift: bool = False) -> list[bytes]:
    """The lines of a workload's trace; with `drift`, agents come to run code as often as they did not at first."""
    rows: list[tuple[datetime, int, dict[str, Any]]] = []
    horizon = _horizon(workload)
    for index, agent in enumerate(workload.agents):
        moves = workload.drift(agent) if workload.drift else (_towards_the_other(agent) if drift else None)
        dice = random.Random(f"{seed} {workload.name} {index}")  # noqa: S311 - no secret depends on it
        for at, row in _requests(agent, workload, horizon, dice, moves):
            rows.append((at, len(rows), row))
    rows.sort(key=lambda row: row[:2])
    return [json.dumps(row).encode() for _, _, row in rows[: workload.requests]]


def _horizon(workload: Workload) -> float:
    """Seconds in which the workload's agents ask a little more often than wanted."""
    rate = sum(_mean_turns(agent) * agent.burst / agent.every for agent in workload.agents)
    return 1.15 * workload.requests / rate


def _mean_turns(agent: Agent) -> float:
    """Requests of a conversation on average: less than the mean of the draw, of which only whole turns count."""
    return 1 + 1 / math.expm1(1 / (agent.turns - 1)) if agent.turns > 1 else 1.0


def _requests(
    agent: Agent, workload: Workload, horizon: float, dice: random.Random, moves: Drift | None
) -> Iterator[tuple[datetime, dict[str, Any]]]:
    passed, number = dice.expovariate(1 / agent.every), 0
    while passed < horizon:
        for _ in range(agent.burst):
            number += 1
            offset = passed + (dice.random() * 20 if agent.burst > 1 else 0)
            turns = 1 + int(dice.expovariate(1 / (agent.turns - 1))) if agent.turns > 1 else 1
            for turn in range(1, turns + 1):
                chance = agent.chance if moves is None else moves(min(offset / horizon, 1.0))
                at = workload.start + timedelta(seconds=offset)
                yield at, _row(agent, f"{agent.name}-{number}", turn, at, runs=dice.random() < chance)
                offset += 5 + dice.expovariate(1 / agent.pause)
        passed += dice.expovariate(1 / agent.every)


def _row(agent: Agent, conversation: str, turn: int, at: datetime, *, runs: bool) -> dict[str, Any]:
    return {
        "at": at.isoformat(),
        "principal": agent.principal,
        "organization": "organization",
        "workspace": "workspace",
        "team": agent.principal,
        "conversation": conversation,
        "turn": turn,
        "request": {
            "model": agent.model,
            "max_tokens": 4_096,
            "system": f"You are {agent.name}.",
            "tools": list(agent.tools),
            "messages": [{"role": "user", "content": "…"}],
            **agent.extra,
        },
        "work": {
            "prompt_tokens": agent.prompt + (turn - 1) * agent.growth,
            "cached_prefix_tokens": agent.cached,
            "cache_ttl": agent.ttl,
            "output_tokens": agent.output,
            "iterations": agent.iterations if runs else 1,
            "growth_tokens": agent.growth,
            "code_runs": max(agent.iterations - 1, 1) if runs else 0,
            "code_seconds": agent.seconds if runs else 0,
            "files": agent.files,
            "web_searches": 0,
        },
    }


def _towards_the_other(agent: Agent) -> Drift:
    return lambda passed: agent.chance + (1 - 2 * agent.chance) * passed


def _month_end(limit: float) -> dict[str, str]:
    return {"free_hours.limit": f"{limit:g}", "free_hours.used_elsewhere": "20"}


POOLED: Final = (
    Agent(name="analyst", principal="p1", chance=0.9, turns=4, every=4_300),
    Agent(name="reporter", principal="p2", chance=0.7, model="claude-haiku-5-5", every=4_300),
    Agent(name="reader", principal="p3", chance=0.05, prompt=60_000, cached=58_000, every=4_300),
    Agent(name="builder", principal="p4", chance=0.6, model="claude-opus-5-5", every=8_600),
)
"""Some 40 container hours in the ten days that are left of the month, beside 20 hours a month elsewhere."""

WORKLOADS: Final = (
    Workload(
        name="long cached prompt, seldom code",
        agents=(
            Agent(name="reader", principal="p1", prompt=60_000, cached=58_000, chance=0.03),
            Agent(name="counsel", principal="p1", model="claude-opus-5-5", prompt=90_000, cached=88_000, chance=0.02),
        ),
    ),
    Workload(
        name="short and uncached, always code",
        agents=(
            Agent(name="sum", principal="p1", prompt=700, cached=0, chance=1, turns=1, iterations=2, tools=(CODE,)),
            Agent(
                name="small sum",
                principal="p2",
                model="claude-haiku-5-5",
                prompt=700,
                cached=0,
                chance=1,
                turns=1,
                iterations=2,
                tools=(CODE,),
            ),
        ),
    ),
    Workload(
        name="files attached",
        agents=(
            Agent(name="clerk", principal="p1", files=1, chance=0.3, turns=2),
            Agent(name="scribe", principal="p2", files=2, chance=0.1, turns=2, model="claude-haiku-5-5"),
            Agent(name="auditor", principal="p3", files=1, chance=0.8, turns=1, prompt=6_000, cached=0, growth=600),
        ),
    ),
    Workload(
        name="bursts on one prefix",
        agents=(
            Agent(name="batch", principal="p1", burst=25, every=3_600, turns=1.5, chance=0.8, iterations=2),
            Agent(name="wave", principal="p2", burst=10, every=1_200, turns=1, chance=0.3),
        ),
    ),
    Workload(
        name="gaps of twenty minutes",
        agents=(
            Agent(name="patient", principal="p1", pause=1_200, chance=0.6, every=900),
            Agent(name="hourly", principal="p2", pause=1_200, chance=0.6, every=900, ttl="1h"),
        ),
    ),
    Workload(
        name="month's end, beyond the pool",
        agents=POOLED,
        start=datetime(2026, 11, 20, 9, tzinfo=UTC),
        settings=_month_end(22),
    ),
    Workload(
        name="month's end, near the pool",
        agents=POOLED,
        start=datetime(2026, 11, 20, 9, tzinfo=UTC),
        settings=_month_end(62),
    ),
    Workload(
        name="month's end, below the pool",
        agents=POOLED,
        start=datetime(2026, 11, 20, 9, tzinfo=UTC),
        settings=_month_end(200),
    ),
    Workload(
        name="Haiku with and without PTC",
        agents=(
            Agent(name="new", principal="p1", model="claude-haiku-5-5"),
            Agent(name="old", principal="p1", model="claude-haiku-4-5", chance=0.7),
        ),
    ),
    Workload(
        name="basic web tool declared",
        agents=(
            Agent(name="searcher", principal="p1", tools=(CODE, SEARCH), chance=0.8, turns=2, iterations=2),
            Agent(name="scout", principal="p2", tools=(CODE, SEARCH), chance=0.3, model="claude-haiku-5-5"),
        ),
    ),
    Workload(
        name="forced tool choice",
        agents=(
            Agent(
                name="forced",
                principal="p1",
                model="claude-haiku-5-5",
                chance=1,
                extra={"tool_choice": {"type": "any"}},
            ),
            Agent(name="free", principal="p2", model="claude-haiku-5-5", chance=1),
        ),
    ),
    Workload(
        name="many iterations",
        agents=(
            Agent(name="digger", principal="p1", iterations=12, seconds=60),
            Agent(
                name="small digger",
                principal="p2",
                iterations=8,
                seconds=60,
                prompt=5_000,
                cached=4_000,
                growth=400,
                model="claude-haiku-5-5",
            ),
        ),
    ),
    Workload(
        name="drifting behaviour",
        agents=(
            Agent(name="waking", principal="p1", chance=0.05, turns=1.5, iterations=2),
            Agent(name="tiring", principal="p2", chance=0.95, turns=1.5, iterations=2),
            Agent(name="turning", principal="p3", chance=0.9, model="claude-haiku-5-5"),
        ),
        drift=_towards_the_other,
    ),
    Workload(
        name="several principals mixed",
        agents=(
            Agent(name="a", principal="p1", chance=0.9, turns=1.2, iterations=2),
            Agent(name="b", principal="p2", chance=0.02, prompt=40_000, cached=38_000),
            Agent(name="c", principal="p3", chance=0.5, model="claude-haiku-5-5"),
            Agent(name="d", principal="p4", chance=0.6, model="claude-opus-5-5", prompt=5_000, cached=0),
            Agent(name="e", principal="p5", chance=0.3, files=1, turns=1.5),
            Agent(name="f", principal="p5", chance=1, model="claude-haiku-4-5", turns=1.2, iterations=2),
        ),
        requests=3_000,
    ),
)
