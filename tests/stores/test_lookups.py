"""Requests one by one, in both stores: the newest first, by id, and the turns beside one; each by an index, bounded."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from planner.core.ledger.entry import Entry
from planner.core.ledger.shape import Shape
from planner.opening import is_shared, open_store
from planner.stores import LAST, WholeStore
from planner.stores.reading import NEAR, STATEMENTS
from tests.doubles.databases import raw
from tests.doubles.proxy import run
from tests.stores.test_reading import entry, ledger, records


def tried(address: str, scenario: Callable[[WholeStore], Awaitable[None]]) -> None:
    """Run a scenario on a new store."""

    async def whole() -> None:
        store = await open_store(address)
        try:
            await scenario(store)
        finally:
            await store.close()

    run(whole())


def at(number: int) -> str:
    """A moment for each number, in order."""
    return f"2026-11-22T{number // 3600:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000000+00:00"


def said(number: int, message: str | None = None, after: str | None = None, principal: str = "p") -> Entry:
    """A settled request that tells its place in a conversation."""
    shape = Shape(conversation="c", message=message, after=after, prefix="x", prompt_tokens=1)
    return msgspec.structs.replace(entry(number, "ok", number), at=at(number), shape=shape, principal=principal)


def test_the_newest_come_first(address: str) -> None:
    """Page by page to the first of all: every entry once, open ones among them, also where arrivals coincide."""
    everything = [entry(number, "ok" if number % 3 else "unknown") for number in range(700)]

    async def scenario(store: WholeStore) -> None:
        await store.apply(records(*everything))
        found: list[Entry] = []
        place = (LAST, "")
        while page := await store.newest(place, 300):
            assert len(page) <= 300
            found += page
            place = page[-1].at, page[-1].request_id
        assert found == list(reversed(await ledger(store)))
        assert await store.newest(("2026-11-22T12:00:00", ""), 10) == ()

    tried(address, scenario)


def test_one_is_found_by_its_id(address: str) -> None:
    """Open or settled, one or none."""

    async def scenario(store: WholeStore) -> None:
        await store.apply(records(entry(1), entry(2, "ok", 5)))
        assert await store.entry(entry(1).request_id) == entry(1)
        assert await store.entry(entry(2).request_id) == entry(2, "ok", 5)
        assert await store.entry("nobody") is None
        await store.apply(records(entry(1, "error")))
        assert await store.entry(entry(1).request_id) == entry(1, "error")

    tried(address, scenario)


def test_the_turns_beside_one(address: str) -> None:
    """The one before, and all that go on from it, a fork among them; whoever says the same words elsewhere is none."""
    first, second = said(10, "m1"), said(20, "m2", "m1")
    third, fork, lone = said(30, "m3", "m2"), said(40, None, "m2"), said(35)
    spoken = msgspec.structs.replace(said(36), tags={"feature": '"after":"m2"'})

    async def scenario(store: WholeStore) -> None:
        await store.apply(records(first, second, third, fork, lone, spoken))
        assert await store.turns_beside(first) == ((), (second,))
        assert await store.turns_beside(second) == ((first,), (third, fork))
        assert await store.turns_beside(fork) == ((second,), ())
        assert await store.turns_beside(lone) == ((), ())
        assert await store.turns_beside(entry(1, "ok")) == ((), ())

    tried(address, scenario)


def test_turns_far_apart_are_not_looked_for(address: str) -> None:
    """What a look costs is bounded, whatever the ledger holds."""
    between = [said(number) for number in range(2, NEAR + 1)]

    async def scenario(store: WholeStore) -> None:
        await store.apply(records(said(1, "m1"), *between, said(NEAR + 1, "m2", "m1")))
        assert await store.turns_beside(said(NEAR + 1, "m2", "m1")) == ((said(1, "m1"),), ())
        await store.apply(records(said(NEAR + 2, "m3", "m1")))
        assert await store.turns_beside(said(NEAR + 2, "m3", "m1")) == ((), ())

    tried(address, scenario)


ASKED: dict[str, tuple[Any, ...]] = {
    "entries_before": (at(900), "x", 50, at(900), "x", 50, 50),
    "entry": ("x", "x"),
    "near_before": (at(900), "x", NEAR, "%x%", 20),
    "near_after": (at(900), "x", NEAR, "%x%", 20),
    "corrections": ("x",),
}


@pytest.mark.parametrize("name", ASKED)
def test_every_look_goes_by_an_index(address: str, name: str) -> None:
    """No plan of either database reads a whole table of entries."""
    written = iter([f"'{each}'" if isinstance(each, str) else str(each) for each in ASKED[name]])
    statement = re.sub(r"\$\d+", lambda _: next(written), STATEMENTS[name])

    async def scenario(store: WholeStore) -> None:
        await store.apply(records(*(said(number) for number in range(3_000)), *(entry(number) for number in range(9))))
        if is_shared(address):
            await raw(address, "ANALYZE")
            plan = "\n".join(row[0] for row in await raw(address, f"EXPLAIN {statement}"))
            assert not re.search(r"Seq Scan on entries", plan), plan
            assert re.search(r"Index (Only )?Scan", plan), plan
        else:
            plan = "\n".join(row[3] for row in await raw(address, f"EXPLAIN QUERY PLAN {statement}"))
            assert not re.search(r"SCAN (entries|intents)\b", plan), plan
            assert re.search(r"SEARCH entries USING (INDEX|PRIMARY KEY)", plan), plan

    tried(address, scenario)
