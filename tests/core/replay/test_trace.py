"""A trace: its fields and defaults, and every line that cannot be used told with its number."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.replay.calls import Work
from planner.core.replay.trace import TraceError, TraceLine, read_trace
from tests.doubles.deciding import CODE

REQUEST: dict[str, Any] = {
    "model": "claude-sonnet-5-5",
    "max_tokens": 4_096,
    "system": "…",
    "tools": [CODE],
    "messages": [{"role": "user", "content": "…"}],
}
DESIGNED: dict[str, Any] = {
    "at": "2026-11-03T09:00:00Z",
    "principal": "key-1",
    "organization": "o1",
    "workspace": "w1",
    "team": "finance",
    "conversation": "c17",
    "turn": 1,
    "request": REQUEST,
    "work": {
        "prompt_tokens": 18_000,
        "cached_prefix_tokens": 17_000,
        "cache_ttl": "5m",
        "output_tokens": 900,
        "iterations": 3,
        "growth_tokens": 1_200,
        "code_runs": 2,
        "code_seconds": 12.5,
        "files": 0,
        "web_searches": 0,
    },
}
SHORTEST: dict[str, Any] = {
    "at": "2026-11-03T09:00:00Z",
    "principal": "key-1",
    "conversation": "c",
    "turn": 1,
    "request": {},
    "work": {"prompt_tokens": 1},
}


def encoded(*rows: Any) -> list[bytes]:
    """Lines of JSON."""
    return [json.dumps(row).encode() + b"\n" for row in rows]


def one(row: Any) -> TraceLine | TraceError:
    """The only line."""
    (found,) = read_trace(encoded(row))
    return found


def used(row: Any) -> TraceLine:
    """A line that can be used."""
    found = one(row)
    assert isinstance(found, TraceLine), found
    return found


def test_the_line_of_the_design_is_read() -> None:
    """Every field of it."""
    line = used(DESIGNED)
    assert line.at == datetime(2026, 11, 3, 9, tzinfo=UTC)
    named = (line.principal, line.organization, line.workspace, line.team, line.project, line.conversation, line.turn)
    assert named == ("key-1", "o1", "w1", "finance", "", "c17", 1)
    assert (line.request.model, line.request.tools[0].type) == ("claude-sonnet-5-5", CODE["type"])
    assert line.work == Work(**DESIGNED["work"])


def test_what_is_not_said_has_its_default() -> None:
    """Organization and workspace are the principal's own, and a request needs one iteration and nothing else."""
    line = used(SHORTEST)
    assert (line.organization, line.workspace, line.team, line.project) == ("key-1", "key-1", "", "")
    assert line.work == Work(
        prompt_tokens=1, cached_prefix_tokens=0, cache_ttl="5m", output_tokens=0, iterations=1, growth_tokens=0,
        code_runs=0, code_seconds=0.0, files=0, web_searches=0,
    )  # fmt: skip


def test_a_time_keeps_its_moment() -> None:
    """In whatever zone it is written."""
    assert used(SHORTEST | {"at": "2026-11-03T10:00:00+01:00"}).at == datetime(2026, 11, 3, 9, tzinfo=UTC)


def test_lines_are_counted_from_0_and_blank_ones_left_out() -> None:
    """Those that cannot be used have their number too, and errors count lines of the file from 1."""
    lines = [b"\n", *encoded(SHORTEST), b"  \n", b"nonsense\n", *encoded(SHORTEST)]
    first, bad, last = read_trace(lines)
    assert isinstance(first, TraceLine)
    assert isinstance(bad, TraceError)
    assert isinstance(last, TraceLine)
    assert (first.number, bad.line, last.number) == (0, 4, 2)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"at": "2026-11-03T09:00:00"}, "no time zone"),
        ({"at": "yesterday"}, "at"),
        ({"at": 5}, "at"),
        ({"turn": 0}, "turn 1"),
        ({"turn": "1"}, "turn"),
        ({"principal": None}, "principal"),
        ({"tean": "finance"}, "tean"),
        ({"request": []}, "object"),
        ({"work": {}}, "prompt_tokens"),
        ({"work": {"prompt_tokens": -1}}, "work.prompt_tokens"),
        ({"work": {"prompt_tokens": 1.5}}, "work.prompt_tokens"),
        ({"work": {"prompt_tokens": 10**13}}, "work.prompt_tokens"),
        ({"work": {"prompt_tokens": 5, "cached_prefix_tokens": 6}}, "more than the 5"),
        ({"work": {"prompt_tokens": 5, "iterations": 0}}, "one iteration"),
        ({"work": {"prompt_tokens": 5, "code_seconds": -0.5}}, "work.code_seconds"),
        ({"work": {"prompt_tokens": 5, "cache_ttl": "2h"}}, "cache_ttl"),
        ({"work": {"prompt_tokens": 5, "searches": 1}}, "searches"),
    ],
)
def test_what_cannot_be_used_is_told(changes: dict[str, Any], told: str) -> None:
    """In one line, and nothing is guessed."""
    found = one(SHORTEST | changes)
    assert isinstance(found, TraceError)
    assert found.line == 1
    assert told in str(found)
    assert "\n" not in str(found)


@pytest.mark.parametrize("name", ["at", "principal", "conversation", "turn", "request", "work"])
def test_what_is_needed_is_missed(name: str) -> None:
    """By its name."""
    found = one({key: value for key, value in SHORTEST.items() if key != name})
    assert isinstance(found, TraceError)
    assert name in str(found)


@pytest.mark.parametrize("line", [b"nonsense", b"[]", b"\xff\xfe", b'{"at":', b"[" * 5_000])
def test_what_is_no_object_is_told_too(line: bytes) -> None:
    """And reading goes on behind it."""
    bad, good = read_trace([line, *encoded(SHORTEST)])
    assert isinstance(bad, TraceError)
    assert isinstance(good, TraceLine)


def test_a_trace_is_in_time_order() -> None:
    """A line that steps back is told, and does not count for those behind it; the same moment is in order."""
    hours = [9, 8, 9, 8, 10]
    rows = [SHORTEST | {"at": f"2026-11-03T{hour:02}:00:00Z"} for hour in hours]
    found = [type(line) for line in read_trace(encoded(*rows))]
    assert found == [TraceLine, TraceError, TraceLine, TraceError, TraceLine]


def test_iterations_are_bounded() -> None:
    """The API pauses a turn after ten; nobody has a billion."""
    assert isinstance(one(SHORTEST | {"work": {"prompt_tokens": 1, "iterations": 10**9}}), TraceError)


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00"])
def test_a_time_is_one_that_can_be_reckoned_with(at: str) -> None:
    """A typing error in the year is told like any other."""
    assert isinstance(one(SHORTEST | {"at": at}), TraceError)


def test_a_byte_order_mark_says_nothing() -> None:
    """Some editors put it in front of the first line."""
    (found,) = read_trace([b"\xef\xbb\xbf" + json.dumps(SHORTEST).encode()])
    assert isinstance(found, TraceLine)


def test_nothing_runs_in_no_runs() -> None:
    """Seconds of code without a run would bill nothing."""
    found = one(SHORTEST | {"work": {"prompt_tokens": 1, "code_seconds": 5}})
    assert "nothing ran" in str(found)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([*DESIGNED, *(f"work.{name}" for name in DESIGNED["work"]), "request.tools"]), JSON)
def test_no_value_breaks_the_reading(name: str, value: Any) -> None:
    """Each line comes as itself or as its error."""
    outer, _, inner = name.partition(".")
    row = DESIGNED | {outer: DESIGNED[outer] | {inner: value} if inner else value}
    assert isinstance(one(row), TraceLine | TraceError)


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_break_the_reading(lines: list[bytes]) -> None:
    """As many lines as are not blank."""
    assert len(list(read_trace(lines))) == sum(bool(line.strip()) for line in lines)
