"""The world that a replay plays in: prompt caches, containers, free hours and a bill, whatever the planner believes.

It takes a request's `work`, which is the same under every decision, and the tools and the container that it was sent
with, and says what came of that. With its facts (`nature`), calls and bill it shares no decision and no expectation
with the planner, so that a replay can tell a wrong belief from a right one. Latencies are made up: one second an
iteration, and 80 output tokens a second.
Sources: https://platform.claude.com/docs/en/about-claude/pricing and .../agents-and-tools/tool-use/code-execution-tool,
checked 2026-11-22.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from planner.core.replay.bill import LONGEST, MODELS, Price, Rebate, Till, matcher
from planner.core.replay.calls import Call, Counts, Response
from planner.core.replay.nature import Nature

SESSION_IDLE: Final = 300.0
CONTAINER_IDLE: Final = 300.0
CONTAINER_LIFE: Final = 30 * 86_400.0
"""Seconds after which a container is put away, and after which it is gone:
https://platform.claude.com/docs/en/agents-and-tools/tool-use/code-execution-tool, checked 2026-11-22. That a pause of
`SESSION_IDLE` seconds ends what one minimum pays for is documented nowhere: an estimate."""
CACHE_SECONDS: Final = {"5m": 300.0, "1h": 3_600.0}
"""https://platform.claude.com/docs/en/build-with-claude/prompt-caching, checked 2026-11-22."""
DAY: Final = timedelta(days=1)
OUTPUT_TOKENS_PER_SECOND: Final = 80.0
SECONDS_PER_ITERATION: Final = 1.0


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


Owner = tuple[str, str, str]
"""Organization, workspace and principal."""


class World:
    """One run of the world. Calls must come in time order."""

    def __init__(
        self,
        nature: Nature,
        prices: tuple[Price, ...],
        frees: frozenset[str],
        rebates: tuple[Rebate, ...] = (),
    ) -> None:
        self._nature = nature
        self._till = Till(nature, prices, rebates)
        self._frees = frees
        self._prefixes: dict[tuple[object, ...], _Cache] = {}
        self._histories: dict[tuple[object, ...], _Cache] = {}
        self._containers: dict[str, _Container] = {}
        self._ran: dict[tuple[Owner, str], str] = {}
        self._named: dict[tuple[Owner, str], str] = {}
        self._least_of = [(matcher((pattern,)), least) for pattern, least in nature.cache_minimum.items()]
        self._minimums: dict[str, int] = {}
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
        bill = {} if call.notional else self._till.bill(call, first, whole, iterations, billed)
        return Response(
            first=first,
            whole=whole,
            iterations=iterations,
            container=None if container is None else container.id,
            expires_at=None if container is None else container.ended + timedelta(seconds=CONTAINER_IDLE),
            started=started,
            elapsed=elapsed,
            bill=bill,
            billed_ms=0 if call.notional else billed,
            futile=futile,
            free=container is not None and self._free(call),
        )

    def hour_cost(self, organization: str, at: datetime, billed_ms: int) -> int:
        """Use container time, and tell what it costs beyond the free hours that are left, in nano-dollars."""
        return self._till.hour_cost(organization, at, billed_ms)

    def hours(self, organization: str, at: datetime) -> float:
        """Container hours that an organization has used in a month, free beside a web tool left out."""
        return self._till.hours(organization, at)

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
        """Forget what is cold or gone, every thousand calls."""
        self._swept += 1
        if self._swept % 1_000 == 0:
            self._histories = {key: each for key, each in self._histories.items() if each.expires > now}
            self._prefixes = {key: each for key, each in self._prefixes.items() if each.expires > now - DAY}
            self._containers = {key: each for key, each in self._containers.items() if not self._gone(each, now)}
            self._ran = {key: each for key, each in self._ran.items() if each in self._containers}
            self._named = {key: each for key, each in self._named.items() if each in self._containers}

    def _least(self, model: str) -> int:
        """The shortest prompt that a model caches."""
        if model in self._minimums:
            return self._minimums[model]
        found = next((least for matches, least in self._least_of if matches(model)), 0)
        if len(model) <= LONGEST:
            if len(self._minimums) > MODELS:
                self._minimums.clear()
            self._minimums[model] = found
        return found

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
        known = self._meant(call, owner)
        if known is not None and (known.owner != owner or self._gone(known, call.at)):
            known = None
        started = known is None
        if known is None:
            self.starts += 1
            known = _Container(f"container_{self.starts}", owner, call.at, call.at)
            self._containers[known.id] = known
        self._ran[owner, call.conversation] = known.id
        if call.container is not None and not self._gave(call.container):
            self._named[owner, call.container] = known.id
        known.ended = max(known.ended, call.at + timedelta(seconds=elapsed))
        free = self._free(call)
        if free and not self._nature.code_free_use_counts:
            return known, started, 0
        billed = self._session(known, call, elapsed)
        if free:
            self._till.use(call.organization, call.at, billed)
            return known, started, 0
        return known, started, billed

    def _meant(self, call: Call, owner: Owner) -> _Container | None:
        """The container that a call names.

        A name that this world never gave is one that the caller had from the API when the trace was recorded: at first
        it stands for the container in which its conversation ran last, and from then on for the same.
        """
        name = call.container
        if name is None:
            return None
        if not self._gave(name):
            name = self._named.get((owner, name)) or self._ran.get((owner, call.conversation), name)
        return self._containers.get(name)

    def _gave(self, name: str) -> bool:
        """Whether a name is one of this world's own."""
        number = name.removeprefix("container_")
        return number.isdecimal() and name != number and 1 <= int(number) <= self.starts

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
