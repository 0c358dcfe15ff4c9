"""`python -m tests.bench.dashboard [--entries N]`: how long the dashboard takes for its pages over a month of traffic.

The month is that of `tests.bench.store`: 8 teams, 40 principals, 3 models. Only its hourly sums are written, since a
page reads nothing else; entries beside them would change nothing but the size of the file. Times are of the process
that makes pages, without HTTP: of its processor, which no neighbour slows, and of the wall. The first look
after a start reads the month.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Final

from planner.core.ledger.rollup import Rollup, rollup
from planner.core.records import EntryRecord
from planner.core.rulebook.book import RuleBook
from planner.dashboard.asked import Ask
from planner.dashboard.making import Maker
from planner.dashboard.telling import Telling
from planner.opening import read_store
from planner.rulesource import load_rules
from planner.stores.rows import cell_rows
from planner.stores.sqlite import _SQL, SqliteStore
from tests.bench.ledgers import traffic

NOW: Final = datetime(2026, 11, 29, 15, tzinfo=UTC)
PAGES: Final = (
    "overview", "cost", "cost?by=model", "cost?by=kind", "cost?by=tag", "cost?by=policy", "decisions", "containers",
    "bill", "rules",
)  # fmt: skip
LOOKS: Final = 9
CHUNK: Final = 20_000


async def fill(path: Path, entries: int) -> None:
    """Write the sums of a month."""
    store = await SqliteStore.open(path)
    connection: Any = store._connection  # noqa: SLF001 - sums alone are written nowhere else
    try:
        for chunk in chunks(entries):
            await connection.execute("BEGIN")
            for name, rows in cell_rows(chunk).items():
                await connection.executemany(_SQL[name], rows)
            await connection.execute("COMMIT")
    finally:
        await store.close()


def chunks(entries: int) -> Iterator[Rollup]:
    """The sums of a month, some thousand entries at a time."""
    made = (record.entry for record in traffic(entries) if isinstance(record, EntryRecord))
    while chunk := list(islice(made, CHUNK)):
        yield rollup(chunk)


async def looks(maker: Maker, page: str, book: RuleBook) -> list[tuple[float, float]]:
    """Milliseconds of processor and wall of some looks at a page, the first one first."""
    name, _, query = page.partition("?")
    telling, found = Telling(), []
    for second in range(LOOKS + 1):
        standing = telling.standing(
            book, now=NOW.replace(second=second), mode="plan", source=None, age=1.0, stale=False, changes=()
        )
        began = time.process_time(), time.perf_counter()  # noqa: TID251 - what is measured
        answer = await maker.answer(Ask(page=name, form="page", query=query, standing=standing))
        ended = time.process_time(), time.perf_counter()  # noqa: TID251 - likewise
        found.append(((ended[0] - began[0]) * 1000, (ended[1] - began[1]) * 1000))
        assert answer.status == 200, answer.error
    return found


async def measure(entries: int) -> None:
    """Write, look, print."""
    book = load_rules(None).required()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.db"
        await fill(path, entries)
        print(f"{entries:,} entries")
        for page in PAGES:
            maker = Maker(lambda: read_store(f"sqlite:///{path}"))
            (cpu, wall), *later = await looks(maker, page, book)
            again = [median(each) for each in zip(*later, strict=True)]
            print(f"{page:<16} first {cpu:6.0f} ms ({wall:6.0f} wall), then {again[0]:5.0f} ms ({again[1]:5.0f} wall)")
            await maker.close()


def main() -> None:
    """The command."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--entries", type=int, default=1_000_000)
    asyncio.run(measure(asked.parse_args().entries))


if __name__ == "__main__":
    main()
