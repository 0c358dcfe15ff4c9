"""`python -m tests.bench.store [--entries N] [--only sqlite|postgres]`: how fast and how large the stores are.

A month of made-up traffic of 8 teams is written in batches as the writer's, then its hourly sums are read back as
reports read them. The server is one of this benchmark's own with its usual durability, on this machine's disk; with
`--address` it is another, in a database that must be empty. A busy machine moves all figures of a run together.
"""

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import msgspec

from planner.core.ledger.entry import Code, Digests, Entry, Expected, Latency, Seconds
from planner.core.ledger.rollup import Amounts, DecisionKey, K, Key, TagKey, add
from planner.core.metering.usage import TokenClasses
from planner.core.pricing.prices import Line
from planner.core.reasons import Action, Decision, Outcome, Reason
from planner.core.records import EntryRecord
from planner.opening import open_store, status
from planner.stores import Store
from planner.stores.writer import BATCH
from tests.doubles.postgres import serving
from tests.parts import postgres

MONTH: Final = "2026-11"
SECONDS: Final = 30 * 86_400
TEAMS, PRINCIPALS, MODELS = 8, 40, ("claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5")
KINDS: Final = ("input", "cache_write_5m", "cache_read", "output")


def traffic(number: int, seed: int = 1) -> Iterator[Entry]:
    """So many settled requests, evenly over a month, in time order."""
    rng = random.Random(seed)  # noqa: S311 - traffic, no secret
    for place in range(number):
        second = place * SECONDS // number
        counts = [rng.randint(1, 40_000) for _ in KINDS]
        lines = tuple(
            Line(kind, count, "token", count * 4_000, "measured") for kind, count in zip(KINDS, counts, strict=True)
        )
        principal, code = rng.randrange(PRINCIPALS), rng.random() < 0.5
        if code:
            lines += (Line("code_execution", "300", "second", 4_166_667, "estimated"),)
        cost = sum(line.nano for line in lines)
        yield Entry(
            request_id=f"{rng.getrandbits(96):024x}",
            at=f"{MONTH}-{second // 86_400 + 1:02d}T{second // 3600 % 24:02d}:{second // 60 % 60:02d}:{second % 60:02d}"
            f".{rng.randrange(10**6):06d}+00:00",
            principal=f"{principal:016x}",
            organization="0f2c6ad4-6f3e-4a2b-9f6e-0d7a3d5b8c11",
            workspace="wrkspc_01JwQvzr7rXLA5AGx3HKfFUJ",
            team=f"team-{principal % TEAMS}",
            project=f"project-{principal % 20}",
            tags={"feature": f"feature-{principal % 12}"},
            endpoint="messages",
            method="POST",
            model=MODELS[principal % 3],
            served_model=MODELS[principal % 3],
            mode="plan",
            outcome="ok" if rng.random() < 0.97 else "error",
            status=200,
            upstream_request_id=f"req_{rng.getrandbits(96):024x}",
            cost_nano=cost,
            list_nano=cost,
            lines=lines,
            untouched_nano=cost + 1_000,
            expected_nano=Expected(cost, cost - 500),
            decisions=(
                Decision(Action.VERSION, Outcome.KEPT),
                Decision(Action.BUNDLE, Outcome.DECLINED, Reason.BELOW_ALLOWANCE, "bundle-when-cheaper"),
                Decision(Action.CONTAINER, Outcome.THREADED if code else Outcome.NONE),
            ),
            prefix=f"{rng.getrandbits(64):016x}",
            usage=msgspec.Raw(
                b'{"input_tokens":%d,"cache_creation_input_tokens":%d,"cache_read_input_tokens":%d,"output_tokens":%d,'
                b'"cache_creation":{"ephemeral_5m_input_tokens":%d,"ephemeral_1h_input_tokens":0},'
                b'"service_tier":"standard","inference_geo":"global"}'
                % (counts[0], counts[1], counts[2], counts[3], counts[1])
            ),
            tokens=TokenClasses(input=counts[0], cache_write_5m=counts[1], cache_read=counts[2], output=counts[3]),
            code=Code(2, Seconds(0.5, 2.0, 12.0), "billed", 300_000, 300_000) if code else None,
            container=f"{rng.getrandbits(64):016x}" if code else None,
            latency=Latency(rng.random() * 20, rng.random(), 0.001),
            digests=Digests("0123456789abcdef", "0123456789abcdef"),
        )


async def total(store: Store, kind: type[K], since: str, until: str) -> int:
    """Add up all cells of some hours; return how many there are."""
    sums: Amounts = {}
    cells = 0
    async for _, amounts in store.cells(kind, since, until):
        add(sums, amounts)
        cells += 1
    return cells


async def timed(name: str, work: Callable[[], Awaitable[int]]) -> None:
    """Print how long a piece of reading takes, and how many rows it reads."""
    started = time.perf_counter()  # noqa: TID251 - a benchmark measures real time
    rows = await work()
    print(f"  {name:<44} {time.perf_counter() - started:8.2f} s   {rows:,} rows")  # noqa: TID251 - likewise


async def measure(address: str, number: int) -> None:
    """Fill one store and read it."""
    store = await open_store(address)
    try:
        await store.prepare(f"{MONTH}-01T00:00:00.000000+00:00")
        spent, batch, entry_bytes = 0.0, list[EntryRecord](), 0
        for place, entry in enumerate(traffic(number), 1):
            batch.append(EntryRecord(entry))
            if len(batch) == BATCH or place == number:
                started = time.perf_counter()  # noqa: TID251 - a benchmark measures real time
                await store.apply(batch)
                spent += time.perf_counter() - started  # noqa: TID251 - likewise
                batch = []
            if place <= 1_000:
                entry_bytes += len(msgspec.json.encode(entry))
            if place % 100_000 == 0:
                print(f"  {place:,} entries: {place / spent:,.0f} a second", flush=True)
        print(f"  {number / spent:,.0f} entries a second in batches of {BATCH}, {entry_bytes / 1_000:,.0f} bytes each")
        size = (await status(address)).bytes
        print(f"  {size / number:,.0f} bytes an entry on disk, {size / 1e9:.2f} GB")
        await timed("month: all cells", lambda: total(store, Key, MONTH, "2026-12"))
        await timed("month: cells by tag", lambda: total(store, TagKey, MONTH, "2026-12"))
        await timed("month: cells by decision", lambda: total(store, DecisionKey, MONTH, "2026-12"))
        await timed("a day: all cells", lambda: total(store, Key, f"{MONTH}-15", f"{MONTH}-16"))
        await timed("month: free hours", lambda: counted(store))
        await timed("a day: all entries", lambda: entries_of_a_day(store))
    finally:
        await store.close()


async def counted(store: Store) -> int:
    """Rows of the free hours of the month."""
    return len(await store.hours(f"{MONTH}-01"))


async def entries_of_a_day(store: Store) -> int:
    """Entries of a day, read whole."""
    number = 0
    async for entry in store.entries(f"{MONTH}-15"):
        if entry.at >= f"{MONTH}-16":
            break
        number += 1
    return number


def main() -> None:
    """Measure both stores."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--entries", type=int, default=100_000)
    words.add_argument("--only", choices=["sqlite", "postgres"])
    words.add_argument("--address", help="of an empty PostgreSQL database")
    told = words.parse_args()
    with ExitStack() as held:
        directory = Path(held.enter_context(tempfile.TemporaryDirectory(prefix="planner-bench-")))
        addresses = {"sqlite": f"sqlite:///{directory / 'ledger.db'}", "postgres": told.address}
        for name in [told.only] if told.only else addresses:
            if name == "postgres" and told.address is None:
                program = postgres()
                if program is None:
                    raise SystemExit("there is no PostgreSQL here: apt-get install postgresql, or --address")
                addresses[name] = held.enter_context(serving(program, quick=False)).address
            print(f"{name}: {told.entries:,} entries, {os.cpu_count()} cores", flush=True)
            asyncio.run(measure(addresses[name], told.entries))


if __name__ == "__main__":
    main()
