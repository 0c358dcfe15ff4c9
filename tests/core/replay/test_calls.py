"""What reaches the world of a replay: counts add up, and a request's work has no other fields than these."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.replay.calls import Counts, Work

COUNTS = st.builds(Counts, *[st.integers(0, 10**9)] * len(Counts.__struct_fields__))


@given(COUNTS, COUNTS)
def test_counts_add_up_class_by_class(one: Counts, other: Counts) -> None:
    """No token changes its class or is lost; what was added stays as it was."""
    before, added = msgspec.structs.astuple(one), msgspec.structs.astuple(other)
    one.add(other)
    assert msgspec.structs.astuple(one) == tuple(map(sum, zip(before, added, strict=True)))
    assert msgspec.structs.astuple(other) == added


@given(COUNTS)
def test_a_prompt_is_all_but_the_output(counts: Counts) -> None:
    """Its four classes are disjoint."""
    assert counts.prompt + counts.output == sum(msgspec.structs.astuple(counts))


def test_a_request_needs_its_prompt_alone() -> None:
    """By default it is one iteration without a cache, without code and without an answer."""
    work = msgspec.json.decode(b'{"prompt_tokens":7}', type=Work)
    assert (work.iterations, work.cache_ttl, work.code_runs, work.output_tokens) == (1, "5m", 0, 0)


@pytest.mark.parametrize("text", [b"{}", b'{"prompt_tokens":1,"prompts":2}', b'{"prompt_tokens":1,"cache_ttl":"2h"}'])
def test_other_work_is_refused(text: bytes) -> None:
    """A field that nobody knows would be left out of the bill unheard."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=Work)
