"""Counting tokens with a key of the planner's own: what is asked, what is learnt, how it fails, and whose key it is."""

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner import log as logs
from planner.clock import VirtualClock
from planner.core.conversations import Retype, ToolEdit
from planner.core.learning.sizes import Combination, Declared, LearntScale, LearntSize, Sizes
from planner.proxy.calibration import FIRST_REST, LONGEST_ANSWER, LONGEST_REST, WORD, Calibration, question
from planner.stores.sqlite import SqliteStore
from planner.upstream import Headers, UpstreamError, UpstreamFault, UpstreamRequest
from tests.doubles.deciding import BOOK
from tests.doubles.proxy import run
from tests.doubles.simulated import Heard, Simulated, planning, simulating
from tests.doubles.stored import START, MemoryStore, Mind
from tests.identity.agent import CODE, MODEL, SYSTEM, WEATHER, deciding, world
from tests.proxy.test_lessons import ALWAYS

OWN = "sk-ant-own"
CALLER = "sk-ant-one"
TEXT = '{"type":"web_fetch_20260318","name":"web_fetch","max_uses":1}'
ADDED = ToolEdit(append=TEXT, name="web_fetch", free=True)
KEY = Combination(MODEL, (Declared("code_execution_20260521"),), TEXT)
WEEK = timedelta(days=7)
FETCH_TOKENS = 4_930
"""What the simulator's web_fetch_20260318 has; the rules of these tests say 40, which a count beats."""
READ, MINIMUM = 200, 4_166_667
"""Nano-dollars of a cached token of Opus 5.5, and of the least container time: the run had two iterations."""


class Answer:
    """One answer of an upstream."""

    def __init__(self, status: int, body: bytes, fault: UpstreamFault | None = None) -> None:
        self.status, self.headers, self.released = status, (), False
        self._body, self._fault = body, fault

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body in two pieces."""
        yield self._body[:5]
        if self._fault is not None:
            raise UpstreamError(self._fault, "broken")
        yield self._body[5:]

    def release(self) -> None:
        """Given back."""
        self.released = True


class Counter:
    """An upstream that counts a token a byte of `tools`, or answers what it is told to."""

    def __init__(self) -> None:
        self.asked: list[UpstreamRequest] = []
        self.answers: list[Answer] = []
        self.instead: Answer | UpstreamError | None = None

    async def send(self, request: UpstreamRequest) -> Answer:
        """Answer."""
        self.asked.append(request)
        if isinstance(self.instead, UpstreamError):
            raise self.instead
        assert isinstance(request.body, bytes)
        tokens = len(json.dumps(json.loads(request.body)["tools"]))
        self.answers.append(self.instead or Answer(200, b'{"input_tokens": %d, "other": []}' % tokens))
        return self.answers[-1]

    async def close(self) -> None:
        """Nothing is open."""


class Counted(msgspec.Struct):
    """A calibration with all it touches."""

    upstream: Counter
    mind: Mind
    clock: VirtualClock
    log: io.StringIO
    work: Calibration
    slept: list[float]

    @property
    def sizes(self) -> Sizes:
        """What is known."""
        return self.mind.lessons.sizes


def counted(directory: Path) -> Counted:
    """A calibration in front of an upstream that counts."""
    upstream, clock, log, slept = Counter(), VirtualClock(START), io.StringIO(), []
    mind = Mind(directory, BOOK, MemoryStore())

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    work = Calibration(
        lessons=mind.lessons,
        upstream=upstream,
        key=OWN,
        clock=clock,
        metrics=mind.metrics,
        log=logs.build(log),
        every=WEEK,
        pause=5.0,
        sleep=sleep,
    )
    return Counted(upstream, mind, clock, log, work, slept)


def values(headers: Headers, name: bytes) -> list[bytes]:
    """The values of a field."""
    return [value for key, value in headers if key == name]


def test_the_question_is_synthetic() -> None:
    """One word, the declared server tools by their types, and the edit as it would be made."""
    retypes = (Retype("web_search_20250305", "web_search_20260318", direct=True),)
    key = Combination(MODEL, (Declared("code_execution_20260521"), Declared("web_search_20250305")), TEXT, retypes)
    without, edited = json.loads(question(key, edited=False)), json.loads(question(key, edited=True))
    assert without == {
        "model": MODEL,
        "tools": [CODE, {"type": "web_search_20250305", "name": "web_search"}],
        "messages": [{"role": "user", "content": WORD}],
    }
    search = {"type": "web_search_20260318", "name": "web_search", "allowed_callers": ["direct"]}
    assert edited == without | {"tools": [CODE, search, json.loads(TEXT)]}
    assert " " not in WORD


def test_direct_callers_stay_direct() -> None:
    """A tool that is raised keeps what it was declared with; one that is not there is left out."""
    declared = (Declared("web_search_20250305", direct=True),)
    retypes = (Retype("web_search_20250305", "web_search_20260318"), Retype("gone_20250101", "gone_20260101"))
    (tool,) = json.loads(question(Combination(MODEL, declared, None, retypes), edited=True))["tools"]
    assert tool == {"type": "web_search_20260318", "name": "web_search", "allowed_callers": ["direct"]}


def test_what_was_asked_for_is_counted_and_kept(tmp_path: Path) -> None:
    """Twice, with the planner's key; what is known is written down, and not counted again for a week."""

    async def scenario() -> None:
        here = counted(tmp_path)
        assert not await here.work.count_once()
        here.sizes.of(KEY, ADDED, BOOK)
        assert await here.work.count_once()
        first, second = here.upstream.asked
        for asked in (first, second):
            assert (asked.method, asked.target) == ("POST", "/v1/messages/count_tokens")
            assert values(asked.headers, b"x-api-key") == [OWN.encode()]
            assert values(asked.headers, b"anthropic-version") == [b"2023-06-01"]
            assert {name for name, _ in asked.headers} == {b"x-api-key", b"anthropic-version", b"content-type"}
        assert (first.body, second.body) == (question(KEY, edited=False), question(KEY, edited=True))
        assert all(answer.released for answer in here.upstream.answers)
        size = here.sizes.of(KEY, ADDED, BOOK)
        assert (size.source, size.interval.likely) == ("count_tokens", len(json.dumps(json.loads(TEXT))) + 2)
        await here.mind.flush()
        assert [learnt.name for learnt in here.mind.store.kept.values()] != []
        here.clock.advance(WEEK.total_seconds())
        assert not await here.work.count_once()
        here.clock.advance(1)
        assert await here.work.count_once()
        assert here.mind.metrics.calibrations.values == {("ok",): 2}
        assert OWN not in here.log.getvalue()

    run(scenario())


@pytest.mark.parametrize(
    ("instead", "cause"),
    [
        (Answer(429, b"secret words"), "status 429"),
        (Answer(200, b"secret words"), "an answer that is no count"),
        (Answer(200, b'{"input_tokens": "secret words"}'), "an answer that is no count"),
        (Answer(200, b"{" + b" " * LONGEST_ANSWER), "an answer that is no count"),
        (Answer(200, b'{"input', UpstreamFault.RESET), "reset"),
        (UpstreamError(UpstreamFault.CONNECT, "secret words"), "UpstreamError"),
        (UpstreamError(UpstreamFault.TIMEOUT, "secret words"), "UpstreamError"),
    ],
)
def test_what_fails_is_said_without_content_and_rests(
    tmp_path: Path, instead: Answer | UpstreamError, cause: str
) -> None:
    """Counted, logged by its kind, and tried again a minute later, then two, up to a day."""

    async def scenario() -> None:
        here = counted(tmp_path)
        here.sizes.of(KEY, ADDED, BOOK)
        here.upstream.instead = instead
        assert await here.work.count_once()
        assert here.mind.metrics.calibrations.values == {("error",): 1}
        assert f'"cause":"{cause}"' in here.log.getvalue().replace('": "', '":"')
        assert "secret" not in here.log.getvalue()
        assert not isinstance(instead, Answer) or instead.released
        rests = FIRST_REST.total_seconds()
        for _ in range(14):
            here.clock.advance(rests - 1)
            assert not await here.work.count_once()
            here.clock.advance(1)
            assert await here.work.count_once()
            rests = min(2 * rests, LONGEST_REST.total_seconds())
        assert rests == LONGEST_REST.total_seconds()
        here.upstream.instead = None
        here.clock.advance(rests)
        assert await here.work.count_once()
        assert here.sizes.of(KEY, ADDED, BOOK).source == "count_tokens"

    run(scenario())


def test_one_that_fails_does_not_hold_up_the_others(tmp_path: Path) -> None:
    """The next that is wanted is counted while it rests."""

    async def scenario() -> None:
        here = counted(tmp_path)
        other = msgspec.structs.replace(KEY, model="claude-sonnet-5-5")
        here.sizes.of(other, ADDED, BOOK)
        here.sizes.of(KEY, ADDED, BOOK)
        here.upstream.instead = Answer(400, b"")
        await here.work.count_once()
        here.upstream.instead = None
        await here.work.count_once()
        assert here.sizes.counted(other) is not None
        assert here.sizes.counted(KEY) is None

    run(scenario())


def test_it_goes_on_with_pauses(tmp_path: Path) -> None:
    """One combination at a time, whatever comes of it."""

    async def scenario() -> None:
        here = counted(tmp_path)
        here.sizes.of(KEY, ADDED, BOOK)
        with pytest.raises(asyncio.CancelledError):
            await here.work.run()
        assert here.slept == [5.0, 5.0, 5.0]
        assert len(here.upstream.asked) == 2

    run(scenario())


def counts(planner: Simulated) -> list[Heard]:
    """The requests that only counted."""
    return [each for each in planner.simulator.heard if each.path == "/v1/messages/count_tokens"]


async def learnt(store: Path) -> Sizes:
    """What a ledger knows of sizes."""
    sizes, reader = Sizes(), await SqliteStore.read(store)
    sizes.restore(each for each in (await reader.learnt()).learnt if isinstance(each, LearntSize | LearntScale))
    await reader.close()
    return sizes


def test_end_to_end_against_the_simulator(tmp_path: Path) -> None:
    """An edit is counted with the planner's key alone, known after a restart, and prices and decides from then on."""
    book = deciding(ALWAYS)

    async def main() -> None:
        own: dict[str, Any] = {"calibration_key": OWN, "calibration_pause": 0.01}
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url):
            async with planning(tmp_path, simulator, url, book=book, **own) as planner, world(planner) as here:
                await here.introduce()
                agent = here.agent(tools=[CODE, WEATHER])
                assert (await agent.say("[build] Compute what nobody may hear.")).edited
                while len(counts(planner)) < 2:  # noqa: ASYNC110 - what is waited for is another party's state
                    await asyncio.sleep(0.005)
                await planner.entries(1)
            asked = counts(planner)
            for each in asked:
                assert each.values("x-api-key") == [OWN]
                assert each.values("authorization") == []
                assert b"nobody may hear" not in each.body
                assert WEATHER["name"].encode() not in each.body  # type: ignore[attr-defined]  # a dict of several kinds
                assert SYSTEM[0]["text"].encode() not in each.body  # type: ignore[attr-defined]  # likewise
            assert OWN not in {value for each in planner.heard for value in each.values("x-api-key")}
            sizes = await learnt(planner.store)
            (key,) = [each.key for each in sizes.snapshot() if hasattr(each, "key")]
            size = sizes.of(key, ToolEdit(append=key.append), book)
            assert (size.source, size.interval.likely) == ("count_tokens", FETCH_TOKENS)
            async with planning(tmp_path, simulator, url, book=book, **own) as planner, world(planner) as here:
                assert (await here.agent(tools=[CODE, WEATHER]).say("[build] again")).edited
                *_, entry = await planner.entries(3)
                await asyncio.sleep(0.05)
            assert len(counts(planner)) == 2
            assert entry.cost_nano is not None
            assert entry.untouched_nano == entry.cost_nano + MINIMUM - 2 * FETCH_TOKENS * READ
            async with planning(tmp_path, simulator, url, book=deciding()) as planner, world(planner) as here:
                said = await here.agent(tools=[CODE, WEATHER]).say("[build] a third")
                assert said.plan["bundle"] == "declined:not-worth-it"

    run(main())


def test_without_a_key_nothing_is_asked(tmp_path: Path) -> None:
    """The planner calls the API for callers alone."""

    async def main() -> None:
        async with simulating(settings={"free_hours.limit": 0}) as (simulator, url):
            planned = planning(tmp_path, simulator, url, book=deciding(), calibration_pause=0.01)
            async with planned as planner, world(planner) as here:
                await here.introduce()
                assert (await here.agent().say("[build]")).edited
                await asyncio.sleep(0.05)
            assert counts(planner) == []
            assert {value for each in simulator.heard for value in each.values("x-api-key")} == {CALLER}

    run(main())


@pytest.mark.parametrize("second", [100, 90], ids=["as many", "fewer"])
def test_an_edit_that_adds_nothing_was_not_counted(tmp_path: Path, second: int) -> None:
    """A tool never adds nothing, so such an answer is an error that rests, and nothing is kept of it."""

    class Changing(Counter):
        async def send(self, request: UpstreamRequest) -> Answer:
            self.instead = Answer(200, b'{"input_tokens": %d}' % (second if self.asked else 100))
            return await super().send(request)

    async def scenario() -> None:
        here = counted(tmp_path)
        here.work._upstream = Changing()  # noqa: SLF001 - an upstream that answers twice differently
        here.sizes.of(KEY, ADDED, BOOK)
        assert await here.work.count_once()
        assert here.mind.metrics.calibrations.values == {("error",): 1}
        assert "an edit that adds nothing" in here.log.getvalue()
        assert here.sizes.snapshot() == ()
        assert not await here.work.count_once()

    run(scenario())
