"""What a batch of records writes, as rows: both stores write the same, in the same order.

Rows that several processes may write are sorted by their keys, so that two of them that meet wait for one another and
never in a circle; of rows with one key the newest stands for all, as if they had been written one by one.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, get_type_hints

import msgspec

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import (
    KINDS,
    Amounts,
    DecisionKey,
    DecisionModelKey,
    K,
    Key,
    Rollup,
    ShadowKey,
    ShadowModelKey,
    TagKey,
    add,
    rollup,
)
from planner.core.records import ConversationRecord, EntryRecord, LearntRecord, Record, ScopeRecord, TurnRecord
from planner.core.rulebook.spending import FIELDS
from planner.stores import StoreError

DAY: Final = len("2026-11-30")
MONTH: Final = len("2026-11")
Row = tuple[str | int | None, ...]
Words = tuple[str, ...]
VIEWS: Final[Mapping[type[Words], str]] = {
    Key: "cells",
    TagKey: "cells_by_tag",
    DecisionKey: "cells_by_decision",
    ShadowKey: "cells_by_shadow",
    DecisionModelKey: "cells_by_decision_and_model",
    ShadowModelKey: "cells_by_shadow_and_model",
}
"""The tables of the sums by the kind of their key; `add_` before it is the name of the statement that adds."""

_NUL, _NO_NUL = "\0", "\ufffd"
_encoder = msgspec.json.Encoder()
_amounts = msgspec.json.Decoder(Amounts)
_entries = msgspec.json.Decoder(Entry)


class Written(msgspec.Struct, frozen=True):
    """The rows of a batch. `settled` are by request id, the first settlement of each; `intents` lack those of it.

    `kept` are rows of conversations and of what was learnt, by the statement that puts them.
    """

    settled: dict[str, Entry]
    intents: list[Row]
    kept: dict[str, list[Row]]


def written(records: Iterable[Record]) -> Written:
    """Sort out a batch of records."""
    settled: dict[str, Entry] = {}
    intents: dict[str, Row] = {}
    kept: dict[str, dict[str, Row]] = {}
    for record in records:
        if not isinstance(record, EntryRecord):
            for statement, row in _kept(record):
                rows = kept.setdefault(statement, {})
                before = rows.get(row[0])
                if before is None or row[1] >= str(before[1]):  # the second column is when it was seen
                    rows[row[0]] = row
        elif record.entry.outcome == "unknown":
            request_id, at = record.entry.request_id, record.entry.at
            intents.setdefault(request_id, (request_id, at, _text(record.entry), request_id, at, at[:MONTH]))
        else:
            settled.setdefault(record.entry.request_id, record.entry)
    return Written(
        settled=dict(sorted(settled.items())),
        intents=[intents[key] for key in sorted(intents) if key not in settled],
        kept={statement: [rows[key] for key in sorted(rows)] for statement, rows in sorted(kept.items())},
    )


def _kept(record: TurnRecord | ConversationRecord | ScopeRecord | LearntRecord) -> Iterator[tuple[str, Words]]:
    """The rows of a record that is no entry, each with its statement."""
    at = record.at
    match record:
        case TurnRecord(turn=turn) if turn.keys:
            yield "put_turn", (turn.keys[0], at, _text(turn))
            for key in turn.keys:
                yield "put_turn_key", (key, at, turn.keys[0])
        case ConversationRecord(conversation=conversation):
            yield "put_conversation", (conversation.root, at, _text(conversation))
        case ScopeRecord(principal=principal, scope=scope):
            yield "put_scope", (principal, at, scope.organization, scope.workspace)
        case LearntRecord(learnt=learnt):
            yield "put_learnt", (learnt.name, at, _text(learnt))


def _text(value: object) -> str:
    return _encoder.encode(value).decode()


def entry_row(entry: Entry) -> Row:
    """The columns of an entry, in the order of `put_entry`; the entry itself is exact, columns are to find it by."""
    return (
        entry.request_id,
        entry.at,
        plain(entry.principal),
        None if entry.team is None else plain(entry.team),
        entry.endpoint,
        None if entry.model is None else plain(entry.model),
        entry.outcome,
        entry.cost_nano,
        entry.untouched_nano,
        _text(entry),
        entry.organization,
        None if entry.code is None else entry.code.hours_ms,
        None if entry.code is None else entry.code.untouched_hours_ms,
        entry.corrects,
        entry.corrected_at,
        None if entry.batch is None else entry.batch.id or None,
    )


def cell_rows(sums: Rollup) -> dict[str, list[Row]]:
    """What is added to the hourly sums, by statement, each sorted by key."""
    cells: Mapping[Any, Mapping[Any, Amounts]] = {kind: sums.of(kind) for kind in KINDS}
    found = {VIEWS[kind]: _cells(each.items()) for kind, each in cells.items()}
    return {f"add_{view}": rows for view, rows in found.items() if rows}


def filled_rows(store: str, page: Sequence[Sequence[str]], kinds: Iterable[type[Any]]) -> dict[str, list[Row]]:
    """What a page of entries (`at`, id, text) adds to sums of some kinds, by statement, when a schema gets these.

    Raises StoreError for a text that is no entry.
    """
    try:
        sums = rollup(_entries.decode(text) for _, _, text in page)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise StoreError(
            f"{store} cannot be brought up to date: an entry of {page[0][0]} or later is none ({error})."
        ) from error
    wanted = frozenset(kinds)
    return cell_rows(Rollup.made(lambda kind: sums.of(kind) if kind in wanted else {}))


def spending_rows(entries: Iterable[Entry]) -> list[Row]:
    """What entries cost those in whose budgets they count, by day, sorted by key; an unknown cost adds nothing."""
    found: Counter[Words] = Counter()
    for entry in entries:
        if entry.cost_nano:
            for field in FIELDS:
                value = getattr(entry.spender, field)
                if value is not None:
                    found[field, plain(value), entry.at[:DAY]] += entry.cost_nano
    return [(*key, nano) for key, nano in sorted(found.items()) if nano]


def plain(text: str) -> str:
    """A text as every database can hold it: one of them takes no zero byte."""
    return text.replace(_NUL, _NO_NUL) if _NUL in text else text


def first(kind: type[K], since: str) -> Words:
    """The key before all cells of a kind since an hour."""
    return (since, *[""] * (len(get_type_hints(kind)) - 1))


def amounts(text: str) -> Amounts:
    """The amounts of a cell."""
    return _amounts.decode(text)


def add_amounts(one: str, other: str) -> str:
    """The amounts of two cells together: what the function of that name does in PostgreSQL."""
    sums = _amounts.decode(one)
    add(sums, _amounts.decode(other))
    return _text(sums)


def _cells(cells: Iterable[tuple[Words, Amounts]]) -> list[Row]:
    """Cells as rows, each key once: two keys that no database can tell apart are one."""
    sums: dict[Words, Amounts] = {}
    for words, found in cells:
        key = tuple(map(plain, words))
        if key in sums:
            sums[key] = dict(sums[key])  # the one that is there is the caller's
            add(sums[key], found)
        else:
            sums[key] = found
    return [(*key, _text(found)) for key, found in sorted(sums.items())]
