"""Policies are read at once: a slip in one field hides no other, neither in its row nor in others."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Final

from planner.core.rulefile import kind_of, policies_of, read
from planner.rulesource import read_files

FILES: Final = Path(__file__).parent.parent.parent / "rulefiles"
SHIPPED: Final[Mapping[str, bytes]] = {
    path: content for path, content in read_files(None).items() if kind_of(path) != "policies"
}
BROKEN: Final = """policies:
  - name: first
    why: " "
    mode: enfroce
    match: {model: [claude-opsu-5, 5], tools: [web_serch_20250305], teem: [x]}
    when: tem == "x"
    then: {tool_version: new, bundle: {act: sometimes, tool: inert}, web: {allowed_domains: [https://a.b], max_uses: 0}}
    rollout: {percent: 101}
    from: 2026-12-01
    until: 2026-11-01
  - {name: first, why: w, then: {bundle: never}}
  - {name: rest, why: w, mode: enforce, then: {bundle: never}}
  - {name: late, why: w, mode: enforce, then: {bundle: never}, holdout: 5}
"""


def found(text: str, today: date | None = None) -> list[tuple[int, str]]:
    """The findings of one file, by line and code."""
    reading = read({**SHIPPED, "policies/a.yaml": text.encode()}, today=today)
    return [(each.line, each.code) for each in reading.findings]


def test_every_problem_of_a_row_is_told_at_once() -> None:
    """Also where the row does not read: expressions, names, domains, dates, double names, and who is never reached."""
    assert found(BROKEN) == [
        (3, "out-of-range"),
        (4, "unknown-value"),
        (5, "unknown-model"),
        (5, "wrong-type"),
        (5, "unknown-tool"),
        (5, "unknown-field"),
        (6, "bad-expression"),
        (7, "unknown-value"),
        (7, "unknown-value"),
        (7, "unknown-template"),
        (7, "bad-domain"),
        (7, "out-of-range"),
        (8, "out-of-range"),
        (10, "empty-period"),
        (11, "missing-field"),
        (11, "duplicate-name"),
        (13, "unreachable-policy"),
        (13, "wrong-type"),
    ]


def test_a_row_whose_match_is_lost_stands_before_nobody() -> None:
    """Else a typing mistake in one would make all others unreachable."""
    row = "policies:\n- {name: a, why: w, mode: enforce, match: %s, then: {bundle: never}}\n"
    other = "- {name: b, why: w, mode: enforce, then: {bundle: never}}\n"
    assert found(row % "{team: x}" + other) == [(2, "wrong-type")]
    assert found(row % "{teem: [x]}" + other) == [(2, "unknown-field")]
    assert found(row % "{}" + other) == [(3, "unreachable-policy")]


def test_what_is_lost_is_not_told_twice() -> None:
    """A `then` whose only word is wrong is not empty as well."""
    assert found("policies:\n- {name: a, why: w, mode: enforce, then: {container: nevr}}") == [(2, "unknown-value")]
    assert found("policies:\n- {name: a, why: w, mode: enforce, then: 5}") == [(2, "wrong-type")]
    assert found("policies:\n- {name: a, why: w, mode: enforce, then: {web: {max_uses: 0}}}") == [(2, "out-of-range")]


def test_an_end_that_is_past_is_told_to_whoever_knows_the_day() -> None:
    """The core has no clock, and a server says nothing of it."""
    text = "policies:\n- {name: a, why: w, mode: %s, then: {bundle: never}, until: 2026-11-25}"
    assert found(text % "enforce") == []
    assert found(text % "enforce", date(2026, 11, 24)) == []
    assert found(text % "enforce", date(2026, 11, 25)) == [(2, "expired-policy")]
    assert found(text % "off", date(2026, 11, 25)) == []


def test_policies_of_some_files() -> None:
    """Those that can be read, in their order; other kinds have none."""
    files = {"policies/b.yaml": BROKEN.encode(), "policies/a.yaml": b"[", "settings.yaml": b"{}"}
    assert [policy.name for policy in policies_of(files)] == ["rest"]
