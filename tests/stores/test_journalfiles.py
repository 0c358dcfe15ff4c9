"""The files of a journal are rewritten whole, line by line, and what is kept is read again as it was."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.stores import StoreError
from planner.stores.journal import Journal
from planner.stores.journalfiles import rewrite
from tests.stores.test_journal import everything

LINES = st.lists(st.sampled_from([b"keep", b"drop", b"swap"]), max_size=9)


def change(line: bytes) -> bytes | None:
    """Leave some out, change some."""
    return None if line == b"drop" else b"swapped" if line == b"swap" else line


@given(LINES, st.sampled_from([b"", b"dro", b"drop", b"keep"]))
def test_what_is_kept_is_read_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], torn: bytes
) -> None:
    """Every whole line that stays comes out again, in order; a torn one at the end never takes one with it."""
    directory = tmp_path_factory.mktemp("journal")
    path = directory / "0000000007.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines) + torn)
    before = path.read_bytes()
    changed = sum(line != b"keep" for line in lines) + (torn == b"drop")
    assert rewrite(directory, change, write=False) == changed
    assert path.read_bytes() == before
    assert rewrite(directory, change, write=True) == changed
    assert rewrite(directory, change, write=True) == 0
    assert [each.name for each in directory.iterdir()] == [path.name]
    journal = Journal(directory)
    wanted = [kept + b"\n" for line in lines if (kept := change(line)) is not None]
    assert everything(journal) == wanted
    journal.close()


def test_a_file_keeps_to_its_owner(tmp_path: Path) -> None:
    """As the journal made it."""
    path = tmp_path / "0000000001.jsonl"
    path.write_bytes(b"swap\n")
    assert rewrite(tmp_path, change, write=True) == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    """By the name of the directory; no directory holds nothing."""
    assert rewrite(tmp_path / "none", change, write=True) == 0
    (tmp_path / "0000000001.jsonl").mkdir()
    with pytest.raises(StoreError, match="cannot be rewritten"):
        rewrite(tmp_path, change, write=True)
