"""The contract of a store, which both kinds keep: the same records, the same results, the same errors."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.core.ledger.corrections import Billed, correct
from planner.core.ledger.entry import Batch, Code, Digests, Ending, Entry, Seconds
from planner.core.ledger.rollup import (
    Amounts,
    DecisionKey,
    DecisionModelKey,
    K,
    Key,
    Rollup,
    ShadowKey,
    ShadowModelKey,
    TagKey,
    rollup,
)
from planner.core.records import EntryRecord
from planner.core.rulebook.spending import Spender
from planner.opening import is_shared, open_store, read_store
from planner.stores import RefusedError, Store, StoreError, WholeStore
from planner.stores.reading import STATEMENTS
from tests.doubles.databases import raw
from tests.doubles.deciding import BOOK, NOW
from tests.doubles.entries import ledgers
from tests.doubles.proxy import run

AT = "2026-11-22T12:00:00.000000+00:00"


def entry(number: int, outcome: Ending = "unknown", cost: int | None = None) -> Entry:
    """One request."""
    return Entry(
        request_id=f"{number:024x}",
        at=f"2026-11-22T12:00:{number % 60:02d}.000000+00:00",
        principal="p",
        endpoint="messages",
        method="POST",
        mode="plan",
        outcome=outcome,
        cost_nano=cost,
        digests=Digests("r", "p"),
    )


def records(*entries: Entry | None) -> list[EntryRecord]:
    """Records of these entries."""
    return [EntryRecord(each) for each in entries if each is not None]


def tried(address: str, scenario: Callable[[Store], Awaitable[None]]) -> None:
    """Run a scenario on a new store, which is closed whatever happens."""

    async def whole() -> None:
        store = await open_store(address)
        try:
            await scenario(store)
        finally:
            await store.close()

    run(whole())


async def ledger(store: Store) -> list[Entry]:
    """All entries."""
    return [each async for each in store.entries()]


async def cells(store: Store, kind: type[K]) -> dict[K, Amounts]:
    """All cells of a kind."""
    return {key: amounts async for key, amounts in store.cells(kind)}


async def sums(store: Store) -> Rollup:
    """All that was added up."""
    return Rollup(
        await cells(store, Key),
        await cells(store, TagKey),
        await cells(store, DecisionKey),
        await cells(store, ShadowKey),
        await cells(store, DecisionModelKey),
        await cells(store, ShadowModelKey),
    )


def nonempty(sums: Rollup) -> Rollup:
    """The same without cells in which everything came to nothing: no store has to forget them."""
    return Rollup(*({key: cell for key, cell in each.items() if cell} for each in msgspec.structs.astuple(sums)))


def test_records_are_applied_once(address: str) -> None:
    """An intent, its settlement, both again, a second settlement: one entry, the first settlement, added up once."""
    intent, settled, late = entry(1), entry(1, "ok", 5), entry(1, "error", 7)

    async def scenario(store: Store) -> None:
        await store.apply(records(intent))
        assert (await ledger(store))[0].outcome == "unknown"
        assert await sums(store) == Rollup()
        for batch in ([settled], [intent, settled], [late], [intent], [settled, late, intent]):
            await store.apply(records(*batch))
            assert await ledger(store) == [settled]
            assert await sums(store) == rollup([settled])
        assert await raw(address, "SELECT COUNT(*) FROM intents") == [(0,)]

    tried(address, scenario)


def test_nothing_that_was_written_is_changed(address: str) -> None:
    """An entry is inserted once: no statement of a store updates the ledger, and an intent goes when it is settled.

    What takes entries or names out has statements of its own.
    """
    assert not [name for name, text in STATEMENTS.items() if "UPDATE entries" in text or "DELETE FROM entries" in text]

    async def scenario(store: Store) -> None:
        await store.apply(records(entry(1), entry(2)))
        await store.apply(records(entry(2, "ok", 5)))
        written = await raw(address, "SELECT request_id, entry FROM entries")
        await store.apply(records(entry(1, "error"), entry(2, "cancelled"), entry(2)))
        after = dict(await raw(address, "SELECT request_id, entry FROM entries"))
        assert after.items() >= dict(written).items()
        assert [each.outcome for each in await ledger(store)] == ["error", "ok"]

    tried(address, scenario)


def test_corrections_and_batches_are_found(address: str) -> None:
    """By what they amend, and by their batch once they are settled; putting them in again changes nothing."""
    batched, intent = (msgspec.structs.replace(each, batch=Batch("b1", 3)) for each in (entry(1, "ok"), entry(2)))
    known = entry(3, "ok", 1_000)
    amended = [
        correct(known, Billed(ms), BOOK.prices, request_id=f"c{ms}", made_at=NOW + timedelta(seconds=1_000 - ms))
        for ms in (10, 20)
    ]

    async def scenario(store: Store) -> None:
        for _ in range(2):
            await store.apply(records(batched, intent, known, *amended))
            assert await store.batch("b1") == (batched,)
            assert await store.batch("b2") == await store.corrections("other") == ()
            assert [each.request_id for each in await store.corrections(known.request_id)] == ["c20", "c10"]
            assert await sums(store) == rollup([batched, known, *[each for each in amended if each is not None]])
        assert len(await ledger(store)) == 5

    tried(address, scenario)


def test_entries_are_in_order_of_arrival(address: str) -> None:
    """Reading by pages gives every entry once, in order, open ones among them, also where arrivals coincide."""
    everything = [entry(number, "ok" if number % 3 else "unknown") for number in range(2_500)]

    async def scenario(store: Store) -> None:
        await store.apply(records(*everything))
        got = await ledger(store)
        assert got == sorted(everything, key=lambda each: (each.at, each.request_id))
        since = [each async for each in store.entries("2026-11-22T12:00:30")]
        assert since == [each for each in got if each.at >= "2026-11-22T12:00:30"]
        reader = await read_store(address)
        assert await ledger(reader) == got
        await reader.close()

    tried(address, scenario)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ledgers(20), st.integers(1, 7))
def test_sums_are_those_of_the_entries(address: str, made: Sequence[Entry], size: int) -> None:
    """However batches are cut, and where each is applied twice: what was added up is what the entries add up to."""

    async def scenario() -> None:
        store = await open_store(address)
        try:
            before = await ledger(store)
            new = [
                msgspec.structs.replace(each, request_id=f"{len(before) + number:024x}")
                for number, each in enumerate(made)
            ]
            for start in range(0, len(new), size):
                for _ in range(2):
                    await store.apply(records(*new[start : start + size]))
            assert nonempty(await sums(store)) == nonempty(rollup(await ledger(store)))
            assert {each.request_id for each in await ledger(store)} >= {each.request_id for each in new}
        finally:
            await store.close()

    run(scenario())


def test_cells_of_some_hours(address: str) -> None:
    """From one hour up to but without another, in order, by pages, the amounts of each exact beyond 64 bits."""
    hours = [f"2026-11-{day:02d}T{hour:02d}" for day in (1, 2) for hour in range(24)]
    huge = 2**62
    made = [
        msgspec.structs.replace(
            entry(number, "ok"), at=f"{hour}:30:00.000000+00:00", principal=f"p{number % 50}", attempts=huge
        )
        for number, hour in enumerate(hours * 30)
    ]

    async def scenario(store: Store) -> None:
        await store.apply(records(*made))
        await store.apply(
            records(*(msgspec.structs.replace(each, request_id=f"again{each.request_id}") for each in made))
        )
        everything = [each async for each in store.cells(Key)]
        assert [key for key, _ in everything] == sorted(key for key, _ in everything)
        assert len(everything) > 1_000
        assert sum(amounts["attempts"] for _, amounts in everything) == 2 * len(made) * huge
        some = [each async for each in store.cells(Key, "2026-11-01T23", "2026-11-02T01")]
        assert some == [each for each in everything if "2026-11-01T23" <= each[0].hour < "2026-11-02T01"]
        assert {key.hour[:13] for key, _ in some} == {"2026-11-01T23", "2026-11-02T00"}

    tried(address, scenario)


def test_entry_survives_the_store(address: str) -> None:
    """What comes out is what went in, raw usage and what no column can hold included; so does an open one."""
    whole = msgspec.structs.replace(
        entry(1, "ok", 9_000_000_000_000),
        usage=msgspec.Raw(b'{"input_tokens":1, "future":[1.0,"\\u00e9\\u0000"], "a":1, "a":2}'),
        tags={"team": "é\0"},
        model="m\0" * 1_000,
        principal="\0",
    )
    intent = msgspec.structs.replace(whole, request_id="z", outcome="unknown")

    async def scenario(store: Store) -> None:
        await store.apply(records(whole, intent))
        assert await ledger(store) == [whole, intent]
        (key,) = await cells(store, Key)
        assert (key.model, key.principal) == ("m\ufffd" * 1_000, "\ufffd")

    tried(address, scenario)


def test_sums_whose_keys_no_column_tells_apart_are_one(address: str) -> None:
    """In one batch, which is taken as any other."""
    made = [
        msgspec.structs.replace(entry(number, "ok", 1), team=team) for number, team in enumerate(("t\0", "t\ufffd"))
    ]

    async def scenario(store: Store) -> None:
        await store.apply(records(*made))
        ((key, amounts),) = (await cells(store, Key)).items()
        assert (key.team, amounts["requests"]) == ("t\ufffd", 2)

    tried(address, scenario)


@pytest.mark.parametrize("changes", [{"cost_nano": 2**63}, {"model": "\ud800"}])
def test_a_record_that_no_column_holds(address: str, changes: dict[str, Any]) -> None:
    """It is told from a store that is down, and nothing of its batch is there."""

    async def scenario(store: Store) -> None:
        with pytest.raises(RefusedError):
            await store.apply(records(entry(1, "ok"), msgspec.structs.replace(entry(2, "ok"), **changes)))
        assert (await ledger(store), await sums(store)) == ([], Rollup())
        await store.close()
        with pytest.raises(StoreError) as caught:
            await store.apply(records(entry(1)))
        assert not isinstance(caught.value, RefusedError)

    tried(address, scenario)


def test_hours_of_a_month(address: str) -> None:
    """Summed by organization and hour from an hour on; an intent has none, and a second settlement adds none."""

    def ran(number: int, organization: str | None, used: int, untouched: int) -> Entry:
        code = Code(1, Seconds(0.0, 1.0, 2.0), "billed", used, untouched)
        return msgspec.structs.replace(entry(number, "ok"), organization=organization, code=code)

    async def scenario(store: Store) -> None:
        await store.apply(records(entry(2), ran(1, "o", 99, 99), *[ran(2, "o", 3, 5)] * 2))
        await store.apply(records(ran(3, "o", 4, 0), ran(4, None, 0, 7), ran(7, "idle", 0, 0), entry(5, "ok")))
        assert await store.hours(AT) == [("", AT, 0, 7), ("idle", AT, 0, 0), ("o", AT, 106, 104)]
        later = msgspec.structs.replace(ran(6, "o", 1, 1), at="2026-11-22T13:05:00.000000+00:00")
        await store.apply(records(later))
        assert await store.hours("2026-11-22T13") == [("o", "2026-11-22T13:00:00.000000+00:00", 1, 1)]
        assert await store.hours("2027") == []

    tried(address, scenario)


def test_readers_do_not_wait_for_a_writer(address: str) -> None:
    """While batches are written, pages are read: each entry once, in order, in sums that are those of whole batches."""

    async def scenario(store: Store) -> None:
        seen: list[int] = []

        async def write() -> None:
            for start in range(0, 600, 20):
                await store.apply(records(*(entry(start + number, "ok", 1) for number in range(20))))

        async def read() -> None:
            while not seen or seen[-1] < 600:
                got = [each.request_id for each in await ledger(store)]
                assert len(set(got)) == len(got)
                seen.append(sum(each["requests"] for each in (await cells(store, Key)).values()))
                assert seen[-1] % 20 == 0

        async with asyncio.TaskGroup() as both:
            both.create_task(write())
            both.create_task(read())
        assert seen == sorted(seen)

    tried(address, scenario)


def test_nothing_is_created_by_reading(address: str) -> None:
    """What is no ledger yet is refused with a sentence, and stays what it is."""

    async def scenario() -> None:
        with pytest.raises(StoreError):
            await read_store(address)
        if is_shared(address):
            assert await raw(address, "SELECT COUNT(*) FROM pg_class WHERE relname = 'entries'") == [(0,)]

    run(scenario())


def test_statements_serve_both_databases() -> None:
    """No function that PostgreSQL lacks."""
    assert not [name for name, text in STATEMENTS.items() if "json_" in text.lower()]


def test_what_was_spent_is_told_by_whom(address: str) -> None:
    """As it counts in budgets, of whole days, the last not among them."""

    async def scenario(store: Store) -> None:
        spender = Spender(team="t", principal="p")
        one, other = (msgspec.structs.replace(entry(each, "ok", 7), spender=spender) for each in (1, 2))
        later = msgspec.structs.replace(entry(3, "ok", 5), spender=spender, at="2026-11-23T00:00:00.000000+00:00")
        await store.apply(records(one, other, later))
        whole = cast("WholeStore", store)
        assert await whole.spent("team", "2026-11-22", "2026-11-23") == {"t": 14}
        assert await whole.spent("principal", "2026-11-22", "2026-11-24") == {"p": 19}
        assert await whole.spent("project", "2026-11-22", "2026-11-24") == {}

    tried(address, scenario)
