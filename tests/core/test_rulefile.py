"""Rule files: each malformed fixture gives exactly the findings beside it, and nothing malformed gives a book."""

from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.core.catalog import Interval
from planner.core.findings import RulesError, errors, render_text
from planner.core.rulefile import SHAPES, kind_of, load, read, tree
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
    reading = read({**GOOD, place_of(path.name.split(".")[0]): path.read_bytes()})
    assert path.read_text().startswith("# ")
    assert render_text(reading.findings) + "\n" == path.with_suffix(".txt").read_text()
    assert (reading.book is None) is bool(errors(reading.findings))


def test_there_are_fixtures_enough_and_no_stray_ones() -> None:
    """At least 25, each with its text and each text with its fixture."""
    assert len(BAD) >= 25
    assert {path.stem for path in BAD} == {path.stem for path in (FILES / "bad").glob("*.txt")}


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
    assert texts({}) == [f"{path}:1:1: this file: it is not there. {remedy}" for path in paths]
    needed = {path: text for path, text in GOOD.items() if kind_of(path) in ("prices", "catalog")}
    assert load(needed).policies == ()


def test_a_file_with_the_wrong_name_is_no_rule_file() -> None:
    """A misspelt name would be silently ignored otherwise; tests and schemas are left alone."""
    assert texts({**GOOD, "setings.yaml": b""}) == [
        'setings.yaml:1:1: this file: no kind of rule file has this name. Did you mean "settings.yaml"?'
    ]
    assert texts({**GOOD, "policies/x.yml": b""}) != []
    assert texts({**GOOD, "tests/a.yaml": b"x: 1", "schema/prices.json": b"{}", "README.md": b""}) == []


@pytest.mark.parametrize(
    ("key", "text", "expected"),
    [
        (
            "free_hours.limt",
            "0",
            '--set:1:1: setting free_hours.limt: nothing reads it. Did you mean "free_hours.limit"?',
        ),
        (
            "free_hours.limit",
            "many",
            '--set:1:1: setting free_hours.limit: "value" must be a number, not "many". Write a number.',
        ),
        (
            "free_hours.limit",
            "",
            '--set:1:1: setting free_hours.limit: "value" must be a number, not nothing. Write a number.',
        ),
        (
            "free_hours.limit",
            "1e999",
            '--set:1:1: setting free_hours.limit: "value" is 1e999. It must be a finite number.',
        ),
        ("decision.confidence", "1.5", '--set:1:1: setting decision.confidence: "value" is 1.5. It must be 1 or less.'),
        (
            "code.idle_bills",
            "[",
            "--set:1:2: this file: expected the node content, but found '<stream end>'. Mend the YAML here.",
        ),
        (
            "tool_tokens.hammer",
            "5",
            (
                '--set:1:1: setting tool_tokens.hammer: no tool is called "hammer". Use one of: '
                "code_execution_20250522, code_execution_20250825, code_execution_20260120, web_fetch_20260318."
            ),
        ),
    ],
)
def test_overrides_are_checked_like_the_file(key: str, text: str, expected: str) -> None:
    """Unknown keys and wrong types on the command line are findings with a remedy, and no book."""
    reading = read(GOOD, {key: text})
    assert [finding.text() for finding in reading.findings] == [expected]
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


@pytest.mark.parametrize("name", ["jump", "implausible", "cheaper-tier", "multiplier", "free-of-charge"])
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


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"x: " + b"a" * 1_000_001, "too-large"),
        (b"prices: \xff", "not-utf-8"),
        (b"prices: [\x01]", "not-yaml"),
        (b"%YAML 1.1\n---\nprices: []\n", "not-yaml"),
        (b"? [a]\n: b\n", "not-yaml"),
        (b"prices: *nowhere\n", "not-yaml"),
    ],
)
def test_what_is_no_yaml_for_us(content: bytes, code: str) -> None:
    """Size, encoding, control characters, another YAML, list keys and loose aliases are refused with a place."""
    node, (finding,) = tree.parse("f.yaml", content)
    assert node is None
    assert finding.code == code
    assert finding.line >= 1


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(content: bytes) -> None:
    """Whatever stands in a file, reading it gives a book or findings."""
    reading = read({**GOOD, "policies/policies.yaml": content})
    assert (reading.book is None) is bool(errors(reading.findings))


@settings(max_examples=50, deadline=None)
@given(
    st.recursive(
        st.text(max_size=5) | st.integers() | st.none(),
        lambda inner: st.dictionaries(
            st.sampled_from(
                [
                    "prices",
                    "tools",
                    "name",
                    "models",
                    "from",
                    "over",
                    "settings",
                    "value",
                    "policies",
                    "then",
                    "match",
                    "bundle",
                ]
            ),
            inner | st.lists(inner, max_size=3),
            max_size=4,
        ),
        max_leaves=12,
    ),
    st.sampled_from(sorted(GOOD)),
)
def test_no_shape_breaks_the_reader(value: object, path: str) -> None:
    """Well-formed YAML of any wrong shape gives findings, never an exception."""
    reading = read({**GOOD, path: msgspec.json.encode(value)})
    assert (reading.book is None) is bool(errors(reading.findings))


def test_words_are_words() -> None:
    """YAML 1.2: `yes`, `on` and dates are text, and only quoted digits are."""
    kinds = {
        text: tree.kind_of(text) for text in ("yes", "on", "2026-11-22", "1_000", "0x10", "12", "1.", ".5", "~", ".inf")
    }
    assert kinds == {
        "yes": "str", "on": "str", "2026-11-22": "str", "1_000": "str", "0x10": "str",
        "12": "int", "1.": "float", ".5": "float", "~": "null", ".inf": "str",
    }  # fmt: skip


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_every_kind_of_file_has_a_schema(kind: str) -> None:
    """The shapes that files are read by can be written down for editors."""
    assert msgspec.json.schema(SHAPES[kind])["$defs"]
