"""The last good rules are replaced whole, and given back to the directory that they were read for alone."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.lastgood import LastGood, LastGoodError
from planner.rulesource import read_files

FILES = st.dictionaries(st.text(max_size=20), st.text(max_size=200).map(str.encode), max_size=4)


@given(FILES)
def test_files_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]) -> None:
    """Byte for byte."""
    kept = LastGood(tmp_path_factory.mktemp("store") / "planner.db")
    kept.keep(None, files)
    assert kept.files(None) == files


def test_the_shipped_rules_are_kept_beside_the_store(tmp_path: Path) -> None:
    """In one file that only its owner reads, and nothing else is left."""
    kept = LastGood(tmp_path / "planner.db")
    kept.keep(None, {})
    kept.keep(None, read_files(None))
    assert [path.name for path in tmp_path.iterdir()] == ["planner.db.rules.json"]
    assert kept.path.stat().st_mode & 0o777 == 0o600
    assert kept.files(None) == read_files(None)


def test_another_directory_has_none(tmp_path: Path) -> None:
    """A misspelt `--rules` does not start with the rules of another directory; a relative path is the same one."""
    kept = LastGood(tmp_path / "planner.db")
    assert kept.files(None) is None
    kept.keep(Path("rules"), {"a": b"b"})
    assert kept.files(Path("rulse")) is None
    assert kept.files(None) is None
    assert kept.files(Path.cwd() / "rules") == {"a": b"b"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"directory": 1, "files": {}}', b"\xff"])
def test_what_cannot_be_read_is_said(tmp_path: Path, content: bytes) -> None:
    """With the file, so that one can look into it or remove it."""
    kept = LastGood(tmp_path / "planner.db")
    kept.path.write_bytes(content)
    with pytest.raises(LastGoodError, match=r"planner\.db\.rules\.json cannot be read"):
        kept.files(None)


def test_what_cannot_be_written_leaves_what_was_kept(tmp_path: Path) -> None:
    """The file is replaced at once, when the new one is whole."""
    kept = LastGood(tmp_path / "planner.db")
    kept.keep(None, {"a": b"b"})
    (tmp_path / "planner.db.rules.json.new").mkdir()
    with pytest.raises(OSError, match=r"planner\.db\.rules\.json\.new"):
        kept.keep(None, {"a": b"c"})
    assert kept.files(None) == {"a": b"b"}
