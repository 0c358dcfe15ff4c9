"""Records: one line each, that comes back as it was, or is refused."""

import msgspec
import pytest

from planner.core.conversations import Retype, ToolEdit
from planner.core.learning.excess import Sample
from planner.core.learning.scale import Scale
from planner.core.learning.sizes import Combination, Counted, Declared, LearntScale, LearntSize
from planner.core.ledger.entry import Digests, Entry
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.records import (
    ConversationRecord,
    EntryRecord,
    LearntRecord,
    Record,
    ScopeRecord,
    TurnRecord,
    decode,
    encode,
    written_at,
)
from tests.doubles.deciding import HERE, NOW, conversation, turn

AT = "2026-11-22T12:00:00.000000+00:00"
KNOWN = conversation(
    edit=ToolEdit((Retype("a", "b", direct=True),), '{"name":"web\\nfetch"}', "web_fetch", free=True),
    decisions=(Decision(Action.BUNDLE, Outcome.APPLIED, Reason.POLICY, "finance"),),
    free=True,
    model="m",
)
ENTRY = Entry(
    request_id="r1",
    at=AT,
    principal="key-1",
    endpoint="messages",
    method="POST",
    mode="plan",
    decisions=KNOWN.decisions,
    digests=Digests("a", "b"),
)
RECORDS: list[Record] = [
    EntryRecord(ENTRY),
    TurnRecord(AT, turn(conversation=KNOWN, used_ms=5, threaded=True)),
    ConversationRecord(AT, KNOWN),
    ScopeRecord(AT, "key-1", HERE),
    LearntRecord(AT, LearntScale("0123456789abcdef", Scale(weight=2.0, inverse=0.1, ratio=1.25))),
    LearntRecord(
        AT,
        LearntSize(
            Combination("m", (Declared("code_execution_20250825"),), '{"type":"web\n"}', KNOWN.edit.retypes),
            Counted(NOW, 2_140),
            (Sample(NOW, 1_000.5, 4_000, "0123456789abcdef"),),
        ),
    ),
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_is_one_line(record: Record) -> None:
    """Whatever it holds, and it comes back as it was, with the time that it was made."""
    line = encode(record)
    assert b"\n" not in line
    assert decode(line) == record
    assert written_at(record) == AT


@pytest.mark.parametrize("line", [b"", b"{}", b'{"record":"turn"}', b'{"record":"other"}', encode(RECORDS[0])[:-2]])
def test_what_was_not_written_here_is_refused(line: bytes) -> None:
    """A torn line, another kind, a missing member."""
    with pytest.raises(msgspec.DecodeError):
        decode(line)
