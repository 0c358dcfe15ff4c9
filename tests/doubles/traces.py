"""Traces for tests of what is replayed: lines with a few words changed, and pieces of the benchmark's workloads."""

import json
from typing import Any, Final

import msgspec

from planner.core.replay.player import Played, Player
from planner.core.replay.staging import nature_of, stage
from planner.core.replay.tally import decided
from planner.core.replay.trace import TraceLine, read_trace
from planner.core.rulebook.book import RuleBook
from planner.rulesource import load_rules
from tests.bench.regret.workloads import WORKLOADS, trace
from tests.doubles.deciding import CLIENT_TOOL, CODE

BEYOND: Final = load_rules(None, {"free_hours.limit": "0"}).required()
"""The shipped rules beyond the free hours, where code has a price from the first moment."""

MIXED: Final = "several principals mixed"
START: Final = "2026-11-03T09:{minute:02}:{second:02}Z"


def row(second: int = 0, **changes: Any) -> dict[str, Any]:
    """A line of a short prompt on a small model that always runs code, so many seconds after nine."""
    usual: dict[str, Any] = {
        "at": START.format(minute=second // 60, second=second % 60),
        "principal": "key-1",
        "conversation": f"c{second}",
        "turn": 1,
        "request": {
            "model": "claude-haiku-5-5",
            "max_tokens": 1_024,
            "system": "…",
            "tools": [CODE, CLIENT_TOOL],
            "messages": [{"role": "user", "content": "…"}],
        },
        "work": {
            "prompt_tokens": 6_000,
            "cached_prefix_tokens": 5_000,
            "output_tokens": 100,
            "iterations": 2,
            "growth_tokens": 500,
            "code_runs": 1,
            "code_seconds": 10,
        },
    }
    for name, value in changes.items():
        inside = isinstance(usual.get(name), dict) and isinstance(value, dict)
        usual[name] = usual[name] | value if inside else value
    return usual


def encoded(*rows: dict[str, Any]) -> list[bytes]:
    """Lines of a file."""
    return [json.dumps(each).encode() + b"\n" for each in rows]


def lines_of(raw: list[bytes]) -> list[TraceLine]:
    """Lines that can all be used."""
    found = [line for line in read_trace(raw) if isinstance(line, TraceLine)]
    assert len(found) == len(raw)
    return found


def workload(name: str = MIXED, count: int = 200) -> list[bytes]:
    """The beginning of one of the benchmark's traces."""
    (chosen,) = (each for each in WORKLOADS if each.name == name)
    return trace(chosen)[:count]


def play(raw: list[bytes], book: RuleBook = BEYOND, **facts: Any) -> list[Played]:
    """A trace played in a world that is as the rule book believes, but for these facts."""
    player = Player(book, stage(book, msgspec.structs.replace(nature_of(book), **facts)))
    return [player.play(line) for line in lines_of(raw)]


def decisions(played: list[Played]) -> list[bytes]:
    """What was decided, as `--decisions` writes it."""
    return [msgspec.json.encode(decided(each)) for each in played]
