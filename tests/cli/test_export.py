"""`planner export` writes the ledger as it is, and says plainly when there is none."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from planner.cli import main
from planner.core.corrections import Billed, correct
from planner.core.ledger import Digests, Entry
from planner.core.records import EntryRecord
from planner.core.replay.trace import TraceLine, read_trace
from planner.stores.sqlite import SqliteStore
from tests.cli.test_reading import fill as recorded
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
