"""A planner inside the SDK, in front of a simulator that keeps what it was sent; both live on one clock."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anthropic
import msgspec

from planner.clock import CountedIds, VirtualClock
from planner.core.ledger.entry import Entry
from planner.middleware import Planner
from planner.proxy.callers import fingerprint
from planner.simulator.config import ORGANIZATION, WORKSPACE
from tests.doubles.proxy import read_ledger
from tests.doubles.simulated import START, Attentive, Heard, simulating

KEY = "sk-ant-test"
MODEL = "claude-opus-5-5"
CODE: Any = {"type": "code_execution_20250825", "name": "code_execution"}
NEW_CODE: Any = {"type": "code_execution_20260521", "name": "code_execution"}

BUNDLED = """policies:
  - name: bundled
    why: A test of edits.
    mode: enforce
    then: {bundle: always, tool_version: keep, container: conversation}
"""


class Hasty(anthropic.AsyncAnthropic):
    """The SDK with its own rules of what to retry, but without the pauses."""

    def _calculate_retry_timeout(self, *_: Any, **__: Any) -> float:
        return 0.0


class HastySync(anthropic.Anthropic):
    """The same for the synchronous one."""

    def _calculate_retry_timeout(self, *_: Any, **__: Any) -> float:
        return 0.0


def user(content: Any) -> Any:
    """A user message."""
    return {"role": "user", "content": content}


def asked(text: str = "hi", **more: Any) -> dict[str, Any]:
    """What a client asks."""
    return {"model": MODEL, "max_tokens": 4096, "messages": [user(text)], **more}


def rules_in(directory: Path, policies: str = BUNDLED) -> Path:
    """A directory of rules that knows the key and its scope, with policies of its own."""
    rules = directory / "rules"
    (rules / "policies").mkdir(parents=True)
    (rules / "policies" / "ours.yaml").write_text(policies, encoding="utf-8")
    keys = f"    keys: [{fingerprint(KEY.encode())}]\n    organization: {ORGANIZATION}\n    workspace: {WORKSPACE}\n"
    (rules / "callers.yaml").write_text(f"principals:\n  tester:\n{keys}", encoding="utf-8")
    return rules


class Inside(msgspec.Struct):
    """A planner inside the SDK, and what is behind it."""

    planner: Planner
    simulator: Attentive
    url: str
    store: Path

    @property
    def heard(self) -> list[Heard]:
        """The requests to `POST /v1/messages` that reached the API."""
        return self.simulator.messages()

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of the newest of them."""
        return dict(self.heard[-1].fields)

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        clock = self.simulator.state.clock
        assert isinstance(clock, VirtualClock)
        clock.advance(seconds)

    def client(self, *, retries: int = 0, **more: Any) -> Hasty:
        """An asynchronous client with the planner in it."""
        return Hasty(base_url=self.url, **{"api_key": KEY} | more, max_retries=retries, middleware=[self.planner])

    def sync(self, *, retries: int = 0, **more: Any) -> HastySync:
        """A synchronous one, for a thread."""
        return HastySync(base_url=self.url, **{"api_key": KEY} | more, max_retries=retries, middleware=[self.planner])

    async def thread(self, talk: Callable[[anthropic.Anthropic], object], **more: Any) -> None:
        """Let a synchronous client talk in a thread of its own."""

        def held() -> None:
            with self.sync(**more) as client:
                talk(client)

        await asyncio.to_thread(held)

    async def entries(self) -> list[Entry]:
        """The ledger, written to its end; the planner is closed by that."""
        await asyncio.to_thread(self.planner.close)
        return await read_ledger(self.store)

    def failures(self) -> dict[str, float]:
        """What failed open so far, by its cause."""
        lines = self.planner.metrics().decode().splitlines()
        prefix = 'planner_fail_open_total{cause="'
        found = (line.removeprefix(prefix).split('"} ') for line in lines if line.startswith(prefix))
        return {cause: float(count) for cause, count in found if float(count)}


@asynccontextmanager
async def inside(directory: Path, *, simulator: dict[str, Any] | None = None, **told: Any) -> AsyncIterator[Inside]:
    """A simulator, and a planner for clients of it; closed in the end, so that no thread is left."""
    clock = VirtualClock(START)
    store = directory / "ledger.db"
    async with simulating(clock, **(simulator or {})) as (api, url):
        chosen: dict[str, Any] = {
            "store": f"sqlite:///{store}",
            "clock": clock,
            "ids": CountedIds(),
            "log": quiet(),
        } | told
        planner = Planner(**chosen)
        try:
            yield Inside(planner, api, url, store)
        finally:
            await asyncio.to_thread(planner.close)


def quiet() -> logging.Logger:
    """A logger that says nothing."""
    logger = logging.getLogger("planner.quiet")
    logger.disabled = True
    return logger
