"""Makes a ledger larger by statements inside its database, since ten million entries through the store take hours.

Each entry is copied with everything that it has added to: entry, turn, keys, sums and spending. A copy belongs to a
company of its own: its principals, teams and projects have other names, in columns and in JSON, so that sums grow as
entries do. Its id is the original's, turned round, which is as random; it arrives within the same second. The copies
of an hour are inserted in order of time, as they would have come. The text of a turn stays as it was.
"""

import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import asyncpg

from tests.bench.ledgers import BEGIN, END

MOST: Final = 23
"""Copies of an entry: an id has 24 digits, and is itself again when it was turned by as many."""
TELL: Final = 3
"""Transactions between two words: each of a day is a thirtieth of all."""
_AT: Final = (
    "SUBSTR(at, 1, 20)"
    " || SUBSTR(CAST(1000000 + (CAST(SUBSTR(at, 21, 6) AS INTEGER) + 41011 * k) % 1000000 AS TEXT), 2)"
    " || SUBSTR(at, 27)"
)
"""A moment within the same second."""


def _turned(column: str) -> str:
    return f"SUBSTR({column}, k + 1) || SUBSTR({column}, 1, k)"


def _other(column: str) -> str:
    return f"k || '.' || {column}"


def _json() -> str:
    """The JSON text of a copied entry."""
    text = "entry"
    for name in ("principal", "team", "project"):
        text = f"""REPLACE({text}, '"{name}":"', '"{name}":"' || k || '.')"""
    for name, value in (("request_id", _turned("request_id")), ("at", _AT)):
        text = f"""REPLACE({text}, '"{name}":"' || {name} || '"', '"{name}":"' || {value} || '"')"""
    return text


def _copy(table: str, columns: str, values: str, rest: str) -> str:
    """A statement that copies rows of a table into it, once for each `k`."""
    return (
        f"INSERT INTO {table} ({columns}) WITH copies(k) AS (VALUES {{copies}}) "  # noqa: S608 - all of it is ours
        f"SELECT {values} FROM {table} CROSS JOIN copies {rest}"
    )


ENTRIES: Final = _copy(
    "entries",
    "request_id, at, principal, team, endpoint, model, outcome, cost_nano, untouched_nano, entry, organization,"
    " hours_ms, untouched_hours_ms, corrects, corrected_at, batch",
    f"{_turned('request_id')}, {_AT}, {_other('principal')}, {_other('team')}, endpoint, model, outcome, cost_nano,"
    f" untouched_nano, {_json()}, organization, hours_ms, untouched_hours_ms, corrects, corrected_at, batch",
    "WHERE at >= '{since}' AND at < '{until}' ORDER BY 2",
)
TURNS: Final = (
    _copy("turns", "id, seen, turn", f"{_turned('id')}, seen, turn", "ORDER BY 1"),
    _copy("turn_keys", "key, seen, turn", f"{_turned('key')}, seen, {_turned('turn')}", "ORDER BY 1"),
)
SUMS: Final = (
    _copy(
        "cells",
        "hour, organization, workspace, team, project, principal, model, endpoint, outcome, amounts",
        f"hour, organization, workspace, {_other('team')}, {_other('project')}, {_other('principal')}, model, endpoint,"
        " outcome, amounts",
        "ORDER BY 1, 4, 5, 6",
    ),
    _copy(
        "cells_by_tag",
        "hour, organization, team, tag, value, amounts",
        f"hour, organization, {_other('team')}, tag, value, amounts",
        "ORDER BY 1, 3",
    ),
    _copy(
        "cells_by_decision",
        "hour, organization, team, action, outcome, reason, policy, amounts",
        f"hour, organization, {_other('team')}, action, outcome, reason, policy, amounts",
        "ORDER BY 1, 3",
    ),
    _copy(
        "cells_by_decision_and_model",
        "hour, organization, team, model, action, outcome, reason, policy, amounts",
        f"hour, organization, {_other('team')}, model, action, outcome, reason, policy, amounts",
        "ORDER BY 1, 3",
    ),
    _copy("spending", "field, value, day, nano", f"field, {_other('value')}, day, nano", "ORDER BY 1, 2, 3"),
)


def statements(copies: int) -> list[list[str]]:
    """What copies everything so often, by transaction: each day's hours, then the rest. Raises ValueError."""
    if not 1 <= copies <= MOST:
        raise ValueError(f"an entry can be copied 1 to {MOST} times, not {copies}")
    numbers = ", ".join(f"({k})" for k in range(1, copies + 1))
    days = []
    for day in range((END - BEGIN).days):
        hours = [BEGIN + timedelta(days=day, hours=hour) for hour in range(24)]
        days.append([ENTRIES.format(copies=numbers, since=_text(h), until=_text(h + _HOUR)) for h in hours])
    return [*days, *([each.format(copies=numbers)] for each in (*TURNS, *SUMS))]


def grow_sqlite(path: Path, copies: int, tell: Callable[[str], None]) -> None:
    """Copy all that a file holds; nobody else may have it open. Without a journal: it was made to be measured."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            file.execute(f"PRAGMA {setting}")
        for transaction in _told(statements(copies), tell):
            file.execute("BEGIN")
            for statement in transaction:
                file.execute(statement)
            file.execute("COMMIT")
        file.execute("PRAGMA journal_mode = WAL")


async def grow_postgres(address: str, copies: int, tell: Callable[[str], None]) -> None:
    """Copy all that a database holds."""
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("SET synchronous_commit = off")
        for transaction in _told(statements(copies), tell):
            async with connection.transaction():
                for statement in transaction:
                    await connection.execute(statement)
    finally:
        await connection.close()


def _told(transactions: list[list[str]], tell: Callable[[str], None]) -> Iterable[list[str]]:
    """The transactions, and a word now and then of how far they are."""
    for number, each in enumerate(transactions, 1):
        yield each
        if number % TELL == 0 or number == len(transactions):
            tell(f"copying: {number} of {len(transactions)} transactions")


_HOUR: Final = timedelta(hours=1)


def _text(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")
