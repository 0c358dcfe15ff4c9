"""One request's course, without anything that carries its bytes: refused, sent and settled, or never written down."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from planner import log as logs
from planner.clock import CountedIds, VirtualClock
from planner.core.reasons import Reason
from planner.proxy.arrive import Arrived, Head, arrive
from planner.proxy.course import Course
from planner.settings import Settings
from planner.works import Works
from tests.doubles.messages import ASKED
from tests.doubles.proxy import read_ledger, run, shipped_rules
from tests.doubles.simulated import START, rules

DENIED = "policies:\n  - {name: no, why: A test., mode: enforce, then: {deny: Ask finance first.}}\n"


@asynccontextmanager
async def course(directory: Path, files: dict[str, str] | None = None) -> AsyncIterator[tuple[Course, Works]]:
    """A course under the shipped rules, or some of one's own."""
    book = shipped_rules() if files is None else rules(files)
    settings = Settings(store=f"sqlite:///{directory / 'ledger.db'}", decide_timeout=5.0)
    works = Works(settings, book, clock=VirtualClock(START), ids=CountedIds(), log=logs.build(io.StringIO()))
    async with works.running() as running:
        yield running.course, works


def arrived(works: Works, method: str = "POST", target: bytes = b"/v1/messages") -> Arrived:
    """A request at the door."""
    clock = works.clock
    return arrive(Head(method, target, ()), works.rules.book, works.ids.new(), clock.now(), clock.monotonic())


def test_what_a_policy_refuses_is_entered_and_never_sent(tmp_path: Path) -> None:
    """The refusal says what is answered, and the entry that nothing was sent."""

    async def scenario() -> None:
        async with course(tmp_path, {"policies/ours.yaml": DENIED}) as (way, works):
            underway = await way.prepare(arrived(works), ASKED)
            assert underway is not None
            refusal = way.refusal(underway)
            assert refusal is not None
            assert (refusal.fault.status, refusal.words) == (403, "Ask finance first.")
            fields = dict(way.deny(underway, refusal))
            assert fields[b"planner-body"] == b"unchanged"
        (entry,) = await read_ledger(tmp_path / "ledger.db")
        assert (entry.outcome, entry.status, entry.attempts, entry.cost_nano) == ("refused", 403, 0, 0)

    run(scenario())


def test_what_is_not_read_is_left_as_it_is(tmp_path: Path) -> None:
    """An encoded body says so; what is no message has no plan at all."""

    async def scenario() -> None:
        async with course(tmp_path) as (way, works):
            encoded = await way.prepare(arrived(works), None)
            listed = await way.prepare(arrived(works, "GET", b"/v1/models"), None)
            assert encoded is not None
            assert listed is not None
            assert encoded.planned is not None
            assert {each.reason for each in encoded.planned.plan.decisions} == {Reason.ENCODED_BODY}
            assert listed.planned is None
            way.settle(encoded)
            way.settle(listed)

    run(scenario())


def test_what_cannot_be_written_down_is_none(tmp_path: Path) -> None:
    """Whoever carries the bytes decides what becomes of it; what was lent to it is taken back."""

    async def scenario() -> None:
        async with course(tmp_path) as (way, works):
            broken: Any = way
            broken._intent = None  # noqa: SLF001 - a bug, made for the test
            assert await way.prepare(arrived(works), ASKED) is None
            assert works.metrics.fail_open.values == {("bug",): 1}
        assert await read_ledger(tmp_path / "ledger.db") == []

    run(scenario())
