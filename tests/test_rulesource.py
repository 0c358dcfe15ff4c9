"""Rules are read from a directory, and what it lacks comes from the copy that ships."""

from pathlib import Path

import pytest

from planner.core.findings import RulesError, errors
from planner.core.rulefile import MAX_FILES
from planner.core.rulefile.tree import MAX_BYTES
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
    """The digest says so, and a warning: whoever names a directory means something by it."""
    rules = load_rules(tmp_path)
    assert rules.required().digest == load_rules(None).required().digest
    assert [(each.path, each.code, each.level) for each in rules.findings] == [(str(tmp_path), "no-rules", "warning")]
    assert load_rules(None).findings == ()


def test_tests_are_no_part_of_the_rules(tmp_path: Path) -> None:
    """They are read by themselves, so that a broken one keeps nobody from starting."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "ours.yaml").write_text("tests: [")
    rules = load_rules(tmp_path)
    assert errors(rules.findings) == ()
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


@pytest.mark.parametrize(
    ("path", "remedy"),
    [
        ("policy/a.yaml", 'Did you mean "policies/a.yaml"?'),
        ("policies/sub/a.yaml", 'Did you mean "policies/a.yaml"?'),
        ("policies/A.YAML", 'Did you mean "policies/A.yaml"?'),
        ("policies/a.json", 'Did you mean "policies/a.yaml"?'),
        ("Prices/a.Yml", 'Did you mean "prices/a.yaml"?'),
        ("callers.json", 'Did you mean "callers.yaml"?'),
        ("policies.yaml", 'Did you mean "policies/policies.yaml"?'),
        ("a.yaml", "Use one of: catalog.yaml, callers.yaml, "),
        (
            "deploy/a/b.yaml",
            "Use one of: catalog.yaml, callers.yaml, budgets.yaml, settings.yaml, prices/anthropic.yaml, policies/s",
        ),
    ],
)
def test_what_looks_like_rules_and_is_not_read_is_told(tmp_path: Path, path: str, remedy: str) -> None:
    """Wherever it stands; nobody would hear otherwise that it says nothing."""
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("policies: [")
    (finding,) = load_rules(tmp_path).findings
    assert (finding.path, finding.code, finding.level) == (str(tmp_path / path), "unknown-file", "error")
    assert finding.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "path",
    [
        "README.md", "policies/README.md", "schema/policies.json", "schema/x.yaml", "tests/notes/x.yaml",
        ".github/workflow.yaml", "..2026_11_25/policies/a.yaml", "package.json", "notes/a.json",
    ],
)  # fmt: skip
def test_what_does_not_look_like_rules_is_left_alone(tmp_path: Path, path: str) -> None:
    """Hidden folders are those of tools, and of volumes, which keep what they show in them."""
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("policies: [")
    (tmp_path / "callers.yaml").write_text("principals: {}")
    assert load_rules(tmp_path).findings == ()


def test_folders_behind_links_are_looked_into(tmp_path: Path) -> None:
    """As a volume shows them; a link that leads back ends, and two that lead to one place are two places."""
    hidden = tmp_path / "..data" / "policies"
    hidden.mkdir(parents=True)
    (hidden / "ours.yaml").write_text("policies: []")
    (hidden / "around").symlink_to(tmp_path)
    for name in ("policies", "policy"):
        (tmp_path / name).symlink_to(hidden)
    rules = load_rules(tmp_path)
    assert "policies/ours.yaml" in rules.files
    assert str(tmp_path / "policy/ours.yaml") in [each.path for each in rules.findings]


def test_a_file_is_read_as_far_as_it_may_be_long(tmp_path: Path) -> None:
    """The rest of one that is too large is not brought into memory, and of what is no rule file nothing."""
    (tmp_path / "callers.yaml").write_bytes(b"#" * (3 * MAX_BYTES))
    (tmp_path / "notes.yaml").write_bytes(b"#" * (3 * MAX_BYTES))
    files = read_files(tmp_path)
    assert (len(files["callers.yaml"]), files["notes.yaml"]) == (MAX_BYTES + 1, b"")
    assert [each.code for each in load_rules(tmp_path).findings] == ["too-large", "unknown-file"]
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/big.yaml").write_bytes(b"#" * (3 * MAX_BYTES))
    assert {len(content) for content in read_test_files(tmp_path).values()} == {MAX_BYTES + 1}


def test_more_files_than_anybody_needs_are_not_read(tmp_path: Path) -> None:
    """One finding says so."""
    (tmp_path / "policies").mkdir()
    for number in range(MAX_FILES + 20):
        (tmp_path / f"policies/{number:03}.yaml").write_text("policies: []")
    assert [each.code for each in load_rules(tmp_path).findings] == ["too-many-files"]
    assert len(read_files(tmp_path)) < MAX_FILES + 10


def test_a_directory_of_everything_is_another_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking through it every few seconds would take long."""
    monkeypatch.setattr("planner.rulesource.MOST_ENTRIES", 5)
    for number in range(6):
        (tmp_path / f"{number}.txt").write_text("")
    with pytest.raises(OSError, match="more than 5 files and folders"):
        read_files(tmp_path)


def test_a_copy_of_the_shipped_policies_may_stand_behind_ones_own(tmp_path: Path) -> None:
    """Although it is never reached; changed by a word it is a policy like any other."""
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies/10.yaml").write_text(
        "policies:\n  - {name: none, why: w, mode: enforce, then: {bundle: never}}"
    )
    copy = (shipped_directory() / "policies/shipped.yaml").read_text(encoding="utf-8")
    (tmp_path / "policies/90.yaml").write_text(copy)
    levels = {(each.subject, each.code, each.level) for each in load_rules(tmp_path).findings}
    assert levels == {
        (f'policy "{name}"', "unreachable-policy", "warning") for name in ("shipped-bundle", "shipped-upgrade")
    }
    (tmp_path / "policies/90.yaml").write_text(copy.replace("costs tokens", "costs words"))
    assert [each.subject for each in errors(load_rules(tmp_path).findings)] == ['policy "shipped-bundle"']
