"""Statements of reconciled months and pages of the bill: kept, replaced by name, and written beside a proxy."""

from pathlib import Path

import pytest

from planner.core.ledger.entry import Digests, Entry
from planner.core.records import EntryRecord
from planner.stores import InUseError
from planner.stores.sqlite import SqliteStore
from tests.doubles.proxy import run


def entry(number: int) -> Entry:
    """One settled request."""
    return Entry(
        request_id=f"{number:024x}",
        at=f"2026-11-22T12:00:{number:02d}.000000+00:00",
        principal="p",
        endpoint="messages",
        method="POST",
        mode="plan",
        outcome="ok",
        cost_nano=5,
        digests=Digests("r", "p"),
    )


def test_statements_and_pages_are_kept(tmp_path: Path) -> None:
    """The newest statement of a month and organization holds; a page is replaced by its name."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        assert (await store.last_bill_page(), await store.bill_page("a"), await store.reconciliations()) == (
            None,
            None,
            [],
        )
        for month, organization, made_at, text in (
            ("2026-11", "o", "1", "old"),
            ("2026-11", "o", "2", "new"),
            ("2026-11", "p", "1", "other"),
            ("2026-10", "o", "3", "before"),
            ("2026-11", "o", "2", "again"),
        ):
            await store.keep_reconciliation(month, organization, made_at, text)
        assert await store.reconciliations() == ["before", "again", "other"]
        await store.keep_bill_page("a", "2026-12-01", "one")
        await store.keep_bill_page("b", "2026-12-03", "two")
        await store.keep_bill_page("a", "2026-12-02", "three")
        assert await store.bill_page("a") == ("2026-12-02", "three")
        assert await store.last_bill_page() == "2026-12-03"
        await store.close()

    run(scenario())


def test_statements_are_written_beside_a_proxy(tmp_path: Path) -> None:
    """One process has the ledger, another keeps what it found and writes a correction; the first reads both."""

    async def scenario() -> None:
        proxy = await SqliteStore.open(tmp_path / "l.db")
        with pytest.raises(InUseError):
            await SqliteStore.open(tmp_path / "l.db")
        beside = await SqliteStore.amending(tmp_path / "l.db")
        await beside.keep_reconciliation("2026-11", "", "1", "kept")
        await beside.apply([EntryRecord(entry(7))])
        await beside.close()
        assert await proxy.reconciliations() == ["kept"]
        await proxy.apply([EntryRecord(entry(8))])
        assert len([each async for each in proxy.entries()]) == 2
        await proxy.close()
        alone = await SqliteStore.amending(tmp_path / "l.db")
        with pytest.raises(InUseError):
            await SqliteStore.open(tmp_path / "l.db")
        await alone.close()

    run(scenario())
