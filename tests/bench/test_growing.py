"""A ledger that was copied inside its database could have been written as it is: its sums are those of its entries."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import KINDS, Rollup, rollup
from planner.opening import is_shared, open_store
from planner.settings import sqlite_path
from planner.stores.rows import spending_rows
from tests.bench.growing import MOST, grow_postgres, grow_sqlite, statements
from tests.bench.ledgers import traffic
from tests.doubles.databases import raw
from tests.doubles.proxy import run

NUMBER, COPIES = 60, 2


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_copies_are_entries_of_their_own(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Each with an id, and all that it adds to: sums, spending, the turn of its answer; and text and columns agree."""
    address = f"sqlite:///{tmp_path / 'l.db'}" if kind == "sqlite" else str(request.getfixturevalue("database"))

    async def scenario() -> tuple[list[Entry], Rollup, list[bool]]:
        records = list(traffic(NUMBER))
        keys = [record.turn.keys[0] for record in records if hasattr(record, "turn")]
        store = await open_store(address)
        await store.apply(records)
        await store.close()
        if is_shared(address):
            await grow_postgres(address, COPIES, print)
        else:
            await asyncio.to_thread(grow_sqlite, sqlite_path(address), COPIES, print)
        store = await open_store(address)
        try:
            sums, entries = Rollup(), [entry async for entry in store.entries()]
            kinds: tuple[Any, ...] = KINDS
            for each in kinds:
                sums.of(each).update({key: amounts async for key, amounts in store.cells(each)})
            turned = [f"{key[k:]}{key[:k]}" for key in keys for k in range(COPIES + 1)]
            return entries, sums, [await store.turn(key) is not None for key in turned]
        finally:
            await store.close()

    entries, sums, found = run(scenario())
    assert len({entry.request_id for entry in entries}) == NUMBER * (COPIES + 1)
    assert [(entry.at, entry.request_id) for entry in entries] == sorted(
        (at, request_id) for at, request_id in run(raw(address, "SELECT at, request_id FROM entries"))
    )
    assert sums == rollup(entries)
    assert sorted(run(raw(address, "SELECT field, value, day, nano FROM spending"))) == spending_rows(entries)
    assert all(found)
    assert found


def test_an_id_cannot_be_turned_forever() -> None:
    """It would be itself again."""
    assert len(statements(MOST)[0]) == 24
    for copies in (0, MOST + 1):
        with pytest.raises(ValueError, match="can be copied 1 to 23 times"):
            statements(copies)
