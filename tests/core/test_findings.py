"""Findings are values; three renderers print them."""

import json

from planner.core.findings import Finding, RulesError, did_you_mean, errors, render_github, render_json, render_text

BAD = Finding("prices/a.yaml", 3, 7, "unknown-field", "price x", 'unknown field "inptu"', 'Did you mean "input"?')
MEEK = Finding("policies/b.yaml", 1, 2, "widens-reach", "policy y", "50% more,\nor so", "Think.", "warning")


def test_text_is_one_line_for_people() -> None:
    """The line begins with a place that an editor can open, and ends with what to do."""
    assert BAD.text() == 'prices/a.yaml:3:7: price x: unknown field "inptu". Did you mean "input"?'
    assert MEEK.text().startswith("policies/b.yaml:1:2: warning: policy y: ")
    assert render_text([BAD, BAD]) == f"{BAD.text()}\n{BAD.text()}"


def test_json_has_every_field() -> None:
    """Programs get the fields of a finding by name."""
    (first,) = json.loads(render_json([BAD]))
    assert first["line"] == 3
    assert set(first) == set(Finding.__struct_fields__)


def test_github_annotates_the_line() -> None:
    """Percent signs, line ends, colons and commas are escaped as workflow commands ask."""
    assert render_github([BAD]).startswith("::error file=prices/a.yaml,line=3,col=7,title=unknown-field::price x: ")
    assert "50%25 more,%0Aor so" in render_github([MEEK])
    assert render_github([MEEK]).startswith("::warning ")


def test_only_errors_stop_a_book() -> None:
    """Warnings are told and stop nothing."""
    assert errors([BAD, MEEK]) == (BAD,)
    assert str(RulesError([BAD])) == BAD.text()


def test_the_nearest_word_is_suggested() -> None:
    """A near word is named, else all of them, else the word should go."""
    assert did_you_mean("shaddow", ["off", "shadow"]) == 'Did you mean "shadow"?'
    assert did_you_mean("zzz", ["off", "shadow"]) == "Use one of: off, shadow."
    assert did_you_mean("zzz", []) == "Remove it."
