"""The embedded store belongs to one writer, recovers from a failed write, and brings older files up to date."""

import sqlite3
import stat
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import mkdtemp

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings

from planner.core.ledger.entry import Digests, Ending, Entry
from planner.core.ledger.rollup import Key, rollup
from planner.core.records import EntryRecord
from planner.stores import StoreError
from planner.stores.rows import entry_row
from planner.stores.schema import migrations
from planner.stores.sqlite import FILLS_SUMS, PAGE_BYTES, SqliteStore
from planner.stores.statements import parse, question_marks, statements
from tests.bench.ledgers import traffic
from tests.doubles.databases import raw_file
from tests.doubles.entries import ledgers
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
                await store.apply([EntryRecord(entry(number, "ok")) for number in range(5)])
            assert await ledger(store) == []
            other.execute("DROP TRIGGER full")
        await store.apply([EntryRecord(entry(number, "ok")) for number in range(5)])
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


def test_lock_file_is_private(tmp_path: Path) -> None:
    """The lock beside the ledger is ours alone."""

    async def scenario() -> None:
        store = await SqliteStore.open(tmp_path / "l.db")
        assert stat.S_IMODE((tmp_path / "l.db.lock").stat().st_mode) == 0o600
        await store.close()

    run(scenario())


def released(folder: Path) -> dict[str, str]:
    """The statements of an older version by their names."""
    return {
        name: text
        for file in sorted(folder.glob("*.sql"))
        for name, text in parse(file.read_text(encoding="utf-8"), file.stem).items()
    }


OLDER = Path(__file__).parent / "older" / "sqlite_4"
"""The statements of schema 4, as they were released."""


def older(version: int, path: Path, entries: Sequence[Entry]) -> None:
    """A file as an older version left it, with these entries, open ones among them as it kept them."""
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for migration in migrations("sqlite")[:version]:
            file.executescript(f"{migration.script} PRAGMA user_version = {migration.number};")
        columns = [row[1] for row in file.execute("PRAGMA table_info(entries)")]
        for each in entries:
            values = dict(zip(ENTRY_COLUMNS, entry_row(each), strict=True))
            marks = ", ".join("?" * len(columns))
            row = [values[name] for name in columns]
            file.execute(f"INSERT INTO entries VALUES ({marks})", row)  # noqa: S608 - question marks


ENTRY_COLUMNS = (
    "request_id", "at", "principal", "team", "endpoint", "model", "outcome", "cost_nano", "untouched_nano", "entry",
    "organization", "hours_ms", "untouched_hours_ms", "corrects", "corrected_at", "batch",
)  # fmt: skip


@pytest.mark.parametrize("version", range(len(migrations("sqlite")) + 1))
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=ledgers())
def test_a_file_of_any_older_version_is_brought_up_to_date(tmp_path: Path, version: int, made: list[Entry]) -> None:
    """In place: every entry is there as it was, open ones are open, and the sums are filled in from them.

    Versions that keep sums have written them with their entries; a file of theirs is taken without any here.
    """
    path = Path(mkdtemp(dir=tmp_path)) / "l.db"
    opened = [
        msgspec.structs.replace(each, request_id=f"open{each.request_id}", outcome="unknown") for each in made[:2]
    ]
    written = [*made, *opened] if 1 <= version < FILLS_SUMS else []
    older(version, path, written)

    async def scenario() -> None:
        if 0 < version < len(migrations("sqlite")):
            with pytest.raises(StoreError, match=rf"has schema {version}.*planner store upgrade --store sqlite:///"):
                await SqliteStore.read(path)
        store = await SqliteStore.open(path)
        try:
            assert store.upgraded == tuple(each.name for each in migrations("sqlite")[version:])
            assert await ledger(store) == sorted(written, key=lambda each: (each.at, each.request_id))
            sums = {key: amounts async for key, amounts in store.cells(Key)}
            assert sums == rollup(written).requests
            if opened and written:
                settled = msgspec.structs.replace(opened[0], outcome="ok")
                await store.apply([EntryRecord(settled)])
                assert settled in await ledger(store)
        finally:
            await store.close()
        again = await SqliteStore.open(path)
        await again.close()
        assert again.upgraded == ()

    run(scenario())


def test_an_upgrade_that_fails_changes_nothing(tmp_path: Path) -> None:
    """A file with a row that cannot be read stays at its version, and is refused with a sentence."""
    path = tmp_path / "l.db"
    older(4, path, [entry(1, "ok")])
    raw_file(path, "UPDATE entries SET entry = 'no JSON'")

    async def scenario() -> None:
        for _ in range(2):
            with pytest.raises(StoreError, match="cannot be brought up to date"):
                await SqliteStore.open(path)
            assert (await SqliteStore.status(path)).schema == 4
            assert raw_file(path, "SELECT COUNT(*) FROM sqlite_master WHERE name LIKE 'cells%'") == [(0,)]

    run(scenario())


def test_a_script_that_was_changed_is_refused(tmp_path: Path) -> None:
    """What a file was made by is not what this version has: nothing is built on it, and status says which."""
    path = tmp_path / "l.db"

    async def scenario() -> None:
        await (await SqliteStore.open(path)).close()
        raw_file(path, "UPDATE migrations SET checksum = 'another' WHERE number = 3")
        with pytest.raises(StoreError, match=r"another text of 0003_learnt.*a migration is never changed"):
            await SqliteStore.open(path)
        assert (await SqliteStore.status(path)).changed == ("0003_learnt",)

    run(scenario())


def test_old_code_survives_the_new_schema(tmp_path: Path) -> None:
    """The statements of the version before find their tables and columns, and do what they did."""
    path, known = tmp_path / "l.db", released(OLDER)

    async def scenario() -> None:
        await (await SqliteStore.open(path)).close()

    run(scenario())
    with closing(sqlite3.connect(path, isolation_level=None)) as file:
        for name, text in known.items():
            arguments = [1] * text.count("$")
            if name in {"put_entry", "learnt", "entries_after"}:
                continue
            file.execute(question_marks(text), [str(each) for each in arguments])
        file.execute(question_marks(known["learnt"]), (1, 1))
        for each in (entry(1), entry(1, "ok"), entry(1, "error")):
            file.execute(question_marks(known["put_entry"]), entry_row(each))
        ((_, _, text),) = file.execute(question_marks(known["entries_after"]), ("", "", 9)).fetchall()
        assert msgspec.json.decode(text, type=Entry) == entry(1, "ok")


def test_status_of_a_file(tmp_path: Path) -> None:
    """Of an older one what can be told, of one of today all."""
    path = tmp_path / "l.db"
    older(3, path, [])

    async def scenario() -> None:
        old = await SqliteStore.status(path)
        assert (old.schema, old.entries, old.open) == (3, None, None)
        assert old.pending == tuple(each.name for each in migrations("sqlite")[3:])
        store = await SqliteStore.open(path)
        await store.apply([EntryRecord(each) for each in (entry(1, "ok"), entry(2, "ok"), entry(3))])
        new = await SqliteStore.status(path)
        await store.close()
        assert (new.schema, new.pending, new.changed) == (len(migrations("sqlite")), (), ())
        assert (new.entries, new.open, new.oldest, new.newest) == (2, 1, entry(1).at, entry(2).at)
        assert new.bytes > 4_096

    run(scenario())


def test_entries_fill_their_pages(tmp_path: Path) -> None:
    """Of a thousand entries of the usual length no page but a few has room for another: what they take is their own."""
    made = [record.entry for record in traffic(1_000) if isinstance(record, EntryRecord)]

    async def scenario() -> int:
        store = await SqliteStore.open(tmp_path / "l.db")
        before = (await SqliteStore.status(tmp_path / "l.db")).bytes
        put = question_marks(statements("ledger")["put_entry"])
        await store.close()
        with closing(sqlite3.connect(tmp_path / "l.db")) as file, file:
            file.executemany(put, map(entry_row, made))
        return (await SqliteStore.status(tmp_path / "l.db")).bytes - before

    text = sum(len(msgspec.json.encode(each)) for each in made)
    assert text < run(scenario()) < 1.5 * text


def test_a_file_is_compacted(tmp_path: Path) -> None:
    """One of an older planner keeps its pages until then; what it holds is what it was, and it is written to again."""
    path, made = tmp_path / "l.db", [entry(number, "ok", 1) for number in range(500)]
    older(8, path, made)

    async def scenario() -> None:
        await (await SqliteStore.open(path)).close()
        assert raw_file(path, "PRAGMA page_size") == [(4_096,)]
        before, after = await SqliteStore.compact(path)
        assert (await SqliteStore.status(path)).bytes == after < before
        assert (raw_file(path, "PRAGMA page_size"), raw_file(path, "PRAGMA journal_mode")) == (
            [(PAGE_BYTES,)],
            [("wal",)],
        )
        store = await SqliteStore.open(path)
        await store.apply([EntryRecord(entry(1_000, "ok", 1))])
        assert await ledger(store) == sorted(
            [*made, entry(1_000, "ok", 1)], key=lambda each: (each.at, each.request_id)
        )
        await store.close()

    run(scenario())


def test_a_file_that_is_open_elsewhere_is_not_compacted(tmp_path: Path) -> None:
    """By whoever writes to it, or reads it; it stays as it was, and is compacted afterwards."""
    path = tmp_path / "l.db"

    async def scenario() -> None:
        store = await SqliteStore.open(path)
        await store.apply([EntryRecord(entry(1, "ok"))])
        with pytest.raises(StoreError, match="in use by another planner process"):
            await SqliteStore.compact(path)
        await store.close()
        reader = await SqliteStore.read(path)
        assert len(await ledger(reader)) == 1
        with pytest.raises(StoreError, match="cannot be compacted, and is as it was"):
            await SqliteStore.compact(path)
        assert len(await ledger(reader)) == 1
        await reader.close()
        await SqliteStore.compact(path)

    run(scenario())
