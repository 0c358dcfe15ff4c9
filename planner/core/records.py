"""A record is one line of the journal: a ledger entry, a turn of a conversation to remember, or something learnt."""

import msgspec

from planner.core.conversations import Conversation, Scope, Turn
from planner.core.learning.profile import LearntParent, LearntProfile
from planner.core.learning.sizes import LearntScale, LearntSize
from planner.core.ledger.entry import Entry


class EntryRecord(msgspec.Struct, frozen=True, tag_field="record", tag="entry"):
    """A request: as an intent while its outcome is `unknown`, then settled."""

    entry: Entry


class TurnRecord(msgspec.Struct, frozen=True, tag_field="record", tag="turn"):
    """A response by whose ids its conversation is found again; `at` is when it was seen, RFC 3339 UTC."""

    at: str
    turn: Turn


class ConversationRecord(msgspec.Struct, frozen=True, tag_field="record", tag="conversation"):
    """A conversation that is found again by its root; written before its first edited request is sent."""

    at: str
    conversation: Conversation


class ScopeRecord(msgspec.Struct, frozen=True, tag_field="record", tag="scope"):
    """The scope in which a principal's requests were answered."""

    at: str
    principal: str
    scope: Scope


Learnt = LearntSize | LearntScale | LearntProfile | LearntParent
"""What is learnt bit by bit: of the size of an edit, the scale of estimates, an agent, all agents of a kind."""


class LearntRecord(msgspec.Struct, frozen=True, tag_field="record", tag="learnt"):
    """What is known by now of one of them."""

    at: str
    learnt: Learnt


Record = EntryRecord | TurnRecord | ConversationRecord | ScopeRecord | LearntRecord

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """A record as one line of JSON, without the newline."""
    return _encoder.encode(record)


def decode(line: bytes) -> Record:
    """A record from its line. Raises msgspec.DecodeError for what `encode` did not write."""
    record: Record = _decoder.decode(line)
    return record


def written_at(record: Record) -> str:
    """When a record was made: RFC 3339 UTC."""
    return record.entry.at if isinstance(record, EntryRecord) else record.at
