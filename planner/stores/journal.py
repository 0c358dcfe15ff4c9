"""The journal is the queue: what must not be lost is one append here, and the store is fed from here alone.

A record survives SIGKILL once `append` returns, for it is then in the kernel's page cache; a power cut may take the
last moments, since nothing is fsynced on the way of a request. Each process writes segments of its own and starts a
fresh one, so that a line torn by a crash stays the last of its segment. Reading a segment twice is harmless: the store
applies records idempotently.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from planner.stores import StoreError

SEGMENT_BYTES = 8 * 1024 * 1024
SUFFIX = ".jsonl"
ASIDE = "refused.jsonl"
"""What the store refuses for good is kept here for whoever looks into it; nothing reads it again."""


class JournalError(Exception):
    """The disk did not take a record, or did not give one back; requests go on, counted."""


class Batch(msgspec.Struct, frozen=True):
    """Whole lines read from one segment: `end` is where to go on once they are stored."""

    lines: tuple[bytes, ...]
    segment: int
    end: int


class Journal:
    """An append-only queue of JSON lines in a directory of numbered segments.

    `write` is how bytes reach a descriptor. Raises StoreError when the directory cannot be used.
    """

    def __init__(
        self, directory: Path, *, segment_bytes: int = SEGMENT_BYTES, write: Callable[[int, bytes], int] = os.write
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._write = write
        self._read_at = 0
        self._written = 0
        self._torn = False
        self._descriptor = -1
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._segments = sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}") if path.stem.isdigit())
            self.pending = sum(self._path(number).read_bytes().count(b"\n") for number in self._segments)
            self._open(self._segments[-1] + 1 if self._segments else 1)
        except OSError as error:
            raise StoreError(f"{directory} cannot hold the journal: {error.strerror}. Make it writable.") from error

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:010d}{SUFFIX}"

    def _open(self, number: int) -> None:
        """Go on in another segment; the old one is closed only once the new one is open. Raises OSError."""
        opened = os.open(self._path(number), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = opened
        self._segments.append(number)
        self._written = 0
        self._torn = False

    def _rotate(self) -> bool:
        """Go on in the next segment if there can be one; else the one at hand grows on, which loses nothing."""
        try:
            self._open(self._segments[-1] + 1)
        except OSError:
            return False
        return True

    def append(self, line: bytes) -> None:
        """Take one record (a JSON value without newlines). Raises JournalError when the disk does not."""
        if self._written >= self._segment_bytes:
            self._rotate()
        data = b"\n" + line + b"\n" if self._torn else line + b"\n"
        try:
            wrote = self._write(self._descriptor, data)
        except OSError as error:
            raise JournalError(str(error)) from error
        if wrote != len(data):
            self._give_back(wrote)
            raise JournalError("the disk took only a part of a record")
        self._written += wrote
        self._torn = False
        self.pending += 1

    def _give_back(self, wrote: int) -> None:
        """Cut off the part of a record that a full disk took, or the next record would hang on to it."""
        try:
            os.ftruncate(self._descriptor, self._written)
        except OSError:
            self._written += wrote
            self._torn = True

    def read(self, limit: int) -> Batch | None:
        """The next whole lines that are not stored yet, at most `limit`; None without any. Raises JournalError."""
        while True:
            number = self._segments[0]
            try:
                lines = self._lines(number, limit)
            except OSError as error:
                raise JournalError(f"{self._path(number)} cannot be read: {error.strerror}") from error
            if lines:
                return Batch(lines=tuple(lines), segment=number, end=self._read_at + sum(map(len, lines)))
            if len(self._segments) == 1:
                return None
            self._drop_first()

    def _lines(self, number: int, limit: int) -> list[bytes]:
        """Whole lines from where reading stands; a torn one at the end of a segment that is over stays out."""
        lines: list[bytes] = []
        with self._path(number).open("rb") as file:
            file.seek(self._read_at)
            while len(lines) < limit and (line := file.readline()).endswith(b"\n"):
                lines.append(line)
        return lines

    def stored(self, batch: Batch) -> None:
        """Say that the store has what `read` returned; segments that are done are deleted."""
        self._read_at = batch.end
        self.pending = max(self.pending - len(batch.lines), 0)
        done = len(self._segments) == 1 and self._read_at == self._written
        if done and self._written >= self._segment_bytes // 8 and self._rotate():
            self._drop_first()

    def tidy(self) -> None:
        """Let go of what the store has, if that is all there is: a name that is taken out of it must not stay here."""
        done = len(self._segments) == 1 and self._read_at == self._written
        if done and self._written and self._rotate():
            self._drop_first()

    def lay_aside(self, line: bytes) -> None:
        """Keep a line, with its newline, out of the queue. Raises JournalError when the disk does not take it."""
        try:
            file = os.open(self._directory / ASIDE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                wrote = self._write(file, line)
            finally:
                os.close(file)
        except OSError as error:
            raise JournalError(f"{ASIDE}: {error.strerror}") from error
        if wrote != len(line):
            raise JournalError(f"{ASIDE}: the disk took only a part of a record")

    def _drop_first(self) -> None:
        with suppress(OSError):  # what cannot be deleted is read again at the next start, which changes nothing
            self._path(self._segments[0]).unlink()
        del self._segments[0]
        self._read_at = 0

    def close(self) -> None:
        """Close; when everything is stored, leave nothing behind."""
        os.close(self._descriptor)
        self._descriptor = -1
        if len(self._segments) == 1 and self._read_at == self._written:
            self._drop_first()
