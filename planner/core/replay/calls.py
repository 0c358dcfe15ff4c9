"""What reaches the world of a replay and what comes of it: a request's work, its tools, and the usage and the bill."""

from datetime import datetime
from typing import Literal

import msgspec


class Work(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a request needs, whatever is decided: as in the trace format."""

    prompt_tokens: int
    cached_prefix_tokens: int = 0
    cache_ttl: Literal["5m", "1h"] = "5m"
    output_tokens: int = 0
    iterations: int = 1
    growth_tokens: int = 0
    code_runs: int = 0
    code_seconds: float = 0.0
    files: int = 0
    web_searches: int = 0


class Declared(msgspec.Struct, frozen=True):
    """A tool as the world sees it: its type, who may call it, whether it is loaded late, and its whole text."""

    type: str
    direct: bool
    deferred: bool
    text: bytes


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it reaches the world: who, when, what it needs, and what it declares; `own` as its caller did.

    `most_searches` is what its search tools allow, None for no bound. `notional` says that a subscription pays for it,
    so that it is on no bill and uses no free hours; `batch` that it is one of a message batch.
    """

    at: datetime
    organization: str
    workspace: str
    principal: str
    conversation: str
    turn: int
    model: str
    system: bytes
    own: tuple[Declared, ...]
    tools: tuple[Declared, ...]
    container: str | None
    skills: int
    fast: bool
    us: bool
    work: Work
    most_searches: int | None = None
    notional: bool = False
    batch: bool = False

    @property
    def searches(self) -> int:
        """The searches that its work needs, as far as they are allowed."""
        needed = self.work.web_searches
        return needed if self.most_searches is None else min(needed, self.most_searches)


class Counts(msgspec.Struct):
    """Tokens by disjoint class."""

    input: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    cache_read: int = 0
    output: int = 0

    @property
    def prompt(self) -> int:
        """The whole prompt."""
        return self.input + self.cache_write_5m + self.cache_write_1h + self.cache_read

    def add(self, other: "Counts") -> None:
        """Add up."""
        self.input += other.input
        self.cache_write_5m += other.cache_write_5m
        self.cache_write_1h += other.cache_write_1h
        self.cache_read += other.cache_read
        self.output += other.output


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a call: usage of the first iteration and of all, the container, time, and the true bill in nano.

    `bill` is None where the model has no price. `free` says whether its code was free. Of `bill`, `billed_ms`
    and `free` no response tells.
    """

    first: Counts
    whole: Counts
    iterations: int
    container: str | None
    expires_at: datetime | None
    started: bool
    elapsed: float
    bill: dict[str, int] | None
    billed_ms: int
    futile: int = 0
    free: bool = False
