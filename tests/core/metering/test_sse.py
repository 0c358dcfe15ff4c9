"""Whole = byte by byte = any split, for every stream that bytes can make."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from planner.core.metering.sse import ServerSentEvent, Splitter

GOLDEN = Path(__file__).parent.parent / "golden"

PIECES = st.sampled_from(
    [
        *(
            b"event: ",
            b"event:",
            b"data: ",
            b"data:",
            b"data",
            b":",
            b": c",
            b"id: 1",
            b"message_start",
            b"{}",
            b"x",
            b" ",
        ),
        *(b"\n", b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b"\n\r"),
        *(b"\xef\xbb\xbf", b"\xef", b"\xff", b"\xc3\xa9", b"\0"),
    ]
)
STREAMS = st.lists(PIECES, max_size=40).map(b"".join)


def reference(stream: bytes, limit: int) -> tuple[list[ServerSentEvent], int]:
    """The format's own algorithm, line by line over the whole stream, written for reading and not for speed."""
    lines = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    events: list[ServerSentEvent] = []
    block: list[bytes] = []
    oversized = 0
    for line in lines[:-1]:
        if line:
            block.append(line)
            continue
        if len(b"\n".join(block)) > limit:
            oversized += 1
        else:
            fields = [each.partition(b":") for each in block]
            data = [value.removeprefix(b" ") for name, _, value in fields if name == b"data"]
            names = [value.removeprefix(b" ") for name, _, value in fields if name == b"event"]
            if data:
                events.append(((names or [b""])[-1] or None, b"\n".join(data)))
        block = []
    # An unfinished event is dropped as soon as it cannot end within the limit; its last byte may begin the blank line.
    return events, oversized + (len(b"\n".join([*block, lines[-1]])) > limit + 1)


def split(stream: bytes, cuts: list[int], limit: int = 1 << 20) -> tuple[list[ServerSentEvent], int]:
    """Feed the stream in chunks that end at the cuts."""
    splitter = Splitter(limit)
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    events = [event for start, end in pairwise(edges) for event in splitter.feed(stream[start:end])]
    splitter.close()
    return events, splitter.oversized


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=8))
@example(b"data: x\r\n\r\n", [1, 8, 9, 10])
@example(b"\xef\xbb\xbfdata: x\n\n", [1, 2])
@example(b"event: event: a\ndata: b\n\n", [])
@example(b"event: a\ndata: b\n\nxevent: a\ndata: b\n\n", [])
def test_any_split_reads_like_the_format_says(stream: bytes, cuts: list[int]) -> None:
    """The events are those of the reference, in one piece, byte by byte, and cut anywhere."""
    expected, _ = reference(stream, 1 << 20)
    assert split(stream, [])[0] == expected
    assert split(stream, cuts)[0] == expected
    assert split(stream, list(range(len(stream))))[0] == expected


@given(STREAMS, st.lists(st.integers(0, 10_000), max_size=8), st.integers(1, 24))
def test_what_is_too_large_is_dropped_alike_under_any_split(stream: bytes, cuts: list[int], limit: int) -> None:
    """An oversized event is counted once and the parser goes on, wherever the chunks end."""
    expected = reference(stream, limit)
    assert split(stream, [], limit) == expected
    assert split(stream, cuts, limit) == expected
    assert split(stream, list(range(len(stream))), limit) == expected


@pytest.mark.parametrize("stream", sorted(GOLDEN.glob("*.sse")), ids=lambda path: path.stem)
@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"], ids=["lf", "crlf", "cr"])
def test_golden_streams_at_every_split(stream: Path, ending: bytes) -> None:
    """Two chunks cut at every offset of a recorded stream give its events, under each line end."""
    body = stream.read_bytes().replace(b"\n", ending)
    expected, _ = reference(body, 1 << 20)
    assert [json.loads(data)["type"] for _, data in expected] == [(name or b"").decode() for name, _ in expected]
    for cut in range(len(body)):
        assert split(body, [cut])[0] == expected


def test_data_of_several_lines_and_comments() -> None:
    """Lines of data are joined by a line feed; comments, ids and retries are left out."""
    stream = b": hello\n\nid: 7\nretry: 10\ndata: a\ndata\ndata:  b\nevent: x\n\ndata:\n\nevent: lonely\n\n"
    assert split(stream, [])[0] == [(b"x", b"a\n\n b"), (None, b"")]


def test_an_unfinished_event_is_none() -> None:
    """What no blank line ends is not handed out, and a closed parser keeps nothing of it."""
    splitter = Splitter()
    assert splitter.feed(b"data: a\n") == []
    splitter.close()
    assert splitter.feed(b"\n") == []


def test_one_endless_line_takes_no_memory() -> None:
    """200 MB without a line end pass through while at most the limit is kept, and the next event is read."""
    splitter = Splitter(limit=1 << 16)
    chunk = b"x" * (1 << 20)
    most = 0
    assert splitter.feed(b"data: ") == []
    for _ in range(200):
        assert splitter.feed(chunk) == []
        most = max(most, len(splitter._kept))  # noqa: SLF001 - the bound is on what it keeps
    assert most <= (1 << 16) + 1
    assert splitter.feed(b"\n\nevent: ping\ndata: {}\n\n") == [(b"ping", b"{}")]
    assert splitter.oversized == 1


def test_a_large_event_in_single_bytes_costs_no_more_than_its_size() -> None:
    """Half a megabyte of single bytes is one event: were the kept part searched again each time, this would not end."""
    splitter = Splitter()
    text = b"data: " + b"y" * (1 << 19)
    assert not any(splitter.feed(text[at : at + 1]) for at in range(len(text)))
    assert splitter.feed(b"\n\n") == [(None, text[6:])]
