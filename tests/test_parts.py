"""A missing part skips with its name and the way to get it, or fails where it is required."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import settings

from tests.conftest import MOST_PROCESSES, pytest_xdist_auto_num_workers
from tests.parts import ALL, PARTS, ROOT, VARIABLE, must_be_there, program, required

pytest_plugins = "pytester"

TESTS = """
def test_needs(require):
    "Needs a part."
    require("promtool")

def test_needs_nothing():
    "Needs none."
"""
LEAVES_ITSELF_OUT = "import pytest\npytest.skip('not today', allow_module_level=True)\n"


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite of its own that has our conftest, on a machine without programs."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv(VARIABLE, raising=False)
    pytester.makeconftest((Path(__file__).parent / "conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(TESTS)
    return pytester


def test_a_missing_part_skips_and_says_how_to_get_it(suite: pytest.Pytester) -> None:
    """Without the variable nobody has to install anything."""
    result = suite.runpytest_inprocess("-ra", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(["*promtool is not there. Get it: apt-get install prometheus*"])


@pytest.mark.parametrize("words", ["promtool", "node, promtool", ALL])
def test_a_required_part_fails(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    """Whoever asks for a part hears when it is not there."""
    monkeypatch.setenv(VARIABLE, words)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*promtool is not there*PLANNER_TEST_REQUIRE asks for it*"])


def test_another_required_part_does_not_matter(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is required by name concerns the tests that need it."""
    monkeypatch.setenv(VARIABLE, "node")
    suite.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=1, skipped=1)


def test_no_test_is_left_out_where_all_is_required(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A skip by any other way than `require` fails as well, a whole module's included."""
    monkeypatch.setenv(VARIABLE, ALL)
    suite.makepyfile(
        test_module=LEAVES_ITSELF_OUT, test_marked="import pytest\n@pytest.mark.skip\ndef test_it(): ...\n"
    )
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "test_module.py", "test_marked.py")
    assert result.ret != pytest.ExitCode.OK
    result.assert_outcomes(errors=1)
    result = suite.runpytest_inprocess("-p", "no:cacheprovider", "test_marked.py")
    result.assert_outcomes(errors=1)


def test_a_word_that_is_no_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A misspelt part would otherwise require nothing."""
    monkeypatch.setenv(VARIABLE, "postgres,promtol")
    with pytest.raises(ValueError, match="names promtol"):
        required()


def test_the_words_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks and empty words mean nothing."""
    monkeypatch.setenv(VARIABLE, " node , ,promtool")
    assert required() == {"node", "promtool"}
    assert must_be_there("node", required())
    assert not must_be_there("chromium", required())
    assert must_be_there("chromium", frozenset({ALL}))


def test_a_program_is_found_on_the_path_or_where_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian keeps PostgreSQL's programs off the PATH."""
    for version in ("13", "15"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin/kept").touch()
    (tmp_path / "found").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert program("found")() == tmp_path / "found"
    assert program("kept")() is None
    kept = program("kept", places=f"{str(tmp_path).removeprefix('/')}/*/bin")()
    assert kept == tmp_path / "15/bin/kept"


def test_every_part_says_how_to_get_it() -> None:
    """The way is a command."""
    assert all("install " in part.get for part in PARTS.values())


@pytest.mark.parametrize(
    ("arguments", "most"),
    [(["tests"], MOST_PROCESSES), (["tests/core", "docs"], MOST_PROCESSES), (["tests/core/test_money.py::test_it"], 0)],
)
def test_named_files_run_in_this_process(arguments: list[str], most: int) -> None:
    """Others would read every test before the first one runs; whole folders have a process a core."""
    config: Any = SimpleNamespace(args=arguments, option=SimpleNamespace(collectonly=False))
    cores = os.cpu_count() or 1
    assert pytest_xdist_auto_num_workers(config) == (min(cores, most) if cores > 1 else 0)


def test_a_law_has_as_many_examples_as_the_readme_says() -> None:
    """Fifty, or five hundred for whoever asks."""
    assert "`--hypothesis-profile thorough`" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert [settings.get_profile(name).max_examples for name in ("usual", "thorough")] == [50, 500]
