"""Test files are read strictly: every slip of the pen is a finding with its place, and none touches the rule book."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.core.findings import errors, render_text
from planner.core.rulebook.book import RuleBook
from planner.core.rulefile import kind_of, load, read
from planner.core.rulefile.testfile import moment, places, read_tests
from planner.rulesource import load_rules, read_files

FILES: Final = Path(__file__).parent.parent.parent / "rulefiles"
BAD: Final = sorted((FILES / "badtests").glob("*.yaml"))
TESTED: Final = (FILES / "tested" / "tests" / "ours.yaml").read_bytes()
BOOK: Final = load_rules(FILES / "tested").required()
ONE: Final = b"tests: [{name: one, given: {request: {model: claude-haiku-5-5}}, expect: {edited: false}}]"


def texts(content: bytes, book: RuleBook | None = BOOK) -> list[str]:
    """The findings of one file as lines."""
    return [finding.text() for finding in read_tests({"tests/ours.yaml": content}, book).findings]


def test_good_tests_have_no_finding() -> None:
    """And know where they stand."""
    reading = read_tests({"tests/ours.yaml": TESTED}, BOOK)
    assert reading.findings == ()
    assert [(test.name, test.node.line) for test in reading.tests][:2] == [
        ("search is left alone", 3),
        ("finance is bundled", 11),
    ]
    assert reading.tests[0].place("expect", "bundle", "reason").line == 9


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_malformed_file_is_found_out(path: Path) -> None:
    """Each fixture has one defect, named in its first line, and the findings that its author should read."""
    findings = read_tests({f"tests/{path.name}": path.read_bytes()}, BOOK).findings
    assert path.read_text(encoding="utf-8").startswith("# ")
    assert render_text(findings) + "\n" == path.with_suffix(".txt").read_text(encoding="utf-8")


def test_there_are_fixtures_enough_and_no_stray_ones() -> None:
    """Each with its text and each text with its fixture."""
    assert len(BAD) >= 20
    assert {path.stem for path in BAD} == {path.stem for path in (FILES / "badtests").glob("*.txt")}


def test_a_broken_test_is_no_part_of_the_book() -> None:
    """A server that is given one starts all the same, with the same digest."""
    files = read_files(None)
    with_tests = {**files, "tests/ours.yaml": b"tests: ["}
    assert read(with_tests).findings == ()
    assert load(with_tests).digest == load(files).digest
    assert kind_of("tests/ours.yaml") is None


def test_without_a_book_names_are_not_checked() -> None:
    """Where the policies cannot be read, every name would be unknown."""
    named = ONE.replace(b"edited: false", b"matched: [nobody]")
    assert texts(named, None) == []
    assert len(texts(named)) == 1


def test_what_a_test_is_about_is_no_slip_of_the_pen() -> None:
    """A test that expects the reason unknown-model or unknown-tool names an unknown one on purpose."""
    unknown = ONE.replace(b"claude-haiku-5-5", b"claude-new-1, tools: [code_execution_20990101]")
    assert [text.split(" (")[0] for text in texts(unknown)] != []
    expected = b"bundle: {reason: unknown-model}, version: {reason: unknown-tool}"
    assert texts(unknown.replace(b"edited: false", expected)) == []


def test_names_are_unique_over_all_files() -> None:
    """Two teams may not both have a test of one name: a report could not tell them apart."""
    findings = read_tests({"tests/a.yaml": ONE, "tests/b.yaml": ONE}, BOOK).findings
    assert [(each.path, each.code) for each in findings] == [("tests/b.yaml", "duplicate-name")]
    assert "tests/a.yaml:1" in findings[0].problem


BROKEN: Final = b"""tests:
  - name: one
    given:
      request: {model: claude-haiku-55, tools: [web_serch_20250305, 5], modl: x}
      facts: {begins: true, earlier: {by: ids}, cached: maybe, at: 2026-02-30}
    expect: {edited: yes, matched: [nobody, 5], bundle: {policy: nobody-else, outcom: applied}}
  - {name: one, given: {}, expect: {}}
  - {nam: two, given: 5}
"""


def test_every_problem_of_a_test_is_told_at_once() -> None:
    """Also of one that does not read: names, contradictions, days, double names; and none of those is run."""
    reading = read_tests({"tests/ours.yaml": BROKEN}, BOOK)
    assert [(each.line, each.code) for each in reading.findings] == [
        (4, "unknown-model"),
        (4, "unknown-tool"),
        (4, "wrong-type"),
        (4, "unknown-member"),
        (5, "contradiction"),
        (5, "wrong-type"),
        (5, "wrong-type"),
        (6, "wrong-type"),
        (6, "unknown-policy"),
        (6, "wrong-type"),
        (6, "unknown-policy"),
        (6, "unknown-field"),
        (7, "duplicate-name"),
        (7, "missing-field"),
        (7, "expects-nothing"),
        (8, "missing-field"),
        (8, "unknown-field"),
        (8, "wrong-type"),
    ]
    assert reading.tests == ()


def test_a_file_with_the_wrong_ending_is_told() -> None:
    """Its tests would silently never run."""
    findings = read_tests({"tests/a.yml": ONE}, BOOK).findings
    assert [(each.code, each.level) for each in findings] == [("unknown-file", "error")]


def test_an_unknown_member_is_a_warning() -> None:
    """The API may take it by tomorrow, and it is sent as it stands."""
    reading = read_tests({"a.yaml": ONE.replace(b"-5-5", b"-5-5, new_thing: 1")}, BOOK)
    assert [each.level for each in reading.findings] == ["warning"]
    assert not errors(reading.findings)
    assert reading.tests[0].shape.given.request["new_thing"] == 1


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: b"tests:\n  - name: " + text.encode()))
def test_no_file_breaks_the_reader(content: bytes) -> None:
    """Whatever stands there, it is tests or findings."""
    reading = read_tests({"tests/x.yaml": content}, BOOK)
    assert all(finding.line >= 1 and finding.col >= 1 for finding in reading.findings)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("2026-11-22", "2026-11-22T12:00:00+00:00"),
        ("2026-11-22T09:30:00Z", "2026-11-22T09:30:00+00:00"),
        ("2026-11-22T09:30:00.5+01:00", "2026-11-22T09:30:00.500000+01:00"),
    ],
)
def test_a_day_means_its_noon(text: str, means: str) -> None:
    """A moment stands for itself."""
    assert moment(text).isoformat() == means


@pytest.mark.parametrize("text", ["2026-02-30", "1999-12-31", "3000-01-01", "2026-11-22T25:00:00Z"])
def test_a_day_that_is_none(text: str) -> None:
    """Nor one in which no price could ever hold."""
    with pytest.raises(ValueError, match=r"day|hour|month|between"):
        moment(text)
    assert len(texts(ONE.replace(b"}}, expect", f"}}, facts: {{at: '{text}'}}}}, expect".encode()))) == 1


def test_where_policies_stand() -> None:
    """By their names; what is no list of policies has none."""
    found = places({"policies/ours.yaml": (FILES / "tested" / "policies" / "ours.yaml").read_bytes()})
    assert found["finance-first"] == ("policies/ours.yaml", 9, 5)
    assert list(found) == [policy.name for policy in BOOK.policies]
    assert places({"policies/x.yaml": b"policies: 3", "prices/x.yaml": b"["}) == {}
