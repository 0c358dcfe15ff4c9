"""The world that a replay plays in: prompt caches, containers, free hours and a bill, whatever the planner believes.

It takes a request's `work`, which is the same under every decision, and the tools and the container that it was sent
with, and says what came of that. It shares no decision and no expectation with the planner and counts money with code of
its own, in whole numbers, so that a replay can tell a wrong belief from a right one. Latencies are made up: one second an
iteration, and 80 output tokens a second.
Sources: https://platform.claude.com/docs/en/about-claude/pricing and .../tool-use/code-execution-tool, checked 2026-11-22.
"""

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from fnmatch import translate
from typing import Final, Literal

import msgspec

SESSION_IDLE: Final = 300.0
CONTAINER_IDLE: Final = 300.0
CONTAINER_LIFE: Final = 30 * 86_400.0
CACHE_SECONDS: Final = {"5m": 300.0, "1h": 3_600.0}
OUTPUT_TOKENS_PER_SECOND: Final = 80.0
SECONDS_PER_ITERATION: Final = 1.0
PICO_PER_NANO: Final = 1_000
MS_PER_HOUR: Final = 3_600_000

Rates = tuple[int, int, int, int, int]
"""Pico-dollars a token: input, 5-minute write, 1-hour write, read, output."""


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a model costs in a span of days; factors are (numerator, denominator)."""

    models: tuple[str, ...]
    since: date | None
    until: date | None
    rates: Rates
    over: tuple[int, Rates] | None = None
    fast: tuple[int, int] | None = None
    us: tuple[int, int] | None = None


class Nature(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of the world. Names as in `rules/settings.yaml`, with `_` for the dot; sizes are tokens an iteration."""

    code_minimum_per: Literal["session", "request"] = "session"
    code_idle_bills: bool = False
    code_free_use_counts: bool = False
    code_direct_web_tool_frees: bool = True
    code_deferred_web_tool_frees: bool = False
    code_skills_preload_bills: bool = False
    code_history_uploads_bill: bool = True
    free_hours_limit: float = 1_550
    free_hours_used_elsewhere: float = 0
    haiku55_tier_on: Literal["summed_prompt", "iteration_prompt"] = "summed_prompt"
    container_after_idle: Literal["refuse", "restore"] = "refuse"
    cache_web_tool_change_keeps_tools: bool = False
    tool_tokens: dict[str, float] = {}
    tool_tokens_scale: float = 1.0
    upgrade_tokens: float = 400
    lift_tokens: float = 150
    futile_call_probability: float = 0.0
    futile_call_tokens: float = 400
    hour_pico: int = 50_000_000_000
    minimum_seconds: float = 300.0
    search_pico: int = 10_000_000_000
    cache_minimum: dict[str, int] = {}


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
    """One request as it reaches the world: who, when, what it needs, and what it declares; `own` as its caller did."""

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

    `bill` is None where the model has no price. Of `bill` and `billed_ms` no response tells.
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


class _Cache(msgspec.Struct):
    tokens: int
    expires: datetime


class _Container(msgspec.Struct):
    id: str
    owner: tuple[str, str, str]
    created: datetime
    ended: datetime
    used_ms: int = 0
    paid_ms: int = 0
    session_ended: datetime | None = None


class World:
    """One run of the world. Calls must come in time order."""

    def __init__(self, nature: Nature, prices: tuple[Price, ...], frees: frozenset[str]) -> None:
        self._nature = nature
        self._prices = tuple((_matcher(price.models), price) for price in prices)
        self._found: dict[tuple[str, date], Price | None] = {}
        self._frees = frees
        self._prefixes: dict[tuple[object, ...], _Cache] = {}
        self._histories: dict[tuple[object, ...], _Cache] = {}
        self._containers: dict[str, _Container] = {}
        self._hours: dict[tuple[str, int, int], int] = {}
        self._futile = 0.0
        self._swept = 0
        self.starts = 0

    def call(self, call: Call) -> Response:
        """Serve one call."""
        added = self._added(call)
        work = call.work
        first = self._first(call, added)
        whole = Counts()
        futile = self._futile_call(call)
        iterations = work.iterations + futile
        held = first.cache_read + first.cache_write_5m + first.cache_write_1h
        for number in range(iterations):
            prompt = work.prompt_tokens + added + number * work.growth_tokens
            whole.add(first if number == 0 else Counts(input=max(prompt - held, 0), cache_read=held))
        whole.output = work.output_tokens + futile * round(self._nature.futile_call_tokens)
        elapsed = work.code_seconds + iterations * SECONDS_PER_ITERATION + whole.output / OUTPUT_TOKENS_PER_SECOND
        container, started, billed = self._run(call, elapsed)
        bill = self._bill(call, first, whole, iterations, billed)
        return Response(
            first=first,
            whole=whole,
            iterations=iterations,
            container=None if container is None else container.id,
            expires_at=None if container is None else container.ended + timedelta(seconds=CONTAINER_IDLE),
            started=started,
            elapsed=elapsed,
            bill=bill,
            billed_ms=billed,
            futile=futile,
        )

    # ------------------------------------------------------------ tokens

    def _added(self, call: Call) -> int:
        """Tokens that the tools as sent have in each iteration beyond those that the caller declared."""
        nature = self._nature
        added = 0.0
        for index, tool in enumerate(call.tools):
            if index >= len(call.own):
                added += nature.tool_tokens.get(tool.type, 0.0)
            elif tool.type != call.own[index].type:
                added += nature.lift_tokens if tool.type.startswith("code_execution_") else nature.upgrade_tokens
        return round(added * nature.tool_tokens_scale)

    def _first(self, call: Call, added: int) -> Counts:
        """The first iteration: what is in the cache is read, what is marked for it and is not there is written."""
        work = call.work
        prompt, front = work.prompt_tokens + added, work.cached_prefix_tokens
        if front <= 0:
            return Counts(input=prompt)
        front = min(front, work.prompt_tokens) + added
        if front < self._least(call.model):
            return Counts(input=prompt)
        read = self._cached(call, front)
        write = front - read
        longer = work.cache_ttl == "1h"
        return Counts(
            input=prompt - front,
            cache_write_5m=0 if longer else write,
            cache_write_1h=write if longer else 0,
            cache_read=read,
        )

    def _cached(self, call: Call, front: int) -> int:
        """Tokens of the front that are cached, by the conversation itself or by all that share its prefix."""
        tools = call.own if self._nature.cache_web_tool_change_keeps_tools else call.tools
        key = (call.organization, call.workspace, call.model, call.system, tuple(tool.text for tool in tools))
        expires = call.at + timedelta(seconds=CACHE_SECONDS[call.work.cache_ttl])
        shared = self._prefixes.get(key)
        history = self._histories.get((*key, call.conversation))
        read = 0
        for cache in (shared, history):
            if cache is not None and cache.expires > call.at:
                read = max(read, min(cache.tokens, front))
        if shared is None or call.turn == 1:
            self._prefixes[key] = _Cache(front, expires)
        else:
            shared.expires = expires
        self._histories[*key, call.conversation] = _Cache(front, expires)
        self._sweep(call.at)
        return read

    def _sweep(self, now: datetime) -> None:
        """Forget caches that are cold, every thousand calls."""
        self._swept += 1
        if self._swept % 1_000 == 0:
            self._histories = {key: each for key, each in self._histories.items() if each.expires > now}

    def _least(self, model: str) -> int:
        return self._nature.cache_minimum.get(model, 0)

    def _futile_call(self, call: Call) -> int:
        """One more iteration for each call of an added tool that reaches nothing: every so manieth request has one."""
        if len(call.tools) <= len(call.own):
            return 0
        self._futile += self._nature.futile_call_probability
        if self._futile < 1:
            return 0
        self._futile -= 1
        return 1

    # ------------------------------------------------------------ containers

    def _run(self, call: Call, elapsed: float) -> tuple[_Container | None, bool, int]:
        """Run the code: in which container, whether it is a new one, and the milliseconds billed for it."""
        work, nature = call.work, self._nature
        loads = work.files > 0 and (nature.code_history_uploads_bill or call.turn == 1)
        loads = loads or (nature.code_skills_preload_bills and call.skills > 0)
        if work.code_runs == 0 and not loads:
            return None, False, 0
        owner = (call.organization, call.workspace, call.principal)
        known = None if call.container is None else self._containers.get(call.container)
        if known is not None and (known.owner != owner or self._gone(known, call.at)):
            known = None
        started = known is None
        if known is None:
            self.starts += 1
            known = _Container(f"container_{self.starts}", owner, call.at, call.at)
            self._containers[known.id] = known
        known.ended = max(known.ended, call.at + timedelta(seconds=elapsed))
        free = self._free(call)
        if free and not self._nature.code_free_use_counts:
            return known, started, 0
        billed = self._session(known, call, elapsed)
        if free:
            self._use(call.organization, call.at, billed)
            return known, started, 0
        return known, started, billed

    def _gone(self, container: _Container, now: datetime) -> bool:
        idle = (now - container.ended).total_seconds() > CONTAINER_IDLE
        old = (now - container.created).total_seconds() > CONTAINER_LIFE
        return old or (idle and self._nature.container_after_idle == "refuse")

    def _session(self, container: _Container, call: Call, elapsed: float) -> int:
        """Milliseconds that this use bills beyond what its session has paid."""
        nature, ran = self._nature, round(call.work.code_seconds * 1_000)
        least = round(nature.minimum_seconds * 1_000)
        idle = None if container.session_ended is None else (call.at - container.session_ended).total_seconds()
        if idle is None or idle > SESSION_IDLE:
            container.used_ms = container.paid_ms = 0
            idle = None
        if nature.code_idle_bills:
            ran = round(elapsed * 1_000) + (0 if idle is None else max(round(idle * 1_000), 0))
        container.session_ended = call.at + timedelta(seconds=elapsed)
        container.used_ms += ran
        if nature.code_minimum_per == "request":
            return max(ran, least)
        reached = max(container.used_ms, least)
        billed = reached - container.paid_ms
        container.paid_ms = reached
        return billed

    def _free(self, call: Call) -> bool:
        nature = self._nature
        return any(
            tool.type in self._frees
            and (nature.code_direct_web_tool_frees or not tool.direct)
            and (nature.code_deferred_web_tool_frees or not tool.deferred)
            for tool in call.tools
        )

    # ------------------------------------------------------------ money

    def _bill(self, call: Call, first: Counts, whole: Counts, iterations: int, billed_ms: int) -> dict[str, int] | None:
        price = self._price(call.model, call.at)
        factors = self._factors(call, price)
        if price is None or factors is None:
            return None
        rates = price.rates
        if price.over is not None:
            summed = self._nature.haiku55_tier_on == "summed_prompt"
            longest = whole.prompt if summed else first.prompt + (iterations - 1) * call.work.growth_tokens
            rates = price.over[1] if longest > price.over[0] else rates
        over, under = factors
        bill = {}
        for kind, pico in zip(Counts.__struct_fields__, rates, strict=True):
            tokens = getattr(whole, kind)
            if tokens:
                bill[kind] = _round(tokens * pico * over, PICO_PER_NANO * under)
        if call.work.web_searches:
            bill["web_search"] = _round(call.work.web_searches * self._nature.search_pico, PICO_PER_NANO)
        if billed_ms:
            bill["code_execution"] = self.hour_cost(call.organization, call.at, billed_ms)
        return bill

    def hour_cost(self, organization: str, at: datetime, billed_ms: int) -> int:
        """Use container time, and tell what it costs beyond the free hours that are left."""
        at, used = at.astimezone(UTC), self._use(organization, at, billed_ms)
        start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        passed = (at - start) / timedelta(days=monthrange(at.year, at.month)[1])
        elsewhere = self._nature.free_hours_used_elsewhere * passed
        left = max(round((self._nature.free_hours_limit - elsewhere) * MS_PER_HOUR) - used, 0)
        charged = max(billed_ms - left, 0)
        return _round(charged * self._nature.hour_pico, MS_PER_HOUR * PICO_PER_NANO)

    def _use(self, organization: str, at: datetime, milliseconds: int) -> int:
        """Count container time toward the organization's month; return what it had used before."""
        at = at.astimezone(UTC)
        key = (organization, at.year, at.month)
        used = self._hours.get(key, 0)
        self._hours[key] = used + milliseconds
        return used

    def hours(self, organization: str, at: datetime) -> float:
        """Container hours that an organization has used in a month, free beside a web tool left out."""
        day = at.astimezone(UTC)
        return self._hours.get((organization, day.year, day.month), 0) / MS_PER_HOUR

    def _price(self, model: str, at: datetime) -> Price | None:
        key = (model, at.astimezone(UTC).date())
        if key not in self._found:
            if len(self._found) > 10_000:
                self._found.clear()
            self._found[key] = next(
                (price for is_it, price in self._prices if is_it(model) and _holds(price, key[1])), None
            )
        return self._found[key]

    def _factors(self, call: Call, price: Price | None) -> tuple[int, int] | None:
        over, under = 1, 1
        if price is None:
            return None
        for asked, factor in ((call.fast, price.fast), (call.us, price.us)):
            if asked:
                if factor is None:
                    return None
                numerator, denominator = factor
                over, under = over * numerator, under * denominator
        return over, under


def altered(nature: Nature, changes: Mapping[str, str]) -> Nature:
    """The world with facts changed as `--world key=value` says, dots for underscores.

    Raises:
        ValueError: a key that the world does not know, or a value of the wrong kind; the text says which.
    """
    plain: dict[str, object] = {}
    sizes = dict(nature.tool_tokens)
    for key, text in changes.items():
        group, _, rest = key.partition(".")
        if group == "tool_tokens" and rest and rest != "scale":
            sizes[rest] = _number(key, text)
        else:
            plain[key.replace(".", "_")] = text
    unknown = sorted(set(plain) - (set(Nature.__struct_fields__) - {"tool_tokens", "cache_minimum"}))
    if unknown:
        raise ValueError(f"the world has no fact {unknown[0]!r}: it knows {', '.join(world_keys())}")
    try:
        wanted = msgspec.convert(plain, Nature, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"a fact of the world has a wrong value: {error}") from error
    chosen = {name: getattr(wanted, name) for name in plain}
    return msgspec.structs.replace(nature, **chosen, tool_tokens=sizes)


def world_keys() -> tuple[str, ...]:
    """Every key that `--world` takes, as it is written there."""
    names = (name for name in Nature.__struct_fields__ if name not in {"tool_tokens", "cache_minimum"})
    return (*(_dotted(name) for name in names), "tool_tokens.<type>")


def _dotted(name: str) -> str:
    for group in ("code", "free_hours", "container", "cache", "tool_tokens"):
        if name.startswith(f"{group}_"):
            return f"{group}.{name.removeprefix(f'{group}_')}"
    return name


def _number(key: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{key} takes a number of tokens, not {text!r}") from None


def _holds(price: Price, day: date) -> bool:
    return (price.since is None or day >= price.since) and (price.until is None or day < price.until)


def _matcher(patterns: tuple[str, ...]) -> Callable[[str], object]:
    return re.compile("|".join(f"(?:{translate(pattern)})" for pattern in patterns)).match


def _round(over: int, under: int) -> int:
    """A quotient to the nearest whole number, half to even."""
    whole, rest = divmod(over, under)
    if 2 * rest > under or (2 * rest == under and whole % 2):
        whole += 1
    return whole
