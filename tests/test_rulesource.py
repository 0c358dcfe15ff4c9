"""Rules are read from a directory, and what it lacks comes from the copy that ships."""

from pathlib import Path

import pytest

from planner.core.findings import RulesError
from planner.rulesource import Looked, Source, load_rules, read_files, read_test_files, shipped_directory

SHIPPED = {
    "budgets.yaml",
    "callers.yaml",
    "catalog.yaml",
    "policies/shipped.yaml",
    "prices/anthropic.yaml",
    "settings.yaml",
}


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


def test_tests_are_no_part_of_the_rules(tmp_path: Path) -> None:
    """They are read by themselves, so that a broken one keeps nobody from starting."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "ours.yaml").write_text("tests: [")
    rules = load_rules(tmp_path)
    assert rules.findings == ()
    assert rules.required().digest == load_rules(None).required().digest
    assert read_test_files(tmp_path) == {f"{tmp_path}/tests/ours.yaml": b"tests: ["}


def test_shipped_tests_come_with_shipped_policies_alone(tmp_path: Path) -> None:
    """A directory with policies of its own has the tests that stand there, and no others."""
    shipped = {str(path): path.read_bytes() for path in sorted((shipped_directory() / "tests").iterdir())}
    assert read_test_files(None) == read_test_files(tmp_path) == shipped
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ours.yaml").write_text("policies: []\n")
    assert read_test_files(tmp_path) == {}
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "misnamed.yml").write_text("")
    assert list(read_test_files(tmp_path)) == [f"{tmp_path}/tests/misnamed.yml"]


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


@pytest.mark.parametrize("lost", ["policies", "callers.yaml", "policies/ours.yaml"])
def test_a_link_that_leads_nowhere_is_no_kind_that_is_lacking(tmp_path: Path, lost: str) -> None:
    """While a volume is exchanged a folder may be gone for a moment: the shipped policies must not jump in."""
    link = tmp_path / lost
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="No such file"):
        read_files(tmp_path)
    assert "No such file" in (Source(tmp_path).look().trouble or "")


def test_what_an_editor_leaves_is_no_rule_file(tmp_path: Path) -> None:
    """Some mark a file that is open with a hidden link to nowhere."""
    (tmp_path / ".#settings.yaml").symlink_to("somebody@somewhere:1")
    (tmp_path / "settings.yaml~").write_text("old")
    assert set(read_files(tmp_path)) == SHIPPED


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    """It may hold rules; here a file stands in its place, which root cannot list either."""
    (tmp_path / "prices").write_text("")
    with pytest.raises(NotADirectoryError):
        read_files(tmp_path)


def test_a_look_is_known_by_paths_and_contents(tmp_path: Path) -> None:
    """Of all files, those that the directory lacks included; trouble is something else again."""
    base = Looked({"a": b"1", "b": b"2"})
    assert base.digest == Looked({"b": b"2", "a": b"1"}).digest
    others = [
        Looked({"a": b"2", "b": b"1"}),
        Looked({"a": b"1b2"}),
        Looked({"ab": b"12"}),
        Looked(trouble="t"),
        Looked(),
    ]
    assert len({each.digest for each in (base, *others)}) == 6
    assert Source(tmp_path).look().digest == Looked(read_files(None)).digest
    assert Source(tmp_path / "nowhere").look().files == {}


def test_a_source_compiles_what_was_read_before(tmp_path: Path) -> None:
    """Under its settings, and findings have the paths of its directory."""
    source = Source(tmp_path, {"free_hours.limit": "0"})
    assert source.compile(read_files(None)).required().settings.free_hours.limit == 0
    (tmp_path / "settings.yaml").write_text("settings: []")
    (finding,) = source.compile(source.look().files).findings
    assert finding.path == str(tmp_path / "settings.yaml")
