"""Writes a table of the ledger as CSV or Parquet, in bounded memory, the same rows always as the same bytes."""

import csv
import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Context, Decimal
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Protocol, cast

from planner.cli.options import USAGE, fail
from planner.core.exports.tabular import DIGITS, Cell, Column, Row, csv_cell
from planner.core.ledger.charges import LeftOut
from planner.core.ledger.entry import Entry

if TYPE_CHECKING:
    import pyarrow as pa

GROUP: Final = 10_000
"""Rows of a row group of Parquet, which are in memory together."""
PART: Final = ".part"
"""Behind the name of a file that is not whole yet."""
_EXACT: Final = Context(prec=DIGITS)


class Table(Protocol):
    """What makes rows of entries: `total` names the column whose sum is the bill."""

    columns: tuple[Column, ...]
    total: str
    left_out: LeftOut

    def rows(self, entry: Entry) -> list[Row]:
        """The rows of an entry. Raises UnbalancedError."""
        ...


class Sink(Protocol):
    """Where rows go."""

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows, or keep them for the next group."""
        ...

    def close(self) -> None:
        """Write what is left."""
        ...

    def abort(self) -> None:
        """Write nothing more: what was written is no whole table, and must not end like one."""
        ...


class CsvSink:
    """CSV by RFC 4180, in UTF-8: a line of names, then a line a row; None is empty."""

    def __init__(self, out: IO[bytes], columns: tuple[Column, ...]) -> None:
        self._text = io.StringIO(newline="")
        self._out, self._columns = out, columns
        self._writer = csv.writer(self._text, lineterminator="\r\n")
        self._writer.writerow([column.name for column in columns])
        self._flush()

    def add(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        for row in rows:
            self._writer.writerow([csv_cell(*pair) for pair in zip(self._columns, row, strict=True)])
        self._flush()

    def close(self) -> None:
        """Nothing is left."""

    def abort(self) -> None:
        """Nothing is kept."""

    def _flush(self) -> None:
        self._out.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()


class ParquetSink:
    """Parquet with exact decimals and times in UTC. The bytes are those of one version of pyarrow."""

    def __init__(self, out: IO[bytes], columns: tuple[Column, ...]) -> None:
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow to load
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415 - likewise

        self._columns, self._rows = columns, list[Row]()
        self._schema = pa.schema([pa.field(each.name, _type(each), nullable=each.nullable) for each in columns])
        self._table = pa.Table
        self._valve = _Valve(out)
        self._writer = ParquetWriter(self._valve, self._schema, compression="zstd", version="2.6")

    def add(self, rows: Sequence[Row]) -> None:
        """Keep rows, and write a group when there are enough."""
        self._rows += rows
        while len(self._rows) >= GROUP:
            self._write(self._rows[:GROUP])
            del self._rows[:GROUP]

    def close(self) -> None:
        """Write what is left, and the end of the file."""
        if self._rows:
            self._write(self._rows)
        self._writer.close()

    def abort(self) -> None:
        """Let go of the writer, which would otherwise put an end under half a table when it is collected."""
        self._valve.shut = True
        self._writer.close()

    def _write(self, rows: list[Row]) -> None:
        cells = [
            [_exact(column, cell) for cell in column_cells]
            for column, column_cells in zip(self._columns, zip(*rows, strict=True), strict=True)
        ]
        data = {column.name: column_cells for column, column_cells in zip(self._columns, cells, strict=True)}
        self._writer.write_table(self._table.from_pydict(data, schema=self._schema), row_group_size=GROUP)


class _Valve(io.RawIOBase):
    """Passes bytes on until it is shut."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out, self.shut = out, False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever io calls a buffer
        return len(data) if self.shut else self._out.write(data)


def sink_of(form: str, out: IO[bytes], columns: tuple[Column, ...]) -> Sink:
    """What writes a form; Parquet needs pyarrow."""
    return ParquetSink(out, columns) if form == "parquet" else CsvSink(out, columns)


def need_pyarrow(out: Path | None) -> None:
    """End the command where pyarrow is not there, saying how to get it, or where a terminal would get the bytes."""
    if out is None and sys.stdout.isatty():
        fail("--format parquet is not for a terminal: name a file with --out.", USAGE)
    if find_spec("pyarrow") is None:
        fail(
            "--format parquet needs pyarrow, which is not installed: pip install 'claude-cost-planner[parquet]',"
            " or take --format focus, which has the same rows as CSV.",
            USAGE,
        )


class Target(io.RawIOBase):
    """A file that has its name only when it is whole: until then it ends in `.part`. Takes the SHA-256 of its bytes.

    What cannot be written ends the command.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._part, self._sha = path, path.with_name(path.name + PART), sha256()
        try:
            self._file: IO[bytes] = self._part.open("wb")
        except OSError as error:
            fail(f"{path} cannot be written: {error.strerror}.", USAGE)

    @property
    def out(self) -> IO[bytes]:
        """Where its bytes are written."""
        return cast("IO[bytes]", self)

    def writable(self) -> bool:
        """It can be written to."""
        return True

    def write(self, data: Any) -> int:  # noqa: ANN401 - whatever io calls a buffer
        """Write bytes."""
        self._sha.update(data)
        try:
            return self._file.write(data)
        except OSError as error:
            fail(f"{self.path} cannot be written: {error.strerror}.", USAGE)

    def finish(self) -> str:
        """Give the file its name; returns the digest, 64 hex digits."""
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._part.replace(self.path)
        except OSError as error:
            fail(f"{self.path} cannot be written: {error.strerror}.", USAGE)
        return self._sha.hexdigest()

    def abort(self) -> None:
        """Let go of a file that is not whole; it keeps the name that says so."""
        self._file.close()


@contextmanager
def opened(out: Path | None) -> Iterator[IO[bytes]]:
    """Where bytes go: a file that has its name when all is written, or standard output."""
    if out is None:
        yield sys.stdout.buffer
        return
    target = Target(out)
    try:
        yield target.out
    except BaseException:
        target.abort()
        raise
    target.finish()


def _type(column: Column) -> "pa.DataType":
    import pyarrow as pa  # noqa: PLC0415 - an extra

    kinds = {"integer": pa.int64(), "time": pa.timestamp("us", tz="UTC")}
    return pa.decimal128(DIGITS, column.scale) if column.kind == "decimal" else kinds.get(column.kind, pa.string())


def _exact(column: Column, cell: Cell) -> Cell | Decimal:
    """A cell as pyarrow takes it: an integer at a scale becomes a decimal, with no float between."""
    if column.kind != "decimal" or not isinstance(cell, int):
        return cell
    return _EXACT.scaleb(Decimal(cell), -column.scale)
