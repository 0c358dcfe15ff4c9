"""Counts what edits add to prompts, with a key of the planner's own and a message of one word: nobody's key or content.

`POST /v1/messages/count_tokens` is free, an estimate, and limited apart from messages [A]; so one combination of model
and tools is counted at a time, with pauses, twice: without the edit and with it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from structlog.typing import FilteringBoundLogger

from planner.clock import Clock
from planner.core.learning.sizes import Combination
from planner.metrics import Metrics
from planner.proxy.lessons import Lessons
from planner.proxy.memory import Recent
from planner.upstream import Headers, Upstream, UpstreamError, UpstreamRequest

TARGET: Final = "/v1/messages/count_tokens"
VERSION: Final = b"2023-06-01"
WORD: Final = "Hello"
LONGEST_ANSWER: Final = 64 * 1024
PATIENCE_SECONDS: Final = 30.0
FIRST_REST: Final = timedelta(minutes=1)
LONGEST_REST: Final = timedelta(days=1)
"""How long a combination rests after it could not be counted, doubled each time: settings of ours."""
REMEMBERED: Final = 1_024
OK: Final = 200


class CountError(Exception):
    """A count that did not come; the message says no more than a status or a kind."""


class Rest(msgspec.Struct, frozen=True):
    """How often a combination could not be counted in a row, and until when it rests."""

    failures: int
    until: datetime


class Counting(msgspec.Struct):
    """What is counted; `input_tokens` of the answer."""

    input_tokens: int


class Calibration:
    """Counts what decisions asked for and nobody has counted within `every`; one at a time, `pause` seconds apart."""

    def __init__(  # noqa: PLR0913 - the parts of calibrating, named
        self,
        *,
        lessons: Lessons,
        upstream: Upstream,
        key: str,
        clock: Clock,
        metrics: Metrics,
        log: FilteringBoundLogger,
        every: timedelta,
        pause: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._lessons = lessons
        self._upstream = upstream
        self._headers: Headers = (
            (b"x-api-key", key.encode()),
            (b"anthropic-version", VERSION),
            (b"content-type", b"application/json"),
        )
        self._clock = clock
        self._metrics = metrics
        self._log = log
        self._every = every
        self._pause = pause
        self._sleep = sleep
        self._rests: Recent[Combination, Rest] = Recent(REMEMBERED)

    async def run(self) -> None:
        """Count for ever; nothing ends this but being cancelled."""
        while True:
            await self.count_once()
            await self._sleep(self._pause)

    async def count_once(self) -> bool:
        """Count one combination that is wanted; say whether there was one. What fails is counted, said, and rests."""
        now = self._clock.now()
        key = next((each for each in self._lessons.sizes.wanted(now - self._every) if self._may(each, now)), None)
        if key is None:
            return False
        try:
            tokens = await self._difference(key)
            self._lessons.count(key, tokens, self._clock.now())
        except Exception as error:  # noqa: BLE001 - whatever fails, the next one must be counted
            self._rest(key, now)
            self._metrics.calibrations.add(("error",))
            cause = str(error) if isinstance(error, CountError) else type(error).__name__
            self._log.warning("counting tokens failed", model=key.model, cause=cause)
        else:
            self._rests.pop(key, None)
            self._metrics.calibrations.add(("ok",))
            self._log.info("tokens counted", model=key.model, tokens=tokens)
        return True

    def _may(self, key: Combination, now: datetime) -> bool:
        rest = self._rests.get(key)
        return rest is None or now >= rest.until

    def _rest(self, key: Combination, now: datetime) -> None:
        before = self._rests.get(key)
        failures = 1 if before is None else before.failures + 1
        lasts = min(FIRST_REST * 2 ** min(failures - 1, 20), LONGEST_REST)
        self._rests.put(key, Rest(failures, now + lasts))

    async def _difference(self, key: Combination) -> int:
        """The tokens with the edit less those without. Raises CountError, UpstreamError, TimeoutError."""
        without = await self._count(question(key, edited=False))
        tokens = await self._count(question(key, edited=True)) - without
        if tokens <= 0:
            raise CountError("an edit that adds nothing")
        return tokens

    async def _count(self, body: bytes) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            response = await self._upstream.send(UpstreamRequest("POST", TARGET, self._headers, body))
            try:
                if response.status != OK:
                    raise CountError(f"status {response.status}")
                answer = b""
                async for chunk in response.chunks():
                    answer += chunk
                    if len(answer) > LONGEST_ANSWER:
                        raise CountError("an answer that is no count")
            except UpstreamError as error:
                raise CountError(error.fault.value) from error
            finally:
                response.release()
        try:
            return msgspec.json.decode(answer, type=Counting).input_tokens
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise CountError("an answer that is no count") from error


def question(key: Combination, *, edited: bool) -> bytes:
    """A request of one word with the server tools of a combination, as they are or as the edit makes them."""
    tools = [_tool(each.type, direct=each.direct) for each in key.declared]
    if edited:
        for retype in key.retypes:
            index = next((i for i, tool in enumerate(tools) if tool["type"] == retype.declared), None)
            if index is not None:
                direct = retype.direct or "allowed_callers" in tools[index]
                tools[index] = _tool(retype.type, direct=direct)
        if key.append is not None:
            tools.append(msgspec.json.decode(key.append))
    messages = [{"role": "user", "content": WORD}]
    return msgspec.json.encode({"model": key.model, "tools": tools, "messages": messages})


def _tool(type_: str, *, direct: bool) -> dict[str, Any]:
    """A server tool as it is declared at least: its name is its family."""
    tool: dict[str, Any] = {"type": type_, "name": type_.rpartition("_")[0]}
    return tool | {"allowed_callers": ["direct"]} if direct else tool
