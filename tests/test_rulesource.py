"""Rules are read from a directory, and what it lacks comes from the copy that ships."""

from pathlib import Path

import pytest

from planner.core.findings import RulesError
from planner.rulesource import load_rules, read_files, shipped_directory

SHIPPED = {"callers.yaml", "catalog.yaml", "policies/shipped.yaml", "prices/anthropic.yaml", "settings.yaml"}


def test_the_shipped_rules_have_no_finding() -> None:
    """Not even a warning."""
    rules = load_rules(None)
    assert set(rules.files) == SHIPPED
    assert rules.findings == ()
    assert rules.required() is rules.book


def test_kinds_that_a_directory_lacks_come_from_the_shipped_copy(tmp_path: Path) -> None:
    """A directory with policies alone keeps shipped prices, and loses the shipped policies."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ours.yaml").write_text("policies: []\n")
    files = read_files(tmp_path)
    assert set(files) == SHIPPED - {"policies/shipped.yaml"} | {"policies/ours.yaml"}
    assert load_rules(tmp_path).required().policies == ()


def test_an_empty_directory_is_the_shipped_rules(tmp_path: Path) -> None:
    """The digest says so."""
    assert load_rules(tmp_path).required().digest == load_rules(None).required().digest


def test_findings_name_the_file_that_a_person_opens(tmp_path: Path) -> None:
    """The path of a finding leads to the directory's own file; an override has no file."""
    own = tmp_path / "settings.yaml"
    own.write_text("settings: []\n")
    rules = load_rules(tmp_path, {"nothing.such": "1"})
    assert [finding.path for finding in rules.findings] == ["--set", str(own)]
    assert rules.book is None
    with pytest.raises(RulesError, match="must be a table"):
        rules.required()


def test_a_broken_own_file_is_not_replaced_by_the_shipped_one(tmp_path: Path) -> None:
    """What a platform team wrote is read or refused, never silently exchanged."""
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "ours.yaml").write_text("prices: [")
    rules = load_rules(tmp_path)
    assert "prices/anthropic.yaml" not in rules.files
    assert rules.book is None


def test_a_misnamed_file_is_a_finding(tmp_path: Path) -> None:
    """A .yml is seen, so that it can be refused."""
    (tmp_path / "callers.yml").write_text("")
    assert [finding.code for finding in load_rules(tmp_path).findings] == ["unknown-file"]


def test_a_directory_that_is_none(tmp_path: Path) -> None:
    """A missing directory, or a file in its place, is an error with a sentence."""
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_files(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError, match="is a file"):
        read_files(tmp_path / "file")


def test_overrides_reach_the_book() -> None:
    """`--set` is read by the same code as the file."""
    assert load_rules(None, {"free_hours.limit": "0"}).required().settings.free_hours.limit == 0


def test_the_shipped_copy_is_there() -> None:
    """In a checkout it is `rules/` beside the package."""
    assert (shipped_directory() / "catalog.yaml").is_file()
