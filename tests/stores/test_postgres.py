"""The shared store: many writers without a deadlock, a server that comes and goes, a schema that is looked after."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from planner.clock import SystemClock
from planner.core.ledger.entry import Entry
from planner.core.ledger.rollup import rollup
from planner.core.records import EntryRecord, Record, TurnRecord, encode
from planner.stores import RefusedError, StoreError
from planner.stores.connections import Connections
from planner.stores.journal import Journal
from planner.stores.postgres import MONTHS_AHEAD, PostgresStore, status, upgrade
from planner.stores.schema import migrations
from planner.stores.statements import parse
from planner.stores.writer import Writer
from tests.conftest import Require
from tests.doubles.databases import raw
from tests.doubles.deciding import turn
from tests.doubles.postgres import Server, serving
from tests.doubles.proxy import run, settled
from tests.stores.test_reading import entry, ledger, records, sums

OLDER = Path(__file__).parent / "older"


@asynccontextmanager
async def opened(address: str, number: int = 1) -> AsyncIterator[list[PostgresStore]]:
    """So many stores of one database, closed whatever happens."""
    async with AsyncExitStack() as stack:
        stores = []
        for _ in range(number):
            stores.append(await PostgresStore.open(address))
            stack.push_async_callback(stores[-1].close)
        yield stores


def by(number: int, principal: str) -> Entry:
    """A settled request of somebody, in one of a few hours."""
    at = f"2026-11-{number % 3 + 1:02d}T{number % 4:02d}:00:00.000000+00:00"
    return msgspec.structs.replace(entry(number, "ok", number), principal=principal, at=at, untouched_nano=number)


def test_writers_that_meet_never_wait_in_a_circle(database: str) -> None:
    """Four at once, thousands of entries of the same few cells and turns, each batch in an order of its own."""
    everything = [by(number, f"p{number % 5}") for number in range(4_000)]
    shared = [turn(message_id=f"m{number}", session=f"s{number % 7}") for number in range(40)]

    async def scenario() -> None:
        async with opened(database, 4) as stores:

            async def write(place: int) -> None:
                mine = everything[place::4]
                rng = random.Random(place)  # noqa: S311 - an order, no secret
                for start in range(0, len(mine), 50):
                    batch: list[Record] = [*records(*mine[start : start + 50])]
                    batch += [TurnRecord(f"2026-11-{rng.randint(1, 30):02d}", each) for each in shared]
                    rng.shuffle(batch)
                    await stores[place].apply(batch)

            async with asyncio.TaskGroup() as together:
                for place in range(4):
                    together.create_task(write(place))
            assert await sums(stores[0]) == rollup(everything)
            assert len(await ledger(stores[1])) == len(everything)

    run(scenario())


def test_months_have_partitions(database: str) -> None:
    """Made ahead, and where an entry needs one that is not there; by several processes at once, each once."""

    async def scenario() -> None:
        async with opened(database, 3) as stores:
            await asyncio.gather(*(store.prepare("2026-11-22T12:00:00") for store in stores))
            made = "SELECT relname FROM pg_class WHERE relname LIKE 'entries\\_2%' AND relkind = 'r' ORDER BY 1"
            ahead = [name for (name,) in await raw(database, made)]
            assert ahead == ["entries_2026_11", "entries_2026_12", "entries_2027_01"]
            assert len(ahead) == MONTHS_AHEAD + 1
            old = [
                msgspec.structs.replace(entry(number, "ok"), at=f"{month}-28T23:59:59.999999+00:00")
                for number, month in enumerate(("2019-02", "2026-11", "2028-12"))
            ]
            await asyncio.gather(*(store.apply(records(each)) for store, each in zip(stores, old, strict=True)))
            assert await ledger(stores[0]) == old
            assert await raw(database, "SELECT COUNT(*) FROM entries_2028_12") == [(1,)]
            for at in ("", "2026-13-01", "yesterday"):
                with pytest.raises(RefusedError):
                    await stores[0].apply(records(msgspec.structs.replace(entry(9, "ok"), at=at)))

    run(scenario())


def test_a_server_that_goes_and_comes_back(tmp_path: Path, require: Require) -> None:
    """It costs no record: what waits, waits on disk, and is in the store once afterwards."""
    made = [by(number, "p") for number in range(600)]
    journal, troubles = Journal(tmp_path / "journal"), list[str]()

    def put(writer: Writer, entries: list[Entry]) -> None:
        for each in entries:
            journal.append(encode(EntryRecord(msgspec.structs.replace(each, outcome="unknown", cost_nano=None))))
            journal.append(encode(EntryRecord(each)))
        writer.wake()

    async def scenario(server: Server) -> None:
        async with opened(server.address) as (store,), asyncio.TaskGroup() as group:
            writer = Writer(
                journal,
                store,
                SystemClock(),
                on_write=lambda _: None,
                on_trouble=troubles.append,
                on_refused=lambda: pytest.fail("a record was refused"),
                shared=True,
            )
            writing = group.create_task(writer.run())
            put(writer, made[:200])
            await settled(lambda: not writer.pending)
            put(writer, made[200:400])
            await asyncio.to_thread(server.stop, "immediate")  # whatever it was doing
            with pytest.raises(StoreError) as caught:
                await store.turn("key")
            assert not isinstance(caught.value, RefusedError)
            put(writer, made[400:])
            await settled(lambda: bool(troubles))
            assert writer.pending >= 400
            await asyncio.to_thread(server.start)
            await settled(lambda: not writer.pending)
            writer.stop()
            await writing
            assert await ledger(store) == sorted(made, key=lambda each: (each.at, each.request_id))
            assert await sums(store) == rollup(made)

    with serving(require("postgres")) as server:
        run(scenario(server))
    journal.close()


def test_an_empty_database_gets_its_tables_once(database: str) -> None:
    """However many processes open it at a time; one that holds something else is left alone."""

    async def scenario() -> None:
        for store in await asyncio.gather(*(PostgresStore.open(database) for _ in range(4))):
            await store.close()
        found = await status(database)
        assert (found.schema, found.pending, found.changed) == (len(migrations("postgres")), (), ())
        assert await upgrade(database) == ()

    run(scenario())


def test_a_database_of_somebody_else_is_left_alone(database: str) -> None:
    """It is not empty and has no schema of ours: the sentence names the command that makes one there."""

    async def scenario() -> None:
        await raw(database, "CREATE TABLE somebodys (x INTEGER)")
        with pytest.raises(StoreError, match=r"has schema 0.*Run: planner store upgrade --store postgresql://"):
            await PostgresStore.open(database)
        assert (await status(database)).entries is None
        assert await upgrade(database) == tuple(each.name for each in migrations("postgres"))
        async with opened(database) as (store,):
            await store.apply(records(entry(1, "ok"), entry(2)))
        found = await status(database)
        assert (found.entries, found.open, found.oldest, found.newest) == (1, 1, entry(1).at, entry(1).at)
        assert found.bytes > 100_000

    run(scenario())


def test_an_older_schema_is_refused_and_a_newer_one_is_not(database: str) -> None:
    """Proxies are upgraded after the schema, one by one: the old ones go on meanwhile."""

    async def scenario() -> None:
        await (await PostgresStore.open(database)).close()
        await raw(database, "INSERT INTO migrations (number, name, checksum) VALUES (999, '0999_later', 'x')")
        await (await PostgresStore.open(database)).close()
        await raw(database, "UPDATE migrations SET checksum = 'x' WHERE number = 1")
        for opening in (PostgresStore.open(database), PostgresStore.read(database), upgrade(database)):
            with pytest.raises(StoreError, match=r"another text of 0001_store"):
                await opening
        assert (await status(database)).changed == ("0001_store",)
        await raw(database, "DELETE FROM migrations")
        with pytest.raises(StoreError, match=r"has schema 0, and this planner needs"):
            await PostgresStore.open(database)

    run(scenario())


def test_old_code_survives_the_new_schema(database: str) -> None:
    """Every statement of the version before can be prepared on the schema of this one."""
    known = {
        name: text
        for file in sorted((OLDER / "postgres_1").glob("*.sql"))
        for name, text in parse(file.read_text(encoding="utf-8"), file.stem).items()
    }

    async def scenario() -> None:
        await (await PostgresStore.open(database)).close()
        connections = await Connections.open(database)
        try:
            async with connections.one() as connection:
                for text in known.values():
                    if not text.startswith("CREATE"):
                        await connection.prepare(text)
        finally:
            await connections.close()

    assert {"put_entries", "open_intent", "add_cells", "turn", "learnt", "hours"} <= known.keys()
    run(scenario())


def test_no_server(tmp_path: Path) -> None:
    """The sentence says where it looked, and no password."""

    async def scenario() -> None:
        with pytest.raises(StoreError, match=r"^postgresql://me@/db\?host=.* cannot be reached.*--store") as caught:
            await PostgresStore.open(f"postgresql://me:secret@/db?host={tmp_path}")
        assert "secret" not in str(caught.value)

    run(scenario())
