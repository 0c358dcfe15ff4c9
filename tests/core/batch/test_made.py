"""Of the answer that makes a batch its id is read, in whatever pieces it comes; what is no batch has none."""

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from planner.core.batch.made import LONGEST, MadeReader
from tests.doubles.deciding import CODE

BATCH = json.dumps({"id": "msgbatch_1", "type": "message_batch", "results_url": None, "new": [CODE]}).encode()


def read(*chunks: bytes) -> str | None:
    """The id that the reader tells."""
    reader = MadeReader()
    for chunk in chunks:
        reader.feed(chunk, 0.0)
    reader.end(0.0)
    assert reader.metered() is None
    return reader.batch_id


@given(st.lists(st.integers(0, len(BATCH)), max_size=5))
def test_it_is_read_in_whatever_pieces(cuts: list[int]) -> None:
    """Whole = byte by byte."""
    ends = [0, *sorted(cuts), len(BATCH)]
    assert read(*(BATCH[at:end] for at, end in pairwise(ends))) == "msgbatch_1"


def test_what_is_no_batch_has_none() -> None:
    """An error, half an answer, one that is longer than any batch is."""
    long = b'{"id":"x","y":"' + b"z" * LONGEST
    bodies = (b"", b"[]", b'{"type":"error"}', BATCH[:-1], b'{"id":1}', b"\xff", b"[" * 100_000, long + b'"}')
    for body in bodies:
        assert read(*(body[at : at + 1000] for at in range(0, len(body), 1000))) is None
