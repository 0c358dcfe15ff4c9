"""What takes something out of a store has statements that no writer has, and steps that are over at once."""

import pytest

from planner.stores import StoreError
from planner.stores.reading import STATEMENTS as SHARED
from planner.stores.retention import STATEMENTS, BusyError, begin_pruning, span
from tests.doubles.databases import raw
from tests.doubles.outgoing import closed, opened
from tests.doubles.proxy import run
from tests.doubles.reported import MONTH, month


def test_no_writer_has_these_statements() -> None:
    """Only here is anything of an entry changed, and no amount: a name, and the JSON that it stands in."""
    changing = {name for name, text in STATEMENTS.items() if "UPDATE entries" in text or "DELETE FROM entries" in text}
    assert changing == {"put_nameless_entry"}
    assert not changing & set(SHARED)
    assert "SET principal = $1, entry = $2 WHERE" in STATEMENTS["put_nameless_entry"]


def test_the_span_of_a_month() -> None:
    """In text order, over the end of a year."""
    assert span("2025-10") == ("2025-10", "2025-11")
    assert span("2025-12") == ("2025-12", "2026-01")
    assert span("2025-12")[0] < "2025-12-31T23:59:59.999999+00:00" < span("2025-12")[1]


def test_which_months_there_are(address: str) -> None:
    """With how many entries, before a moment."""

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, month())
            assert await retention.months("2025-10-31T23:59:59.999999+00:00") == {MONTH: len(month())}
            assert await retention.months("2025-10") == {}
            assert not await retention.is_pruned(MONTH)

    run(scenario())


def test_a_transaction_is_whole_or_nothing(address: str) -> None:
    """What fails in the middle of it leaves nothing behind; a statement that is wrong is the store's error."""

    async def scenario() -> None:
        async with opened(address) as (store, retention):
            await closed(store, month())

            async def broken() -> None:
                async with retention.transaction() as fetch:
                    await begin_pruning(fetch, MONTH, "2027", "{}", len(month()))
                    raise KeyError

            with pytest.raises(KeyError):
                await broken()
            assert await raw(address, "SELECT COUNT(*) FROM prunings") == [(0,)]
            async with retention.transaction() as fetch:
                with pytest.raises(BusyError, match="try again"):
                    await begin_pruning(fetch, MONTH, "2027", "{}", 1)
                await begin_pruning(fetch, MONTH, "2027", "{}", len(month()))
                await begin_pruning(fetch, MONTH, "2028", "another", 1)
            assert await raw(address, "SELECT at, pruning FROM prunings") == [("2027", "{}")]
        with pytest.raises(StoreError):
            await retention.fetch("months_before", "")
        with pytest.raises(StoreError):
            async with retention.transaction() as fetch:
                await fetch("closed_months")

    run(scenario())
