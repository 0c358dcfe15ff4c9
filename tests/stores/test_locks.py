"""One holder at a time, told to the other in a sentence."""

import os
import stat
from pathlib import Path

import pytest

from planner.stores import StoreError
from planner.stores.locks import hold


def test_one_holder(tmp_path: Path) -> None:
    """A second one is refused with the sentence; once the first is gone, it may hold it; the file is ours alone."""
    file = tmp_path / "deep" / "lock"
    first = hold(file, "in use")
    with pytest.raises(StoreError, match=r"^in use$"):
        hold(file, "in use")
    os.close(first)
    os.close(hold(file, "in use"))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_where_there_can_be_none(tmp_path: Path) -> None:
    """That is the caller's to tell."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"exists|directory"):
        hold(tmp_path / "file" / "lock", "in use")
