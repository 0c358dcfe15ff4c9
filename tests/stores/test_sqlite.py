"""The embedded store takes records twice without a trace, belongs to one writer, and recovers from a failed write."""

import sqlite3
import stat
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from planner.core.conversations import Scope
from planner.core.corrections import Billed, correct
from planner.core.ledger import Batch, Code, Digests, Ending, Entry, Seconds
from planner.core.records import EntryRecord, LearntRecord, ScopeRecord, TurnRecord
from planner.core.scale import Scale
from planner.core.sizes import Combination, Counted, LearntScale, LearntSize
from planner.stores import InUseError, RefusedError, StoreError
from planner.stores.sqlite import _STATEMENTS, PROFILES, SIZES, SqliteStore
from tests.doubles.deciding import BOOK, NOW, turn
from tests.doubles.proxy import run


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


async def ledger(store: SqliteStore) -> list[Entry]:
    """All entries."""
    return [each async for each in store.entries()]


def test_records_are_applied_once(tmp_path: Path) -> None:
    """An intent, its settlement, both again, and a second settlement: one row, the first settlement."""
    intent, settled, late = entry(1), entry(1, "ok", 5), entry(1, "error", 7)

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        await store.apply([EntryRecord(intent)])
        assert (await ledger(store))[0].outcome == "unknown"
        for records in ([settled], [intent, settled], [late], [intent], [settled, late, intent]):
            await store.apply([EntryRecord(each) for each in records])
            assert await ledger(store) == [settled]
        assert await store.count() == {"ok": 1}
        await store.close()

    run(scenario())


def test_corrections_and_batches_are_found(tmp_path: Path) -> None:
    """By what they amend, and by their batch once they are settled; putting them in again changes nothing."""
    batched, intent = (msgspec.structs.replace(each, batch=Batch("b1", 3)) for each in (entry(1, "ok"), entry(2)))
    known = entry(3, "ok", 1_000)
    amended = [
        correct(known, Billed(ms), BOOK.prices, request_id=f"c{ms}", made_at=NOW + timedelta(seconds=1_000 - ms))
        for ms in (10, 20)
    ]

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        for _ in range(2):
            await store.apply([EntryRecord(each) for each in (batched, intent, known, *amended) if each is not None])
            assert await store.batch("b1") == (batched,)
            assert await store.batch("b2") == await store.corrections("other") == ()
            assert [each.request_id for each in await store.corrections(known.request_id)] == ["c20", "c10"]
        assert len(await ledger(store)) == 5
        await store.close()

    run(scenario())


def test_entries_are_in_order_of_arrival(tmp_path: Path) -> None:
    """Reading by pages gives every entry once, in order, also where arrivals coincide."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        await store.apply([EntryRecord(entry(number)) for number in range(2_500)])
        got = await ledger(store)
        assert len(got) == 2_500
        assert [(each.at, each.request_id) for each in got] == sorted((each.at, each.request_id) for each in got)
        reader = await SqliteStore.read(tmp_path / "l.db")
        assert await ledger(reader) == got
        await reader.close()
        await store.close()

    run(scenario())


def test_one_writer(tmp_path: Path) -> None:
    """A second writer is refused with a sentence; once the first is gone, it may write."""

    async def scenario() -> None:
        first = await SqliteStore.open(tmp_path / "l.db")
        with pytest.raises(StoreError, match=r"in use by another planner process.*PostgreSQL"):
            await SqliteStore.open(tmp_path / "l.db")
        await first.close()
        await (await SqliteStore.open(tmp_path / "l.db")).close()

    run(scenario())


def test_what_is_no_ledger(tmp_path: Path) -> None:
    """A file that is none, a missing one, a directory and a newer schema are told apart from bugs."""
    (tmp_path / "text.db").write_text("this is text, and not at all a database" * 100)
    (tmp_path / "directory.db").mkdir()
    with closing(sqlite3.connect(tmp_path / "newer.db")) as newer:
        newer.execute("PRAGMA user_version = 999")

    async def scenario() -> None:
        for name in ("text.db", "directory.db", "newer.db"):
            with pytest.raises(StoreError):
                await SqliteStore.open(tmp_path / name)
        for name in ("text.db", "missing.db", "directory.db"):
            with pytest.raises(StoreError):
                await SqliteStore.read(tmp_path / name)
        assert not (tmp_path / "missing.db").exists()

    run(scenario())


def test_failed_write_leaves_no_transaction(tmp_path: Path) -> None:
    """A batch that fails is not half there, and the next one is taken."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        with closing(sqlite3.connect(tmp_path / "l.db", isolation_level=None)) as other:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON entries WHEN NEW.request_id LIKE '%3'"
                " BEGIN SELECT RAISE(ROLLBACK, 'full'); END"
            )
            with pytest.raises(StoreError, match="full"):
                await store.apply([EntryRecord(entry(number)) for number in range(5)])
            assert await ledger(store) == []
            other.execute("DROP TRIGGER full")
        await store.apply([EntryRecord(entry(number)) for number in range(5)])
        assert len(await ledger(store)) == 5
        await store.close()

    run(scenario())


def test_schema_is_migrated_once(tmp_path: Path) -> None:
    """Opening again changes nothing."""

    async def scenario() -> None:
        for number in range(3):
            store = await SqliteStore.open(tmp_path / "deep" / "er" / "l.db")
            await store.apply([EntryRecord(entry(number))])
            assert len(await ledger(store)) == number + 1
            await store.close()

    run(scenario())


def test_entry_survives_the_store(tmp_path: Path) -> None:
    """What comes out is what went in, raw usage included."""
    whole = msgspec.structs.replace(
        entry(1, "ok", 9_000_000_000_000),
        usage=msgspec.Raw(b'{"input_tokens":1,"future":[1.0,"\\u00e9"]}'),
        tags={"team": "é"},
        model="m" * 1_000,
    )

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        await store.apply([EntryRecord(whole)])
        (got,) = await ledger(store)
        assert got == whole
        await store.close()

    run(scenario())


def test_lock_file_is_private(tmp_path: Path) -> None:
    """The lock beside the ledger is ours alone."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        assert stat.S_IMODE((tmp_path / "l.db.lock").stat().st_mode) == 0o600
        await store.close()

    run(scenario())


@pytest.mark.parametrize("changes", [{"cost_nano": 2**63}, {"model": "\ud800"}])
def test_a_record_that_no_column_holds(tmp_path: Path, changes: dict[str, Any]) -> None:
    """It is told from a store that is down."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        with pytest.raises(RefusedError):
            await store.apply([EntryRecord(entry(1)), EntryRecord(msgspec.structs.replace(entry(2), **changes))])
        assert await ledger(store) == []
        await store.close()
        with pytest.raises(StoreError) as caught:
            await store.apply([EntryRecord(entry(1))])
        assert not isinstance(caught.value, RefusedError)

    run(scenario())


def test_hours_of_a_month(tmp_path: Path) -> None:
    """Summed by organization and hour from a moment on; an intent has none, and a second settlement adds none."""

    def ran(number: int, organization: str | None, used: int, untouched: int) -> EntryRecord:
        code = Code(1, Seconds(0.0, 1.0, 2.0), "billed", used, untouched)
        return EntryRecord(msgspec.structs.replace(entry(number, "ok"), organization=organization, code=code))

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        await store.apply([EntryRecord(entry(2)), ran(1, "o", 99, 99), *[ran(2, "o", 3, 5)] * 2])
        await store.apply([ran(3, "o", 4, 0), ran(4, None, 0, 7), EntryRecord(entry(5, "ok"))])
        assert await store.hours(entry(2).at) == [("o", entry(2).at, 7, 5), ("", entry(4).at, 0, 7)]
        later = msgspec.structs.replace(ran(6, "o", 1, 1).entry, at="2026-11-22T13:00:00.000000+00:00")
        await store.apply([EntryRecord(later)])
        assert await store.hours(entry(4).at) == [("", entry(4).at, 0, 7), ("o", later.at, 1, 1)]
        assert await store.hours("2027") == []
        await store.close()

    run(scenario())


def test_a_turn_is_stored_once(tmp_path: Path) -> None:
    """However many calls it has, each of its keys finds it, as it was stored last; old ones are forgotten."""
    first = turn(message_id="m", call_ids=tuple(f"call_{number}" for number in range(500)), session="s")
    later = msgspec.structs.replace(first, continued=True)
    newer = turn(message_id="n", session="s")

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        await store.apply([TurnRecord("2026-11-01", first)])
        look = store._connection.execute_fetchall  # noqa: SLF001 - what lies there, not what is said of it
        sizes = await look("SELECT COUNT(*), SUM(LENGTH(turn)) FROM turns")
        assert [tuple(row) for row in sizes] == [(1, len(msgspec.json.encode(first)))]
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
        await store.close()

    run(scenario())


def test_what_was_learnt_of_sizes(tmp_path: Path) -> None:
    """One row a combination and a group; later knowledge takes the place of earlier, and what is old is forgotten."""
    one, other = Combination("m", (), '{"type":"a"}'), Combination("m", (), '{"type":"b"}')
    early, late = LearntSize(one), LearntSize(one, Counted(NOW, 5))
    scale = LearntScale("0123456789abcdef", Scale(weight=1.0, ratio=1.25))

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        await store.apply([LearntRecord("2026-11-02", late), LearntRecord("2026-11-03", scale)])
        await store.apply([LearntRecord("2026-11-01", early), LearntRecord("2026-11-01", LearntSize(other))])
        assert await store.learnt() == ((LearntSize(other), late, scale), 0)
        await store.forget("2026-11-02")
        assert await store.learnt() == ((late, scale), 0)
        await store.close()

    run(scenario())


@pytest.mark.parametrize(
    "row",
    ['{"type":"of the future"}', '{"type":"scale","group":"g","scale":{"weight":null}}', "[" * 100_000, "", "\ud7ff{"],
)
def test_a_row_that_is_not_understood_is_left_out(tmp_path: Path, row: str) -> None:
    """Another version wrote it, or a number that is none: the others are read, and it is counted."""
    scale = LearntScale("0123456789abcdef", Scale(weight=1.0, ratio=1.25))

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        await store.apply([LearntRecord("2026-11-03", scale)])
        await store._connection.execute("INSERT INTO learnt VALUES ('x', '2026-11-04', ?)", (row,))  # noqa: SLF001 - as another version would
        assert await store.learnt() == ((scale,), 1)
        await store.close()

    run(scenario())


def test_as_much_is_read_as_is_remembered(tmp_path: Path) -> None:
    """The newest, of agents and of sizes apart: many of the one do not displace the other."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        rows = [("agent", "old", 2, "2026-11-01"), ("size a", "old", 2, "2026-11-01")]
        rows += [("agent", "new", PROFILES - 1, "2026-11-02"), ("size a", "new", SIZES - 1, "2026-11-02")]
        made = [
            (f"{kind}{age}{number:05d}", at, msgspec.json.encode(LearntScale(f"{kind} {age}", Scale())).decode())
            for kind, age, many, at in rows
            for number in range(many)
        ]
        await store._connection.execute("BEGIN")  # noqa: SLF001 - more rows than a test should make one by one
        await store._connection.executemany("INSERT INTO learnt VALUES (?, ?, ?)", made)  # noqa: SLF001 - likewise
        await store._connection.execute("COMMIT")  # noqa: SLF001 - likewise
        kept, unread = await store.learnt()
        groups = [each.group for each in kept if isinstance(each, LearntScale)]
        assert (Counter(groups), unread) == (
            {"agent old": 1, "agent new": PROFILES - 1, "size a old": 1, "size a new": SIZES - 1},
            0,
        )
        assert {*groups[:2]} == {"agent old", "size a old"}
        await store.close()

    run(scenario())


def test_statements_serve_both_databases() -> None:
    """No function that PostgreSQL lacks."""
    assert not [name for name, text in _STATEMENTS.items() if "json_" in text.lower()]


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
        await beside.apply([EntryRecord(entry(7, "ok", 5))])
        await beside.close()
        assert await proxy.reconciliations() == ["kept"]
        await proxy.apply([EntryRecord(entry(8, "ok", 5))])
        assert len(await ledger(proxy)) == 2
        await proxy.close()
        alone = await SqliteStore.amending(tmp_path / "l.db")
        with pytest.raises(InUseError):
            await SqliteStore.open(tmp_path / "l.db")
        await alone.close()

    run(scenario())


def test_a_proxy_of_another_version_is_left_alone(tmp_path: Path) -> None:
    """Its schema is not changed under its feet."""

    async def scenario() -> None:
        proxy = await SqliteStore.open(tmp_path / "l.db")
        with closing(sqlite3.connect(tmp_path / "l.db", isolation_level=None)) as other:
            other.execute("PRAGMA user_version = 4")
        with pytest.raises(StoreError, match="another version"):
            await SqliteStore.amending(tmp_path / "l.db")
        await proxy.close()

    run(scenario())
