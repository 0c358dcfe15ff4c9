"""Code time is what was seen between calls and their results: counted once, never negative, never beyond the stream."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.metering.stopwatch import MOST_CALLS, Stopwatch
from planner.core.wire import Block

TEXT = Block(type="text")
RESULT = "bash_code_execution_tool_result"
WAITS = Block(type="tool_use", id="toolu_1", name="lookup", caller="code_execution_20260120")
SEARCH = Block(type="server_tool_use", id="srvtoolu_s", name="web_search", caller="code_execution_20260120")
FOUND = Block(type="web_search_tool_result", tool_use_id="srvtoolu_s", caller="code_execution_20260120")
CLIENT = Block(type="tool_use", id="toolu_2", name="lookup", caller="direct")


def call(name: str | None, tool: str = "bash_code_execution") -> Block:
    """A call to code."""
    return Block(type="server_tool_use", id=name, name=tool)


def result(name: str | None) -> Block:
    """What a call to code returned."""
    return Block(type=RESULT, tool_use_id=name)


def seen(*blocks: tuple[float, Block], end: float | None = None, whole: bool = True) -> Stopwatch:
    """A stream that begins at 0, of blocks at their moments; each is `whole` half a second after it began."""
    watch = Stopwatch()
    watch.begin(0.0)
    for index, (at, block) in enumerate(blocks):
        watch.start(index, block, at)
        if whole:
            watch.stop(index, at + 0.5)
    if end is not None:
        watch.end(end)
    return watch


@pytest.mark.parametrize(
    ("watch", "milliseconds", "resumed"),
    [
        pytest.param(seen((1, call("a")), (4, result("a"))), 2_500, False, id="from the whole call to its result"),
        pytest.param(seen((1, call("a")), (4, result("a")), whole=False), None, False, id="a call never whole"),
        pytest.param(seen((1, call("a")), (2, TEXT), (4, result("a"))), 2_500, False, id="text in between"),
        pytest.param(
            seen((1, call("a")), (2, call("b")), (4, result("a")), (7, result("b"))), 5_500, False, id="side by side"
        ),
        pytest.param(
            seen((1, call("a")), (2, result("a")), (5, TEXT), (6, call("b")), (8, result("b"))),
            2_000,
            False,
            id="twice",
        ),
        pytest.param(
            seen((1, call("a", "code_execution")), (2, SEARCH), (4, FOUND), (5, result("a"))), 3_500, False, id="nested"
        ),
        pytest.param(
            seen((1, call("a", "code_execution")), (3, WAITS), end=9), 1_500, False, id="it waits for a client"
        ),
        pytest.param(seen((2, result("earlier")), (3, TEXT)), 2_000, True, id="a result without its call"),
        pytest.param(seen((2, WAITS), end=5), 2_000, True, id="it goes on and calls again"),
        pytest.param(seen((1, SEARCH), (2, FOUND), (3, result("earlier"))), 3_000, True, id="it goes on and searches"),
        pytest.param(seen((1, TEXT), (3, result("stray"))), None, False, id="a stray result"),
        pytest.param(seen((1, call("a")), (2, result("a")), (4, result("a"))), 500, False, id="a result twice"),
        pytest.param(seen((1, call("a")), end=6), 4_500, False, id="no result: until the end"),
        pytest.param(seen((1, call(None)), (3, result(None))), 1_500, False, id="no ids"),
        pytest.param(seen((1, CLIENT), (3, TEXT), end=6), None, False, id="a client's tool"),
        pytest.param(seen((1, Block(type="server_tool_use", name="web_search")), end=6), None, False, id="a search"),
        pytest.param(seen((0, call("a")), (0.5, result("a"))), None, False, id="all at once"),
    ],
)
def test_what_counts(watch: Stopwatch, milliseconds: int | None, resumed: bool) -> None:  # noqa: FBT001 - a column
    """By hand."""
    assert (watch.milliseconds, watch.resumed) == (milliseconds, resumed)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=12))
def test_time_in_which_any_code_runs_counts_once(spans: list[tuple[int, int]]) -> None:
    """However calls overlap, it is the measure of their union."""
    steps: list[tuple[float, int, Callable[[Stopwatch], None]]] = []

    def step(at: int, order: int, act: Callable[[Stopwatch, float], None]) -> None:
        steps.append((float(at), order, lambda watch: act(watch, float(at))))

    for number, (since, took) in enumerate(spans):
        name = f"srvtoolu_{number}"

        def begins(watch: Stopwatch, at: float, name: str = name, number: int = number) -> None:
            watch.start(number, call(name), at)
            watch.stop(number, at)

        step(since, 0, begins)

        def ends(watch: Stopwatch, at: float, name: str = name) -> None:
            watch.start(None, result(name), at)

        step(since + took, 1, ends)
    watch = Stopwatch()
    for _, _, act in sorted(steps, key=lambda each: each[:2]):
        act(watch)
    covered = {second for since, took in spans for second in range(since, since + took)}
    assert watch.milliseconds == len(covered) * 1_000
    assert watch.runs == len(spans)
    assert not watch.resumed


MOMENTS = st.floats(-10, 10) | st.sampled_from([0.0, 1e9, -1e9])
BLOCKS = st.sampled_from(
    [
        TEXT,
        WAITS,
        SEARCH,
        FOUND,
        CLIENT,
        Block(),
        call("a"),
        call("b"),
        call(None),
        result("a"),
        result("b"),
        result(None),
    ]
)
INDICES = st.none() | st.integers(0, 3)
STEPS = st.lists(
    st.tuples(st.just("start"), MOMENTS, INDICES, BLOCKS)
    | st.tuples(st.sampled_from(["stop", "begin", "end"]), MOMENTS, INDICES, st.none())
)


@given(STEPS)
def test_no_order_fails_or_counts_too_much(steps: list[tuple[str, float, int | None, Block | None]]) -> None:
    """Not even with a clock that goes back: the time is between nothing and what passed in all."""
    watch, moments = Stopwatch(), []
    for kind, at, index, block in steps:
        moments.append(at)
        if block is not None:
            watch.start(index, block, at)
        elif kind == "stop":
            watch.stop(index, at)
        elif kind == "begin":
            watch.begin(at)
        else:
            watch.end(at)
    passed = max(moments, default=0.0) - min(moments, default=0.0)
    assert 0 <= (watch.milliseconds or 0) <= passed * 1_000 + 1
    assert watch.runs == sum(block is not None and block.server_call and not block.programmatic for *_, block in steps)


def test_what_is_followed_is_bounded() -> None:
    """Calls beyond the bound are counted as runs, and their time is that of the others."""
    watch = seen(*((index, call(str(index))) for index in range(MOST_CALLS + 10)))
    assert watch.runs == MOST_CALLS + 10
    for index in range(MOST_CALLS + 10):
        watch.start(None, result(str(index)), 1_000)
    assert watch.milliseconds == 999_500


@pytest.mark.parametrize(
    ("watch", "milliseconds"),
    [
        (seen((1, call("a")), (3, result("a")), (4, call("b")), (9, result("b"))), 1_500),
        (seen((1, call("a")), (3, call("b")), (5, result("b")), (6, result("a"))), 4_500),
        (seen((1, call("a")), (3, call("b")), (5, result("b")), end=8), None),
        (seen((2, result("z")), (3, call("a")), (5, result("a"))), 1_500),
        (seen((1, call("a")), end=4), None),
        (seen((1, call("a")), (1, result("a"))), None),
        (seen((2, result("z"))), None),
        (seen((1, call(None)), (3, result(None))), None),
    ],
)
def test_how_long_the_first_code_took(watch: Stopwatch, milliseconds: int | None) -> None:
    """From its own call to its own result; what an earlier response began, or what never came back, is no first."""
    assert watch.first_ms == milliseconds
