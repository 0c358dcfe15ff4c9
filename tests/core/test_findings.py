"""Findings are values; three renderers print them."""

import ast
import json
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import planner.core.rulefile
from planner.core.findings import (
    CODES,
    LONGEST,
    Code,
    Finding,
    RulesError,
    did_you_mean,
    errors,
    excerpt_of,
    render_github,
    render_json,
    render_text,
)

BAD = Finding("prices/a.yaml", 3, 7, "unknown-field", 'price "x"', 'unknown field "inptu"', 'Did you mean "input"?')
MEEK = Finding("policies/b.yaml", 1, 2, "widens-reach", 'policy "y"', "50% more,\nor so", "Think.", "warning")
DEEP = Finding(
    "p.yaml", 9, 14, "needs-cel", 'policy "z"', "no", "Mend it.", excerpt=excerpt_of("    when: tools < 20%", 19)
)


def test_text_is_one_line_for_people() -> None:
    """The line begins with a place that an editor can open, says what to do, and ends with what to filter by."""
    said = 'prices/a.yaml:3:7: price "x": unknown field "inptu". Did you mean "input"? [unknown-field]'
    assert BAD.text() == said
    assert MEEK.text() == 'policies/b.yaml:1:2: warning: policy "y": 50% more,\\nor so. Think. [widens-reach]'
    assert render_text([BAD, BAD]) == f"{BAD.text()}\n{BAD.text()}"


def test_an_excerpt_stands_below() -> None:
    """The line of source, and a caret under the column that is meant, in every form."""
    assert DEEP.text().splitlines()[1:] == ["    when: tools < 20%", "                  ^"]
    assert json.loads(render_json([DEEP]))[0]["excerpt"] == "when: tools < 20%\n              ^"
    assert render_github([DEEP]).endswith("Mend it.%0Awhen: tools < 20%25%0A              ^")


@pytest.mark.parametrize(
    ("source", "col", "expected"),
    [
        ("a == b", 6, "a == b\n     ^"),
        ("\t  a == b", 4, "a == b\n^"),
        ("  a", 1, "  a\n^"),
        ("a", 2, "a\n ^"),
        ("a\tb\x1bc", 5, "a b c\n    ^"),
        ("", 1, "\n^"),
        ("x" * 300 + "!" + "y" * 300, 301, "x" * 50 + "!" + "y" * 49 + "\n" + " " * 50 + "^"),
    ],
)
def test_the_caret_stands_under_its_column(source: str, col: int, expected: str) -> None:
    """Indentation is left out, a tab is one blank, and of a long line only the part around the column is shown."""
    assert excerpt_of(source, col) == expected


def test_json_has_every_field() -> None:
    """Programs get the fields of a finding by name."""
    (first,) = json.loads(render_json([BAD]))
    assert first["line"] == 3
    assert set(first) == set(Finding.__struct_fields__)


def test_github_annotates_the_line() -> None:
    """Percent signs, line ends, colons and commas are escaped as workflow commands ask."""
    assert render_github([BAD]).startswith('::error file=prices/a.yaml,line=3,col=7,title=unknown-field::price "x": ')
    assert "50%25 more,\\nor so" in render_github([MEEK])
    assert render_github([MEEK]).startswith("::warning ")


@given(st.text(max_size=3_000), st.text())
def test_no_text_of_a_file_breaks_a_line_or_commands_a_terminal(problem: str, subject: str) -> None:
    """A finding is one short line whatever it quotes: no line end, no escape, no lone surrogate."""
    finding = Finding("a.yaml", 1, 1, "wrong-type", subject, problem, "Mend it.")
    assert finding.text().isprintable()
    assert finding.text().encode()
    assert len(finding.problem) <= LONGEST * len("\\U0001f600")


def test_no_key_is_told() -> None:
    """A key that stands where its fingerprint belongs does not get into logs and pull requests."""
    key = "sk-ant-api03-abcDEF_123-xyz"
    told = Finding("a.yaml", 1, 1, "wrong-type", key, f'"{key}" no', key, excerpt=excerpt_of(f"key == '{key}'", 1))
    assert "abcDEF" not in render_text([told]) + render_json([told]) + render_github([told])
    assert 'sk-ant-********************" no' in told.text()


def test_every_code_has_a_meaning() -> None:
    """The reference lists them; a code that is not among them does not pass the type checker."""
    assert list(CODES) == sorted(get_args(Code))
    assert all(meaning.endswith(".") for meaning in CODES.values())


def test_every_code_is_in_use() -> None:
    """A code that nobody finds any more goes from the list."""
    folder = Path(planner.core.rulefile.__file__).parent
    modules = [
        *folder.glob("*.py"),
        folder.parent / "workflow" / "file.py",
        folder.parent / "preview" / "ruletest.py",
        folder.parent.parent / "rulesource.py",
    ]
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in modules]
    words = {node.value for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    assert set(CODES) <= words


def test_only_errors_stop_a_book() -> None:
    """Warnings are told and stop nothing."""
    assert errors([BAD, MEEK]) == (BAD,)
    assert str(RulesError([BAD])) == BAD.text()


def test_the_nearest_word_is_suggested() -> None:
    """A near word is named, else all of them, else the word should go."""
    assert did_you_mean("shaddow", ["off", "shadow"]) == 'Did you mean "shadow"?'
    assert did_you_mean("zzz", ["off", "shadow"]) == "Use one of: off, shadow."
    assert did_you_mean("zzz", []) == "Remove it."
