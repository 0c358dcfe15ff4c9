"""What fails of ours is counted and left behind; the steps after it, and the caller, go on."""

import asyncio
import io
from pathlib import Path
from typing import Any

import pytest

from planner import log as logs
from planner.metrics import Metrics
from planner.proxy.guard import Guard
from tests.doubles.proxy import run, settled
from tests.proxy.test_forward import BEGUN, going_on, ok, plan_of, talking


def test_a_guard_counts_what_it_keeps() -> None:
    """The log has the kind of the error alone, since its text could hold anything."""
    metrics, log = Metrics(), io.StringIO()
    with Guard("settle", "r1", metrics, logs.build(log)) as guard:
        raise ValueError("a secret")
    assert guard.failed
    assert metrics.fail_open.values == {("settle",): 1}
    assert '"ValueError"' in log.getvalue()
    assert "secret" not in log.getvalue()


def test_a_guard_lets_through_what_is_no_error() -> None:
    """A step that works, and a cancellation."""
    metrics = Metrics()
    with Guard("settle", "r1", metrics, logs.build(io.StringIO())) as guard:
        pass
    assert not guard.failed
    with pytest.raises(asyncio.CancelledError), Guard("settle", "r1", metrics, logs.build(io.StringIO())):
        raise asyncio.CancelledError
    assert metrics.fail_open.values == {}


def test_a_bug_in_settling_costs_an_entry_and_no_answer(tmp_path: Path) -> None:
    """The answer is out; the intent stays unknown, and the container is free again."""

    async def scenario() -> None:
        async with talking(tmp_path) as talk:
            app: Any = talk.proxy.app
            course = app._forward._course  # noqa: SLF001 - a bug, made for the test
            hours, course._hours = course._hours, None  # noqa: SLF001 - likewise
            got = await talk.ask(going_on(), ok())
            assert (got.status, got.whole) == (200, True)
            await settled(lambda: '"cause":"settle"' in talk.proxy.log.getvalue())
            course._hours = hours  # noqa: SLF001 - likewise
            again = await talk.ask(going_on(), ok())
            assert plan_of(again).endswith("container=threaded")
            outcomes = sorted(entry.outcome for entry in await talk.proxy.entries(3))
            assert outcomes == ["ok", "ok", "ok", "unknown"]
            assert talk.proxy.app.metrics.fail_open.values == {("settle",): 1}

    run(scenario())


def test_a_bug_in_remembering_sends_the_request_as_it_came(tmp_path: Path) -> None:
    """What could not be repeated on the next turn is not begun."""

    async def scenario() -> None:
        async with talking(tmp_path, begun=False) as talk:
            app: Any = talk.proxy.app
            course = app._forward._course  # noqa: SLF001 - a bug, made for the test
            learning = course._learning  # noqa: SLF001 - likewise
            memory, learning._memory = learning._memory, None  # noqa: SLF001 - likewise
            got = await talk.ask(BEGUN, ok(call="srvtoolu_9"))
            learning._memory = memory  # noqa: SLF001 - likewise
            assert (got.status, got.value(b"planner-body")) == (200, b"unchanged")
            assert (
                plan_of(got) == "version=kept;reason=error, bundle=declined;reason=error, container=none;reason=error"
            )
            assert talk.sent(1) == [BEGUN]
            assert ("remembering",) in talk.proxy.app.metrics.fail_open.values

    run(scenario())
