"""An export by day goes on where it was, and mends what has changed; the same ledger is the same directory."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from planner.cli.days import MANIFEST, Days
from planner.core.exports.entrytable import EntryTable
from planner.core.exports.focus import Focus
from planner.core.ledger.entry import Entry
from planner.core.money import format_nano
from tests.doubles.charged import PRICES
from tests.doubles.recorded import entry

DAY = 86_400


class Ledger:
    """Entries of three days, and what was read of them."""

    def __init__(self) -> None:
        self.entries = [entry(second) for second in (0, 1, DAY, 2 * DAY, 2 * DAY + 1)]
        self.reads = 0

    def read(self, take: Callable[[Entry], object], since: datetime | None, until: datetime | None) -> None:
        """Hand entries over as the reader of the ledger does."""
        self.reads += 1
        for each in sorted(self.entries, key=lambda each: (each.at, each.request_id)):
            at = datetime.fromisoformat(each.at)
            if (since is None or at >= since) and (until is None or at < until):
                take(each)


def export(directory: Path, ledger: Ledger, **made_with: str) -> Days:
    """Export all of it."""
    days = Days(directory, "focus", lambda: Focus(PRICES), made_with)
    days.export(ledger.read, None, None)
    return days


def files(directory: Path) -> dict[str, bytes]:
    """What is in a directory."""
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def manifest(directory: Path) -> dict[str, Any]:
    """The days of a manifest."""
    return json.loads((directory / MANIFEST).read_bytes())["days"]  # type: ignore[no-any-return]  # of this shape


def test_each_day_is_a_file_that_the_manifest_vouches_for(tmp_path: Path) -> None:
    """With its rows, its cost, its digest, and what is in no row."""
    ledger = Ledger()
    ledger.entries.append(entry(3, cost_nano=None, unpriced="unknown-model"))
    assert export(tmp_path, ledger).written == ["2026-11-22", "2026-11-23", "2026-11-24"]
    days = manifest(tmp_path)
    assert [(day["entries"], day["rows"], day["cost"]) for day in days.values()] == [
        (3, 2, format_nano(500_000)),
        (1, 1, format_nano(250_000)),
        (2, 2, format_nano(500_000)),
    ]
    assert days["2026-11-22"]["left_out"] == {"whose cost is unknown (unknown-model)": 1}
    for day in days.values():
        assert sha256((tmp_path / day["file"]).read_bytes()).hexdigest() == day["sha256"]


def test_days_that_did_not_change_are_skipped(tmp_path: Path) -> None:
    """They are read, but not written; a new day is written beside them."""
    ledger = Ledger()
    export(tmp_path, ledger)
    before = files(tmp_path)
    again = export(tmp_path, ledger)
    assert (again.written, again.skipped) == ([], ["2026-11-22", "2026-11-23", "2026-11-24"])
    assert files(tmp_path) == before
    ledger.entries.append(entry(3 * DAY))
    assert export(tmp_path, ledger).written == ["2026-11-25"]


def test_a_day_that_changed_is_written_anew(tmp_path: Path) -> None:
    """A correction stands on the day of what it amends; the others stay."""
    ledger = Ledger()
    export(tmp_path, ledger)
    ledger.entries.append(entry(DAY, request_id="c" * 24, endpoint="correction", corrects=entry(DAY).request_id))
    again = export(tmp_path, ledger)
    assert (again.written, again.skipped) == (["2026-11-23"], ["2026-11-22", "2026-11-24"])
    assert again.days["2026-11-23"].rows == 2
    other = tmp_path / "other"
    export(other, ledger)
    assert files(other) == {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}


@pytest.mark.parametrize("harm", ["gone", "changed"])
def test_a_file_that_is_not_what_it_was_is_written_anew(tmp_path: Path, harm: str) -> None:
    """The manifest is not believed without looking."""
    ledger = Ledger()
    export(tmp_path, ledger)
    before, file = files(tmp_path), tmp_path / "focus-2026-11-23.csv"
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes().replace(b"0.00025", b"0.00024"))
    assert export(tmp_path, ledger).written == ["2026-11-23"]
    assert files(tmp_path) == before


def test_an_export_that_broke_off_goes_on(tmp_path: Path) -> None:
    """Finished days are kept, and the end is that of one that did not break off."""
    ledger = Ledger()
    broken = Ledger()
    broken.entries[3] = entry(2 * DAY, cost_nano=1)
    with pytest.raises(ValueError, match="add up"):
        export(tmp_path / "a", broken)
    assert set(files(tmp_path / "a")) == {
        "focus-2026-11-22.csv",
        "focus-2026-11-23.csv",
        "focus-2026-11-24.csv.part",
        MANIFEST,
    }
    assert export(tmp_path / "a", ledger).written == ["2026-11-24"]
    export(tmp_path / "b", ledger)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_other_prices_or_flags_make_all_days_anew(tmp_path: Path) -> None:
    """The bytes may depend on them."""
    ledger = Ledger()
    export(tmp_path, ledger, notional="false")
    assert len(export(tmp_path, ledger, notional="true").written) == 3


def test_days_out_of_the_window_stay(tmp_path: Path) -> None:
    """A month is exported beside the one before; entries that were pruned leave their file."""
    ledger = Ledger()
    export(tmp_path, ledger)
    days = Days(tmp_path, "focus", lambda: Focus(PRICES), {})
    begin = datetime(2026, 11, 24, tzinfo=UTC)
    days.export(ledger.read, begin, begin + timedelta(days=1))
    assert days.skipped == ["2026-11-24"]
    assert len(manifest(tmp_path)) == 3


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Another form, a manifest that is none, or a file where the directory should be."""
    export(tmp_path, Ledger())
    with pytest.raises(SystemExit):
        Days(tmp_path, "csv", EntryTable, {})
    (tmp_path / MANIFEST).write_text("[]")
    with pytest.raises(SystemExit):
        Days(tmp_path, "focus", lambda: Focus(PRICES), {})
    with pytest.raises(SystemExit) as stop:
        Days(tmp_path / MANIFEST, "focus", lambda: Focus(PRICES), {})
    assert stop.value.code == 2
    assert capsys.readouterr().err.count("planner: ") == 3
