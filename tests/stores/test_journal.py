"""The journal loses nothing that it took, whatever the disk does meanwhile, and holds nothing in memory."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.stores import StoreError
from planner.stores.journal import Journal, JournalError


def everything(journal: Journal) -> list[bytes]:
    """Read and acknowledge all there is."""
    lines: list[bytes] = []
    while batch := journal.read(7):
        lines += batch.lines
        journal.stored(batch)
    return lines


class Disk:
    """A disk that takes only so many bytes more; None is any number."""

    def __init__(self) -> None:
        self.left: int | None = None

    def write(self, descriptor: int, data: bytes) -> int:
        """Write what fits, as a full disk does: a part, then nothing."""
        if self.left is None:
            return os.write(descriptor, data)
        if self.left == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = os.write(descriptor, data[: self.left])
        self.left -= taken
        return taken


@given(st.lists(st.tuples(st.binary(max_size=40).map(bytes.hex), st.booleans()), max_size=60))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, bool]]) -> None:
    """Records come out in order, none missing, wherever reading, rotation and restarts fall; restarts may repeat."""
    directory = tmp_path_factory.mktemp("journal")
    journal, out = Journal(directory, segment_bytes=100), []
    lines = [b"%d %s" % (number, text.encode()) for number, (text, _) in enumerate(steps)]
    for line, (_, restart) in zip(lines, steps, strict=True):
        journal.append(line)
        if restart:
            journal.close()
            journal = Journal(directory, segment_bytes=100)
        elif len(line) % 3 == 0:
            out += everything(journal)
    out += everything(journal)
    assert list(dict.fromkeys(out)) == [line + b"\n" for line in lines]
    assert len(out) == len(lines) or any(restart for _, restart in steps)
    assert journal.pending == 0
    journal.close()
    assert not list(directory.iterdir())


def test_unread_records_survive_a_restart(tmp_path: Path) -> None:
    """What was not acknowledged is there for the next process, and is counted from the start."""
    journal = Journal(tmp_path)
    for number in range(5):
        journal.append(b"%d" % number)
    batch = journal.read(2)
    assert batch is not None
    journal.stored(batch)
    journal.close()
    again = Journal(tmp_path)
    assert again.pending == 5  # a segment is read again from its start, which is harmless
    assert everything(again) == [b"%d\n" % number for number in range(5)]


def test_torn_last_line(tmp_path: Path) -> None:
    """A line that a crash tore is left out; the whole ones before it are not."""
    (tmp_path / "0000000001.jsonl").write_bytes(b'"one"\n"tw')
    (tmp_path / "0000000002.jsonl").write_bytes(b"")
    journal = Journal(tmp_path)
    journal.append(b'"three"')
    assert everything(journal) == [b'"one"\n', b'"three"\n']


@pytest.mark.parametrize("fits", range(8))
def test_full_disk(tmp_path: Path, fits: int) -> None:
    """A record that the disk took in part is given back, so that the next one stands alone."""
    disk = Disk()
    journal = Journal(tmp_path, write=disk.write)
    journal.append(b"before")
    disk.left = fits
    with pytest.raises(JournalError):
        journal.append(b"dropped")
    assert journal.pending == 1
    disk.left = None
    journal.append(b"after")
    assert everything(journal) == [b"before\n", b"after\n"]


def test_part_that_cannot_be_given_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the part cannot be cut off, it becomes a line of its own and harms no other."""
    disk = Disk()
    journal = Journal(tmp_path, write=disk.write)
    disk.left = 3

    def refuse(descriptor: int, length: int) -> None:
        raise OSError(errno.EIO, f"cannot cut {descriptor} at {length}")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(JournalError):
            journal.append(b"dropped")
    disk.left = None
    journal.append(b"after")
    assert everything(journal) == [b"dro\n", b"after\n"]
    assert journal.pending == 0


def test_no_new_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A directory that takes no new segment costs no record: the old one grows on."""
    journal = Journal(tmp_path, segment_bytes=10)

    def refuse(path: str, *_: int) -> int:
        raise OSError(errno.EROFS, "read-only", path)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", refuse)
        for number in range(20):
            journal.append(b"record %d" % number)
    assert len(list(tmp_path.iterdir())) == 1
    assert everything(journal) == [b"record %d\n" % number for number in range(20)]
    journal.append(b"later")
    assert everything(journal) == [b"later\n"]


def test_segment_that_cannot_be_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be deleted is read again at the next start, and does not stop reading now."""
    journal = Journal(tmp_path, segment_bytes=10)
    for number in range(5):
        journal.append(b"record %d" % number)

    def refuse(path: Path) -> None:
        raise OSError(errno.EROFS, "read-only", str(path))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refuse)
        assert len(everything(journal)) == 5
    journal.append(b"later")
    assert everything(journal) == [b"later\n"]
    journal.close()
    again = Journal(tmp_path)
    assert set(everything(again)) <= {b"record %d\n" % number for number in range(5)}


def test_segment_that_disappears(tmp_path: Path) -> None:
    """A segment that someone took away is an error with a sentence."""
    journal = Journal(tmp_path)
    journal.append(b"x")
    next(tmp_path.iterdir()).unlink()
    with pytest.raises(JournalError, match="cannot be read"):
        journal.read(1)


def test_files_are_private(tmp_path: Path) -> None:
    """Nobody else may read what passes through."""
    Journal(tmp_path / "j").append(b"x")
    (segment,) = (tmp_path / "j").iterdir()
    assert segment.stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "j").stat().st_mode & 0o777 == 0o700


def test_directory_that_cannot_be(tmp_path: Path) -> None:
    """A journal that has no place says so when it is opened."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="journal"):
        Journal(tmp_path / "file")


def test_what_is_not_stored_stays(tmp_path: Path) -> None:
    """Closing deletes only what was read to its end, however few records the count tells of."""
    journal = Journal(tmp_path)
    journal.append(b"x")
    journal.pending = 0  # somebody may have added lines to an older segment meanwhile
    journal.close()
    assert everything(Journal(tmp_path)) == [b"x\n"]


def test_what_the_store_has_can_be_let_go_of(tmp_path: Path) -> None:
    """Nothing of it is left on disk, and what comes next is read next; what the store lacks stays."""
    journal = Journal(tmp_path)
    journal.tidy()
    journal.append(b"a name")
    journal.tidy()
    batch = journal.read(9)
    assert batch is not None
    journal.append(b"another")
    journal.stored(batch)
    journal.tidy()
    assert b"a name" in b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert everything(journal) == [b"another\n"]
    journal.tidy()
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b""]
    journal.append(b"next")
    assert everything(journal) == [b"next\n"]
    journal.close()
    assert not list(tmp_path.iterdir())
