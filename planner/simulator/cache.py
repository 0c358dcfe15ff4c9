"""The prompt cache: what a request reads, writes and pays in full, by workspace and model, for 5 minutes or an hour."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from planner.simulator import prompt as prompts
from planner.simulator.prompt import Prompt

LIFETIMES = {"5m": timedelta(minutes=5), "1h": timedelta(hours=1)}
MAX_BREAKPOINTS = 4
LOOKBACK = 20
SWEEP_ABOVE = 50_000


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt's tokens in disjoint classes; their sum is the prompt."""

    uncached: int
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0

    @property
    def total(self) -> int:
        """All prompt tokens."""
        return self.uncached + self.write_5m + self.write_1h + self.read


class _Entry:
    __slots__ = ("expires", "life")

    def __init__(self, life: timedelta, now: datetime) -> None:
        self.life = life
        self.expires = now + life


class PromptCache:
    """Cached prefixes by hash. A hit lives on for another lifetime; a changed prefix is another prefix."""

    def __init__(self, *, web_tools_apart: bool = False) -> None:
        self._entries: dict[bytes, _Entry] = {}
        self._web_tools_apart = web_tools_apart

    def __len__(self) -> int:
        return len(self._entries)

    def use(self, prompt: Prompt, scope: str, minimum: int, now: datetime) -> Split:
        """Read and write the cache for one request.

        `minimum` is the shortest prefix in tokens that the model caches. A breakpoint hits on its own position or
        on one of the 20 before it.
        """
        points = prompt.breakpoints
        if not points:
            return Split(uncached=prompt.tokens)
        ends = _running(prompt)
        points = [point for point in points if ends[point] >= minimum]
        if not points:
            return Split(uncached=prompt.tokens)
        digests = prompts.digests(prompt, scope, web_tools_apart=self._web_tools_apart)
        hit = self._longest_hit(points, digests, now)
        read = ends[hit] if hit is not None else 0
        writes = {"5m": 0, "1h": 0}
        done = read
        for point in points:
            ttl = prompt.segments[point].ttl or prompts.DEFAULT_TTL
            writes[ttl] += max(ends[point] - done, 0)
            done = max(done, ends[point])
            self._keep(digests[point], LIFETIMES[ttl], now)
        self._sweep(now)
        return Split(uncached=prompt.tokens - done, write_5m=writes["5m"], write_1h=writes["1h"], read=read)

    def _longest_hit(self, points: Sequence[int], digests: Sequence[bytes], now: datetime) -> int | None:
        for point in reversed(points):
            for position in range(point, max(point - LOOKBACK, -1), -1):
                entry = self._entries.get(digests[position])
                if entry is not None and entry.expires > now:
                    entry.expires = now + entry.life
                    return position
        return None

    def _keep(self, digest: bytes, life: timedelta, now: datetime) -> None:
        entry = self._entries.get(digest)
        if entry is None or entry.expires <= now:
            self._entries[digest] = _Entry(life, now)
        else:
            entry.life = max(entry.life, life)
            entry.expires = now + entry.life

    def _sweep(self, now: datetime) -> None:
        if len(self._entries) > SWEEP_ABOVE:
            self._entries = {digest: entry for digest, entry in self._entries.items() if entry.expires > now}


def _running(prompt: Prompt) -> list[int]:
    total = 0
    ends = []
    for segment in prompt.segments:
        total += segment.tokens
        ends.append(total)
    return ends
