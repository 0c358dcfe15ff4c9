"""A table as one file a day, with a manifest, so that an export goes on where it was and mends what has changed.

A day that the manifest knows and whose file is still what it was is read in the ledger and not written: if its entries
are the same as then, it is skipped; if not (a correction came), it is written anew.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Final

import msgspec

from planner.cli.options import USAGE, fail
from planner.cli.tables import Sink, Table, Target, sink_of
from planner.core.exports.tabular import decimal_text
from planner.core.ledger.entry import Entry

MANIFEST: Final = "manifest.json"
SUFFIXES: Final = {"focus": "csv", "csv": "csv", "parquet": "parquet"}
_ENCODER: Final = msgspec.json.Encoder()

Reader = Callable[[Callable[[Entry], object], datetime | None, datetime | None], None]
"""Hands entries over in order of arrival, since a moment and until another."""


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A finished day: `cost` is the sum of its rows in dollars, `ledger` the SHA-256 of its entries as JSON Lines."""

    file: str
    sha256: str
    ledger: str
    entries: int
    rows: int
    cost: str
    left_out: dict[str, int]


class Manifest(msgspec.Struct, kw_only=True):
    """What a directory holds, and what it was made with; days of another making are not skipped."""

    made_with: dict[str, str]
    days: dict[str, Day] = {}


class _Known:
    """A day that is only read, to see whether the ledger still says the same."""

    def __init__(self, day: Day) -> None:
        self._day, self._ledger = day, sha256()

    def take(self, entry: Entry) -> None:
        self._ledger.update(_ENCODER.encode(entry) + b"\n")

    def abort(self) -> None:
        """Nothing is open."""

    @property
    def same(self) -> bool:
        return self._ledger.hexdigest() == self._day.ledger


class _Writing:
    """A day that is written. Its file has its name when it is whole."""

    def __init__(self, path: Path, form: str, table: Table) -> None:
        self._table, self._target = table, Target(path)
        self._sink: Sink = sink_of(form, self._target.out, table.columns)
        self._place = next(place for place, column in enumerate(table.columns) if column.name == table.total)
        self._scale = table.columns[self._place].scale
        self._ledger, self._entries, self._rows, self._total = sha256(), 0, 0, 0

    def take(self, entry: Entry) -> None:
        rows = self._table.rows(entry)
        self._ledger.update(_ENCODER.encode(entry) + b"\n")
        self._sink.add(rows)
        self._entries += 1
        self._rows += len(rows)
        self._total += sum(cell for row in rows if isinstance(cell := row[self._place], int))

    def abort(self) -> None:
        self._sink.abort()
        self._target.abort()

    def finish(self) -> Day:
        self._sink.close()
        return Day(
            file=self._target.path.name,
            sha256=self._target.finish(),
            ledger=self._ledger.hexdigest(),
            entries=self._entries,
            rows=self._rows,
            cost=decimal_text(self._total, self._scale),
            left_out=self._table.left_out.causes,
        )


class Days:
    """The days of a table in a directory.

    Args:
        directory: made if it is not there.
        form: of the files.
        make: makes the table, one for each day.
        made_with: what the bytes depend on besides the ledger.
    """

    def __init__(self, directory: Path, form: str, make: Callable[[], Table], made_with: dict[str, str]) -> None:
        self._directory, self._form, self._make = directory, form, make
        self._manifest = self._read(made_with | {"form": form})
        self._open: _Known | _Writing | None = None
        self._day = ""
        self._changed: list[str] = []
        self.written: list[str] = []
        self.skipped: list[str] = []

    def export(self, read: Reader, since: datetime | None, until: datetime | None) -> None:
        """Bring the directory up to date with the ledger between two midnights. Raises UnbalancedError."""
        try:
            read(self._take, since, until)
            self._end()
            for day in self._changed:
                self._day, self._open = day, self._begin(day)
                begin = datetime.fromisoformat(day).replace(tzinfo=UTC)
                read(self._take, begin, begin + timedelta(days=1))
                self._end()
        finally:
            if self._open is not None:
                self._open.abort()

    @property
    def days(self) -> dict[str, Day]:
        """The days that were written or skipped, by date."""
        seen = sorted({*self.written, *self.skipped})
        return {day: self._manifest.days[day] for day in seen}

    def _take(self, entry: Entry) -> None:
        day = entry.at[:10]
        if self._open is None or day != self._day:
            self._end()
            self._day = day
            known = self._manifest.days.get(day)
            self._open = _Known(known) if known is not None and self._intact(known) else self._begin(day)
        self._open.take(entry)

    def _end(self) -> None:
        ended, self._open = self._open, None
        if isinstance(ended, _Known):
            (self.skipped if ended.same else self._changed).append(self._day)
        elif ended is not None:
            self._manifest.days[self._day] = ended.finish()
            self.written.append(self._day)
            self._write()

    def _begin(self, day: str) -> _Writing:
        name = f"{self._form}-{day}.{SUFFIXES[self._form]}"
        return _Writing(self._directory / name, self._form, self._make())

    def _intact(self, day: Day) -> bool:
        """Whether the file of a day is what the manifest says."""
        try:
            with (self._directory / day.file).open("rb") as file:
                return file_digest(file, "sha256").hexdigest() == day.sha256
        except OSError:  # not there, or not to be read: it is written anew, and that tells why it cannot be
            return False

    def _read(self, made_with: dict[str, str]) -> Manifest:
        """The manifest of the directory; an empty one where there is none, or one of another making."""
        path = self._directory / MANIFEST
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            found = msgspec.json.decode(path.read_bytes(), type=Manifest) if path.exists() else None
        except OSError as error:
            fail(f"{self._directory} cannot hold an export: {error.strerror}.", USAGE)
        except msgspec.DecodeError as error:
            fail(f"{path} is no manifest of an export: {error}. Name another directory with --out.", USAGE)
        if found is not None and found.made_with.get("form") != self._form:
            other = found.made_with.get("form")
            fail(f"{self._directory} holds an export of --format {other}. Name another directory with --out.", USAGE)
        return found if found is not None and found.made_with == made_with else Manifest(made_with=made_with)

    def _write(self) -> None:
        """Write the manifest, days in order, the same days as the same bytes."""
        self._manifest.days = dict(sorted(self._manifest.days.items()))
        target = Target(self._directory / MANIFEST)
        target.out.write(msgspec.json.format(_ENCODER.encode(self._manifest), indent=2) + b"\n")
        target.finish()
