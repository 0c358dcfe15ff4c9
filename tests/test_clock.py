"""Time moves forward, and on a virtual clock only when told to; ids do not repeat."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.clock import CountedIds, RandomIds, SystemClock, VirtualClock

START = datetime(2026, 11, 22, 9, tzinfo=UTC)
SECONDS = st.floats(0, 10_000_000, allow_nan=False)


@given(st.lists(SECONDS, max_size=20))
def test_both_readings_move_together(steps: list[float]) -> None:
    """Wall time is the start plus what the monotonic clock shows, and neither goes back."""
    clock = VirtualClock(START)
    for step in steps:
        before = (clock.now(), clock.monotonic())
        clock.advance(step)
        assert clock.now() == START + timedelta(seconds=clock.monotonic())
        assert (clock.now(), clock.monotonic()) >= before
    assert clock.monotonic() == pytest.approx(sum(steps))


def test_it_stands_still_by_itself() -> None:
    """Two readings without a step between them are one time."""
    clock = VirtualClock(START)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)
    assert (clock.now(), clock.monotonic()) == (START, 0.0)


def test_time_does_not_go_back() -> None:
    """Not by a negative step, and not from a time without a zone."""
    with pytest.raises(ValueError, match="time does not go back"):
        VirtualClock(START).advance(-0.001)
    with pytest.raises(ValueError, match="aware"):
        VirtualClock(START.replace(tzinfo=None))


def test_sleeping_is_moving_on() -> None:
    """The sleeper moves the clock by what it slept, and lets others run meanwhile; less than nothing is nothing."""
    clock, order = VirtualClock(START), list[str]()

    async def other() -> None:
        order.append("other")

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(other())
            await clock.sleep(90)
            order.append("sleeper")
        await clock.sleep(-5)

    asyncio.run(scenario())
    assert order == ["other", "sleeper"]
    assert clock.monotonic() == 90


def test_the_system_clock_is_aware_and_monotonic() -> None:
    """In UTC, wherever the machine stands."""
    clock = SystemClock()
    assert clock.now().utcoffset() == timedelta(0)
    assert clock.monotonic() <= clock.monotonic()
    asyncio.run(clock.sleep(0))


def test_ids_do_not_repeat() -> None:
    """24 hex digits each; counted ones are the same in every run."""
    random = {RandomIds().new() for _ in range(1_000)}
    assert len(random) == 1_000
    counted = CountedIds()
    assert [counted.new() for _ in range(3)] == [f"{number:024x}" for number in (1, 2, 3)]
    assert {len(each) for each in random} == {24}
    assert all(set(each) <= set("0123456789abcdef") for each in random)
