"""The contract of a store, goes on: what is remembered of conversations, scopes and what was learnt."""

from collections import Counter

import msgspec
import pytest

from planner.core.conversations import Conversation, Scope
from planner.core.learning.scale import Scale
from planner.core.learning.sizes import Combination, Counted, LearntScale, LearntSize
from planner.core.records import ConversationRecord, LearntRecord, ScopeRecord, TurnRecord
from planner.opening import beside_store
from planner.stores import Store
from planner.stores.reading import PROFILES, SIZES
from tests.doubles.databases import raw
from tests.doubles.deciding import NOW, turn
from tests.stores.test_reading import tried


def test_a_turn_is_stored_once(address: str) -> None:
    """However many calls it has, each of its keys finds it, as it was stored last; old ones are forgotten."""
    first = turn(message_id="m", call_ids=tuple(f"call_{number}" for number in range(500)), session="s")
    later = msgspec.structs.replace(first, continued=True)
    newer = turn(message_id="n", session="s")

    async def scenario(store: Store) -> None:
        await store.apply([TurnRecord("2026-11-01", first)])
        sizes = await raw(address, "SELECT COUNT(*), SUM(LENGTH(turn)) FROM turns")
        assert sizes == [(1, len(msgspec.json.encode(first)))]
        await store.apply([TurnRecord("2026-11-02", later), TurnRecord("2026-11-02", newer)])
        await store.apply([TurnRecord("2026-11-01", first)])
        for key in first.keys[:-1]:
            assert await store.turn(key) == later
        assert await store.turn("s") == newer
        await store.apply(
            [ScopeRecord("2026-11-01", "old", Scope("o", "w")), ScopeRecord("2026-11-03", "p", Scope("o", "w"))]
        )
        await store.forget("2026-11-03")
        assert {await store.turn(key) for key in (*first.keys, *newer.keys)} == {None}
        assert await store.scopes() == {"p": Scope("o", "w")}

    tried(address, scenario)


def test_of_one_batch_the_newest_holds(address: str) -> None:
    """As if its records had been applied one by one: what is older comes too late, what is as old takes its place."""
    plain = Conversation(root="root", prefix="prefix", principal="p")
    edited = msgspec.structs.replace(plain, prefix="other")

    async def scenario(store: Store) -> None:
        await store.apply(
            [
                ConversationRecord("2026-11-02", plain),
                ConversationRecord("2026-11-02", edited),
                ConversationRecord("2026-11-01", plain),
                ScopeRecord("2026-11-02", "p", Scope("o", "w")),
                ScopeRecord("2026-11-01", "p", Scope("o", "v")),
            ]
        )
        assert await store.conversation("root") == (edited, "2026-11-02")
        assert await store.scopes() == {"p": Scope("o", "w")}
        assert await store.conversation("other") is None

    tried(address, scenario)


def test_what_was_learnt_of_sizes(address: str) -> None:
    """One row a combination and a group; later knowledge takes the place of earlier, and what is old is forgotten."""
    one, other = Combination("m", (), '{"type":"a"}'), Combination("m", (), '{"type":"b"}')
    early, late = LearntSize(one), LearntSize(one, Counted(NOW, 5))
    scale = LearntScale("0123456789abcdef", Scale(weight=1.0, ratio=1.25))

    async def scenario(store: Store) -> None:
        await store.apply([LearntRecord("2026-11-02", late), LearntRecord("2026-11-03", scale)])
        await store.apply([LearntRecord("2026-11-01", early), LearntRecord("2026-11-01", LearntSize(other))])
        assert await store.learnt() == ((LearntSize(other), late, scale), 0)
        await store.forget("2026-11-02")
        assert await store.learnt() == ((late, scale), 0)

    tried(address, scenario)


@pytest.mark.parametrize(
    "row",
    ['{"type":"of the future"}', '{"type":"scale","group":"g","scale":{"weight":null}}', "[" * 100_000, "", "\ud7ff{"],
)
def test_a_row_that_is_not_understood_is_left_out(address: str, row: str) -> None:
    """Another version wrote it, or a number that is none: the others are read, and it is counted."""
    scale = LearntScale("0123456789abcdef", Scale(weight=1.0, ratio=1.25))

    async def scenario(store: Store) -> None:
        await store.apply([LearntRecord("2026-11-03", scale)])
        await raw(address, f"INSERT INTO learnt VALUES ('x', '2026-11-04', '{row}')")  # noqa: S608 - ours
        assert await store.learnt() == ((scale,), 1)

    tried(address, scenario)


def test_as_much_is_read_as_is_remembered(address: str) -> None:
    """The newest, of agents and of sizes apart: many of the one do not displace the other."""
    rows = [("agent", "old", 2, "2026-11-01"), ("size a", "old", 2, "2026-11-01")]
    rows += [("agent", "new", PROFILES - 1, "2026-11-02"), ("size a", "new", SIZES - 1, "2026-11-02")]
    made = [
        f"('{kind}{age}{number:05d}', '{at}', '{msgspec.json.encode(LearntScale(f'{kind} {age}', Scale())).decode()}')"
        for kind, age, many, at in rows
        for number in range(many)
    ]

    async def scenario(store: Store) -> None:
        await raw(address, f"INSERT INTO learnt VALUES {', '.join(made)}")  # noqa: S608 - ours
        kept, unread = await store.learnt()
        groups = [each.group for each in kept if isinstance(each, LearntScale)]
        assert (Counter(groups), unread) == (
            {"agent old": 1, "agent new": PROFILES - 1, "size a old": 1, "size a new": SIZES - 1},
            0,
        )
        assert {*groups[:2]} == {"agent old", "size a old"}

    tried(address, scenario)


def test_a_month_is_closed_once(address: str) -> None:
    """What it was closed with stays, from whichever process the next attempt comes."""

    async def scenario(store: Store) -> None:
        assert await store.closing("2026-11") is None
        assert await store.put_closing("2026-11", "2026-12-02", '{"a": 1}')
        beside = await beside_store(address)
        try:
            assert not await beside.put_closing("2026-11", "2026-12-03", "{}")
            assert await beside.put_closing("2026-10", "2026-12-03", "{}")
        finally:
            await beside.close()
        assert [await store.closing(month) for month in ("2026-11", "2026-10")] == ['{"a": 1}', "{}"]

    tried(address, scenario)
