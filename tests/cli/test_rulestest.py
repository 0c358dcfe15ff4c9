"""`planner rules test`: every failure with its place, coverage, and the same as JSON and for CI systems."""

import json
import re
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree as ET

import msgspec
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from planner.cli import main
from planner.cli.rulestest import Case, Report, Unexpected, junit

FILES: Final = Path(__file__).parent.parent / "rulefiles"
GOLDEN: Final = Path(__file__).parent / "golden"
RECIPES: Final = sorted(path for path in (FILES.parent.parent / "docs" / "cookbook").iterdir() if path.is_dir())
RULES: Final = FILES.parent.parent / "rules"


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beside the directory `tested`, so that paths are the same everywhere."""
    monkeypatch.chdir(FILES)


def rules_test(*arguments: str) -> Result:
    """Run the tests of `tested`."""
    return CliRunner().invoke(main, ["rules", "test", "--rules", "tested", *arguments])


def golden(name: str, text: str) -> None:
    """Compare with a golden file; digests change with every price, so they are blanked."""
    found = re.sub(r'"(rules|prices)": "[0-9a-f]{16}"', r'"\1": "…"', text)
    assert found == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.usefixtures("there")
@pytest.mark.parametrize(("form", "name"), [("text", "tests.txt"), ("json", "tests.json"), ("junit", "tests.xml")])
def test_the_report_is_the_golden_one(form: str, name: str) -> None:
    """Failures, how they came about, coverage and the sum, in each form; the exit code says that something is wrong."""
    result = rules_test("--format", form)
    assert result.exit_code == 1
    assert result.stderr == ""
    golden(name, result.stdout)


@pytest.mark.usefixtures("there")
def test_json_is_the_shape_that_is_documented() -> None:
    """It can be read back, and `--json` is short for it."""
    result = rules_test("--json")
    assert rules_test("--format", "json").stdout == result.stdout
    report = msgspec.json.decode(result.stdout, type=Report)
    assert (report.passed, report.failed) == (2, 2)
    assert report.coverage is not None
    assert {each.name: (each.hits, each.misses) for each in report.coverage.policies}["try-upgrade"] == (0, 4)


def test_the_shipped_tests_pass() -> None:
    """With every policy covered, from a checkout and from a directory that leaves the policies as shipped."""
    result = CliRunner().invoke(main, ["rules", "test"])
    assert result.exit_code == 0, result.output
    assert re.fullmatch(r"ok: (\d+) tests: \1 passed, 0 failed; (\d+) of \2 policies covered\n", result.stdout)


def test_a_directory_whose_policies_are_the_shipped_ones_has_their_tests(tmp_path: Path) -> None:
    """And one with policies of its own has not: theirs are not tested by tests of others."""
    (tmp_path / "callers.yaml").write_text("principals: {}\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["rules", "test", "--rules", str(tmp_path)])
    assert result.exit_code == 0, result.output
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "ours.yaml").write_text("policies: []\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["rules", "test", "--rules", str(tmp_path)])
    assert result.exit_code == 1
    assert f"{tmp_path}/tests holds no tests, so nothing shows what the policies do." in result.stderr


@pytest.mark.usefixtures("there")
def test_some_tests_can_be_chosen() -> None:
    """By a glob for whole names; what is not run covers nothing, so coverage is not asked for."""
    result = rules_test("--run", "search*")
    assert (result.exit_code, result.stdout) == (0, "ok: 1 test: 1 passed, 0 failed\n")
    assert rules_test("--run", "search*", "--coverage").exit_code == 1
    assert rules_test("--run", "search*", "--json").stdout.count('"coverage": null') == 1
    nothing = rules_test("--run", "search")
    assert nothing.exit_code == 2
    assert "no test has a name like 'search'" in nothing.stderr


@pytest.mark.usefixtures("there")
def test_coverage_can_be_left_out() -> None:
    """Then only the tests count."""
    text = rules_test("--no-coverage").stdout
    assert "no test hits it" not in text
    assert text.endswith("FAILED: 4 tests: 2 passed, 2 failed\n")


def test_a_policy_that_no_test_shows_is_a_failure(tmp_path: Path) -> None:
    """Although every test passes."""
    for folder in ("policies", "tests"):
        (tmp_path / folder).mkdir()
    shipped = (RULES / "policies" / "shipped.yaml").read_text(encoding="utf-8")
    ours = "  - {name: new, why: w, mode: enforce, match: {team: [x]}, then: {container: never, parses: [v2]}}\n"
    (tmp_path / "policies" / "ours.yaml").write_text(f"{shipped}\n{ours}", encoding="utf-8")
    (tmp_path / "tests" / "ours.yaml").write_bytes((RULES / "tests" / "shipped.yaml").read_bytes())
    result = CliRunner().invoke(main, ["rules", "test", "--rules", str(tmp_path)])
    assert result.exit_code == 1
    first, last = result.stdout.splitlines()
    assert first.startswith(f"{tmp_path}/policies/ours.yaml:{shipped.count(chr(10)) + 2}:5: ")
    assert "no test hits it" in first
    assert "0 of 1 policy covered" in last


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_each_recipe_of_the_cookbook_passes_its_tests(recipe: Path) -> None:
    """With its policies covered and nothing to find in its files, since teams copy them as they stand."""
    result = CliRunner().invoke(main, ["rules", "test", "--rules", str(recipe)])
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    found = json.loads(CliRunner().invoke(main, ["rules", "check", "--rules", str(recipe), "--json"]).stdout)
    assert {each["code"] for each in found} <= {"expired-policy"}, "which depends on the day"


def test_there_are_eight_recipes() -> None:
    """Lest the test above look at nothing."""
    assert len(RECIPES) == 8


def test_settings_on_the_command_line_hold_in_tests() -> None:
    """With no free hours at all, tests of them fail: nothing is exempt."""
    result = CliRunner().invoke(main, ["rules", "test", "--set", "free_hours.limit=0"])
    assert result.exit_code == 1
    assert "expected declined (below-allowance)" in result.stdout


@pytest.mark.parametrize(
    ("content", "finding"),
    [("tests: [{nam: x}]", 'Did you mean "name"?'), ("tests: [", "Mend the YAML here.")],
)
def test_tests_with_errors_are_not_run(tmp_path: Path, content: str, finding: str) -> None:
    """Half of the tests would show half of what the other half shows."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "ours.yaml").write_text(content, encoding="utf-8")
    result = CliRunner().invoke(main, ["rules", "test", "--rules", str(tmp_path), "--json"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert f"{tmp_path}/tests/ours.yaml:1:" in result.stderr
    assert finding in result.stderr


def test_rules_with_errors_have_no_tests_run(tmp_path: Path) -> None:
    """And a directory that is not there is a usage error."""
    (tmp_path / "callers.yaml").write_text("principals: []\n", encoding="utf-8")
    assert CliRunner().invoke(main, ["rules", "test", "--rules", str(tmp_path)]).exit_code == 1
    result = CliRunner().invoke(main, ["rules", "test", "--rules", str(tmp_path / "nowhere")])
    assert result.exit_code == 2
    assert "does not exist" in result.stderr


def element(text: str) -> Any:
    """The root of a document."""
    return ET.fromstring(text.encode())  # noqa: S314 - it reads what the planner wrote


@pytest.mark.usefixtures("there")
def test_junit_is_what_ci_systems_read() -> None:
    """Element by element as in the schema that Jenkins, GitLab and GitHub's actions share; the counts add up."""
    root = element(rules_test("--format", "junit").stdout)
    assert root.tag == "testsuites"
    assert {each.tag for each in root} == {"testsuite"}
    for suite in root:
        assert set(suite.attrib) == {"name", "tests", "failures", "errors", "skipped"}
        assert {each.tag for each in suite} == {"testcase"}
        assert int(suite.get("tests")) == len(suite)
        assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
        for case in suite:
            assert set(case.attrib) == {"name", "classname"}
            assert case.get("classname") == suite.get("name")
            for failure in case:
                assert (failure.tag, set(failure.attrib)) == ("failure", {"message", "type"})
                assert failure.get("message") in failure.text
    for count in ("tests", "failures"):
        assert int(root.get(count)) == sum(int(suite.get(count)) for suite in root)
    assert [suite.get("name") for suite in root] == ["tested/tests/ours.yaml", "coverage"]


@given(st.text(), st.text(), st.booleans())
def test_junit_is_well_formed_whatever_names_hold(name: str, got: str, passed: bool) -> None:  # noqa: FBT001 - drawn
    """Quotes, angle brackets and control characters: a document that no parser takes would hide all failures."""
    because = Unexpected(line=1, col=2, about="bundle", expected="applied", got=got, because=(got,))
    test = Case(
        name=name, why=None, file="t", line=1, col=1, passed=passed, failures=() if passed else (because,), decisions=()
    )
    report = Report(passed=passed, failed=not passed, tests=(test,), coverage=None, digests={})
    (case,) = element("\n".join(junit(report))).findall("testsuite/testcase")
    assert (case.find("failure") is None) is passed
    if name.isprintable():
        assert case.get("name") == name
