"""`python -m tests.bench.store [--entries N] [--store sqlite|postgres]`: how fast and how large the stores are.

A month of made-up traffic (`ledgers`) is written in batches as the writer's, up to a million entries; what is wanted
beyond that is copied inside the database (`growing`), so that the number must then be whole millions. Then 20,000 more
of the month's last hour go through the store, which is how fast it writes at that size, and it is read as the product
reads it: by the store's own methods (`ledgerreads`), and by whole commands. The server is one of this benchmark's own
with its usual durability, on this machine's disk; with `--address` it is another, in a database that must be empty.
What was made is removed before the next store begins. A busy machine moves all figures of a run together.
"""

import argparse
import asyncio
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import msgspec

from planner.core.records import EntryRecord, Record, TurnRecord
from planner.opening import is_shared, open_store, status
from planner.settings import sqlite_path
from planner.stores import Store
from planner.stores.writer import BATCH
from tests.bench.growing import MOST, grow_postgres, grow_sqlite
from tests.bench.ledgerreads import Sample, read
from tests.bench.ledgers import BEGIN, END, traffic
from tests.doubles.postgres import serving
from tests.parts import postgres

THROUGH_STORE: Final = 1_000_000
AGAIN: Final = 20_000
SAMPLE: Final = 200
BYTES: Final = {"sqlite": 4_000, "postgres": 4_000}
"""What an entry takes on disk at most while it is measured, with what sorting and the server's own log need."""
SUMS: Final = 5 * 10**8
"""And what a month's sums take, however few entries they are of."""
LEFT: Final = 5 * 10**9
"""Bytes of the disk that stay free."""


class Filling:
    """Writes records through a store in the writer's batches, and keeps a sample of what can be looked up."""

    def __init__(self, store: Store, every: int) -> None:
        self._store, self._every = store, every
        self.entries, self.bytes, self.sample = 0, 0, Sample([], [])
        self.seconds, self.processor = 0.0, 0.0

    async def write(self, records: Iterator[Record]) -> None:
        """Write them all; only the store's own time counts."""
        batch: list[Record] = []
        for record in records:
            self._note(record)
            batch.append(record)
            if len(batch) == BATCH:
                await self._apply(batch)
                batch = []
        await self._apply(batch)

    async def _apply(self, batch: list[Record]) -> None:
        started, used = time.perf_counter(), time.process_time()  # noqa: TID251 - a benchmark measures real time
        await self._store.apply(batch)
        self.seconds += time.perf_counter() - started  # noqa: TID251 - likewise
        self.processor += time.process_time() - used

    @property
    def told(self) -> str:
        """How fast it was: by the clock, and by the processor time of this process, which others disturb less."""
        return (
            f"{self.entries / self.seconds:,.0f} entries a second, "
            f"{self.entries / self.processor:,.0f} a second of this process's own time"
        )

    def _note(self, record: Record) -> None:
        if isinstance(record, TurnRecord):
            if self.entries % self._every < 2:
                self.sample.keys.append(record.turn.keys[0])
        elif isinstance(record, EntryRecord):
            self.entries += 1
            self.bytes += len(msgspec.json.encode(record.entry))
            if self.entries % self._every == 0:
                self.sample.entries.append((record.entry.at, record.entry.request_id))
            if self.entries % 100_000 == 0:
                _tell(f"{self.entries:,} entries: {self.told}")


async def fill(address: str, records: Iterator[Record], every: int) -> Filling:
    """Write records into a store; of so many entries one is kept in the sample."""
    store = await open_store(address)
    try:
        await store.prepare(BEGIN.isoformat(timespec="microseconds"))
        filling = Filling(store, max(every, 1))
        await filling.write(records)
    finally:
        await store.close()
    return filling


async def measure(address: str, number: int) -> None:
    """Fill one store and read it; then, where more is wanted than goes through the store, grow it and read it again."""
    base = min(number, THROUGH_STORE)
    filling = await fill(address, traffic(base), base // SAMPLE)
    _tell(f"{filling.told}; {filling.bytes / base:,.0f} bytes of JSON each")
    there = await at_this_size(address, base, filling.sample)
    if number > base:
        copies = number // base - 1
        await grow(address, copies)
        await at_this_size(address, there * (copies + 1), filling.sample)


async def at_this_size(address: str, there: int, sample: Sample) -> int:
    """Write some more and read what is read; return how many entries there are then."""
    if is_shared(address):
        await vacuum(address)
    _tell(f"at {there:,} entries:")
    again = await fill(address, traffic(AGAIN, seed=there, begin=END - timedelta(hours=1)), AGAIN)
    _tell(f"{again.told}, the next {AGAIN:,}")
    await read(address, sample)
    found, there = await status(address), there + AGAIN
    _tell(f"{found.bytes / there:,.0f} bytes an entry on disk, {found.bytes / 1e9:.2f} GB")
    if found.entries != there:
        raise SystemExit(f"there are {found.entries} entries and not {there}: these figures mean nothing")
    return there


async def grow(address: str, copies: int) -> None:
    """Copy what the store holds, inside it; end the benchmark where the disk gets full by what others do."""

    def tell(text: str) -> None:
        _tell(text)
        free = shutil.disk_usage(tempfile.gettempdir()).free
        if free < LEFT:
            raise SystemExit(f"only {_gigabytes(free)} of the disk are left")

    started = time.perf_counter()  # noqa: TID251 - a benchmark measures real time
    if is_shared(address):
        await grow_postgres(address, copies, tell)
    else:
        grow_sqlite(sqlite_path(address), copies, tell)
    _tell(f"copied {copies} times in {time.perf_counter() - started:,.0f} s")  # noqa: TID251 - likewise


async def vacuum(address: str) -> None:
    """What the server's own housekeeping does within minutes after a table has grown."""
    connection = await asyncpg.connect(address)
    try:
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()


def _gigabytes(number: int) -> str:
    return f"{number / 1e9:.1f} GB"


def _tell(text: str) -> None:
    print(f"  {text}", flush=True)


@contextmanager
def room(name: str, number: int, given: str | None) -> Iterator[str]:
    """The address of an empty store, which is gone at the end. Ends the benchmark where there is no room for it."""
    if name == "postgres" and given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="planner-bench-") as directory:
        need, free = number * BYTES[name] + SUMS, shutil.disk_usage(directory).free
        _tell(f"{name}: {number:,} entries, {os.cpu_count()} cores, {_gigabytes(need)} of {_gigabytes(free)}")
        if need + LEFT > free:
            raise SystemExit(f"{_gigabytes(need + LEFT)} must be free: set TMPDIR, or take fewer --entries")
        if name == "sqlite":
            yield f"sqlite:///{Path(directory) / 'ledger.db'}"
            return
        program = postgres()
        if program is None:
            raise SystemExit("there is no PostgreSQL here: apt-get install postgresql, or --address")
        with serving(program, quick=False) as server:
            yield server.address


def main() -> None:
    """Measure one store after the other."""
    words = argparse.ArgumentParser(prog="python -m tests.bench.store", description=__doc__)
    words.add_argument("--entries", type=int, default=100_000, help="beyond a million whole millions, at most 24")
    words.add_argument("--store", choices=[*BYTES])
    words.add_argument("--address", help="of an empty PostgreSQL database")
    told = words.parse_args()
    if told.entries > THROUGH_STORE and (told.entries % THROUGH_STORE or told.entries > (MOST + 1) * THROUGH_STORE):
        words.error(f"--entries {told.entries:,}: beyond a million it takes whole millions, at most {MOST + 1}")
    for number in (signal.SIGINT, signal.SIGTERM):  # in the background the former is ignored, and files would stay
        signal.signal(number, lambda *_: sys.exit(1))
    for name in [told.store] if told.store else BYTES:
        with room(name, told.entries, told.address) as address:
            asyncio.run(measure(address, told.entries))


if __name__ == "__main__":
    main()
