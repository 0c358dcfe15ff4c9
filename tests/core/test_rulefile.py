"""Rule files: each malformed fixture gives exactly the findings beside it, and nothing malformed gives a book."""

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import pytest

from planner.core.findings import CODES, RulesError, errors, render_text
from planner.core.rulebook.catalog import Interval
from planner.core.rulefile import KINDS, kind_of, load, read
from planner.rulesource import load_rules

FILES = Path(__file__).parent.parent / "rulefiles"
GOOD: Mapping[str, bytes] = {
    path.relative_to(FILES / "good").as_posix(): path.read_bytes() for path in sorted((FILES / "good").rglob("*.yaml"))
}
BAD = sorted((FILES / "bad").glob("*.yaml"))


def place_of(kind: str) -> str:
    """Return the good file that a malformed one of its kind takes the place of."""
    return next(path for path in GOOD if kind_of(path) == kind)


def texts(files: Mapping[str, bytes], **overrides: str) -> list[str]:
    """Return the findings of some files as lines."""
    return [finding.text() for finding in read(files, overrides).findings]


def test_the_good_files_are_good() -> None:
    """The base of the malformed fixtures has no finding at all, and its values arrive."""
    book = load(GOOD)
    assert not read(GOOD).findings
    assert book.settings.code.minimum_per == "request"
    assert book.settings.code.idle_bills is True
    assert book.settings.free_hours.limit == 10.5
    assert book.settings.tool_tokens == {"web_fetch_20260318": Interval(1, 2, 3)}
    assert book.callers.principal("77d0c4f2b8a95e16") == "reports"
    assert [each.rollout.percent for each in book.policies] == [100, 25, 100]


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_malformed_file_is_found_out(path: Path) -> None:
    """Each fixture has one defect, named in its first line, and the findings that its author should read."""
    content = path.read_bytes()
    reading = read({**GOOD, place_of(path.name.split(".")[0]): content})
    assert re.match(rb"# \w", content.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe"))
    assert render_text(reading.findings) + "\n" == path.with_suffix(".txt").read_text()
    assert len(reading.findings) == TWICE.get(path.stem, 1)
    assert (reading.book is None) is bool(errors(reading.findings))


# One defect that is told in two places: a price that is missing, and the one that stands in its place; a name that
# breaks the line and, for that, is no name for a header; an unknown tag that is asked for twice.
TWICE = {"prices.wrong-unit": 2, "policies.line-in-name": 2, "policies.when-unknown-tag": 2}


def test_there_are_fixtures_enough_and_no_stray_ones() -> None:
    """At least 60 and some of each kind, each with its text and each text with its fixture, no two for one defect."""
    assert len(BAD) >= 60
    assert {path.stem for path in BAD} == {path.stem for path in (FILES / "bad").glob("*.txt")}
    assert all(sum(path.name.startswith(f"{kind}.") for path in BAD) >= 15 for kind in KINDS)
    defects = [(path.name.split(".")[0], path.read_bytes().split(b"\n", 1)[0]) for path in BAD]
    assert len(defects) == len(set(defects))


def test_almost_every_code_has_its_fixture() -> None:
    """What can be wrong in a file is shown by one; the others are tested here, in rulefile/ or in test_ruletest.py."""
    workflows = Path(__file__).parent / "workflow" / "golden"
    told = [*(FILES / "bad").glob("*.txt"), *(FILES / "badtests").glob("*.txt"), *workflows.glob("*.txt")]
    codes = re.findall(r"\[([a-z0-9-]+)\]$", "".join(path.read_text() for path in told), re.MULTILINE)
    assert set(CODES) - set(codes) == {
        "expired-policy", "needs-cel", "no-hit", "no-miss", "no-rules", "too-many-files", "too-many-findings",
        "unknown-file",
    }  # fmt: skip


WITHOUT_CEL = """
import pathlib, sys
sys.modules["cel_expr_python"] = None
from planner.core.rulefile import read
content = pathlib.Path(sys.argv[1]).read_bytes()
print(*[finding.text() for finding in read({"policies/a.yaml": content}).findings if "policies" in finding.path])
"""


def test_a_condition_without_its_part_is_told_with_its_place() -> None:
    """Where the extra is not installed, the policies that need it are findings; nothing else changes."""
    path = FILES / "bad/policies.when-types.yaml"
    told = subprocess.run(
        [sys.executable, "-c", WITHOUT_CEL, path], capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert told.startswith('policies/a.yaml:7:11: policy "try-upgrade": "when" needs the extra cel')
    assert told.count("[needs-cel]") == 1


def test_all_problems_of_a_file_are_told_at_once() -> None:
    """In the order in which they stand."""
    reading = read({**GOOD, place_of("prices"): (FILES / "several/prices.yaml").read_bytes()})
    assert len(reading.findings) == 4
    assert render_text(reading.findings) + "\n" == (FILES / "several/prices.txt").read_text()


@pytest.mark.parametrize("path", sorted(GOOD))
def test_marks_and_line_ends_of_other_systems_change_nothing(path: str) -> None:
    """A byte order mark and CRLF are read over."""
    content = b"\xef\xbb\xbf" + GOOD[path].replace(b"\n", b"\r\n")
    assert load({**GOOD, path: content}).digest == load(GOOD).digest


def test_load_raises_all_findings_at_once() -> None:
    """The error holds every problem of every file, in the order of the files."""
    files = {**GOOD, **{place_of(kind): (FILES / "bad" / name).read_bytes() for kind, name in SEVERAL.items()}}
    with pytest.raises(RulesError) as caught:
        load(files)
    assert {finding.path for finding in caught.value.findings} == {place_of(kind) for kind in SEVERAL}
    assert list(caught.value.findings) == sorted(caught.value.findings)


SEVERAL = {
    "prices": "prices.float-money.yaml",
    "policies": "policies.no-why.yaml",
    "callers": "callers.bad-billing.yaml",
}


def test_files_that_must_be_there() -> None:
    """Without prices or catalog there is no book; the other kinds may be missing."""
    remedy = "Add it, or leave the whole kind out to get the shipped one."
    paths = ("catalog.yaml", "prices/anthropic.yaml")
    assert texts({}) == [f"{path}:1:1: this file: it is not there. {remedy} [missing-file]" for path in paths]
    needed = {path: text for path, text in GOOD.items() if kind_of(path) in ("prices", "catalog")}
    assert load(needed).policies == ()


def test_a_file_with_the_wrong_name_is_no_rule_file() -> None:
    """A misspelt name would be silently ignored otherwise; tests and schemas are left alone."""
    assert texts({**GOOD, "setings.yaml": b""}) == [
        'setings.yaml:1:1: this file: no kind of rule file has this name. Did you mean "settings.yaml"? [unknown-file]'
    ]
    assert texts({**GOOD, "policies/x.yml": b""}) != []
    assert texts({**GOOD, "tests/a.yaml": b"x: 1", "schema/prices.json": b"{}", "README.md": b""}) == []


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (
            "free_hours.limt",
            "0",
            'setting "free_hours.limt": nothing reads it. Did you mean "free_hours.limit"? [unknown-setting]',
        ),
        (
            "free_hours.limit",
            "many",
            'setting "free_hours.limit": "value" must be a number, not "many". Write a number. [wrong-type]',
        ),
        (
            "free_hours.limit",
            "",
            'setting "free_hours.limit": "value" must be a number, not nothing. Write a number. [wrong-type]',
        ),
        (
            "free_hours.limit",
            "1e999",
            'setting "free_hours.limit": "value" is 1e999. It must be a finite number. [out-of-range]',
        ),
        (
            "decision.confidence",
            "1.5",
            'setting "decision.confidence": "value" is 1.5. It must be 1 or less. [out-of-range]',
        ),
        (
            "code.idle_bills",
            "[",
            "--set:1:2: this file: expected the node content, but found '<stream end>'. Mend the YAML here. [not-yaml]",
        ),
        (
            "tool_tokens.hammer",
            "5",
            (
                'setting "tool_tokens.hammer": no tool is called "hammer". Use one of: '
                "code_execution_20250522, code_execution_20250825, code_execution_20260120, web_fetch_20260318. "
                "[unknown-tool]"
            ),
        ),
    ],
)
def test_overrides_are_checked_like_the_file(key: str, text: str, expected: str) -> None:
    """Unknown keys and wrong types on the command line are findings with a remedy, and no book."""
    reading = read(GOOD, {key: text})
    assert [finding.text().removeprefix("--set:1:1: ") for finding in reading.findings] == [expected]
    assert reading.book is None


def test_overrides_beat_the_file_and_say_so() -> None:
    """`--set` changes the value, the digest, and the row that explains it."""
    book = load(
        GOOD, {"free_hours.limit": "0", "tool_tokens.web_fetch_20260318": "7", "haiku55_tier_on": "iteration_prompt"}
    )
    assert book.settings.free_hours.limit == 0
    assert book.settings.tool_tokens["web_fetch_20260318"] == Interval(7, 7, 7)
    assert book.settings.haiku55_tier_on == "iteration_prompt"
    assert [row.key for row in book.setting_rows if row.overridden] == [
        "free_hours.limit",
        "tool_tokens.web_fetch_20260318",
    ]
    assert book.digest != load(GOOD).digest


DISCOUNTS = b"""
discounts:
  - name: enterprise
    why: "Framework agreement 2026, annex B."
    percent_off: "12.5"
    organizations: [org-1]
    models: ["claude-sonnet-5-5*"]
    from: 2026-07-01
    until: 2027-07-01
    source: contract 4711
    checked: 2026-11-22
    mark: A
  - name: enterprise
    why: "Framework agreement 2027, annex B."
    percent_off: "15"
    organizations: [org-1]
    models: ["claude-sonnet-5-5*"]
    from: 2027-07-01
    source: contract 4711
    checked: 2026-11-22
    mark: A
  - name: others
    why: "Another subsidiary, another agreement."
    percent_off: "80"
    unusual: It is a research programme.
    organizations: [org-2]
    source: contract 4712
    checked: 2026-11-22
    mark: A
  - name: hours
    why: "Container time is half."
    percent_off: "50"
    organizations: [org-1]
    components: [code_execution]
    source: contract 4711
    checked: 2026-11-22
    mark: A
  - name: mistaken
    why: "It was entered for the wrong customer."
    percent_off: "99"
    revoked: true
    source: contract 4713
    checked: 2026-11-22
    mark: A
"""


def test_discounts_are_a_layer_above_the_list() -> None:
    """They part by date, organization and component; a revoked one meets nobody; without any, nothing is discounted."""
    path = place_of("prices")
    book = load({**GOOD, path: GOOD[path] + DISCOUNTS})
    at = datetime(2026, 11, 22, tzinfo=UTC)
    kinds = ("input", "web_search", "code_execution")
    factors = {
        org: [book.prices.contracted(org).factor(kind, "claude-sonnet-5-5", at) for kind in kinds]
        for org in ("org-1", "org-2", None)
    }
    assert factors == {
        "org-1": [Fraction(7, 8), 1, Fraction(1, 2)],
        "org-2": [Fraction(1, 5)] * 3,
        None: [1, 1, 1],
    }
    assert book.digest != load(GOOD).digest
    assert load(GOOD).prices.discounts == load_rules(None).required().prices.discounts == ()


@pytest.mark.parametrize("name", ["jump", "implausible-output", "cheaper-tier", "multiplier", "free-of-charge"])
def test_what_looks_wrong_may_be_explained_or_revoked(name: str) -> None:
    """The same rows with a reason, or taken back, are no finding of that kind."""
    text = (FILES / "bad" / f"prices.{name}.yaml").read_bytes()
    codes = {finding.code for finding in read({**GOOD, place_of("prices"): text}).findings}
    assert {code.split("-")[0] for code in codes} == {"implausible"}
    for line in (b"    unusual: It was announced.\n", b"    revoked: true\n"):
        changed = text.replace(b"    source: https", line + b"    source: https")
        assert not read({**GOOD, place_of("prices"): changed.split(b"tools:")[0] + TOOLS}).findings


TOOLS = GOOD[place_of("prices")][GOOD[place_of("prices")].index(b"tools:") :]


def test_comments_and_layout_are_not_content() -> None:
    """A comment more, or a row written on one line, is the same book."""
    path = place_of("callers")
    again = {**GOOD, path: b"# new\n" + GOOD[path].replace(b"    billing: api\n", b'    billing: "api" # so\n')}
    assert load(again).digest == load(GOOD).digest
