"""The whole planner in this process, in front of a simulator that keeps what it was sent; both live on one clock."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from planner import log as logs
from planner.app import App, Server
from planner.clock import Clock, VirtualClock
from planner.core.ledger.entry import Entry
from planner.core.rulebook.book import RuleBook
from planner.core.rulefile import load
from planner.rulesource import read_files
from planner.settings import Settings
from planner.simulator import Config, Simulator, serve
from tests.doubles.proxy import DECIDES, read_ledger

START = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
TOKEN_KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
EXACT_KINDS = (*TOKEN_KINDS, "web_search")
"""What a response tells to the last unit, so that ledger and bill must agree on it to the last nano-dollar."""


class Heard(msgspec.Struct, frozen=True):
    """One request as it reached the simulator, header names in lower case; `answer` is what it has said by now."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]
    body: bytes
    answer: bytearray = msgspec.field(default_factory=bytearray)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def values(self, name: str) -> list[str]:
        """The values of one field."""
        return [value for key, value in self.fields if key == name]

    def json(self) -> Any:
        """The body, decoded."""
        return msgspec.json.decode(self.body)


class Attentive(Simulator):
    """A simulator that keeps every request before it answers, and what it answers."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.heard: list[Heard] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Keep a request and answer it."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        parts: list[bytes] = []
        more = True
        while more:
            message = await receive()
            parts.append(message.get("body", b""))
            more = message.get("more_body", False)
        body = b"".join(parts)
        query = scope["query_string"].decode("latin-1")
        fields = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
        target = scope["raw_path"].decode("latin-1").partition("?")[0] + (f"?{query}" if query else "")
        heard = Heard(scope["method"], target, fields, body)
        self.heard.append(heard)
        again = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Any:
            return again.pop() if again else await receive()

        async def keep(event: Any) -> None:
            heard.answer.extend(event.get("body", b""))
            await send(event)

        await super().__call__(scope, replay, keep)

    def messages(self) -> list[Heard]:
        """The requests to `POST /v1/messages`."""
        return [each for each in self.heard if (each.method, each.path) == ("POST", "/v1/messages")]


def config(clock: Clock, settings: Mapping[str, Any] | None = None, **changes: Any) -> Config:
    """A simulator's configuration on a clock; `settings` are switches by their dotted names."""
    made = Config.default(clock=clock, **changes)
    return msgspec.structs.replace(made, switches=made.switches.with_settings(settings or {}))


def rules(files: Mapping[str, str] | None = None, settings: Mapping[str, str] | None = None) -> RuleBook:
    """The shipped rules, some files replaced and some settings overridden."""
    return _rules(tuple((files or {}).items()), tuple((settings or {}).items()))


@cache
def _rules(files: tuple[tuple[str, str], ...], settings: tuple[tuple[str, str], ...]) -> RuleBook:
    return load(read_files(None) | {path: text.encode() for path, text in files}, dict(settings))


class Simulated(msgspec.Struct):
    """A running planner in front of a running simulator."""

    address: str
    direct: str
    app: App
    simulator: Attentive
    clock: Clock
    store: Path

    @property
    def heard(self) -> list[Heard]:
        """The requests to `POST /v1/messages` that came out of the planner."""
        return self.simulator.messages()

    def advance(self, seconds: float) -> None:
        """Move the clock on."""
        assert isinstance(self.clock, VirtualClock)
        self.clock.advance(seconds)

    async def entries(self, count: int) -> list[Entry]:
        """The ledger, once that many requests are settled in it."""
        while True:
            found = [entry for entry in await read_ledger(self.store) if entry.outcome != "unknown"]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.005)


@asynccontextmanager
async def simulating(clock: Clock | None = None, **changes: Any) -> AsyncIterator[tuple[Attentive, str]]:
    """A simulator alone, and its address."""
    simulator = Attentive(config(clock or VirtualClock(START), **changes))
    async with serve(simulator) as url:
        yield simulator, url
    assert simulator.failures == []


@asynccontextmanager
async def planning(
    directory: Path, simulator: Attentive, direct: str, *, book: RuleBook | None = None, **settings: Any
) -> AsyncIterator[Simulated]:
    """A planner in front of a simulator that runs already; its ledger lies in `directory`."""
    store = directory / "ledger.db"
    usual: dict[str, Any] = {"upstream": direct, "port": 0, "store": f"sqlite:///{store}", "decide_timeout": DECIDES}
    values = Settings(**usual | settings)
    clock = simulator.state.clock
    app = App(values, book or rules(), clock=clock, log=logs.build(io.StringIO()))
    async with Server(app, values).serving() as address:
        yield Simulated(address, direct, app, simulator, clock, store)


@asynccontextmanager
async def simulated(
    directory: Path, *, book: RuleBook | None = None, simulator: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Simulated]:
    """A simulator, and a planner in front of it; `simulator` changes the former, `settings` the latter.

    They close at once, since each waits for its own server to end.
    """
    api = simulating(**(simulator or {}))
    behind, url = await api.__aenter__()
    planner = planning(directory, behind, url, book=book, **settings)
    found = await planner.__aenter__()
    try:
        yield found
    finally:
        await asyncio.gather(planner.__aexit__(None, None, None), api.__aexit__(None, None, None))


def assert_reconciled(entries: list[Entry], simulator: Simulator, kinds: tuple[str, ...] = EXACT_KINDS) -> None:
    """Every charge of the bill stands in the ledger, kind by kind, to the nano-dollar.

    A stream that broke off never told its final usage, so that its entry is an estimate and says so. Batches are
    charged when they are processed, apart from any request: all of them together cost what their results do.
    """
    of_batches = [entry for entry in entries if entry.endpoint == "batch_results"]
    settled_entries = {entry.upstream_request_id: entry for entry in entries if entry not in of_batches}
    batched: list[Any] = []
    for charge in simulator.bill.charges:
        if charge.work.tier == "batch":
            batched += charge.lines
            continue
        entry = settled_entries.pop(charge.work.request_id)
        if charge.work.outcome != "ok":
            assert {line.basis for line in entry.lines} <= {"estimated"}
            continue
        assert _sums(entry.lines, kinds) == _sums(charge.lines, kinds), charge.work.request_id
    assert _sums([line for entry in of_batches for line in entry.lines], kinds) == _sums(batched, kinds)
    left = [entry for entry in settled_entries.values() if any(line.kind in kinds for line in entry.lines)]
    assert left == [], "the ledger has charges that the bill lacks"


def _sums(lines: Iterable[Any], kinds: tuple[str, ...]) -> dict[str, int]:
    found = dict.fromkeys(kinds, 0)
    for line in lines:
        if line.kind in found:
            found[line.kind] += line.nano or 0
    return found
