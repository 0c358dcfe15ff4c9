"""CSV and Parquet hold the same rows, exactly, and a file has its name only when it is whole."""

import csv
import gc
import io
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import pytest
from pyarrow import ArrowInvalid, parquet

from planner.cli import tables
from planner.cli.tables import GROUP, CsvSink, ParquetSink, Target, need_pyarrow, opened, sink_of
from planner.core.exports.focus import Focus
from planner.core.exports.focuscolumns import COLUMNS
from planner.core.exports.tabular import GUARD, Column, Row, csv_cell
from tests.doubles.charged import PRICES, ledger

NUMBER = (Column(name="n", kind="decimal", scale=9),)


def focus_rows(count: int) -> list[Row]:
    """Rows of a ledger."""
    focus = Focus(PRICES, notional=True)
    return [row for entry in ledger(count) for row in focus.rows(entry)]


def written(form: str, rows: list[Row], columns: tuple[Column, ...] = COLUMNS, *, at_once: int = 7) -> bytes:
    """The bytes of a form, so many rows at once."""
    out = io.BytesIO()
    sink = sink_of(form, out, columns)
    for place in range(0, len(rows), at_once):
        sink.add(rows[place : place + at_once])
    sink.close()
    return out.getvalue()


def test_csv_and_parquet_are_the_same_rows() -> None:
    """Every cell, with every decimal, and types that need no guessing."""
    rows = focus_rows(200)
    table = parquet.read_table(io.BytesIO(written("parquet", rows)))
    head, *cells = csv.reader(io.StringIO(written("csv", rows).decode(), newline=""))
    assert head == table.column_names == [column.name for column in COLUMNS]
    assert len(cells) == table.num_rows == len(rows)
    for text, held in zip(cells, table.to_pylist(), strict=True):
        for column, cell in zip(COLUMNS, text, strict=True):
            value = held[column.name]
            if value is None or cell == "":
                assert (value, cell) == (None, "")
            elif column.kind == "decimal":
                assert Decimal(cell) == value
            elif column.kind == "time":
                assert datetime.fromisoformat(cell) == value
            else:
                assert (cell.removeprefix(GUARD) if column.kind == "text" else cell) == str(value)


def test_parquet_has_exact_types() -> None:
    """Decimals of 38 digits, times in UTC, and what is never empty marked so."""
    schema = parquet.read_schema(io.BytesIO(written("parquet", focus_rows(5))))
    assert str(schema.field("BilledCost").type) == "decimal128(38, 9)"
    assert str(schema.field("ChargePeriodStart").type) == "timestamp[us, tz=UTC]"
    assert str(schema.field("x_InputTokens").type) == "int64"
    assert [field.nullable for field in schema] == [column.nullable for column in COLUMNS]
    assert not any("float" in str(field.type) or "double" in str(field.type) for field in schema)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_same_rows_are_the_same_bytes(form: str) -> None:
    """However many come at once, over the border of a row group too."""
    rows: list[Row] = [(number,) for number in range(GROUP + 3)]
    first = written(form, rows, NUMBER, at_once=1_000)
    assert first == written(form, rows, NUMBER, at_once=GROUP + 1)
    if form == "parquet":
        assert parquet.ParquetFile(io.BytesIO(first)).num_row_groups == 2
        assert parquet.read_table(io.BytesIO(first))["n"][GROUP].as_py() == Decimal(GROUP).scaleb(-9)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_no_rows_are_a_table_all_the_same(form: str) -> None:
    """A line of names, or a schema."""
    content = written(form, [], NUMBER)
    if form == "csv":
        assert content == b"n\r\n"
    else:
        assert parquet.read_table(io.BytesIO(content)).num_rows == 0


def test_a_sink_holds_no_more_than_a_group() -> None:
    """However long the ledger is."""
    sink = ParquetSink(io.BytesIO(), NUMBER)
    for number in range(2 * GROUP + 5):
        sink.add([(number,)])
    assert len(sink._rows) == 5  # noqa: SLF001 - memory is what this is about
    sink.close()
    text = CsvSink(io.BytesIO(), NUMBER)
    text.add([(1,)] * 5)
    assert text._text.tell() == 0  # noqa: SLF001 - likewise
    assert csv_cell(NUMBER[0], 1) == "0.000000001"


def test_half_a_table_has_no_end() -> None:
    """Parquet that broke off cannot be read, instead of looking whole."""
    out = io.BytesIO()
    sink = ParquetSink(out, NUMBER)
    sink.add([(number,) for number in range(GROUP)])
    sink.abort()
    del sink
    gc.collect()
    with pytest.raises(ArrowInvalid):
        parquet.read_table(io.BytesIO(out.getvalue()))


def test_a_file_has_its_name_when_it_is_whole(tmp_path: Path) -> None:
    """Until then it is a part; what was there before stays until it is replaced."""
    path = tmp_path / "f.csv"
    path.write_bytes(b"before")
    target = Target(path)
    target.out.write(b"after")
    assert path.read_bytes() == b"before"
    assert target.finish() == sha256(b"after").hexdigest()
    assert (path.read_bytes(), [each.name for each in tmp_path.iterdir()]) == (b"after", ["f.csv"])


def test_what_breaks_off_leaves_a_part(tmp_path: Path) -> None:
    """And the name is not taken."""

    def half() -> None:
        with opened(tmp_path / "f.csv") as out:
            out.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert [each.name for each in tmp_path.iterdir()] == ["f.csv.part"]


def test_what_cannot_be_written_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one sentence: a directory that is not there, one in the way, a disk that is full."""
    with pytest.raises(SystemExit) as stop:
        Target(tmp_path / "none/f.csv")
    assert stop.value.code == 2
    (tmp_path / "taken").mkdir()
    target = Target(tmp_path / "taken")
    with pytest.raises(SystemExit):
        target.finish()
    assert capsys.readouterr().err.count("cannot be written") == 2


def test_a_full_disk_ends_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At the latest when the file is finished."""
    if not Path("/dev/full").exists():  # only Linux has it
        return
    (tmp_path / "f.csv.part").symlink_to("/dev/full")
    target = Target(tmp_path / "f.csv")
    with pytest.raises(SystemExit):
        target.out.write(b"x" * 1_000_000)
    assert "No space left on device" in capsys.readouterr().err
    target.abort()


def test_without_pyarrow_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """And what has the same rows without it."""
    monkeypatch.setattr(tables, "find_spec", lambda _: None)
    with pytest.raises(SystemExit) as stop:
        need_pyarrow(tmp_path / "f.parquet")
    assert stop.value.code == 2
    assert "claude-cost-planner[parquet]" in capsys.readouterr().err


def test_a_terminal_gets_no_parquet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It would be rubbish there."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(SystemExit):
        need_pyarrow(None)
    assert "--out" in capsys.readouterr().err


def test_times_are_never_local() -> None:
    """A row of ours has times in UTC alone."""
    at = datetime(2026, 11, 3, tzinfo=UTC)
    assert written("csv", [(at,)], (Column(name="t", kind="time"),)) == b"t\r\n2026-11-03T00:00:00Z\r\n"
