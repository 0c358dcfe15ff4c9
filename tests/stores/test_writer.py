"""The writer moves everything from the journal to the store, once, and outlives a store that does not."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from planner.clock import VirtualClock
from planner.core.conversations import Conversation, Scope, Turn
from planner.core.ledger.entry import Digests, Entry
from planner.core.ledger.rollup import Amounts, K, rollup
from planner.core.records import EntryRecord, Record, encode
from planner.stores import LAST, Kept, Metered, RefusedError, StoreError
from planner.stores.journal import Journal
from planner.stores.writer import TIDY_SECONDS, Writer
from tests.doubles.proxy import run, settled

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def record(number: int) -> bytes:
    """The intent of one request."""
    entry = Entry(
        request_id=f"{number:024x}",
        at=NOW.isoformat(timespec="microseconds"),
        principal="p",
        endpoint="messages",
        method="POST",
        mode="plan",
        digests=Digests("r", "p"),
    )
    return encode(EntryRecord(entry))


class Shelf:
    """A store in memory that can be down."""

    def __init__(self) -> None:
        self.down = False
        self.applied: list[Record] = []
        self.poison: dict[str, Exception] = {}
        self.largest = 0

    async def apply(self, records: Sequence[Record]) -> None:
        """Take records, or refuse them."""
        self.largest = max(self.largest, len(records))
        if self.down:
            raise StoreError("down")
        for each in records:
            if isinstance(each, EntryRecord) and each.entry.request_id in self.poison:
                raise self.poison[each.entry.request_id]
        self.applied += records

    async def prunings(self) -> list[str]:
        """Nothing was pruned."""
        return []

    async def entries(self, since: str = "") -> AsyncIterator[Entry]:
        """The entries taken."""
        for each in self.applied:
            if isinstance(each, EntryRecord) and each.entry.at >= since:
                yield each.entry

    async def corrections(self, request_id: str) -> tuple[Entry, ...]:
        """No corrections."""
        del request_id
        return ()

    async def batch(self, digest: str) -> tuple[Entry, ...]:
        """No batch."""
        del digest
        return ()

    async def turn(self, key: str) -> Turn | None:
        """No turn."""
        del key
        return None

    async def conversation(self, root: str) -> tuple[Conversation, str] | None:
        """No conversation."""
        del root
        return None

    async def scopes(self) -> dict[str, Scope]:
        """No scopes."""
        return {}

    async def learnt(self) -> Kept:
        """Nothing learnt."""
        return Kept(())

    async def hours(self, since: str) -> list[Metered]:
        """No hours."""
        del since
        return []

    async def closing(self, month: str) -> str | None:
        """No month is closed."""
        del month
        return None

    async def put_closing(self, month: str, closed_at: str, closing: str) -> bool:
        """None can be."""
        del month, closed_at, closing
        return False

    async def cells(self, kind: type[K], since: str = "", until: str = LAST) -> AsyncIterator[tuple[K, Amounts]]:
        """The sums of these entries."""
        for key, amounts in sorted(
            rollup(each.entry for each in self.applied if isinstance(each, EntryRecord)).of(kind).items()
        ):
            if since <= key.hour < until:
                yield key, amounts

    async def prepare(self, now: str) -> None:
        """Nothing to prepare."""

    async def forget(self, before: str) -> None:
        """Nothing to forget."""

    async def close(self) -> None:
        """Nothing to close."""


class Bench:
    """A writer between a journal and a shelf, on a virtual clock."""

    def __init__(self, directory: Path, *, shared: bool = False, tidy_seconds: float = TIDY_SECONDS) -> None:
        self.journal = Journal(directory)
        self.shelf = Shelf()
        self.clock = VirtualClock(NOW)
        self.seconds: list[float] = []
        self.troubles: list[str] = []
        self.refused: list[int] = []
        self.told: list[Record] = []
        self.writer = Writer(
            self.journal,
            self.shelf,
            self.clock,
            on_write=self.seconds.append,
            on_trouble=self.troubles.append,
            on_refused=lambda: self.refused.append(1),
            shared=shared,
            on_stored=self.told.extend,
            tidy_seconds=tidy_seconds,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A fresh bench."""
    return Bench(tmp_path)


def test_all_records_arrive(bench: Bench) -> None:
    """Everything appended is applied once, in order."""
    lines = [record(number) for number in range(330)]
    for line in lines:
        bench.journal.append(line)

    async def scenario() -> None:
        while await bench.writer.write_once():
            pass

    run(scenario())
    assert [encode(each) for each in bench.shelf.applied] == lines
    assert bench.told == bench.shelf.applied
    assert bench.writer.pending == 0
    assert len(bench.seconds) > 1
    assert not bench.troubles


def test_store_that_is_down(bench: Bench) -> None:
    """What waits, waits on disk: batches stay small, the age of the oldest grows, and all arrives after recovery."""
    bench.shelf.down = True
    for number in range(3_000):
        bench.journal.append(record(number))

    async def scenario() -> None:
        for _ in range(10):
            assert await bench.writer.write_once()
        assert bench.writer.pending == 3_000
        assert bench.writer.oldest_pending_seconds() == pytest.approx(10)
        assert bench.shelf.largest <= 100
        assert len(bench.troubles) == 10
        bench.shelf.down = False
        while await bench.writer.write_once():
            pass

    run(scenario())
    assert len(bench.shelf.applied) == 3_000
    assert (bench.writer.pending, bench.writer.oldest_pending_seconds()) == (0, 0)


def test_lines_that_are_no_records(bench: Bench) -> None:
    """A line that cannot be read is said and skipped; its neighbours arrive, and its content is not repeated."""
    for line in (record(1), b"{", b'{"record":"entry"}', b"\xff\xfe", b"[" * 5_000, b"", record(2)):
        bench.journal.append(line)
    run(bench.writer.write_once())
    assert [encode(each) for each in bench.shelf.applied] == [record(1), record(2)]
    assert len(bench.troubles) == 5
    assert bench.writer.pending == 0


def test_runs_until_told_to_stop(bench: Bench) -> None:
    """A sleeping writer wakes for new records, and ends when told to."""

    async def scenario() -> None:
        running = asyncio.get_running_loop().create_task(bench.writer.run())
        for number in range(3):
            bench.journal.append(record(number))
            bench.writer.wake()
            await settled(lambda: not bench.writer.pending)
        bench.writer.stop()
        await running

    run(scenario())
    assert len(bench.shelf.applied) == 3


def test_what_the_store_has_does_not_stay_in_the_journal(tmp_path: Path) -> None:
    """A minute later it is gone from the disk, whether something else came or nothing did."""
    bench = Bench(tmp_path, tidy_seconds=0.01)

    def on_disk() -> bytes:
        return b"".join(path.read_bytes() for path in tmp_path.iterdir())

    async def scenario() -> None:
        running = asyncio.get_running_loop().create_task(bench.writer.run())
        for number in range(2):
            bench.journal.append(record(number))
            bench.writer.wake()
            await settled(lambda: not bench.writer.pending)
            assert on_disk() != b""
            bench.clock.advance(0.02)
            await settled(lambda: on_disk() == b"")
        bench.writer.stop()
        await running

    run(scenario())
    assert len(bench.shelf.applied) == 2


def test_journal_that_cannot_be_read(bench: Bench, tmp_path: Path) -> None:
    """A journal that someone took away is said, and tried again."""
    bench.journal.append(record(1))
    (segment,) = tmp_path.iterdir()
    content = segment.read_bytes()
    segment.unlink()

    async def scenario() -> None:
        assert await bench.writer.write_once()
        segment.write_bytes(content)
        assert await bench.writer.write_once()

    run(scenario())
    assert len(bench.troubles) == 1
    assert len(bench.shelf.applied) == 1


def test_drain_leaves_the_rest_for_the_next_start(bench: Bench) -> None:
    """At the end the store gets what it takes; the rest stays on disk, and that is said."""
    bench.journal.append(record(1))
    run(bench.writer.drain())
    bench.shelf.down = True
    bench.journal.append(record(2))
    run(bench.writer.drain())
    assert len(bench.shelf.applied) == 1
    assert bench.writer.pending == 1
    assert "1 records stay" in bench.troubles[0]


def emptied(bench: Bench) -> list[bytes]:
    """Write for a bounded number of times, and return what the store has."""

    async def scenario() -> None:
        for _ in range(20):
            if not await bench.writer.write_once():
                break

    run(scenario())
    return [encode(each) for each in bench.shelf.applied]


@pytest.mark.parametrize("error", [RefusedError("no"), TypeError("what somebody said")])
def test_a_record_that_is_refused(bench: Bench, tmp_path: Path, error: Exception) -> None:
    """It is laid aside, counted and said, whoever refuses it; all others arrive."""
    lines = [record(number) for number in range(250)]
    for line in lines:
        bench.journal.append(line)
    bench.shelf.poison[f"{120:024x}"] = error
    assert sorted(emptied(bench)) == sorted(lines[:120] + lines[121:])
    assert (tmp_path / "refused.jsonl").read_bytes() == lines[120] + b"\n"
    assert (bench.writer.pending, bench.refused) == (0, [1])
    assert sorted(map(encode, bench.told)) == sorted(lines[:120] + lines[121:])
    assert "somebody" not in "".join(bench.troubles)


def test_a_bug_in_every_record_is_no_poison(bench: Bench, tmp_path: Path) -> None:
    """Where nothing is taken it may be the store: all waits, and the writer lives on."""
    for number in range(3):
        bench.journal.append(record(number))
        bench.shelf.poison[f"{number:024x}"] = TypeError()
    assert emptied(bench) == []
    assert (bench.writer.pending, bench.refused, bench.told) == (3, [], [])
    run(bench.writer.drain())
    bench.shelf.poison.clear()
    assert len(emptied(bench)) == 3
    assert not (tmp_path / "refused.jsonl").exists()


def test_a_record_that_cannot_be_laid_aside(bench: Bench, tmp_path: Path) -> None:
    """It stays in the journal."""
    (tmp_path / "refused.jsonl").mkdir()
    bench.journal.append(record(1))
    bench.shelf.poison[f"{1:024x}"] = RefusedError("no")
    assert emptied(bench) == []
    assert bench.writer.pending == 1


def test_what_others_look_for_is_delivered(tmp_path: Path) -> None:
    """In a shared store at once; a store that takes nothing holds nobody up for long, and one of our own not at all."""
    shared, own = Bench(tmp_path / "shared", shared=True), Bench(tmp_path / "own")

    async def scenario() -> None:
        own.journal.append(record(1))
        await own.writer.delivered()
        assert own.writer.pending == 1
        shared.journal.append(record(1))
        await shared.writer.delivered()  # nobody writes, so it gives up
        assert shared.writer.pending == 1
        async with asyncio.TaskGroup() as group:
            group.create_task(shared.writer.run())
            for number in range(2, 5):
                shared.journal.append(record(number))
                await shared.writer.delivered()
                assert shared.writer.pending == 0
            shared.writer.stop()
        assert len(shared.shelf.applied) == 4

    run(scenario())
