"""`planner export` writes the ledger as it is, and says plainly when there is none."""

import asyncio
import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from planner.cli import main
from planner.core.ledger.charges import is_notional
from planner.core.ledger.corrections import Billed, correct
from planner.core.ledger.entry import Digests, Entry
from planner.core.records import EntryRecord
from planner.core.replay.trace import TraceLine, read_trace
from planner.stores.sqlite import SqliteStore
from tests.cli.test_reading import fill as recorded
from tests.doubles.charged import ledger, scaled
from tests.doubles.deciding import BOOK
from tests.doubles.recorded import entry as shaped


def entry(number: int) -> Entry:
    """An entry of which only the number matters."""
    return Entry(
        request_id=f"{number:024x}",
        at=f"2026-11-03T09:00:{number:02}.000000+00:00",
        principal="anonymous",
        endpoint="messages",
        method="POST",
        mode="plan",
        outcome="ok" if number else "unknown",
        cost_nano=2**53 + number,
        usage=msgspec.Raw(b'{"input_tokens":1,"new_member":1.50}'),
        digests=Digests("0" * 16, "1" * 16),
    )


async def fill(path: Path, numbers: list[int]) -> None:
    """Make a ledger of entries with these numbers."""
    store = await SqliteStore.open(path)
    try:
        await store.apply([EntryRecord(entry(number)) for number in numbers])
    finally:
        await store.close()


def test_every_entry_is_one_line_in_order_of_arrival(tmp_path: Path) -> None:
    """Amounts keep every digit, usage every byte, and requests whose end nobody saw are there."""
    asyncio.run(fill(tmp_path / "planner.db", [2, 0, 1]))
    result = CliRunner().invoke(main, ["export", "--store", f"sqlite:///{tmp_path}/planner.db"])
    assert result.exit_code == 0
    lines = result.stdout_bytes.splitlines()
    assert [msgspec.json.decode(line, type=Entry) for line in lines] == [entry(0), entry(1), entry(2)]
    assert b'"outcome":"unknown"' in lines[0]
    assert b'"new_member":1.50' in lines[0]


def test_a_correction_is_a_line_beside_what_it_amends(tmp_path: Path) -> None:
    """With the same time and signed amounts, so that adding lines up gives what is known."""
    amended = correct(entry(1), Billed(300_000), BOOK.prices, request_id="c", made_at=datetime(2026, 12, 1, tzinfo=UTC))
    assert amended is not None

    async def fill_both() -> None:
        await fill(tmp_path / "planner.db", [1])
        store = await SqliteStore.open(tmp_path / "planner.db")
        await store.apply([EntryRecord(amended)])
        await store.close()

    asyncio.run(fill_both())
    result = CliRunner().invoke(main, ["export", "--store", f"sqlite:///{tmp_path}/planner.db"])
    told = [msgspec.json.decode(line) for line in result.stdout_bytes.splitlines()]
    assert [(each["corrects"], each["at"]) for each in told] == [
        (None, entry(1).at),
        (entry(1).request_id, entry(1).at),
    ]
    assert [line["nano"] for line in told[1]["lines"]] == [4_166_667]


def test_a_trace_is_written_and_what_is_left_out_is_said(tmp_path: Path) -> None:
    """A line for each request that can be played, and the others counted on standard error."""
    store = recorded(tmp_path / "planner.db", shaped(0), shaped(1), shaped(2, endpoint="files"), entry(1))
    result = CliRunner().invoke(main, ["export", "--format", "trace", "--store", store])
    assert result.exit_code == 0
    found = list(read_trace(result.stdout_bytes.splitlines()))
    assert [line.work.prompt_tokens for line in found if isinstance(line, TraceLine)] == [6_000, 6_000]
    assert result.stderr == (
        "planner: left out: 1 of which nobody knows what they used\nplanner: left out: 1 of other endpoints\n"
    )


@pytest.mark.parametrize("form", ["jsonl", "trace"])
def test_only_what_arrived_since_then(tmp_path: Path, form: str) -> None:
    """In both forms; turns of a conversation that began before count from 2."""
    later = shaped(60, {"begins": False})
    store = recorded(tmp_path / "planner.db", shaped(0), later)
    arguments = ["export", "--format", form, "--since", later.at, "--store", store]
    (line,) = CliRunner().invoke(main, arguments).stdout.splitlines()
    assert msgspec.json.decode(line)["at"] == later.at
    if form == "trace":
        assert msgspec.json.decode(line)["turn"] == 2


def test_an_empty_ledger_is_no_line(tmp_path: Path) -> None:
    """Nothing is not an error."""
    asyncio.run(fill(tmp_path / "planner.db", []))
    result = CliRunner().invoke(main, ["export", "--store", f"sqlite:///{tmp_path}/planner.db"])
    assert (result.exit_code, result.stdout) == (0, "")


def test_json_is_the_same_as_its_format(tmp_path: Path) -> None:
    """Every command that writes for programs takes the flag."""
    asyncio.run(fill(tmp_path / "planner.db", [1]))
    arguments = ["export", "--store", f"sqlite:///{tmp_path}/planner.db"]
    plain, flagged = (CliRunner().invoke(main, [*arguments, *more]) for more in ((), ("--json",)))
    assert (flagged.exit_code, flagged.stdout) == (0, plain.stdout)


def test_the_store_may_be_named_by_its_variable(tmp_path: Path) -> None:
    """As a service would."""
    asyncio.run(fill(tmp_path / "planner.db", [1]))
    result = CliRunner().invoke(main, ["export"], env={"PLANNER_STORE": f"sqlite:///{tmp_path}/planner.db"})
    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1


def test_a_ledger_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    """Finance does not stop the proxy."""

    async def read_while_written() -> int:
        store = await SqliteStore.open(tmp_path / "planner.db")
        try:
            await store.apply([EntryRecord(entry(1))])
            arguments = ["export", "--store", f"sqlite:///{tmp_path}/planner.db"]
            result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
            return result.stdout.count("\n")
        finally:
            await store.close()

    assert asyncio.run(read_while_written()) == 1


def test_no_ledger_is_unavailable_and_none_is_made(tmp_path: Path) -> None:
    """Looking leaves nothing behind."""
    result = CliRunner().invoke(main, ["export", "--store", f"sqlite:///{tmp_path}/planner.db"])
    assert result.exit_code == 3
    assert f"{tmp_path}/planner.db cannot be read" in result.stderr
    assert "--store" in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_ledger_is_unavailable(tmp_path: Path) -> None:
    """Whatever else may be in a file of that name."""
    (tmp_path / "notes.txt").write_text("no ledger, but long enough to be looked at " * 100)
    result = CliRunner().invoke(main, ["export", "--store", f"sqlite:///{tmp_path}/notes.txt"])
    assert result.exit_code == 3
    assert "is not a ledger" in result.stderr


@pytest.mark.parametrize("store", ["planner.db", "sqlite:///", "mysql://somewhere/ledger"])
def test_a_store_that_is_not_understood_is_a_usage_error(store: str) -> None:
    """The message says how to write one."""
    result = CliRunner().invoke(main, ["export", "--store", store])
    assert result.exit_code == 2
    assert "Write sqlite:///planner.db or postgresql://" in result.stderr


TABLES = ("csv", "focus", "parquet")


def exported(store: str, *arguments: str) -> Result:
    """An export of a table."""
    return CliRunner().invoke(main, ["export", "--store", store, *arguments])


@pytest.mark.parametrize("form", TABLES)
def test_a_table_is_the_same_bytes_each_time_and_in_a_file(tmp_path: Path, form: str) -> None:
    """On standard output, in a file, by day: what was left out is said each time."""
    store = recorded(tmp_path / "planner.db", *ledger(40))
    first = exported(store, "--format", form)
    assert first.exit_code == 0
    assert exported(store, "--format", form).stdout_bytes == first.stdout_bytes
    file = tmp_path / "out"
    assert exported(store, "--format", form, "--out", str(file)).stdout_bytes == b""
    assert file.read_bytes() == first.stdout_bytes
    days = exported(store, "--format", form, "--by-day", "--out", str(tmp_path / "days"))
    (only,) = (path for path in (tmp_path / "days").iterdir() if path.name != "manifest.json")
    assert only.read_bytes() == first.stdout_bytes
    assert days.stderr.endswith(f"planner: 1 days written, 0 unchanged, in {tmp_path}/days\n")
    assert days.stderr.startswith(first.stderr)
    assert ("left out" in first.stderr) == (form != "csv")


def test_focus_rows_add_up_to_the_entries(tmp_path: Path) -> None:
    """To the nano-dollar, through the command."""
    entries = list(ledger(60))
    store = recorded(tmp_path / "planner.db", *entries)
    found = list(csv.DictReader(io.StringIO(exported(store, "--format", "focus").stdout, newline="")))
    billed = [each for each in entries if each.cost_nano is not None and not is_notional(each)]
    assert sum(scaled(row["BilledCost"], 9) for row in found) == sum(each.cost_nano or 0 for each in billed)
    flat = list(csv.DictReader(io.StringIO(exported(store, "--format", "csv").stdout, newline="")))
    assert len(flat) == len(entries)
    assert sum(scaled(row["cost_usd"] or "0", 9) for row in flat) == sum(each.cost_nano or 0 for each in billed)
    with_paid = list(csv.DictReader(io.StringIO(exported(store, "--format", "focus", "--notional").stdout, newline="")))
    assert len(with_paid) > len(found)


def test_a_month_ends_before_the_next(tmp_path: Path) -> None:
    """In UTC; the first moment is in it."""
    moments = ["2026-10-31T23:59:59.999999", "2026-11-01T00:00:00.000000", "2026-12-01T00:00:00.000000"]
    store = recorded(tmp_path / "planner.db", *(shaped(place, at=f"{at}+00:00") for place, at in enumerate(moments)))
    for arguments in (["--month", "2026-11"], ["--since", "2026-11-01", "--until", "2026-12-01"]):
        (line,) = exported(store, *arguments).stdout.splitlines()
        assert msgspec.json.decode(line)["at"].startswith("2026-11-01")


def test_lines_may_go_to_a_file_too(tmp_path: Path) -> None:
    """Entries and traces as well as tables."""
    store = recorded(tmp_path / "planner.db", shaped(0))
    for form in ("jsonl", "trace"):
        exported(store, "--format", form, "--out", str(tmp_path / form))
        assert (tmp_path / form).read_bytes() == exported(store, "--format", form).stdout_bytes


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--month", "2026-11", "--since", "7d"], "--month says all"),
        (["--month", "November"], "--month takes YYYY-MM"),
        (["--until", "soon"], "--until takes 7d"),
        (["--notional"], "are for tables"),
        (["--format", "csv", "--notional"], "csv has every entry"),
        (["--format", "focus", "--by-day"], "name their directory"),
        (["--format", "focus", "--by-day", "--out", "d", "--since", "2026-11-01T12:00:00Z"], "whole days"),
        (["--format", "focus", "--out", "none/there.csv"], "cannot be written"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(tmp_path: Path, arguments: list[str], said: str) -> None:
    """With a sentence that says what to write instead."""
    store = recorded(tmp_path / "planner.db")
    result = exported(store, *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True)


@pytest.mark.parametrize("form", TABLES)
def test_a_ledger_that_does_not_add_up_is_a_finding(tmp_path: Path, form: str) -> None:
    """No table of it is made, and it says which entry it is."""
    store = recorded(tmp_path / "planner.db", shaped(0, cost_nano=7))
    result = exported(store, "--format", form, "--out", str(tmp_path / "out"))
    assert result.exit_code == 1
    assert f"entry {shaped(0).request_id}" in result.stderr
    assert not (tmp_path / "out").exists()
