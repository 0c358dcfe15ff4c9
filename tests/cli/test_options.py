"""What several commands take means the same in each, and the exit codes are kept by all of them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from planner.cli.options import FINDINGS, UNAVAILABLE, USAGE, fail, moment, pairs, read_rules


def test_the_exit_codes_are_public() -> None:
    """Scripts depend on them."""
    assert (FINDINGS, USAGE, UNAVAILABLE) == (1, 2, 3)


def test_failing_is_one_sentence_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Standard output stays clean for whoever reads it."""
    with pytest.raises(SystemExit) as stop:
        fail("the store is gone.", UNAVAILABLE)
    assert stop.value.code == UNAVAILABLE
    assert capsys.readouterr() == ("", "planner: the store is gone.\n")


def test_overrides_are_split_at_the_first_equals_sign() -> None:
    """A value may hold one, or be empty."""
    assert pairs(("a.b=1", "c=x=y", "d=")) == {"a.b": "1", "c": "x=y", "d": ""}


def test_rules_of_the_working_directory_are_used_when_none_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`rules/` if it is there, else the shipped ones; what it lacks is shipped too."""
    monkeypatch.chdir(tmp_path)
    shipped = read_rules(None, ())
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/callers.yaml").write_text("principals:\n  0123456789abcdef:\n    team: search\n")
    book = read_rules(None, ())
    assert [row.name for row in shipped.callers.rows] == []
    assert [row.name for row in book.callers.rows] == ["0123456789abcdef"]
    assert book.prices.digest == shipped.prices.digest


def test_an_override_changes_the_book() -> None:
    """For one run of one command."""
    assert read_rules(None, ("free_hours.limit=0",)).settings.free_hours.limit == 0


def test_findings_end_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are printed where a person looks."""
    (tmp_path / "callers.yaml").write_text("principals: []\n")
    with pytest.raises(SystemExit) as stop:
        read_rules(tmp_path, ())
    assert stop.value.code == FINDINGS
    assert capsys.readouterr().err.startswith(f"{tmp_path}/callers.yaml:1:")


@pytest.mark.parametrize(
    ("word", "at"),
    [
        ("7d", "2026-11-15T12:00:00+00:00"),
        ("24h", "2026-11-21T12:00:00+00:00"),
        ("30m", "2026-11-22T11:30:00+00:00"),
        ("2026-11-03", "2026-11-03T00:00:00+00:00"),
        ("2026-11-03T09:00:00+02:00", "2026-11-03T07:00:00+00:00"),
    ],
)
def test_a_moment_is_so_long_ago_or_a_date(word: str, at: str) -> None:
    """In UTC, whatever zone it was written in."""
    assert moment(word, datetime(2026, 11, 22, 12, tzinfo=UTC)) == datetime.fromisoformat(at)
    assert moment(None, datetime(2026, 11, 22, 12, tzinfo=UTC)) is None


@pytest.mark.parametrize("word", ["7", "d", "-7d", "yesterday", "2026-13-01", ""])
def test_what_names_no_moment_is_a_usage_error(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With an example of what does."""
    with pytest.raises(SystemExit) as stop:
        moment(word, datetime(2026, 11, 22, tzinfo=UTC))
    assert stop.value.code == USAGE
    assert "7d" in capsys.readouterr().err
