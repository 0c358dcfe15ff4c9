"""The ledger as finance reads it: by the hour, between two moments, and one sentence where there is none."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from planner.cli.sums import after, midnight, month_of, opened, stamp
from planner.core.ledger.rollup import Key, Rollup, rollup
from planner.core.reports.figures import total
from tests.cli.test_reading import fill
from tests.doubles.reported import BEGIN, END, closing_of, month, request


def test_entries_and_sums_between_two_moments(tmp_path: Path) -> None:
    """The first moment is in it, the last is not; more than one page is read to its end. Sums are of whole hours."""
    entries = [request(number, BEGIN + timedelta(minutes=number)) for number in range(1_500)]
    with opened(fill(tmp_path / "l.db", *entries)) as ledger:
        begin, end = stamp(BEGIN + timedelta(hours=1)), stamp(BEGIN + timedelta(hours=24))
        assert list(ledger.entries(begin, end)) == entries[60:1_440]
        assert list(ledger.entries(stamp(BEGIN), stamp(END))) == entries
        assert ledger.sums(begin, end) == rollup(entries[60:1_440])
        assert list(ledger.entries(end, begin)) == []


def test_sums_are_spelled_out_by_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a task returns is, by the error with which a runner finds out whose signal handler there was."""
    spelled: list[Rollup] = []

    def spell(sums: Rollup) -> str:
        spelled.append(sums)
        return "a million cells"

    monkeypatch.setattr(Rollup, "__repr__", spell)
    with opened(fill(tmp_path / "l.db", *month())) as ledger:
        assert ledger.sums(stamp(BEGIN), stamp(END)).requests
    assert not spelled


def test_sums_no_finer_than_is_asked_for(tmp_path: Path) -> None:
    """Kinds that nobody names are not read, words that nobody names are empty, and amounts add up to the same."""
    entries = month()
    with opened(fill(tmp_path / "l.db", *entries)) as ledger:
        whole = ledger.sums(stamp(BEGIN), stamp(END))
        read = ledger.sums(stamp(BEGIN), stamp(END), {Key: frozenset({"hour", "team"})})
    assert not read.tags
    assert not read.decisions
    assert {(key.hour, key.team) for key in whole.requests} == {(key.hour, key.team) for key in read.requests}
    assert {(key.principal, key.model) for key in read.requests} == {("", "")}
    assert total(read.requests.values()) == total(whole.requests.values())


def test_a_month_is_closed_once(tmp_path: Path) -> None:
    """Also beside a process that writes to the ledger; what was kept comes back as it was."""
    store = fill(tmp_path / "l.db", *month())
    closing = closing_of(month())
    with opened(store, write=True) as ledger:
        assert ledger.closing(closing.month) is None
        assert ledger.close(closing)
        assert not ledger.close(closing_of(month()[:5]))
    with opened(store) as ledger:
        assert ledger.closing(closing.month) == closing


def test_beside_a_ledger_that_is_not_there(tmp_path: Path) -> None:
    """Nothing is made by looking."""
    with pytest.raises(SystemExit) as stop, opened(f"sqlite:///{tmp_path}/none.db", write=True):
        pass
    assert stop.value.code == 3
    assert not list(tmp_path.iterdir())


def test_a_store_that_is_not_understood() -> None:
    """The exit code says whose fault it is."""
    with pytest.raises(SystemExit) as stop, opened("nothing"):
        pass
    assert stop.value.code == 2


def test_a_file_that_is_no_ledger(tmp_path: Path) -> None:
    """Nor what is found wrong later."""
    (tmp_path / "notes.txt").write_text("no ledger, but long enough to be looked at " * 100)
    with pytest.raises(SystemExit) as stop, opened(f"sqlite:///{tmp_path}/notes.txt"):
        pass
    assert stop.value.code == 3


@pytest.mark.parametrize("word", ["2026-13", "2026", "2026-1", "november", "2026-11-01", ""])
def test_what_is_no_month(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says how one is written."""
    with pytest.raises(SystemExit) as stop:
        month_of(word)
    assert stop.value.code == 2
    assert "a month is written like 2026-11" in capsys.readouterr().err


def test_months_and_moments() -> None:
    """In UTC, as the ledger writes its own."""
    assert month_of("2024-02") == date(2024, 2, 1)
    assert (after(date(2024, 2, 1)), after(date(2025, 12, 1))) == (date(2024, 3, 1), date(2026, 1, 1))
    assert stamp(midnight(date(2025, 10, 1))) == "2025-10-01T00:00:00.000000+00:00"
    assert stamp(datetime(2025, 10, 1, 5, tzinfo=UTC)) == "2025-10-01T05:00:00.000000+00:00"
