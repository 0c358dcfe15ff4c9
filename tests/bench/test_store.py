"""The benchmark of the stores runs from end to end, tells what it measures, and leaves nothing; nothing is timed."""

import tempfile
from pathlib import Path

import pytest

from tests.bench import store
from tests.doubles.proxy import run


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A ledger of three hundred entries, of which a hundred go through the store."""
    monkeypatch.setattr(store, "THROUGH_STORE", 100)
    monkeypatch.setattr(store, "AGAIN", 20)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


def test_it_measures_before_and_after_growing(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """At both sizes; whole commands too, which end without an error; and the file is gone."""
    with store.room("sqlite", 300, None) as address:
        run(store.measure(address, 300))
    told = capsys.readouterr().out
    assert "at 100 entries:" in told
    assert "at 360 entries:" in told
    assert told.count("planner report --month 2026-11 --by team") == 2
    assert told.count("bytes an entry on disk") == 2
    assert not list(tmp_path.iterdir())


def test_it_does_not_fill_the_disk(tmp_path: Path) -> None:
    """What it would need is said before anything is written."""
    with pytest.raises(SystemExit, match="must be free"), store.room("sqlite", 10**12, None):
        pass
    assert not list(tmp_path.iterdir())
